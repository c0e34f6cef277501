"""Is sampling slower beside a window? Runs of the window's worker against runs of a script.

    xvfb-run -a -s "-screen 0 1280x720x24" python benchmarks/worker.py [--size 512] [--samples 8]

Opens napari with the restore dock, and draws the same samples in turn by `napari_posterior.restore`
in the main thread and by `session(viewer).restore` on the window's worker, which shows them while
they come and counts their puncta. The window leaves one core free, so the script is given as many
threads as the worker: all cores but one. Printed: seconds of a run, and the worker's over the
script's of the same round; median [least, largest]. The target is 1.10 for the wall clock. The
processor seconds of the window's side hold its drawing and its counting, in other threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import torch
from qtpy.QtWidgets import QApplication

import napari_posterior as npo
from engine import CAMERA, PSF, simulate
from napari_posterior.session.threads import usable_cores
from timing import Clock, machine, middle

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 1.10
PLUGIN, DOCK = "napari-posterior", "Restore by posterior samples"


def live(until: Callable[[], object]) -> None:
    """Process events until something is there."""
    while not until():
        QApplication.processEvents()
        time.sleep(0.002)


def main() -> None:
    """Draw in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo2d")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    threads = max(1, usable_cores() - 1)
    torch.set_num_threads(threads)
    asked: dict[str, Any] = {"model": options.model}
    asked |= {"steps": options.steps, "samples": options.samples}
    asked |= {"camera": CAMERA, "psf": PSF, "device": "cpu"}
    image = simulate(options.size)
    viewer = napari.Viewer()
    layer = viewer.add_image(image, name="spots")
    viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    session = npo.session(viewer)

    def script() -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            npo.restore(image, out=out, progress=False, **asked)

    def window() -> None:
        job = session.restore(layer, **asked)
        live(lambda: job.state in ("done", "failed", "cancelled"))
        if job.state != "done":
            raise SystemExit(f"the run did not finish: {job.progress.sentence}")

    ways = {"script": script, "window": window}
    clocks: dict[str, list[Clock]] = {name: [] for name in ways}
    print(f"{machine()} of {usable_cores()} cores")
    print(f"{options.size} x {options.size}, {options.samples} samples, {options.steps} steps")
    for number in range(options.rounds + 1):  # the first warms up
        for name, draw in ways.items():
            asked["seed"] = number
            clock = Clock()
            with clock.running():
                draw()
            if number:
                clocks[name].append(clock)
    pairs = list(zip(clocks["window"], clocks["script"], strict=True))
    for name, found in clocks.items():
        print(f"{name}: {middle([clock.wall for clock in found], 2)} s")
    print(f"window over script, wall       {middle([a.wall / b.wall for a, b in pairs])}")
    print(f"window over script, processor  {middle([a.cpu / b.cpu for a, b in pairs])}")
    print(f"target {TARGET} by the wall clock")
    viewer.close()


if __name__ == "__main__":
    main()
