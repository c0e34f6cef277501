"""``napari-posterior restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_posterior import api
from napari_posterior.cli.lines import Lines
from napari_posterior.cli.outcome import INTERRUPTED, note, say
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.camera_files import read_camera

if TYPE_CHECKING:
    from napari_posterior.runs.run import Run

__all__ = ["announce", "draw", "given_camera", "run_restore", "whole_number"]


def run_restore(
    image: str,
    *,
    camera: Path | None,
    gain: float | None,
    offset: float | None,
    read_noise: float | None,
    out: Path | None,
    resume: Path | None,
    **options: Any,
) -> None:
    """Restore an image file and say where the run is.

    Raises
    ------
    PosteriorError
        As `napari_posterior.restore` does.
    """
    known = given_camera(camera, gain, offset, read_noise)
    if out is None and resume is None:
        correction = (options.get("correction") or "").partition(":")[0]
        words = [Path(image).name.split(".")[0], options["sampler"], correction]
        out = Path("-".join(filter(None, words)))
    announce(draw(image, camera=known, out=out, resume=resume, **options))


def draw(image: str | Path, **options: Any) -> Run:
    """Restore with progress on the standard error stream; leave with 130 after Ctrl-C."""
    run = api.restore(str(image), progress=True, on_event=Lines(options["sampler"]), **options)
    if run.state == "cancelled":
        note(
            f"napari-posterior: stopped; {len(run)} of {run.request.samples} samples are kept in "
            f"{run.path}, go on with --resume {run.path}"
        )
        raise typer.Exit(INTERRUPTED)
    return run


def announce(run: Run) -> None:
    """Say what was drawn, how long it took and where it is."""
    count = f"{len(run)} sample{'s' * (len(run) != 1)}"
    say(f"{run.request.label}: {count} in {run.seconds:.1f} s, in {run.path}")


def whole_number(text: str, option: str, otherwise: str) -> int | str:
    """Return ``"auto"`` or the number that a text is.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"{option} is {text!r}; give a whole number, or {otherwise}") from error


def given_camera(
    file: Path | None, gain: float | None, offset: float | None, read_noise: float | None
) -> Camera | None:
    """Return the camera of a file or of three numbers; None where nothing is given.

    Raises
    ------
    InputError
        If both are given, or some of the numbers.
    """
    given = {"--gain": gain, "--offset": offset, "--read-noise": read_noise}
    if file is not None:
        if extra := [name for name, value in given.items() if value is not None]:
            raise InputError(f"give either --camera or {' and '.join(extra)}, not both")
        return read_camera(file)
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if gain is None or offset is None or read_noise is None:
        raise InputError(
            f"a camera needs {', '.join(given)} together; give {' and '.join(missing)} too, or "
            "none of them to have the camera estimated"
        )
    return Camera(gain=gain, offset=offset, read_noise=read_noise)
