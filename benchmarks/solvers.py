"""How much variance does the teacher's solver lose? Solvers and grids against a converged one.

    python benchmarks/solvers.py MODEL [--scenes 8] [--samples 8] [--threads 2]

Every solver starts from the same noise on the same held-out scenes of every kind. Printed for each:
network evaluations, the ratio of its total sample variance to that of Heun with 128 steps (pixels
in units of the image's photon scale), the same in the coarse half and the fine half of spatial
frequencies, and the RMS distance of its samples in units of the reference's sample sd.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch

from calibration import draw_held_out
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.physics.scenes import KINDS
from napari_posterior.sampling.grid import grid_label, make_grid
from napari_posterior.sampling.noise import canvas
from napari_posterior.training.batches import TrainingRange

CONVERGED = ("heun", "uniform", 128, {})
CANDIDATES = (
    *(("euler", "uniform", n, {}) for n in (8, 16, 32, 64)),
    *(("heun", "uniform", n, {}) for n in (8, 16, 24, 32)),
    *(("heun", "power_late", n, {"rho": rho}) for rho in (0.6, 1.6) for n in (8, 16, 24, 32)),
    *(("heun", "power_early", n, {"rho": 1.67}) for n in (8, 16, 24, 32)),
)


def split_by_frequency(x: np.ndarray) -> np.ndarray:
    """Return the variance of samples (K, H, W) below and above 0.1 cycles a pixel."""
    spectrum = np.abs(np.fft.fft2(x - x.mean(0))) ** 2
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in x.shape[1:]), indexing="ij"))
    return np.array([spectrum[:, f <= 0.1].sum(), spectrum[:, f > 0.1].sum()])


def main() -> None:
    """Measure every candidate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--scenes", type=int, default=8, help="of each kind")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bundle = open_bundle(find_model(options.model))
    conditioner, teacher = bundle.conditioner(), bundle.sampler("teacher")
    totals: dict[tuple, np.ndarray] = {}
    distance: dict[tuple, float] = {}
    for kind in KINDS:
        for number, scene in enumerate(draw_held_out(kind, options.scenes, TrainingRange())):
            scale = float(conditioner.stats([scene.measurement]).photon_scale)
            condition = conditioner.prepare(scene.measurement)
            z = canvas(range(options.samples), condition.padded_shape, seed=number)
            reference = None
            for solver, name, steps, extra in (CONVERGED, *CANDIDATES):
                key = (solver, grid_label(name, **extra), steps)
                grid = make_grid(name, steps, **extra)
                x = replace(teacher, solver=solver, grid=grid).draw(z, condition).numpy() / scale
                reference = x if reference is None else reference
                totals[key] = totals.get(key, 0.0) + split_by_frequency(x)
                distance[key] = distance.get(key, 0.0) + float(((x - reference) ** 2).mean())
    base = totals[("heun", "uniform", 128)]
    images = options.scenes * len(KINDS)
    pixels = 64 * 64
    sd = np.sqrt(base.sum() / pixels**2 / options.samples / images)
    print(f"{images} scenes, {options.samples} samples each; {options.threads} threads")
    print(f"{'solver':8s}{'grid':18s}{'steps':>6s}{'NFE':>5s}  variance  coarse   fine   RMS/sd")
    for key in list(totals)[1:]:
        solver, name, steps = key
        total, parts = totals[key].sum() / base.sum(), totals[key] / base
        calls = 2 * steps - 1 if solver == "heun" else steps
        rms = (distance[key] / images) ** 0.5 / sd
        print(
            f"{solver:8s}{name:18s}{steps:6d}{calls:5d}  {total:8.3f}{parts[0]:8.3f}{parts[1]:8.3f}"
            f"{rms:9.3f}"
        )


if __name__ == "__main__":
    main()
