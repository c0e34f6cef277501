"""Measure what the teacher's samples are worth on held-out scenes, by kind and by photon level.

    python benchmarks/quality.py MODEL [--scenes 60] [--samples 39] [--processes 2] [--write]
    python benchmarks/quality.py MODEL --kinds puncta --psf 2 3      what a part of the range does

Scenes are those of `calibration.py`, drawn from the prior that the model was trained with, in
three ranges of the peak that are equally wide on a log scale: dim, middle and bright. Each is
restored with the reference. Printed for every kind in every range, and, with `--write`, put into
the model's card as `quality` for each kind, each range and all together:

coverage
    share of pixels whose true value lies in the rank interval [x_(j), x_(K+1-j)]; 39 samples make
    50, 80, 90 and 95 % attainable. Of all pixels, and of signal pixels: those where the
    measurement is 2 sd of its noise above the background, a choice that does not see the truth.
spread over error
    sqrt((K+1)/K mean variance / mean squared error), every image in units of the root mean square
    of the point estimate's spread on it, as in `calibration.py`. Of all and of signal pixels.
PSNR gain
    PSNR of the samples' mean, the Monte Carlo part var/K of its error removed, minus that of the
    image that is given where `mse` is asked for; mean over scenes, in dB.
reduced chi-squared
    of a sample against the measurement, mean over samples and scenes; of the true object; and
    their difference. 1 is expected of the true object and of draws from the posterior. Pixels at
    the edge are left out: they saw light of what lies outside. What 90 % of the images lie
    between is told too, the noise of each measurement included.
count, length, fragments
    bias of the puncta count in scenes of puncta, and of filaments in scenes of filaments: sum over
    samples and scenes against the sum over true objects, thresholds of each scene fixed by its
    measurement. Length also at 0.8 and 1.25 times the threshold.

Every number is followed by its 90 % interval: jackknife over scenes, the unit.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from functools import partial
from itertools import product

import numpy as np
import torch

from calibration import SIZE, Scene, draw_held_out, noise_of, unit_of
from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.checks.intervals import delete_one
from napari_posterior.checks.known.truth import LEVELS, attainable, score_blocks
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.scenes import KINDS
from napari_posterior.statistics import evaluate, get_statistic, make_context
from napari_posterior.training.batches import TrainingRange

LIGHT = ("dim", "middle", "bright")
WIDEST = 0.95  # coverage beside those of reports, where samples are fewer
SIGNAL_SD = 2.0
EDGE = 8  # px, about three sigma of the widest blur
COUNTED = {"puncta": ("puncta_count",), "filaments": ("filament_length", "filament_fragments")}

Row = dict[str, float]


def measure_cell(
    cell: tuple[str, int],
    *,
    model: str,
    scenes: int,
    samples: int,
    psf: tuple[float, float] | None = None,
) -> dict[str, np.ndarray]:
    """Restore the scenes of one kind and photon level; every column has one entry a scene."""
    kind, level = cell
    torch.set_num_threads(1)
    bundle = open_bundle(find_model(model))
    told = bundle.card.training_range
    trained = TrainingRange(
        peak=light_range(told.peak, level),
        psf_sigma=psf or told.psf_sigma,
        read_noise=told.read_noise,
    )
    # All levels share a stream of scenes: each takes other ones, so that scenes are independent.
    drawn = draw_held_out(kind, len(LIGHT) * scenes, trained)[level * scenes : (level + 1) * scenes]
    rows = [
        measure_scene(kind, scene, bundle, samples=samples, seed=level * scenes + i)
        for i, scene in enumerate(drawn)
    ]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def light_range(peak: tuple[float, float], level: int) -> tuple[float, float]:
    """Return one of the three parts of the range of the peak, equally wide on a log scale."""
    low, high = (math.log(end) for end in peak)
    ends = [math.exp(low + (high - low) * (level + i) / len(LIGHT)) for i in (0, 1)]
    return ends[0], ends[1]


def measure_scene(kind: str, scene: Scene, bundle: Bundle, *, samples: int, seed: int) -> Row:
    """Restore one scene; what is summed over scenes, tops and bottoms of the ratios."""
    conditioner = bundle.conditioner()
    condition = conditioner.prepare(scene.measurement)
    noise = noise_of(condition, samples, seed=seed)
    z = noise(0)
    x = bundle.sampler("teacher").draw(z, condition, fresh=noise).numpy()
    point = bundle.sampler("mse").draw(z[:1], condition)[0].numpy()
    measured, sd = condition.maps[0, :2, :SIZE, :SIZE].numpy()
    unit = unit_of(condition)
    every = np.ones(scene.x.shape, bool)
    row = score_pixels(x / unit, scene.x / unit, every, "all", seed)
    row |= score_pixels(x / unit, scene.x / unit, measured > SIGNAL_SD * sd, "signal", seed)
    error = ((x.mean(0) - scene.x) ** 2).mean() - x.var(0, ddof=1).mean() / samples
    row["gain"] = 10 * math.log10(((point - scene.x) ** 2).mean() / max(float(error), 1e-12))
    objects = torch.from_numpy(np.concatenate([scene.x[None], x]).astype(np.float32))
    residuals = Likelihood(scene.measurement).standardised_residuals(objects).numpy()
    chi2 = (residuals[:, EDGE:-EDGE, EDGE:-EDGE] ** 2).mean((1, 2))
    row |= {"chi2_truth": float(chi2[0]), "chi2_samples": float(chi2[1:].mean()), "scene": 1.0}
    context = make_context(scene.measurement)
    for counted in map(get_statistic, COUNTED.get(kind, ())):
        found = [evaluate(counted, [one], [context]) for one in (scene.x, *x)]
        for key, value in found[0].items():
            name = f"{counted.name} {key}".strip()
            row[f"truth {name}"] = value
            row[f"samples {name}"] = float(np.mean([one[key] for one in found[1:]]))
    return row


def score_pixels(
    samples: np.ndarray, truth: np.ndarray, chosen: np.ndarray, name: str, seed: int
) -> Row:
    """Score the chosen pixels of one scene as a single block."""
    count = len(samples)
    samples, truth = samples[:, chosen][:, None], truth[chosen][None]
    keys = ("pixels", *(f"{level:.0%}" for level in (*LEVELS, WIDEST)), "variance", "error")
    if not truth.size:
        return {f"{name} {key}": 0.0 for key in keys}
    generator = np.random.default_rng(seed)
    score = score_blocks(samples, truth, block=truth.size, generator=generator)
    j, _ = attainable(count, WIDEST)
    ordered = np.sort(samples, axis=0)
    widest = ((ordered[j - 1] < truth) & (truth <= ordered[count - j])).sum()
    values = (*score.pixels, *score.covered[0], widest, *score.variance, *score.error)
    return {f"{name} {key}": float(v) for key, v in zip(keys, values, strict=True)}


def summarise(table: dict[str, np.ndarray], samples: int) -> dict[str, object]:
    """Turn sums into figures, each [value, lower end, upper end]; None where there is none."""

    def ratio(top: str, bottom: str = "scene", less: float = 0.0, root: float = 0.0):
        above, below = table[top], table[bottom]
        rest = below.sum() - below
        if not below.sum() > 0:
            return [None, None, None]
        made = [above.sum() / below.sum(), *((above.sum() - above) / np.where(rest > 0, rest, 1))]
        values = np.sqrt(root * np.array(made)) if root else np.array(made) - less
        estimate = delete_one(values[0], values[1:], level=0.9, method="")
        known = estimate.interval if (rest > 0).all() else (None, None)
        return [
            None if one is None or not math.isfinite(one) else round(float(one), 4)
            for one in (estimate.value, *known)
        ]

    figures: dict[str, object] = {"scenes": len(table["scene"])}
    for name in ("all", "signal"):
        figures[f"coverage_{name}"] = {
            f"{level:.0%}": ratio(f"{name} {level:.0%}", f"{name} pixels")
            for level in (*LEVELS, WIDEST)
        }
        figures[f"spread_over_error_{name}"] = ratio(
            f"{name} variance", f"{name} error", root=(samples + 1) / samples
        )
    figures["psnr_gain_db"] = ratio("gain")
    figures["chi2_samples"] = ratio("chi2_samples")
    figures["chi2_truth"] = ratio("chi2_truth")
    figures["chi2_of_90_percent_of_images"] = {
        name: [round(float(v), 4) for v in np.quantile(table[f"chi2_{name}"], (0.05, 0.95))]
        for name in ("samples", "truth")
    }
    table = table | {"chi2_excess": table["chi2_samples"] - table["chi2_truth"]}
    figures["chi2_samples_minus_truth"] = ratio("chi2_excess")
    biases = {
        key.removeprefix("truth "): ratio(key.replace("truth", "samples"), key, less=1.0)
        for key in table
        if key.startswith("truth ")
    }
    if biases:
        figures["bias"] = biases
    return figures


def join(tables: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Put scenes together, with the columns that all of them have."""
    keys = [key for key in tables[0] if all(key in table for table in tables)]
    return {key: np.concatenate([table[key] for table in tables]) for key in keys}


def print_figures(where: str, figures: dict) -> None:
    """Print the figures of one set of scenes."""
    print(f"{where} ({figures['scenes']} scenes)")
    for name in ("all", "signal"):
        told = "  ".join(f"{k} {words(v)}" for k, v in figures[f"coverage_{name}"].items())
        spread = words(figures[f"spread_over_error_{name}"])
        print(f"  {name:7s}coverage {told}   spread/error {spread}")
    samples, truth, excess = (
        words(figures[f"chi2_{name}"]) for name in ("samples", "truth", "samples_minus_truth")
    )
    print(
        f"  PSNR of the mean minus mse {words(figures['psnr_gain_db'])} dB   "
        f"chi2 samples {samples}  truth {truth}  difference {excess}"
    )
    ranges = figures["chi2_of_90_percent_of_images"].items()
    told = "  ".join(f"{name} {low:.3f}..{high:.3f}" for name, (low, high) in ranges)
    print(f"  chi2 of 90 % of the images: {told}")
    for key, value in figures.get("bias", {}).items():
        print(f"  bias {key:30s} {words(value, scale=100)} %")
    print(flush=True)


def words(triple: list[float | None], *, scale: float = 1.0) -> str:
    """Write a number with its interval."""
    told = ["-" if value is None else f"{scale * value:.3f}" for value in triple]
    return f"{told[0]} ({told[1]}..{told[2]})"


def main() -> None:
    """Measure every kind at every level and print, and perhaps write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--scenes", type=int, default=60, help="of each kind, a multiple of 3")
    parser.add_argument("--samples", type=int, default=39)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--psf", nargs=2, type=float, help="range of its sigma in pixels")
    parser.add_argument("--write", action="store_true", help="put the tables into the card")
    options = parser.parse_args()
    each = options.scenes // len(LIGHT)
    if each < 2:
        parser.error("intervals need 2 scenes at each of 3 levels: give --scenes 6 or more")
    if options.write and (options.psf or len(options.kinds) < len(KINDS)):
        parser.error("the card holds all kinds over the whole range: leave --write out")
    start = time.monotonic()
    exact = ", ".join(f"{attainable(options.samples, level)[1]:.3f}" for level in (*LEVELS, WIDEST))
    print(f"{each} scenes a kind and level, K = {options.samples}; coverage expected: {exact}\n")
    measure = partial(
        measure_cell,
        model=options.model,
        scenes=each,
        samples=options.samples,
        psf=options.psf and tuple(options.psf),
    )
    cells = list(product(options.kinds, range(len(LIGHT))))
    tables = {}
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for (kind, level), table in zip(cells, pool.imap(measure, cells), strict=True):
            tables[kind, level] = table
            print_figures(f"{kind}, {LIGHT[level]}", summarise(table, options.samples))
    sets = {kind: [tables[kind, i] for i in range(len(LIGHT))] for kind in options.kinds}
    sets |= {name: [tables[kind, i] for kind in options.kinds] for i, name in enumerate(LIGHT)}
    sets["together"] = list(tables.values())
    figures = {name: summarise(join(parts), options.samples) for name, parts in sets.items()}
    for name, one in figures.items():
        print_figures(name, one)
    print(f"{(time.monotonic() - start) / 60:.1f} min")
    if options.write:
        bundle = open_bundle(find_model(options.model))
        written: dict[str, object] = {"samples": options.samples, **figures}
        written["bias_by_light"] = {
            f"{kind}, {LIGHT[level]}": summarise(table, options.samples)["bias"]
            for (kind, level), table in tables.items()
            if kind in COUNTED
        }
        write_evaluation(bundle.folder, {**bundle.card.evaluation, "quality": written})


if __name__ == "__main__":
    main()
