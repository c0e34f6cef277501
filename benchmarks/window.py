"""Does the window stay quick while samples are drawn? Gaps of a timer in the thread of the window.

    xvfb-run -a -s "-screen 0 1280x720x24" python benchmarks/window.py [--samples 16]

Opens napari with both docks on the simulated puncta (256 x 256), draws teacher and student, and
compares them. Printed, in milliseconds:

docks
    from the call until the dock is shown, after napari is up; and of a second viewer, when
    everything is imported.
gaps
    between two ticks of a timer of 2 ms: median, 99th percentile and largest; while idle, while
    samples are drawn, while runs are compared for the first time and again, and while napari adds
    one layer by itself. Drawing by napari and other processes count in.
own code
    of every event of a job in the thread of the window, and of every tick of the session: the
    same three numbers. This is what the plugin itself keeps the window from.
cores
    processor seconds of the process per second while samples are drawn.
"""

from __future__ import annotations

import argparse
import resource
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

import napari_posterior as npo
from napari_posterior.layers import ViewerLayers
from napari_posterior.session.controller import Controller
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLUGIN = "napari-posterior"
DOCKS = ("Restore", "Compare")


class Metronome:
    """A timer that notes the gaps between its ticks."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(2)
        self._timer.timeout.connect(self._tick)

    @contextmanager
    def beating(self) -> Iterator[list[float]]:
        """Note gaps in milliseconds."""
        self.gaps.clear()
        self._last = time.perf_counter()
        self._timer.start()
        yield self.gaps
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last))
        self._last = now


def timed(owner: type, name: str, spent: dict[str, list[float]]) -> None:
    """Note how long every call of a method takes, by its name or that of the event it gets."""
    method = getattr(owner, name)

    def wrapped(self: Any, *args: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(self, *args)
        finally:
            key = type(args[0]).__name__ if args else f"{owner.__name__}.{name}"
            spent.setdefault(key, []).append(1000 * (time.perf_counter() - start))

    setattr(owner, name, wrapped)


def live(until: Callable[[], object]) -> None:
    """Process events until something is there."""
    while not until():
        QApplication.processEvents()
        time.sleep(0.0005)


def live_for(seconds: float) -> None:
    """Process events for a while."""
    end = time.monotonic() + seconds
    live(lambda: time.monotonic() > end)


def tell(what: str, values: list[float]) -> None:
    """Print median, 99th percentile and maximum."""
    middle, high = np.percentile(values, (50, 99))
    print(f"{what:34s} {middle:7.1f} {high:7.1f} {max(values):7.1f}   n = {len(values)}")


def open_docks(viewer: Any, name: str) -> None:
    """Open both docks and print how long each takes."""
    for dock in DOCKS:
        start = time.perf_counter()
        widget, _ = viewer.window.add_plugin_dock_widget(PLUGIN, dock, tabify=True)
        live(widget.isVisible)
        print(f"{name}: {dock:34s} {1000 * (time.perf_counter() - start):7.0f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--model", default="fluo2d")
    options = parser.parse_args()
    spent: dict[str, list[float]] = {}
    timed(ThreadedJob, "publish", spent)
    timed(Controller, "refresh", spent)
    timed(ViewerLayers, "refresh", spent)
    viewer = napari.Viewer()
    viewer.open_sample(PLUGIN, "puncta")
    live(lambda: True)
    open_docks(viewer, "first viewer")
    session = npo.session(viewer)
    live(lambda: session.state.restore.models)
    session.state.restore.model = options.model
    session.state.restore.samples = options.samples
    metronome = Metronome()
    print(f"{'':34s}  median    99 %     max   (ms)")
    with metronome.beating() as gaps:
        live_for(3)
    tell("gaps, idle", gaps)
    entries = session.controller.run_pair()
    live(lambda: entries[0].progress.done or entries[0].message)  # torch and the model are loaded
    used, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with metronome.beating() as gaps:
        live(lambda: all(one.state in ("done", "failed") for one in entries))
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    tell("gaps, samples are drawn", gaps)
    for what in ("gaps, runs are compared", "gaps, compared again"):
        before = session.state.compare.report
        with metronome.beating() as gaps:
            session.compare()
            live(lambda before=before: session.state.compare.report is not before)
            live(lambda: session.state.compare.state == "done")
            live_for(0.5)  # what the report brings
        tell(what, gaps)
    with metronome.beating() as gaps:
        viewer.add_image(np.zeros((256, 256), np.float32), visible=False)
        live_for(0.5)
    tell("gaps, napari adds a layer", gaps)
    for name, values in spent.items():
        tell(f"own code, {name}", values)
    tell("own code, everything", [one for values in spent.values() for one in values])
    cores = (after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime) / seconds
    print(f"processor seconds per second while samples are drawn: {cores:.2f}")
    viewer.close()
    second = napari.Viewer()
    open_docks(second, "second viewer")
    second.close()


if __name__ == "__main__":
    main()
