"""How far is each student from its teacher, in what it draws from the same noise.

    python benchmarks/students.py MODEL [--sample puncta] [--samples 64] [--write]
    python benchmarks/students.py MODEL --held-out [--scenes 40] [--samples 16] [--write]

The first restores one sample image of the package with its true camera and PSF: with the reference,
the reference again with other noise, and every student at every step count it takes. Printed, and
with `--write` put into the model's card as `students`: the ratio of total variance to the
reference's with its 90 % interval, the difference of the mean puncta count, network evaluations and
seconds a sample, all of one call. The reference against itself says what the intervals are worth:
it should hold 1.

The second is about scenes like those of `calibration.py`, of every kind, each restored by the
reference and by every student from the same noise. Its table is `students_held_out`; intervals are
95 %, jackknife over scenes, and every scene counts alike. In the bands of spatial frequency of the
reference's certificate, and in all of them together:

variance ratio
    variance of the student's samples over that of the reference's.
mean gap
    how far the student's mean is off, in units of the reference's sd: the root of the squared
    difference, which is estimated without the part that finite numbers of samples add; 0 where the
    estimate is negative.
noise correlation
    of the deviations of student and reference from their means, sample by sample: 1 where the
    student follows its teacher's trajectories, lower where it draws new noise on its way.

And the change of the puncta count in per cent, in the scenes of puncta; thresholds of each scene
are fixed by its measurement.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import time
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch

from calibration import draw_held_out, noise_of
from napari_posterior import api
from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.checks.intervals import delete_one
from napari_posterior.cli.demo import read_sample
from napari_posterior.physics.scenes import KINDS
from napari_posterior.sampling.bands import BANDS, SceneBands, compare_bands, measure_bands
from napari_posterior.statistics import evaluate, get_statistic, make_context
from napari_posterior.training.batches import TrainingRange

LEVEL = 0.95
COUNTED = "puncta"
MOST = 1 - 1e-9  # whose inverse hyperbolic tangent is finite
SHARED = (BANDS[0], BANDS[-1])
BAND_NAMES = ("all", *(f"{low:g}_to_{high:g}" for low, high in itertools.pairwise(BANDS)))

Triple = list[float]


@dataclass(frozen=True)
class Shared:
    """What a student's and the reference's samples of one scene share.

    `covariance` (B,) is that of their deviations, in the unit of the powers of `bands`; `counts`
    are the puncta of all samples of the reference and of the student, in scenes of puncta.
    """

    bands: SceneBands
    covariance: np.ndarray
    counts: tuple[float, float] | None


def offered(bundle: Bundle) -> list[tuple[str, int]]:
    """Return every student with every step count that it was trained for."""
    return [
        (name, steps)
        for name, part in read_parts(bundle.folder, bundle.card).items()
        if isinstance(part.sampler, FlowMapConfig)
        for steps in part.sampler.step_counts
    ]


def called(name: str, steps: int) -> str:
    """Return what a student at a step count is called in the tables."""
    return f"{name}, {steps} step{'s' * (steps > 1)}"


def measure_kind(kind: str, *, model: str, scenes: int, samples: int) -> dict[str, list[Shared]]:
    """Restore held-out scenes of one kind with the reference and with every student."""
    torch.set_num_threads(1)
    bundle = open_bundle(find_model(model))
    told = bundle.card.training_range
    trained = TrainingRange(peak=told.peak, psf_sigma=told.psf_sigma, read_noise=told.read_noise)
    conditioner, reference = bundle.conditioner(), bundle.sampler("teacher")
    students = {called(*one): bundle.sampler(one[0], steps=one[1]) for one in offered(bundle)}
    count = get_statistic("puncta_count")
    found: dict[str, list[Shared]] = {name: [] for name in students}
    for number, scene in enumerate(draw_held_out(kind, scenes, trained)):
        condition = conditioner.prepare(scene.measurement)
        context = make_context(scene.measurement)

        def counted(x: np.ndarray, context=context) -> float:
            return sum(evaluate(count, [one], [context])[""] for one in x)

        noise = noise_of(condition, samples, seed=number)
        base = reference.draw(noise(0), condition, fresh=noise).numpy()
        before = counted(base) if kind == COUNTED else 0.0
        for name, student in students.items():
            x = student.draw(noise(0), condition, fresh=noise).numpy()
            bands = measure_bands(base, x)
            found[name].append(
                Shared(
                    bands,
                    covariance_of(base, x, bands),
                    (before, counted(x)) if kind == COUNTED else None,
                )
            )
    return found


def covariance_of(base: np.ndarray, other: np.ndarray, bands: SceneBands) -> np.ndarray:
    """Return the covariance of two sets of samples in each band, (B,).

    From the powers of both and of their difference: ``2 <a, b> = |a|^2 + |b|^2 - |a - b|^2``.
    """
    difference = measure_bands(base, base - other).other
    power = (bands.base + bands.other - difference).sum(0) / 2
    return np.asarray(power / (len(base) - 1))


def join_bands(scene: SceneBands) -> SceneBands:
    """Return the powers of all bands together, as a single one."""
    return SceneBands(*(getattr(scene, f.name).sum(-1, keepdims=True) for f in fields(scene)))


def summarise(found: list[Shared]) -> dict[str, dict[str, Triple]]:
    """Pool the scenes of a student; each figure is [value, lower end, upper end]."""
    scenes = [one.bands for one in found]
    whole = compare_bands([join_bands(one) for one in scenes], level=LEVEL, edges=SHARED)
    rows = (*whole, *compare_bands(scenes, level=LEVEL))
    ratio = [[1 + v for v in (row.variance, *row.variance_interval)] for row in rows]
    gap = [[math.sqrt(max(v, 0)) for v in (row.mean, *row.mean_interval)] for row in rows]
    counts = np.array([one.counts for one in found if one.counts is not None])
    figures = {
        "variance_ratio": named(ratio),
        "mean_gap_in_sd": named(gap),
        "noise_correlation": named(correlate(found)),
    }
    if len(counts):
        before, after = counts.T
        without = (after.sum() - after) / (before.sum() - before)
        shift = delete_one(after.sum() / before.sum(), without, level=LEVEL, method="")
        told = [round(100 * (v - 1), 2) for v in (shift.value, *shift.interval)]
        figures["puncta_count"] = {"shift_in_percent": told}
    return figures


def named(rows: list[Triple]) -> dict[str, Triple]:
    """Give the figures of all bands together, and of each, their names."""
    return {
        name: [round(float(v), 4) for v in row] for name, row in zip(BAND_NAMES, rows, strict=True)
    }


def correlate(found: list[Shared]) -> list[Triple]:
    """Return the correlation of deviations, intervals of its inverse hyperbolic tangent."""
    rows = []
    for join in (True, False):
        bands = [join_bands(one.bands) if join else one.bands for one in found]
        shared = [one.covariance.sum(keepdims=True) if join else one.covariance for one in found]
        base, other = (
            np.array([getattr(one, key).sum(0) / (len(one.base) - 1) for one in bands])
            for key in ("base", "other")
        )
        weight = 1 / base.sum(1, keepdims=True)
        parts = [weight * v for v in (np.array(shared), base, other)]
        sums = [v.sum(0) for v in parts]
        value, without = (
            np.arctanh(np.clip(c / np.sqrt(a * b), -MOST, MOST))
            for c, a, b in (sums, [s - v for s, v in zip(sums, parts, strict=True)])
        )
        for i, one in enumerate(value):
            estimate = delete_one(float(one), without[:, i], level=LEVEL, method="")
            rows.append([math.tanh(v) for v in (one, *estimate.interval)])
    return rows


def measure_held_out(model: str, *, scenes: int, samples: int, processes: int) -> dict[str, object]:
    """Measure every student on scenes of every kind, print and return the table."""
    start = time.monotonic()
    measure = partial(measure_kind, model=model, scenes=scenes, samples=samples)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        kinds = pool.map(measure, KINDS, chunksize=1)
    pooled = {
        name: summarise([scene for kind in kinds for scene in kind[name]]) for name in kinds[0]
    }
    minutes = (time.monotonic() - start) / 60
    print(f"{len(KINDS)} x {scenes} scenes, K = {samples}; {minutes:.1f} min")
    table: dict[str, object] = {
        "scenes": scenes * len(KINDS),
        "scenes_of_puncta": scenes,
        "samples": samples,
        "level": LEVEL,
    }
    # one table for each figure: a row for each student
    for key in next(iter(pooled.values())):
        rows = {name: figures[key] for name, figures in pooled.items()}
        print(f"\n{key}")
        for name, row in rows.items():
            print(f"{name:22s}", *(f"{v:8.3f} ({a:.3f}..{b:.3f})" for v, a, b in row.values()))
        table[key] = rows
    return table


def measure_sample(model: str, *, name: str, samples: int) -> dict[str, object]:
    """Restore a sample image with every sampler, print and return the table."""
    sample = read_sample(name)
    bundle = api.load_model(model)

    def restore(sampler: str, *, steps: int | None = None, seed: int = 0):
        return api.restore(
            sample.image,
            model=bundle,
            sampler=sampler,
            steps=steps,
            samples=samples,
            seed=seed,
            camera=sample.camera,
            psf=sample.psf,
            background=sample.background,
            progress=False,
        )

    reference = restore("teacher")
    runs = {"teacher, other noise": restore("teacher", seed=1)}
    runs |= {called(*one): restore(one[0], steps=one[1]) for one in offered(bundle)}
    height, width = reference.samples.shape[-2:]
    print(f"{name} ({height} x {width}), K = {samples}, {reference.request.device}")
    print(f"{'run':22s}{'NFE':>4s}{'s/sample':>10s}   variance ratio         count difference")
    table = {}
    for key, run in {"teacher": reference, **runs}.items():
        seconds = run.seconds / samples
        line = f"{key:22s}{run.request.nfe:4d}{seconds:10.3f}"
        row = {"nfe": run.request.nfe, "seconds_per_sample": round(seconds, 4)}
        if run is not reference:
            report = api.compare(reference, run)
            for figure, text in (("variance", "8.3f"), ("puncta_count", "10.2f")):
                found = report[figure]
                low, high = found.interval
                line += f"{found.estimate:{text}} ({low:.3f}..{high:.3f})"
                row[figure] = [round(value, 4) for value in (found.estimate, low, high)]
        print(line, flush=True)
        table[key] = row
    return {"sample": name, "samples": samples, "runs": table}


def main() -> None:
    """Restore, compare and print, and perhaps write, the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--sample", default="puncta")
    parser.add_argument("--held-out", action="store_true", help="scenes of every kind instead")
    parser.add_argument("--scenes", type=int, default=40, help="of each kind")
    parser.add_argument("--samples", type=int, help="64 of an image, 16 of each scene by default")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    options = parser.parse_args()
    if options.held_out:
        name, figures = (
            "students_held_out",
            measure_held_out(
                options.model,
                scenes=options.scenes,
                samples=options.samples or 16,
                processes=options.processes,
            ),
        )
    else:
        name = "students"
        figures = measure_sample(options.model, name=options.sample, samples=options.samples or 64)
    if options.write:
        bundle = open_bundle(find_model(options.model))
        write_evaluation(bundle.folder, {**bundle.card.evaluation, name: figures})


if __name__ == "__main__":
    main()
