"""Each room in a fresh interpreter: what it brings in, and that imports go one way."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import napari_posterior

WINDOW = ("napari", "qtpy", "superqt", "magicgui", "pyqtgraph", "PyQt6", "PySide6")

# What must come up at once, without torch.
FRONT = (
    "errors",
    "image",
    "api",
    "cli",
    "session",
    "session.controller",
    "runs.request",
    "runs.events",
    "runs.store",
    "runs.provenance",
)
# Every room that knows no window; all its modules are imported.
ROOMS = (
    "durations",
    "errors",
    "image",
    "numerals",
    "physics",
    "sampling",
    "networks",
    "bundles",
    "runs",
    "statistics",
    "checks",
    "correction",
    "training",
    "toys",
    "api",
    "cli",
    "session",
)
WINDOW_ROOMS = ("layers", "widgets")
IMPORT_ROOM = """
import importlib, pkgutil
room = importlib.import_module("napari_posterior.{room}")
for module in pkgutil.walk_packages(getattr(room, "__path__", []), room.__name__ + "."):
    importlib.import_module(module.name)
"""


def run_fresh(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def brought_in_by(code: str, *, looked_for: tuple[str, ...]) -> set[str]:
    ask = f"import json, sys; print(json.dumps([m for m in {looked_for!r} if m in sys.modules]))"
    return set(json.loads(run_fresh(f"{code}\n{ask}")))


def test_package_brings_in_neither_torch_qt_nor_napari():
    assert not brought_in_by("import napari_posterior", looked_for=("torch", "numpy", *WINDOW))


@pytest.mark.parametrize("room", FRONT)
def test_front_room_comes_up_without_torch_and_window(room):
    code = f"import napari_posterior.{room}"
    assert not brought_in_by(code, looked_for=("torch", *WINDOW))


@pytest.mark.parametrize("room", ROOMS)
def test_room_below_the_window_brings_in_no_window(room):
    assert not brought_in_by(IMPORT_ROOM.format(room=room), looked_for=WINDOW)


def test_every_room_is_looked_at(repository):
    package = repository / "src" / "napari_posterior"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    rooms |= {path.stem for path in package.glob("*.py")}
    assert rooms == {"__init__", "commands", *WINDOW_ROOMS, *ROOMS}


def test_commands_of_the_manifest_bring_in_neither_torch_nor_qt():
    qt = tuple(kit for kit in WINDOW if kit != "napari")
    assert not brought_in_by("import napari_posterior.commands", looked_for=("torch", *qt))


def test_layers_bring_in_napari_but_neither_torch_nor_qt():
    found = brought_in_by(IMPORT_ROOM.format(room="layers"), looked_for=("torch", *WINDOW))
    assert found == {"napari"}


def test_widgets_bring_in_no_torch():
    assert not brought_in_by(IMPORT_ROOM.format(room="widgets"), looked_for=("torch",))


def test_importing_the_package_takes_less_than_a_tenth_of_a_second():
    code = (
        "import time; start = time.process_time(); import napari_posterior; "
        "print(time.process_time() - start)"
    )
    assert min(float(run_fresh(code)) for _ in range(3)) < 0.1


def test_every_public_name_is_found():
    for name in napari_posterior.__all__:
        assert getattr(napari_posterior, name) is not None
        assert name in dir(napari_posterior)


@pytest.mark.parametrize(
    "before", ["", "import napari_posterior.session.controller", "npo.session"]
)
def test_the_room_of_sessions_is_the_public_function_too(before):
    asked = (
        f"import napari_posterior as npo\n{before}\n"
        "import napari_posterior.session.threads as below\n"
        "from napari_posterior import session\n"
        "assert npo.session is session and session.threads is below and callable(session)"
    )
    assert not brought_in_by(asked, looked_for=("torch", *WINDOW))


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'verdict_of_the_day'"):
        napari_posterior.verdict_of_the_day  # noqa: B018


def test_imports_go_one_way(repository):
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
