"""What a comparison costs: seconds and memory, for all checks that need no new draws.

    python benchmarks/checks.py [--samples 64] [--size 512] [--rounds 3]

Two runs of so many samples each lie on disk; the samples are a simulated scene with smooth noise
and spots that come and go. Each round compares them in a new process, and prints seconds, the peak
of its memory over that of a process that has only imported what is needed, and the verdicts.
Target: 64 + 64 samples of 512 x 512 in 60 s on two cores, in 2 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import ndimage

import napari_posterior as npo
from napari_posterior.checks.build import build_report
from napari_posterior.physics.measurement import Measurement
from timing import machine, middle

CAMERA, PSF = npo.Camera(2.0, 100.0, 1.5), npo.Psf(1.5)


@dataclass
class Stored:
    """A run as the checks see it, with its samples on disk."""

    samples: Any
    input: np.ndarray
    request: Any

    def measurement(self, plane: int) -> Measurement:
        """Return the measurement."""
        return Measurement(self.input, CAMERA, PSF, 0.0)


def make_runs(folder: Path, size: int, count: int) -> None:
    """Write a measurement and two runs of it."""
    generator = np.random.default_rng(0)
    level = 15 + 10 * ndimage.gaussian_filter(generator.normal(size=(size, size)), 20) * 40
    level = np.maximum(level, 3)
    spots = np.zeros((size, size))
    places = generator.integers(4, size - 4, (size * size // 900, 2))
    spots[places[:, 0], places[:, 1]] = 2 * np.pi * 30
    truth = level + ndimage.gaussian_filter(spots, 1)
    y = CAMERA.gain * generator.poisson(ndimage.gaussian_filter(truth, PSF.blur_sigma)) + 100
    np.save(folder / "y.npy", np.round(y).astype(np.float32))
    for name in ("teacher", "student"):
        samples = np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", np.float32, (count, size, size)
        )
        for k in range(count):
            there = np.zeros((size, size))
            kept = places[generator.uniform(size=len(places)) < 0.7]
            there[kept[:, 0], kept[:, 1]] = 2 * np.pi * 30
            noise = ndimage.gaussian_filter(generator.normal(size=(size, size)), 1.5) * 5
            samples[k] = level + ndimage.gaussian_filter(there, 1) + np.sqrt(level) * noise
        samples.flush()


def open_runs(folder: Path) -> list[Stored]:
    """Open them."""
    y = np.load(folder / "y.npy")
    found = []
    for seed, name in enumerate(("teacher", "student")):
        request = SimpleNamespace(role=name, sampler=name, seed=seed, camera=CAMERA, psf=PSF)
        found.append(Stored(np.load(folder / f"{name}.npy", mmap_mode="r"), y, request))
    return found


def measure(folder: Path, empty: bool, answer: Any) -> None:
    """Compare, or do nothing, and send seconds, peak memory in MB and verdicts."""
    start = time.perf_counter()
    verdicts: dict[str, str] = {}
    if not empty:
        report = build_report(*open_runs(folder))
        verdicts = {one.id: one.verdict for one in report.findings if one.verdict is not None}
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.send((taken, peak, verdicts))


def in_new_process(folder: Path, *, empty: bool) -> tuple[float, float, dict[str, str]]:
    """Run `measure` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(folder, empty, there))
    process.start()
    found = here.recv()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{machine()}; {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_runs(folder, options.size, options.samples)
        _, idle, _ = in_new_process(folder, empty=True)
        found = [in_new_process(folder, empty=False) for _ in range(options.rounds)]
    k, n = options.samples, options.size
    print(f"{k} + {k} samples of {n} x {n}")
    print(f"seconds  {middle(np.array([one[0] for one in found]), 1)}")
    print(f"memory   {max(one[1] for one in found):.0f} MB at the peak, {idle:.0f} MB without")
    for key, verdict in found[0][2].items():
        print(f"{key:24s}{verdict}")


if __name__ == "__main__":
    main()
