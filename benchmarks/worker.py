"""Is sampling slower beside a window? Runs of the window's worker against runs of a script.

    xvfb-run -a -s "-screen 0 1280x720x24" python benchmarks/worker.py [--size 512] [--samples 8]

Linux only. Opens napari with the restore dock, and draws the same samples in turn by
`napari_posterior.restore` in the main thread and by `session(viewer).restore` on the window's
worker, which shows them while they come. The window leaves one core free, so the script is given as
many threads as the worker: all cores but one. Printed, for the thread that samples, from the
beginning of the first sample to the end of the run, median [least, largest] of the rounds in
seconds:

wall
    by the clock; the target is that the worker takes at most 1.10 of the script.
computing
    on a core.
queueing
    ready, and no core free: for other programs, and for the drawing of the window, which takes
    several cores itself where it is done in software.
blocked
    waiting for the interpreter, which the window's thread holds while it runs Python, or a disk.

"without queueing" is the ratio that a machine with a core to spare would show.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import torch
from qtpy.QtCore import QEventLoop, QTimer

import napari_posterior as npo
from engine import CAMERA, PSF, simulate
from napari_posterior.api import draw as drawing
from napari_posterior.runs import runner
from napari_posterior.session.threads import usable_cores
from timing import machine, middle

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 1.10
PLUGIN, DOCK = "napari-posterior", "Restore"


@dataclass(frozen=True)
class Spent:
    """Where the seconds of a thread went."""

    wall: float
    computing: float
    queueing: float

    @classmethod
    def so_far(cls) -> Spent:
        """Read the clocks of this thread."""
        told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()
        return cls(time.perf_counter(), int(told[0]) / 1e9, int(told[1]) / 1e9)

    def since(self, start: Spent) -> Spent:
        """Return what was spent since another reading."""
        return Spent(
            self.wall - start.wall,
            self.computing - start.computing,
            self.queueing - start.queueing,
        )

    @property
    def blocked(self) -> float:
        """Neither computing nor queueing."""
        return self.wall - self.computing - self.queueing

    @property
    def unhindered(self) -> float:
        """Seconds without queueing."""
        return self.wall - self.queueing


def watch_sampling(spent: list[Spent]) -> None:
    """Note what every run of the engine spends, in whichever thread it works."""
    plain = runner.run_sampling

    def watched(*args: Any, **options: Any) -> Any:
        start = Spent.so_far()
        try:
            return plain(*args, **options)
        finally:
            spent.append(Spent.so_far().since(start))

    runner.run_sampling = drawing.run_sampling = watched


def live(until: Callable[[], object]) -> None:
    """Let Qt process events, as it does in napari, until something is there."""
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() else None)
    timer.start(50)
    loop.exec()


def main() -> None:
    """Draw in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo2d")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(max(1, usable_cores() - 1))
    asked: dict[str, Any] = {"model": options.model, "steps": options.steps}
    asked |= {"samples": options.samples, "camera": CAMERA, "psf": PSF, "device": "cpu"}
    image = simulate(options.size)
    viewer = napari.Viewer()
    layer = viewer.add_image(image, name="spots")
    viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    session = npo.session(viewer)
    spent: list[Spent] = []
    watch_sampling(spent)

    def script() -> None:
        with tempfile.TemporaryDirectory() as folder:
            npo.restore(image, out=Path(folder) / "run", progress=False, **asked)

    def window() -> None:
        job = session.restore(layer, **asked)
        live(lambda: job.state in ("done", "failed", "cancelled"))
        if job.state != "done":
            raise SystemExit(f"the run did not finish: {job.progress.sentence}")

    ways = {"script": script, "window": window}
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    print(f"{machine()} of {usable_cores()} cores")
    print(f"{options.size} x {options.size}, {options.samples} samples, {options.steps} steps")
    for number in range(options.rounds + 1):  # the first warms up
        for name, draw in ways.items():
            asked["seed"] = number
            spent.clear()
            draw()
            if number:
                found[name].append(spent[0])
    viewer.close()
    tell(found)


def tell(found: dict[str, list[Spent]]) -> None:
    """Print the table and the ratios; ratios are of one round."""
    for name, rounds in found.items():
        for what in ("wall", "computing", "queueing", "blocked"):
            print(f"{name:8s}{what:12s}{middle([getattr(one, what) for one in rounds], 2):>22s}")
    pairs = list(zip(found["window"], found["script"], strict=True))
    ratios = {"wall": [a.wall / b.wall for a, b in pairs]}
    ratios["without queueing"] = [a.unhindered / b.unhindered for a, b in pairs]
    for what, values in ratios.items():
        print(f"window over script, {what:18s}{middle(values)}   target {TARGET}")


if __name__ == "__main__":
    main()
