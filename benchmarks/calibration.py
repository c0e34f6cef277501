"""Measure the calibration of the teacher, and its mean, on held-out scenes.

    python benchmarks/calibration.py MODEL [--scenes 200] [--samples 19] [--processes 2] [--write]
    python benchmarks/calibration.py MODEL --alone [--kinds nuclei haze] ...

For each kind of scene, held-out measurements are drawn from the prior that the model was trained
with (main structure of that kind, a weaker second one in two scenes of seven) over the whole
training range (peak, PSF, read noise, background), and restored with the reference. That is the
law under which a posterior is calibrated; with `--alone` the scenes hold nothing but their kind,
which the model is not told: where it must allow for more, its spread is wider than its errors.
Printed, and with `--write` put into the model's card, as `calibration` or `calibration_alone`:

coverage
    share of pixels, all of them, whose true value lies in the rank interval [x_(j), x_(K+1-j)];
    19 samples make 50, 80 and 90 % attainable without interpolation.
spread over error
    sqrt((K+1)/K mean variance / mean squared error). Every image is measured in units of the root
    mean square of the point estimate's spread on it: a function of the measurement alone, so that
    calibration is 1 in these units too, and every image counts about alike. In units of the photon
    scale, printed beside, a few almost empty images hold most of both sums.
PSNR
    of the teacher's mean, the Monte Carlo part var/K of its error removed, and of the image of
    `mse`, the same network taught to give the mean, on the range of each true image.
variance ratio, student over teacher
    of the total variance in the same units, on shared noise.

Intervals are 90 % over scenes (normal for PSNR; scenes are the unit).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.checks.known.truth import LEVELS, attainable, score_blocks, sum_blocks
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes
from napari_posterior.sampling.noise import canvas
from napari_posterior.training.batches import MARGIN, TrainingRange, add_second, measure_scenes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.sampling.conditioning import Condition

SIZE = 64
HELD_OUT_SEED = 7_000_001
"""Training seeds are small multiples of 16: no training scene has this one."""


@dataclass(frozen=True)
class Scene:
    """One held-out measurement with its object, both (64, 64), in photoelectrons per pixel."""

    measurement: Measurement
    x: np.ndarray


def draw_held_out(
    kind: str,
    count: int,
    trained: TrainingRange,
    *,
    alone: bool = False,
    seed: int = HELD_OUT_SEED,
) -> list[Scene]:
    """Draw measurements of scenes of one kind over the whole training range."""
    dice = Dice.seeded(seed + KINDS.index(kind))
    low, high = trained.peak
    peak = dice.log_uniform(count, low=low, high=high)
    size = SIZE + 2 * MARGIN
    scenes = draw_scenes(kind, count, size, 1.0, dice)
    if not alone:
        share = -(-count // len(KINDS))
        others = torch.cat([draw_scenes(one, share, size, 1.0, dice) for one in KINDS])
        order = torch.randperm(len(others), generator=dice.generator)[:count]
        scenes = add_second(scenes, others[order], dice)
    scenes = scenes * peak[:, None, None, None]
    batch = measure_scenes(scenes, dice, size=SIZE, trained=trained, jitter=False)
    return [
        Scene(
            Measurement(
                y=batch.electrons[i, 0].numpy(),
                camera=Camera(gain=1.0, offset=0.0, read_noise=float(batch.acquisition[i, 0])),
                psf=Psf(float(batch.acquisition[i, 1])),
                background=float(batch.acquisition[i, 2]),
            ),
            batch.x[i, 0].numpy(),
        )
        for i in range(count)
    ]


def measure_kind(
    kind: str, *, model: str, scenes: int, samples: int, alone: bool
) -> dict[str, object]:
    """Restore the scenes of one kind with every sampler and return the figures."""
    torch.set_num_threads(1)
    bundle: Bundle = open_bundle(find_model(model))
    conditioner = bundle.conditioner()
    draws = {name: bundle.sampler(name) for name in bundle.names}
    mse = draws.pop("mse")
    generator = np.random.default_rng(0)
    scores: dict[str, list] = {name: [] for name in draws}
    per_scale: list[float] = []
    errors: list[tuple[float, float]] = []
    trained = TrainingRange(**_ranges(bundle))
    for number, scene in enumerate(draw_held_out(kind, scenes, trained, alone=alone)):
        condition = conditioner.prepare(scene.measurement)
        noise = noise_of(condition, samples, seed=number)
        z = noise(0)
        point = mse.draw(z[:1], condition)[0].numpy()
        unit = unit_of(condition)
        scale = float(conditioner.stats([scene.measurement]).photon_scale)
        per_scale.append((unit / scale) ** 2)
        for name, sampler in draws.items():
            x = sampler.draw(z, condition, fresh=noise).numpy()
            scores[name].append(
                score_blocks(x / unit, scene.x / unit, block=SIZE, generator=generator)
            )
            if name == "teacher":
                mean = ((x.mean(0) - scene.x) ** 2).mean() - x.var(0, ddof=1).mean() / samples
                errors.append(
                    (_psnr(mean, scene.x), _psnr(((point - scene.x) ** 2).mean(), scene.x))
                )
    figures: dict[str, object] = {"scenes": scenes, "samples": samples}
    pooled = {name: sum_blocks(parts) for name, parts in scores.items()}
    for name, score in pooled.items():
        keep = [np.arange(scenes) != i for i in range(scenes)]
        spread = score.spread_skill()
        figures[name] = {
            "coverage": {
                f"{level:.0%}": _round(score.coverage(i)) for i, level in enumerate(LEVELS)
            },
            "spread_over_error": _round(spread),
            "spread_over_error_interval": _jackknife(spread, [score.spread_skill(k) for k in keep]),
            "spread_over_error_photon_scale": _round(
                replace(
                    score, variance=score.variance * per_scale, error=score.error * per_scale
                ).spread_skill()
            ),
        }
        if name != "teacher":
            both = score.variance, pooled["teacher"].variance
            ratio = both[0].sum() / both[1].sum()
            figures[name]["variance_ratio"] = _round(ratio)
            figures[name]["variance_ratio_interval"] = _jackknife(
                ratio, [both[0][k].sum() / both[1][k].sum() for k in keep]
            )
    psnr = np.array(errors)
    gap = psnr[:, 0] - psnr[:, 1]
    half = 1.645 * gap.std(ddof=1) / math.sqrt(scenes)
    figures["psnr_db"] = {
        "teacher_mean": _round(psnr[:, 0].mean(), 2),
        "mse": _round(psnr[:, 1].mean(), 2),
        "difference": _round(gap.mean()),
        "difference_interval": [_round(gap.mean() - half), _round(gap.mean() + half)],
    }
    return figures


def noise_of(condition: Condition, samples: int, *, seed: int) -> Callable[[int], torch.Tensor]:
    """Return what gives the canvases of a step; step 0 is where draws begin."""
    return lambda step: canvas(range(samples), condition.padded_shape, seed=seed, step=step)


def unit_of(condition: Condition) -> float:
    """Return the root mean square of the point estimate's spread, in photoelectrons per pixel."""
    return math.sqrt(float(condition.spread[..., :SIZE, :SIZE].square().mean()))


def print_table(kind: str, figures: dict) -> None:
    """Print the figures of one kind."""
    for name, row in figures.items():
        if not isinstance(row, dict) or "coverage" not in row:
            continue
        cover = "  ".join(f"{level} {value:.3f}" for level, value in row["coverage"].items())
        spread = _with_interval(row, "spread_over_error")
        line = f"{kind:10s} {name:8s} coverage {cover}   spread/error {spread}"
        line += f" [photon scale {row['spread_over_error_photon_scale']:.3f}]"
        if "variance_ratio" in row:
            line += f"   variance ratio {_with_interval(row, 'variance_ratio')}"
        print(line)
    row = figures["psnr_db"]
    print(
        f"{kind:10s} PSNR of the teacher's mean {row['teacher_mean']:.2f} dB, of mse "
        f"{row['mse']:.2f} dB, difference {_with_interval(row, 'difference')}",
        flush=True,
    )


def _with_interval(row: dict, key: str) -> str:
    low, high = row[f"{key}_interval"]
    return f"{row[key]:.3f} ({low:.3f}..{high:.3f})"


def _ranges(bundle: Bundle) -> dict[str, tuple[float, float]]:
    trained = bundle.card.training_range
    return {name: getattr(trained, name) for name in ("peak", "psf_sigma", "read_noise")}


def _psnr(squared_error: float, x: np.ndarray) -> float:
    return 10 * math.log10(float(np.ptp(x)) ** 2 / max(float(squared_error), 1e-12))


def _jackknife(value: float, without: list[float]) -> list[float]:
    values = np.log(without)
    se = math.sqrt((len(values) - 1) * values.var())
    return [_round(value * math.exp(sign * 1.645 * se)) for sign in (-1, 1)]


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits)


def main() -> None:
    """Measure every kind and print, and perhaps write, the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--samples", type=int, default=19)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--alone", action="store_true", help="no second structure in any scene")
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    options = parser.parse_args()
    start = time.monotonic()
    measure = partial(
        measure_kind,
        model=options.model,
        scenes=options.scenes,
        samples=options.samples,
        alone=options.alone,
    )
    exact = ", ".join(f"{attainable(options.samples, level)[1]:.3f}" for level in LEVELS)
    print(f"{options.scenes} scenes a kind, K = {options.samples}: coverage to be expected {exact}")
    table = {}
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for kind, figures in zip(options.kinds, pool.imap(measure, options.kinds), strict=True):
            table[kind] = figures
            print_table(kind, figures)
    print(f"{(time.monotonic() - start) / 60:.1f} min")
    if options.write:
        bundle = open_bundle(find_model(options.model))
        name = "calibration_alone" if options.alone else "calibration"
        write_evaluation(bundle.folder, {**bundle.card.evaluation, name: table})


if __name__ == "__main__":
    main()
