"""Write the screenshots of the documentation: the window on a sample and on a real image.

    xvfb-run -a -s "-screen 0 1280x720x24" python docs/make_screenshots.py [IMAGE ...] [--out DIR]

Opens napari at 1280 x 720, restores the simulated puncta, and every IMAGE given, by teacher and
student, compares them, and writes ``NAME-restore.png`` (dark), ``NAME-compare.png`` (dark) and,
for the sample, ``NAME-compare-light.png``. Everything goes through the public face: what can be
seen here can be done from a console.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication

import napari_posterior as npo
from napari_posterior.layers import quantity_of

if TYPE_CHECKING:
    from collections.abc import Callable

PLUGIN = "napari-posterior"
SIZE = (1280, 720)
FOLDER = Path(__file__).parent / "images"


def main() -> None:
    """Take all screenshots."""
    os.environ.setdefault("NAPARI_POSTERIOR_SETTINGS", "")  # pictures of a first session
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", type=Path, help="real images to restore as well")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    take("puncta", None, options, themes=("dark", "light"))
    for image in options.images:
        take(image.stem, image, options, themes=("dark",))


def take(name: str, path: Path | None, options: Any, *, themes: tuple[str, ...]) -> None:
    """Restore and compare one image, and write its screenshots."""
    viewer = napari.Viewer(show=True)
    try:
        viewer.theme = "dark"
        viewer.window.resize(*SIZE)
        if path is None:
            viewer.open_sample(PLUGIN, name)
        else:
            viewer.open(path)
        restore, _ = viewer.window.add_plugin_dock_widget(PLUGIN, "Restore")
        viewer.window.add_plugin_dock_widget(PLUGIN, "Compare", tabify=True)
        session = npo.session(viewer)
        wait(lambda: session.state.restore.models and not session.state.restore.problems)
        session.state.restore.samples = options.samples
        restore.raise_()
        runs = session.controller.run_pair()
        wait(lambda: runs[0].progress.done >= options.samples // 2 or runs[0].run is not None)
        shoot(viewer, options.out / f"{name}-restore.png")
        for entry in runs:
            entry.job.result()
        session.compare().result()
        settle()
        for dock in viewer.window.dock_widgets.values():
            if type(dock).__name__ == "CompareDock":
                dock.parent().raise_()
        for layer in viewer.layers:
            layer.visible = quantity_of(layer) == "sd ratio"
            if layer.visible:
                viewer.layers.selection.active = layer
        for theme in themes:
            viewer.theme = theme
            suffix = "" if theme == "dark" else f"-{theme}"
            shoot(viewer, options.out / f"{name}-compare{suffix}.png")
    finally:
        viewer.close()


def shoot(viewer: Any, path: Path) -> None:
    """Write a screenshot of the whole window."""
    settle()
    pixels = viewer.window.screenshot(flash=False, canvas_only=False)
    # 256 colours are enough for a window, and a third of the bytes
    Image.fromarray(pixels[..., :3]).quantize(256).save(path, optimize=True)
    sys.stdout.write(f"{path}\n")


def settle(seconds: float = 1.0) -> None:
    """Let the window draw what is new."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def wait(there: Callable[[], object], seconds: float = 900.0) -> None:
    """Process events until something is there."""
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError("nothing came of it")
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
