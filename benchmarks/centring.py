"""Measure what centring the teacher on a point estimate brings, and what another path does.

    python benchmarks/centring.py MODEL [--steps 4000] [--scenes 20] [--work FOLDER]

Teachers of the shipped size are trained on the same measurements, in the same order, for as many
steps: on the standardised residual of MODEL's point estimate and on the object itself in units of
the photon scale, both on the linear path; and on the residual on the cosine path of a
variance-preserving diffusion. Each restores the same held-out scenes, drawn as
`benchmarks/calibration.py` draws them, with one solver that is fine enough for all. Printed:

held-out loss
    of the velocity. Those of residual and object are in other units.
CRPS
    continuous ranked probability score of pixels, in units of the point estimate's spread on the
    image, mean over scenes with its 90 % interval: lower is better (Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437).
PSNR
    of the samples' mean, var/K removed, minus that of the first teacher: difference scene by scene
    with its 90 % interval.
spread over error, coverage
    as in `benchmarks/calibration.py`.

The point estimate was trained beforehand; the teacher of the object has no use for it.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from calibration import SIZE, draw_held_out, unit_of
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.parts import read_parts
from napari_posterior.checks.known.truth import LEVELS, score_blocks, sum_blocks
from napari_posterior.networks.registry import STRIDE, build
from napari_posterior.physics.scenes import KINDS
from napari_posterior.sampling.conditioning import Conditioner, Normaliser
from napari_posterior.sampling.grid import make_grid
from napari_posterior.sampling.model import Teacher
from napari_posterior.sampling.noise import canvas
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.samplers import TeacherSampler
from napari_posterior.training.files import read_weights
from napari_posterior.training.fit import fit, load_average
from napari_posterior.training.own.held_out import crps
from napari_posterior.training.plan import VELOCITY_ARCH, TrainingPlan
from napari_posterior.training.recipes.flow import FlowRecipe

SOLVER, SOLVER_STEPS = "dpmpp2m", 64


@dataclass(frozen=True)
class Arm:
    """One teacher: its path, and whether it is centred on the point estimate."""

    name: str
    path: str
    centred: bool


ARMS = (
    Arm("residual, linear", "linear", True),
    Arm("object, linear", "linear", False),
    Arm("residual, cosine", "vpcosine", True),
)


class NoPoint(torch.nn.Module):
    """Says nothing: the samples are the object in units of the photon scale."""

    def forward(self, maps: torch.Tensor, vector: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return a centre and a log spread of zero."""
        nothing = torch.zeros_like(maps[:, :1])
        return nothing, nothing


def centre_of(model: str, *, centred: bool) -> torch.nn.Module:
    """Return the point estimate of a model, or one that says nothing."""
    if not centred:
        return NoPoint()
    bundle = open_bundle(find_model(model))
    part = read_parts(bundle.folder, bundle.card)["point"]
    net = build(part.config.arch, part.config.arch_kwargs)
    net.load_state_dict(read_weights(bundle.folder / part.weights_path))
    return net.eval().requires_grad_(False)


def recipe_of(arm: Arm, model: str, plan: TrainingPlan, rank: int) -> FlowRecipe:
    """Return what one process trains."""
    torch.manual_seed(plan.seed)
    return FlowRecipe(
        net=build(VELOCITY_ARCH, plan.velocity_kwargs),
        point=centre_of(model, centred=arm.centred),
        path=get_path(arm.path),
        stream=plan.stream(1, rank),
        held=plan.stream(3, 0),
    )


def restore(arm: Arm, model: str, plan: TrainingPlan, checkpoint: Path, scenes, samples: int):
    """Yield the samples of every scene, (K, H, W) in photoelectrons per pixel."""
    net = build(VELOCITY_ARCH, plan.velocity_kwargs)
    net.load_state_dict(load_average(checkpoint))
    path = get_path(arm.path)
    grid = make_grid("logsnr", SOLVER_STEPS, path, sigma_max=300.0, sigma_min=0.003)
    sampler = TeacherSampler(arm.name, Teacher(path, net.eval()), SOLVER, grid)
    point = centre_of(model, centred=arm.centred)
    conditioner = Conditioner(Normaliser(), point, stride=STRIDE)
    for number, scene in enumerate(scenes):
        condition = conditioner.prepare(scene.measurement)
        z = canvas(range(samples), condition.padded_shape, seed=number)
        yield sampler.draw(z, condition).numpy()


def main() -> None:
    """Train, restore and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--scenes", type=int, default=20, help="of each kind")
    parser.add_argument("--samples", type=int, default=19)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, help="where checkpoints are kept")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp())
    plan = TrainingPlan(steps=options.steps, processes=options.processes)
    scenes = [s for kind in KINDS for s in draw_held_out(kind, options.scenes, plan.trained)]
    conditioner = open_bundle(find_model(options.model)).conditioner()
    units = [unit_of(conditioner.prepare(scene.measurement)) for scene in scenes]
    first: np.ndarray | None = None
    print(f"{options.steps} steps; {len(scenes)} scenes, K = {options.samples}")
    for arm in ARMS:
        own = replace(plan, path=arm.path)
        folder = work / arm.name.replace(", ", "-")
        make = partial(recipe_of, arm, options.model, own)
        checkpoint = fit(make, own.settings(options.steps), folder)
        held_out = (folder / "teacher.csv").read_text().split()[-1].split(",")[-1]
        scores, psnr, blocks = [], [], []
        generator = np.random.default_rng(0)
        drawn = restore(arm, options.model, own, checkpoint, scenes, options.samples)
        for scene, unit, x in zip(scenes, units, drawn, strict=True):
            scores.append(crps(torch.from_numpy(x), torch.from_numpy(scene.x)) / unit)
            error = ((x.mean(0) - scene.x) ** 2).mean() - x.var(0, ddof=1).mean() / len(x)
            psnr.append(-10 * math.log10(max(float(error), 1e-12)))
            blocks.append(score_blocks(x / unit, scene.x / unit, block=SIZE, generator=generator))
        found = sum_blocks(blocks)
        first = np.array(psnr) if first is None else first
        covered = "  ".join(
            f"{level:.0%} {found.coverage(i):.3f}" for i, level in enumerate(LEVELS)
        )
        print(
            f"{arm.name:18s} held-out loss {float(held_out):.4f}   CRPS {_mean(scores)}   "
            f"PSNR over the first {_mean(np.array(psnr) - first)} dB   "
            f"spread/error {found.spread_skill():.3f}   coverage {covered}",
            flush=True,
        )


def _mean(values) -> str:
    half = 1.645 * np.std(values, ddof=1) / math.sqrt(len(values))
    return f"{np.mean(values):+.3f} +- {half:.3f}"


if __name__ == "__main__":
    main()
