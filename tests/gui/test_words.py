from __future__ import annotations

import pytest
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLabel, QListWidget, QWidget
from wording import forbidden_in

from napari_posterior.widgets.session import session
from napari_posterior.widgets.verdict_strip import VerdictStrip

pytestmark = pytest.mark.gui

LONG = 60_000  # milliseconds
STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}


def words_of(window: QWidget) -> dict[str, str]:
    """Return what every widget of ours says: its text, tooltip and what a screen reader is told."""
    found = {}
    for widget in window.findChildren(QWidget):
        told = [widget.toolTip(), widget.accessibleName(), widget.accessibleDescription()]
        if isinstance(widget, QLabel | QAbstractButton):
            told.append(widget.text().replace("\u200b", ""))
        if isinstance(widget, QComboBox):
            told += [widget.itemText(i) for i in range(widget.count())]
        if isinstance(widget, QListWidget):
            told += [widget.item(i).text() for i in range(widget.count())]
        found[f"{type(widget).__name__} {widget.objectName()} {len(found)}"] = " | ".join(told)
    return found


def test_no_dock_and_no_dialog_promises_what_no_comparison_can(
    make_napari_viewer_proxy, measured_image, stored_run, qtbot
):
    from napari_posterior.widgets.log_window import open_log
    from napari_posterior.widgets.models_dialog import open_models_dialog

    viewer = make_napari_viewer_proxy(show=True)
    docks = [
        viewer.window.add_plugin_dock_widget("napari-posterior", name)[1]
        for name in ("Restore", "Compare")
    ]
    windows = [*docks, open_models_dialog(viewer), open_log(viewer)]
    image = measured_image("yx")
    found = session(viewer)
    for fields in ({"seed": 1}, {"seed": 1, "spread": 2.0, **STUDENT}):
        found.controller.add_run(stored_run(image, **fields))
    seen = {}

    def look() -> None:
        for window in windows:
            name = type(window).__name__
            seen.update({(name, where): words for where, words in words_of(window).items()})

    look()
    found.compare(question="puncta")
    qtbot.waitUntil(lambda: found.state.compare.report is not None, timeout=LONG)
    docks[1].parentWidget().raise_()
    strip = docks[1].findChild(VerdictStrip, "verdicts")
    qtbot.waitUntil(lambda: len(strip.rows) == 7, timeout=LONG)
    for row in strip.rows:
        strip.choose(row.question)
        qtbot.wait(20)
        look()

    said = "\n".join(seen.values())
    assert "not enough samples" in said
    assert len(seen) > 100
    promised = {where: forbidden_in(words) for where, words in seen.items()}
    assert not {where: words for where, words in promised.items() if words}
    for window in windows[2:]:
        window.close()
