"""Measure what few pairs gain over the teacher alone in the same time, on `fluo2d`.

    python benchmarks/correction_samples.py --cache DIR          # draws, and goes on where it was
    python benchmarks/corrections.py --cache DIR [--budget 32] [--write docs/fast_and_right.json]

The second only reads what the first has kept, so that the table can be made again without drawing.
Budgets are in samples of the teacher, 24 network calls with decoding each; what a student's sample
costs is the ratio of wall seconds of draws of 16 samples that took turns in one process with one
thread, and what finding puncta costs is added to both where puncta are counted. Pairs and students
are those that `allocate` plans for the budget from the figures of the card, so that nothing is
spent on a pilot. Every gain says how many times more samples of the teacher alone would have had
the same mean squared error, the time that was really planned counted. Two ways lead to it:

measured
    repeats that share no sample are compared with the teacher's samples on all other noise, 1024
    if they are drawn; the truth is independent of the estimate, and its own Monte Carlo variance is
    taken off both errors. The corrected estimate is that of the package, as a user gets it.
law
    the variances of one sample of teacher, student and their pairs on that scene, in the formula
    of the estimator. It needs fewer samples, which makes it the sharper one for single numbers.

Scenes count alike: what is averaged is the squared error as a part of the teacher's own. Intervals
are 95 % t intervals of that mean over scenes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from correction_errors import PILOT, Values, gain, law, look_at, repeat
from correction_samples import (
    ALONE_FROM,
    BEST,
    SIZE,
    STUDENTS,
    TEACHER,
    Block,
    Scene,
    add_options,
    choose,
    read_scenes,
)
from correction_table import LEVEL, QUANTITIES, rounded, summarise, tell
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.correction.allocation import Plan, allocate
from napari_posterior.correction.costs import Costs
from napari_posterior.correction.expected import expected_pilot
from napari_posterior.correction.levels import allocate_levels
from napari_posterior.correction.pilot import Pilot
from napari_posterior.sampling.bands import BANDS, measure_bands
from napari_posterior.statistics.sites import default_radius, occupancy, pool_sites
from students import called, covariance_of
from timing import machine

if TYPE_CHECKING:
    from napari_posterior.bundles.card import ModelCard

COUNTED = ("count", "events")
LOOSE = Pilot(teacher=1.0, student=1.0, covariance=0.8)
"""What a plan for counts goes by: they follow less closely than pixels. Its slope is 0.8."""
CHAIN = (("kd", 1), ("pd", 4))


@dataclass(frozen=True)
class Price:
    """What one sample costs, in samples of the teacher.

    Parameters
    ----------
    student : float
        Drawing.
    finding : float
        Finding the puncta of any sample.
    """

    student: float
    finding: float

    def spent(self, plan: Plan, *, counted: bool) -> float:
        """Return the time of a plan, in samples of the teacher of which as much is measured."""
        more = self.finding if counted else 0.0
        costs = Costs(student=self.student + more, teacher=1.0 + more)
        return costs.of(students=plan.students, pairs=plan.pairs) / costs.teacher


class Samples:
    """All that is kept of a scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._kept: dict[Any, Any] = {}

    def blocks(self, sampler: str, steps: int | None, start: int = 0) -> list[Block]:
        """Return the blocks of a sampler from a sample on."""
        key = (sampler, steps, start)
        if key not in self._kept:
            self._kept[key] = self.scene.read(sampler, steps, range(start, start + ALONE_FROM))
        return self._kept[key]

    @property
    def teacher(self) -> list[Block]:
        """The teacher's."""
        return self.blocks(TEACHER, None)

    @cached_property
    def sites(self) -> np.ndarray:
        """Positions of the puncta of all samples of teacher and best student, (S, 2)."""
        pairs = self.blocks(*BEST)
        return pool_sites(_puncta(self.teacher), _puncta(pairs), self._radius).positions

    @property
    def _radius(self) -> float:
        return default_radius(self.scene.context)

    def values(self, student: tuple[str, int], quantity: str) -> Values | None:
        """Return the values of a quantity; None where the teacher's do not vary.

        Puncta are only asked for where a sample of the teacher has one or more on average.
        """
        if quantity in COUNTED and self._numbers((TEACHER, None, 0), "count").mean() < 1:
            return None
        sets = ((TEACHER, None, 0), (*student, 0), (*student, ALONE_FROM))
        teacher, paired, alone = (self._numbers(one, quantity) for one in sets)
        paired = paired[: len(teacher)]
        spread = teacher.var(0, ddof=1)
        if teacher.shape[1] == 0 or not spread.any():
            return None
        kind = "variance" if quantity.startswith("variance") else "mean"
        weight = np.full(teacher.shape[1], 1.0)
        if quantity.endswith("in sd"):
            weight = 1 / np.maximum(spread, 1e-9 * spread.max()) ** (2 if kind == "variance" else 1)
        what = quantity if quantity in COUNTED else "pixels"
        kept = self._kept.setdefault((student, what, "sums"), {})
        return Values(teacher, paired, alone, kind, weight / teacher.shape[1], kept)

    def images(self, student: tuple[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs of images, (P, H, W) each."""
        pairs = self.blocks(*student)
        both = [np.concatenate([b.x for b in one]) for one in (self.teacher[: len(pairs)], pairs)]
        count = min(map(len, both))
        return both[0][:count], both[1][:count]

    def _numbers(self, which: tuple[str, int | None, int], quantity: str) -> np.ndarray:
        """Return the values of some samples, (n, ...) float64."""
        what = quantity if quantity in COUNTED else "pixels"
        if (which, what) not in self._kept:
            self._kept[which, what] = self._measure(self.blocks(*which), what)
        return self._kept[which, what]

    def _measure(self, blocks: list[Block], what: str) -> np.ndarray:
        puncta = _puncta(blocks)
        if what == "count":
            return np.array([len(one) for one in puncta], np.float64).reshape(-1, 1)
        if what == "events":
            if not puncta:
                return np.zeros((0, len(self.sites)))
            return occupancy(puncta, self.sites, self._radius).astype(np.float64)
        if not blocks:
            return np.zeros((0, SIZE * SIZE))
        return np.concatenate([b.x for b in blocks]).reshape(-1, SIZE * SIZE).astype(np.float64)


def price(all_samples: list[Samples], student: tuple[str, int]) -> tuple[Price, dict[str, Any]]:
    """Return what a student's sample costs, and the ratios that say so."""
    wall, processor, finding = [], [], []
    for one in all_samples:
        for mine, theirs in zip(one.blocks(*student), one.teacher, strict=False):
            wall.append(theirs.seconds / mine.seconds)
            processor.append(theirs.processor / mine.processor)
            finding.append(theirs.finding / theirs.seconds)
    told = {
        "wall": _quartiles(wall),
        "processor": _quartiles(processor),
        "finding_puncta": _quartiles(finding),
        "turns": len(wall),
    }
    return Price(1 / float(np.median(wall)), float(np.median(finding))), told


def measure_scene(
    samples: Samples,
    plans: dict[tuple[str, int], Plan],
    prices: dict[tuple[str, int], Price],
    *,
    budget: int,
    card: ModelCard,
) -> dict[str, Any]:
    """Return correlations, laws, and measured gains of one scene."""
    teacher = samples.teacher
    found: dict[str, Any] = {
        "kind": samples.scene.kind,
        "teachers": sum(len(b.x) for b in teacher),
        "puncta": round(float(np.mean([len(p) for p in _puncta(teacher)])), 2),
        "students": {},
    }
    for student, plan in plans.items():
        row: dict[str, Any] = {"bands": _bands(samples, student), "r": {}, "law": {}}
        for quantity in QUANTITIES:
            values = samples.values(student, quantity)
            if values is None:
                continue
            pilot = look_at(values)
            if not pilot.teacher * pilot.student > 0:
                continue
            spent = prices[student].spent(plan, counted=quantity in COUNTED)
            known = expected_pilot(card, *student).slope
            slope = known**2 if values.kind == "variance" else known
            row["r"][quantity] = round(pilot.r, 4)
            row["law"][quantity] = {
                "slope 1": law(pilot, plan, spent=spent),
                "slope of the card": law(pilot, plan, spent=spent, slope=slope),
                "plan for counts": _for_counts(
                    pilot, prices[student], budget, counted=quantity in COUNTED
                ),
                "best plan": _best(pilot, prices[student], budget, counted=quantity in COUNTED),
            }
            row.setdefault("measured", {})[quantity] = measure(
                values, plan, prices[student], budget, card, student, counted=quantity in COUNTED
            )
        found["students"][called(*student)] = row
    found["levels"] = measure_levels(samples, prices, budget)
    return found


def measure_kept(scene: Scene, **options: Any) -> dict[str, Any]:
    """Read what is kept of a scene and measure it."""
    return measure_scene(Samples(scene), **options)


def measure(
    values: Values,
    plan: Plan,
    cost: Price,
    budget: int,
    card: ModelCard,
    student: tuple[str, int],
    *,
    counted: bool,
) -> dict[str, Any]:
    """Return the gains of repeats; empty where there are samples for less than one."""
    if len(values.alone) < plan.students or len(values.teacher) < 4 * budget:
        return {}
    costs = Costs(student=cost.student, teacher=1.0)
    left = budget - PILOT * (1 + cost.student)
    expected = expected_pilot(card, *student)
    piloted = allocate(expected, costs, seconds=left, slope=None)
    repeats = repeat(values, plan, plain=budget, slope=expected.slope, pilot=piloted)
    loose = allocate(LOOSE, costs, seconds=budget, slope=None)
    if counted and len(values.alone) >= loose.students:
        others = repeat(values, loose, plain=budget, slope=loose.slope)
        repeats.corrected["plan for counts"] = others.corrected["nested, slope of the card"]
    found: dict[str, Any] = {
        "truth": repeats.truth,
        "plain_repeats": len(repeats.plain),
        "gain": {},
        "bias": repeats.bias,
    }
    for name, errors in repeats.corrected.items():
        of = {"8 pairs of pilot": piloted, "plan for counts": loose}.get(name, plan)
        spent = cost.spent(of, counted=counted)
        if "pilot" in name:
            spent += PILOT * (1 + cost.student)
        lost = 1 if values.kind == "variance" else 0
        scale = (budget - lost) / (spent - lost)
        if len(errors):
            found["gain"][name] = gain(repeats, name, scale=scale, single=counted)
            found["corrected_repeats"] = len(errors)
    return found


def measure_levels(samples: Samples, prices: dict, budget: int) -> dict[str, Any]:
    """Return what three levels gain by their law, beside two of the same kind."""
    sets = [samples.values(student, "mean") for student in CHAIN]
    count = min(len(one.paired) for one in sets)
    low, middle, high = (x[:count] for x in (sets[0].paired, sets[1].paired, sets[0].teacher))
    cheap, dear = (prices[student].student for student in CHAIN)
    found = {}
    for name, square in (("mean", False), ("variance", True)):

        def spread(a: np.ndarray, b: np.ndarray | None = None, square: bool = square) -> float:
            parts = [x - x.mean(0) for x in (a, b) if x is not None]
            if square:
                parts = [x**2 for x in parts]
            values = parts[0] if len(parts) == 1 else parts[0] - parts[1]
            return float(values.var(0, ddof=1).mean())

        teacher = spread(high) / budget
        chains = {
            "two": ([spread(low), spread(high, low)], [cheap, 1 + cheap]),
            "three": (
                [spread(low), spread(middle, low), spread(high, middle)],
                [cheap, cheap + dear, dear + 1],
            ),
        }
        found[name] = {}
        for key, (variances, costs) in chains.items():
            counts = allocate_levels(variances, costs, seconds=budget)
            spent = sum(n * c for n, c in zip(counts, costs, strict=True)) / budget
            reached = sum(v / n for v, n in zip(variances, counts, strict=True))
            found[name][key] = {"counts": counts, "gain": teacher / reached / spent}
    return found


def _best(pilot: Pilot, cost: Price, budget: int, *, counted: bool) -> float:
    """Return the gain of the plan that the scene itself would have chosen, with its own slope."""
    more = cost.finding if counted else 0.0
    costs = Costs(student=(cost.student + more) / (1 + more), teacher=1.0)
    plan = allocate(pilot, costs, seconds=budget, slope=None)
    if not plan.pairs:
        return 1.0
    spent = costs.of(students=plan.students, pairs=plan.pairs)
    return law(pilot, plan, spent=spent, slope=plan.slope)


def _for_counts(pilot: Pilot, cost: Price, budget: int, *, counted: bool) -> float:
    """Return the gain of the plan for counts, whose slope is for counts only."""
    plan = allocate(LOOSE, Costs(student=cost.student, teacher=1.0), seconds=budget, slope=None)
    spent = cost.spent(plan, counted=counted)
    return law(pilot, plan, spent=spent, slope=plan.slope if counted else 1.0)


def _bands(samples: Samples, student: tuple[str, int]) -> dict[str, float]:
    base, other = samples.images(student)
    bands = measure_bands(base, other)
    shared = covariance_of(base, other, bands)
    powers = [one.sum(0) / (len(base) - 1) for one in (bands.base, bands.other)]
    r = shared / np.sqrt(powers[0] * powers[1])
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(BANDS)]
    return {name: round(float(v), 4) for name, v in zip(names, r, strict=True)}


def _puncta(blocks: list[Block]) -> list[np.ndarray]:
    return [one for block in blocks for one in block.puncta]


def _quartiles(values: list[float]) -> list[float]:
    return rounded([float(v) for v in np.quantile(values, (0.5, 0.25, 0.75))])


def main() -> None:
    """Measure, print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--budget", type=int, default=32, help="in samples of the teacher")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", type=Path, help="JSON file of the results")
    options = parser.parse_args()
    bundle = open_bundle(find_model(options.model))
    kept = [
        Samples(scene)
        for scene in choose(
            read_scenes(bundle, options.cache, options.folder, each=options.each), options.scenes
        )
    ]
    kept = [one for one in kept if len(one.teacher) >= 4 and len(one.blocks(*STUDENTS[-1])) >= 4]
    prices, times, plans, loose = {}, {}, {}, {}
    for student in STUDENTS:
        prices[student], times[called(*student)] = price(kept, student)
        costs = Costs(student=prices[student].student, teacher=1.0)
        pilot = expected_pilot(bundle.card, *student)
        plans[student] = allocate(pilot, costs, seconds=options.budget)
        loose[student] = allocate(LOOSE, costs, seconds=options.budget, slope=None)
    measure_it = partial(
        measure_kept, plans=plans, prices=prices, budget=options.budget, card=bundle.card
    )
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pool.map(measure_it, [one.scene for one in kept], chunksize=1)
    scenes = {one.scene.name: row for one, row in zip(kept, found, strict=True)}
    table = summarise(scenes)
    tell(table)
    if options.write is not None:
        result = {
            "made_by": "benchmarks/corrections.py",
            "machine": machine(),
            "model": bundle.card.name,
            "budget": options.budget,
            "level": LEVEL,
            "plans": {
                called(*student): {
                    "pairs": plan.pairs,
                    "students": plan.students,
                    "slope_of_the_card": expected_pilot(bundle.card, *student).slope,
                    "spent": prices[student].spent(plan, counted=False),
                    "spent_with_puncta": prices[student].spent(plan, counted=True),
                }
                for student, plan in plans.items()
            },
            "plans_for_counts": {
                called(*student): [plan.pairs, plan.students] for student, plan in loose.items()
            },
            "times": times,
            "together": table,
            "scenes": scenes,
        }
        options.write.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
