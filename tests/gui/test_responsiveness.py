from __future__ import annotations

import time

import numpy as np
import pytest

from napari_posterior.widgets.console import find_run

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LIMIT = 50.0  # milliseconds
LONG = 120_000


class Metronome:
    """A timer of the window's thread that notes how long that thread computed between two ticks.

    In milliseconds of its processor time: what another process takes is not the window's fault.
    What the clock on the wall says is measured by ``benchmarks/window.py``.
    """

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(2)
        self._timer.timeout.connect(self._tick)

    def __enter__(self) -> list[float]:
        self._gaps: list[float] = []
        self._last = time.thread_time()
        self._timer.start()
        return self._gaps

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.thread_time()
        self._gaps.append(1000 * (now - self._last))
        self._last = now


def test_the_window_is_never_kept_waiting_while_samples_are_drawn(
    make_napari_viewer, tiny_bundle, measured, quick, qtbot
):
    import napari_posterior as npo
    from napari_posterior.widgets.compare import CompareDock
    from napari_posterior.widgets.restore import RestoreDock

    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.tile(measured, (2, 2)), name="cell")
    for dock in (RestoreDock(viewer), CompareDock(viewer)):
        viewer.window.add_dock_widget(dock)
    session = npo.session(viewer)
    options = {**quick, "model": str(tiny_bundle), "sampler": "teacher", "samples": 150}
    first = session.restore("cell", **{**options, "samples": 1})
    qtbot.waitUntil(lambda: find_run(session.controller, first).run is not None, timeout=LONG)

    with Metronome() as drawing:
        job = session.restore("cell", **options)
        qtbot.waitUntil(lambda: find_run(session.controller, job).run is not None, timeout=LONG)

    assert len(job.result()) == 150
    assert len(drawing) > 200
    assert np.percentile(drawing, 99) <= LIMIT
