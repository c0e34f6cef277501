"""Drive the whole story in a real window, and write a picture of each step.

    xvfb-run -a -s "-screen 0 1280x720x24" python docs/make_tutorial.py [--out DIR]
        [--theme light] [--samples 16]

Buttons, verdicts and a punctum are clicked with the mouse, keys are pressed, and the question
where to save a report is answered: nothing is called that a user cannot reach. The pictures
``1-open.png`` to ``7-report.png`` are those of ``docs/tutorial.md``; ``three-clicks.png`` puts the
way from a sample image to the verdicts into one, with the places of the clicks.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QListWidget, QPushButton, QScrollArea, QWidget

import napari_posterior as npo
from make_screenshots import FOLDER, PLUGIN, SIZE, settle, wait
from napari_posterior.layers import quantity_of

RING = (255, 196, 0)
MARGIN = 12


@dataclass(frozen=True)
class Click:
    """Where on a picture the mouse was pressed: a rectangle in pixels."""

    box: tuple[int, int, int, int]


class Story:
    """A window, the pictures taken of it, and what a user does in it."""

    def __init__(self, out: Path, *, theme: str) -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(*SIZE)
        self.out = out
        self.pictures: dict[str, Path] = {}
        self.restore, self.restore_dock = self.viewer.window.add_plugin_dock_widget(
            PLUGIN, "Restore"
        )
        self.session = npo.session(self.viewer)
        self.window = self.restore.window()

    def part(self, kind: type[QWidget], name: str) -> Any:
        """Find what can be seen of this name."""
        found = [one for one in self.window.findChildren(kind, name) if one.isVisible()]
        if not found:
            raise LookupError(f"{name} cannot be seen")
        return found[0]

    def click(self, button: QPushButton) -> Click:
        """Press a button, scrolled to where it can be seen."""
        self.show(button)
        place = self.place(button)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        settle(0.2)
        return place

    def choose(self, verdict: str) -> None:
        """Click a row of the verdicts."""
        rows: QListWidget = self.part(QListWidget, "verdicts")
        at = next(i for i, row in enumerate(rows.rows) if row.question == verdict)  # type: ignore[attr-defined]
        self.show(rows)
        box = rows.visualItemRect(rows.item(at))
        QTest.mouseClick(
            rows.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0), box.center()
        )
        settle(0.5)

    def click_canvas(self, world: np.ndarray) -> Click:
        """Click the canvas at a place of the world, (y, x)."""
        canvas = next(
            one
            for one in self.window.findChildren(QWidget)
            if type(one).__name__.startswith("CanvasBackend")
        )
        camera = self.viewer.scene.camera if hasattr(self.viewer, "scene") else self.viewer.camera
        centre, zoom = np.array(camera.center[-2:]), camera.zoom
        y, x = (world - centre) * zoom + np.array([canvas.height(), canvas.width()]) / 2
        point = QPoint(round(x), round(y))
        QTest.mouseMove(canvas, point)
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0), point)
        settle(0.5)
        corner = canvas.mapTo(self.window, point)
        return Click((corner.x() - 9, corner.y() - 9, corner.x() + 9, corner.y() + 9))

    def show(self, widget: QWidget) -> None:
        """Scroll to where a widget can be seen."""
        area = widget.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None:
            area.ensureWidgetVisible(widget, 0, 40)
            settle(0.2)

    def shoot(self, name: str, folder: Path | None = None) -> None:
        """Write a picture of the whole window."""
        settle()
        pixels = self.viewer.window.screenshot(flash=False, canvas_only=False)
        path = (folder or self.out) / f"{name}.png"
        # 256 colours are enough for a window, and a third of the bytes
        Image.fromarray(pixels[..., :3]).quantize(256).save(path, optimize=True)
        self.pictures[name] = path
        sys.stdout.write(f"{path}\n")

    def place(self, widget: QWidget) -> Click:
        """Say where on a picture a widget is."""
        corner = widget.mapTo(self.window, QPoint(0, 0))
        box = QRect(corner, widget.size())
        return Click((box.left(), box.top(), box.right(), box.bottom()))


def tell(story: Story, folder: Path, *, samples: int) -> None:
    """Open a sample, run both, read the verdicts, click a punctum, draw on, save the report."""
    session, state = story.session, story.session.state
    wait(lambda: state.restore.models)
    state.restore.samples = samples
    story.shoot("0-start", folder)  # for `join` only
    first = story.click(story.part(QPushButton, "open_sample"))
    wait(lambda: state.restore.image is not None and not state.restore.problems)
    wait(lambda: state.restore.cost is not None and state.restore.cost.seconds is not None, 60)
    story.shoot("1-open")

    second = story.click(story.part(QPushButton, "run_pair"))
    runs = list(state.runs)
    wait(lambda: runs[0].progress.done >= samples // 2 or runs[0].run is not None)
    story.shoot("2-running")

    wait(lambda: state.compare.report is not None)
    settle(2)
    story.shoot("3-verdicts")
    third = story.place(story.part(QListWidget, "verdicts"))

    story.choose("variance")
    story.show(story.part(QPushButton, "show_map"))
    story.shoot("4-variance")

    story.choose("task")
    for layer in story.viewer.layers:
        if quantity_of(layer) == "sd ratio":
            layer.visible = False
        if quantity_of(layer) == "samples":
            layer.visible = True
            story.viewer.layers.selection.active = layer
    points = next(one for one in story.viewer.layers if quantity_of(one) == "puncta")
    apart = np.abs(points.features["p_teacher"] - points.features["p_student"])
    middle = np.linalg.norm(points.data - points.data.mean(axis=0), axis=1)
    chosen = int(np.lexsort((middle, -np.asarray(apart)))[0])
    story.click_canvas(np.array(points.data_to_world(points.data[chosen]))[-2:])
    wait(lambda: session.controller.inspecting.state.reading is not None)
    wait(lambda: not session.controller.inspecting.state.reading_now)
    story.shoot("5-punctum")

    QTest.keyClick(story.part(QWidget, "inspector"), Qt.Key.Key_Escape)
    before = state.compare.report
    story.click(story.part(QPushButton, "next_look"))
    wait(lambda: state.compare.report is not before and state.compare.report is not None)
    settle(2)
    story.shoot("6-next-look")

    QFileDialog.getExistingDirectory = staticmethod(lambda *_, **__: str(folder))  # type: ignore[method-assign]
    story.click(story.part(QPushButton, "save_report"))
    wait(lambda: list(folder.glob("*/report.html")))
    settle(1)
    story.shoot("7-report")
    join(story, (first, second, third))


def join(story: Story, clicks: tuple[Click, Click, Click]) -> None:
    """Put the way to the verdicts into one picture: the docks, with rings where to click."""
    names = ("0-start", "1-open", "3-verdicts")
    words = ("1. Open a sample image", "2. Run teacher and student", "3. Read seven verdicts")
    left = min(click.box[0] for click in clicks) - MARGIN
    width, height, head = SIZE[0] - left, SIZE[1], 40
    font = ImageFont.load_default(20)
    whole = Image.new("RGB", (3 * width + 2 * MARGIN, height + head), "white")
    draw = ImageDraw.Draw(whole)
    for i, (name, text, click) in enumerate(zip(names, words, clicks, strict=True)):
        panel = Image.open(story.pictures[name]).convert("RGB")
        grown = (click.box[0] - 4, click.box[1] - 4, click.box[2] + 4, click.box[3] + 4)
        ImageDraw.Draw(panel).rounded_rectangle(grown, 8, outline=RING, width=3)
        place = i * (width + MARGIN)
        whole.paste(panel.crop((left, 0, SIZE[0], height)), (place, head))
        draw.text((place + 4, 8), text, fill="black", font=font)
    path = story.out / "three-clicks.png"
    whole.quantize(256).save(path, optimize=True)
    sys.stdout.write(f"{path}\n")


def main() -> None:
    """Tell the story once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER / "tutorial")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--theme", default="dark")
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # the pictures name no folder of this machine
        folder = Path("results")
        folder.mkdir()
        story = Story(out, theme=options.theme)
        try:
            tell(story, folder, samples=options.samples)
        finally:
            story.viewer.close()
            os.chdir(out)


if __name__ == "__main__":
    main()
