"""``napari-posterior doctor``: what is installed, and whether it is whole."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

import napari_posterior
from napari_posterior.bundles.catalogue import cache_folder, entries
from napari_posterior.bundles.checksums import find_problems
from napari_posterior.cli.outcome import BAD_INPUT, say
from napari_posterior.errors import PosteriorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["run_doctor"]

_PACKAGES = ("torch", "numpy", "scipy", "zarr", "safetensors", "tifffile", "napari", "qtpy")
_BINDINGS = ("PyQt6", "PySide6")
_ROOM = 1e9


def run_doctor() -> None:
    """Write the report; leave with 2 if something has to be put right."""
    say(f"napari-posterior {napari_posterior.__version__}")
    say(f"Python {platform.python_version()}, {platform.platform()}")
    for name in _PACKAGES:
        say(f"{name}: {_version(name)}")
    device, problems = _device()
    problems += [*_models(device), *_window(), *_disk()]
    say("\nAll is well." if not problems else "\nTo be put right:")
    for problem in problems:
        say(f"- {problem}")
    if problems:
        raise typer.Exit(BAD_INPUT)


def _device() -> tuple[str | None, list[str]]:
    try:
        from napari_posterior.bundles.device import describe_device, pick_device

        device = pick_device("auto")
        say(f"device: {describe_device(device)}, {os.cpu_count()} CPU cores")
    # An installation of torch that is broken can raise anything when it is imported.
    except Exception as error:
        say("device: unknown, torch cannot be imported")
        return None, [
            f"torch cannot be imported ({type(error).__name__}: {error}); install it again"
        ]
    return device, []


def _models(device: str | None) -> Iterator[str]:
    found = entries()
    for entry in found:
        if entry.card is None:
            say(f"model {entry.name}: its card cannot be read")
            yield entry.problem
            continue
        problems = find_problems(entry.folder, entry.card.files)
        state = "damaged" if problems else f"whole, {len(entry.card.files)} files match"
        for problem in problems:
            yield f"the bundle {entry.folder}: {problem}; get the bundle again"
        if entry.origin == "shipped" and device is not None and not problems:
            told, problem = _self_test(entry.folder, device)
            state += f", {told}"
            if problem:
                yield problem
        say(f"model {entry.name} {entry.card.version} ({entry.origin}): {state}")
    if not any(entry.origin == "shipped" for entry in found):
        say("model: none is shipped")
        yield "no model came with the package; install napari-posterior again"
    say(f"cache: {cache_folder()}")


def _self_test(folder: Path, device: str) -> tuple[str, str]:
    """Return a phrase on the outcome, and a sentence if something has to be put right."""
    try:
        from napari_posterior.bundles.bundle import open_bundle
        from napari_posterior.bundles.selftest import check_selftest, has_selftest

        bundle = open_bundle(folder)
        if not has_selftest(bundle.card):
            return "no self-test", ""
        found = check_selftest(bundle, device)
    except PosteriorError as error:
        return "self-test refused", str(error)
    # A broken driver can raise anything when networks run.
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return "self-test stopped", f"networks do not run on {device} ({what}); use --device cpu"
    if found.passed:
        return found.words, ""
    problem = f"the bundle {folder} does not draw what it drew when it was written"
    return found.words, f"{problem}; install napari-posterior again, or use another --device"


def _window() -> Iterator[str]:
    bindings = [name for name in _BINDINGS if find_spec(name) is not None]
    say(f"Qt: {', '.join(bindings) or 'none (for a window, install napari-posterior[all])'}")
    if sys.platform.startswith("linux"):
        display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
        say(f"display: {display or 'none (the command line needs none)'}")
    yield from ()


def _disk() -> Iterator[str]:
    from pathlib import Path

    here = Path.cwd()
    free = _free(here)
    if free is None:
        yield f"the free space of {here} cannot be found out"
        return
    say(f"free disk: {free / 1e9:.1f} GB in {here}")
    if free < _ROOM:
        yield f"less than {_ROOM / 1e9:g} GB of disk are free in {here}; free some for runs"


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
