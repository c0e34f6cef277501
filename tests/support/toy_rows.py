"""Teachers with students that are exact, on the limit of a check, or faulty, for every check.

Each row names the check that is meant to tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from toy_checks import COUNT, RANKED, Case, find, judge_all
from toy_planted import (
    Scene,
    corner,
    counts,
    covering,
    dimensions,
    fewer,
    fewer_dimensions,
    fine,
    gap,
    heeding,
    ignoring,
    less_likely,
    make_scene,
    moved,
    narrower,
    ratio,
    shares,
    sharper_counts,
    spreads,
    variances,
)

from napari_posterior.checks.experiments.ranks import PIXELS, rank
from napari_posterior.checks.verdicts.planning import plan
from napari_posterior.toys.students import (
    collapsed,
    coupled_noise,
    repeated,
    with_doubled_logits,
    with_gain,
    with_variance,
    without_faint_puncta,
    without_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.verdicts.looks import Looks
    from napari_posterior.toys.laws import Law, Restoration

CONFIDENT = np.concatenate([np.full(16, 0.97), np.full(6, 0.85), np.full(3, 0.5)])
UNSURE = np.linspace(0.05, 0.95, 25)
_COUPLED = 0.9
_EACH = 4


@dataclass(frozen=True, eq=False)
class Row:
    """A teacher, a student, and the finding that is meant to tell them apart.

    Parameters
    ----------
    name : str
        In words.
    role : str
        ``"exact"``, ``"boundary"`` or ``"fault"``.
    check, finding : str
        Key of `toy_checks.FINDERS`, and the id of the finding.
    student : callable
        From the scene to the student's law.
    scene : mapping
        What `make_scene` needs.
    coupled : bool
        Whether the fields of both share their noise, with a correlation of .9.
    many : bool
        Whether every repeat is another image; else all repeats look at one.
    value : callable or None
        The known value of what is estimated, from teacher and student.
    restore : callable or None
        From a measurement of the scene's kind to the student's law, where new ones are restored.
    """

    name: str
    role: str
    check: str
    finding: str
    student: Callable[[Scene], Law] = lambda scene: scene.teacher
    scene: dict = field(default_factory=dict)
    coupled: bool = False
    many: bool = False
    value: Callable[[Law, Law], float] | None = None
    restore: Callable[[Restoration, np.ndarray], Law] | None = None

    @property
    def has_puncta(self) -> bool:
        """Whether there are puncta to count."""
        return "puncta" in self.scene

    def known(self) -> float:
        """Return the known value of what is estimated."""
        scene, student = self._one
        return float(self.value(scene.teacher, student))

    @property
    def key(self) -> str:
        """For a file name."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name).split()).lower()

    @cached_property
    def _one(self) -> tuple[Scene, Law]:
        scene = make_scene(**self.scene)
        return scene, self.student(scene)

    def draw(self, samples: int | tuple[int, int], seed: int) -> Case:
        """Draw both runs.

        Parameters
        ----------
        samples : int or tuple of int
            Of each run.
        seed : int
            Of the repeat.
        """
        counts = (samples, samples) if isinstance(samples, int) else samples
        generator = np.random.default_rng([seed, 7])
        scene, student = self._one
        if self.check in ("dependence", "self_calibration"):
            redraw = _follow if self.check == "dependence" else _simulate
            return redraw(scene, self.restore or _exactly, counts[0], generator)
        if self.many:
            scene = make_scene(**self.scene, seed=1000 + seed)
            student = self.student(scene)
        n = scene.toy.size
        noise = generator.standard_normal((counts[0], n, n))
        other = coupled_noise(noise, _COUPLED, generator) if self.coupled else None
        return Case(
            scene.teacher.draw(counts[0], generator, noise=noise),
            student.draw(counts[1], generator, noise=other),
            scene.measurement,
            scene.truth,
            None if scene.teacher.puncta is None else scene.teacher.puncta.sites,
            self.coupled,
        )

    def look(self, samples: int | tuple[int, int], seed: int, looks: Looks):
        """Return the finding, with its verdict, of one repeat."""
        found = find(self.draw(samples, seed), (self.check,), level=looks.level)
        return judge_all(found, looks)[self.finding]

    def find_all(self, samples: int, seed: int, *, level: float) -> dict[str, Finding]:
        """Return the findings of every check that there is something for, by their ids."""
        names = tuple(n for n in WATCHING if n not in ("count", "sites") or self.has_puncta)
        found = find(replace(self, check="").draw(samples, seed), names, level=level)
        if self.restore is not None:
            restored = replace(self, check="dependence").draw(samples, seed)
            found |= find(restored, ("dependence",), level=level)
        return found

    def planned(self, looks: Looks, *, pilots: int = 20) -> int | None:
        """Return the look at which the planner says that the question will be settled, if any.

        Pilots are drawn at one look after the other until half of them ask for no more samples than
        the next look has; it is what half of them ask for, at the next look. The plan is made for
        every pilot, settled or not, as luck settles some.
        """
        for look in looks.samples[:-1]:
            found = [self.look(look, 10_000 + seed, looks) for seed in range(pilots)]
            asked = float(np.median([look + asked_of(one, looks) for one in found]))
            if asked <= (looks.after(look + 1) or 0):
                return looks.after(asked)
        return None


def _exactly(toy: Restoration, y: np.ndarray) -> Law:
    return toy.posterior(y)


def _follow(scene: Scene, restore, samples: int, generator: np.random.Generator) -> Case:
    """Restore redraws of the noise of one teacher sample, as the planner asks, and score them."""
    toy = scene.toy
    star = scene.teacher.draw(1, generator).samples[0]
    redraws = [toy.measure(star, generator) for _ in range(samples // _EACH)]
    tables = []
    for law_of in (_exactly, restore):
        drawn = [law_of(toy, y).draw(_EACH, generator).samples for y in redraws]
        tables.append(np.array([[toy.log_likelihood(one, y) for y in redraws] for one in drawn]))
    both = (tables[0].transpose(0, 2, 1), tables[1].transpose(0, 2, 1))
    nothing = scene.teacher.draw(1, generator)
    return Case(nothing, nothing, follow=both)


def _simulate(scene: Scene, restore, samples: int, generator: np.random.Generator) -> Case:
    """Rank teacher samples among restorations of new measurements of them."""
    toy = scene.toy
    drawn = scene.teacher.draw(samples, generator)
    found = []
    for star in drawn.samples:
        y = toy.measure(star, generator)
        runs = [law_of(toy, y).draw(RANKED, generator).samples for law_of in (_exactly, restore)]
        found.append({PIXELS: (rank(runs[0], star), rank(runs[1], star))})
    return Case(drawn, drawn, simulated=tuple(found))


def asked_of(finding: Finding, looks: Looks) -> float:
    """Return how many more teacher samples the planner asks for; infinite where none settle it."""
    judgement = finding.judgement
    more = judgement.more
    if more is None and finding.evidence is not None:
        low, high = judgement.limits.low, judgement.limits.high
        ends = (-math.inf if low is None else low, math.inf if high is None else high)
        counts = finding.n_teacher, finding.n_student
        more = plan(
            finding.evidence, finding.estimate, (ends, ends), counts, looks,
            no_difference=finding.no_difference,
        )  # fmt: skip
    if more is None:
        return 0.0
    return math.inf if more.borderline else float(more.teacher)


_PUNCTA = {"puncta": CONFIDENT}
_FAINT = {"puncta": UNSURE}
_FORMS = {"forms": True}
_FLAT = {"psf_sigma": 1.0}
_WIDE = {"size": 96, "psf_sigma": 1.0}

EXACT = (
    Row("exact, mean", "exact", "mean", "mean"),
    Row("exact, variance", "exact", "variance", "variance"),
    Row("exact, variance, shared noise", "exact", "variance", "variance", coupled=True),
    Row("exact, mean, shared noise", "exact", "mean", "mean", coupled=True),
    Row("exact, spectrum", "exact", "spectrum", "spectrum"),
    Row("exact, tiles", "exact", "tiles", "tiles"),
    Row("exact, puncta count", "exact", "count", COUNT, scene=_PUNCTA),
    Row("exact, spread of the count", "exact", "count", f"{COUNT}.spread", scene=_FAINT),
    Row("exact, puncta lost", "exact", "sites", "sites.lost", scene=_PUNCTA),
    Row("exact, puncta invented", "exact", "sites", "sites.invented", scene=_PUNCTA),
    Row("exact, likelihood", "exact", "likelihood", "likelihood", scene=_FLAT),
    Row("exact, coverage", "exact", "coverage", "coverage.90", scene=_WIDE, many=True),
    Row("exact, dimension", "exact", "dimension", "dimension"),
    Row("exact, diversity", "exact", "diversity", "diversity"),
    Row("exact, modes", "exact", "modes", "modes", scene=_FORMS),
    Row("exact, dependence", "exact", "dependence", "dependence", scene=_FLAT),
    Row("exact, self-calibration", "exact", "self_calibration", "self_calibration", scene=_FLAT),
)
"""Students that are their teachers."""

BOUNDARY = (
    Row("gap of 0.2 SD", "boundary", "mean", "mean", moved(0.2)),
    Row("gap of 0.2 SD, shared noise", "boundary", "mean", "mean", moved(0.2), coupled=True),
    Row("variance x 0.8", "boundary", "variance", "variance", ratio(0.8)),
    Row("variance x 1.25", "boundary", "variance", "variance", ratio(1.25)),
    Row("variance x 0.8, shared noise", "boundary", "variance", "variance", ratio(0.8),
        coupled=True),
    Row("detail finer than 6 px x 0.8", "boundary", "spectrum", "spectrum", fine(0.8, band=1)),
    # the window spreads power over two bins, so that the band beside the step is above the limit
    Row("finest three bands x 0.8", "boundary", "spectrum", "spectrum", fine(0.8, band=-4)),
    Row("variance x 0.67 in a corner", "boundary", "tiles", "tiles", corner(0.67)),
    Row("10 % fewer puncta", "boundary", "count", COUNT, fewer(0.1), scene=_PUNCTA),
    Row("spread of the count x 0.8", "boundary", "count", f"{COUNT}.spread", sharper_counts,
        scene=_FAINT),
    Row("5 % of the puncta lost", "boundary", "sites", "sites.lost", fewer(0.05, least=0.9),
        scene=_PUNCTA),
    Row("chi-squared higher by its limit", "boundary", "likelihood", "likelihood", less_likely,
        scene=_FLAT),
    Row("coverage lower by 0.05", "boundary", "coverage", "coverage.90",
        lambda scene: with_variance(scene.teacher, covering(0.05, 16) ** 2), scene=_WIDE,
        many=True),
    Row("dimension x 0.67", "boundary", "dimension", "dimension", fewer_dimensions(0.67)),
    Row("distances x 0.8", "boundary", "diversity", "diversity", ratio(0.8)),
    Row("share of two forms off by 0.1", "boundary", "modes", "modes", shares(0.70, 0.15, 0.15),
        scene=_FORMS),
    Row("90 % of y heeded", "boundary", "dependence", "dependence", scene=_FLAT,
        restore=heeding(0.9)),
    Row("simulated coverage lower by 0.05", "boundary", "self_calibration", "self_calibration",
        scene=_FLAT, restore=narrower(covering(0.05, RANKED) ** 2)),
)  # fmt: skip
"""Students that lie on the limit of a check."""

FAULTS = (
    Row("variance x 0.6", "fault", "variance", "variance", ratio(0.6)),
    Row("variance x 0.6, brightness varies", "fault", "variance", "variance",
        ratio(0.6), scene={"tails": "brightness"}),
    Row("variance x 0.4 in a corner", "fault", "tiles", "tiles", corner(0.4)),
    Row("fine detail x 0.5", "fault", "spectrum", "spectrum", fine(0.5, band=2)),
    Row("mean off by 0.35 SD", "fault", "mean", "mean", moved(0.35)),
    Row("gain x 1.05", "fault", "mean", "mean", lambda scene: with_gain(scene.teacher, 1.05)),
    Row("20 % fewer puncta", "fault", "count", COUNT, fewer(0.2), scene=_PUNCTA),
    Row("logits doubled", "fault", "sites", "sites.lost",
        lambda scene: with_doubled_logits(scene.teacher), scene=_FAINT),
    Row("puncta below 0.3 dropped", "fault", "sites", "sites.lost",
        lambda scene: without_faint_puncta(scene.teacher, 0.3), scene=_FAINT),
    Row("half of y ignored, mean", "fault", "mean", "mean", ignoring(0.5), scene=_FLAT),
    Row("half of y ignored, likelihood", "fault", "likelihood", "likelihood", ignoring(0.5),
        scene=_FLAT),
    Row("prior only", "fault", "likelihood", "likelihood", lambda scene: scene.toy.blind,
        scene=_FLAT),
    Row("MSE image repeated, variance", "fault", "variance", "variance",
        lambda scene: repeated(scene.teacher)),
    Row("MSE image repeated, likelihood", "fault", "likelihood", "likelihood",
        lambda scene: repeated(scene.teacher), scene=_FLAT),
    Row("SDS-like collapse", "fault", "diversity", "diversity",
        lambda scene: collapsed(scene.teacher), scene=_FORMS),
    Row("25 % form dropped", "fault", "modes", "modes",
        lambda scene: without_form(scene.teacher, 1), scene=_FORMS),
    Row("SDS-like collapse, modes", "fault", "modes", "modes",
        lambda scene: collapsed(scene.teacher), scene=_FORMS),
    Row("error bars x 0.5", "fault", "coverage", "coverage.90", ratio(0.25), scene=_WIDE,
        many=True),
    Row("half of y ignored, dependence", "fault", "dependence", "dependence", scene=_FLAT,
        restore=heeding(0.5)),
    Row("prior only, dependence", "fault", "dependence", "dependence", scene=_FLAT,
        restore=lambda toy, y: toy.blind),
    Row("error bars x 0.7, self-calibration", "fault", "self_calibration", "self_calibration",
        scene=_FLAT, restore=narrower(0.5)),
    Row("dimension x 0.4", "fault", "dimension", "dimension", fewer_dimensions(0.4)),
)  # fmt: skip
"""Students with a fault that the check named is meant to find."""

FINER_FAULTS = (
    Row("15 % form dropped", "fault", "modes", "modes",
        lambda scene: without_form(scene.teacher, 2), scene=_FORMS),
)  # fmt: skip
"""Faults that more samples than the default looks have are needed for."""


def exact_of(row: Row) -> Row:
    """Return the exact student of the finding of another row."""
    return next(one for one in EXACT if (one.finding, one.coupled) == (row.finding, row.coupled))


def _tailed(row: Row, tails: str, told: str) -> Row:
    return replace(row, name=f"{row.name}, {told}", scene={**row.scene, "tails": tails})


_WIDTH = Row("variance x 0.7", "coverage", "variance", "variance", ratio(0.7), value=variances)

COVERAGE = (
    Row("no gap", "coverage", "mean", "mean", value=gap),
    Row("gap of 0.15 SD", "coverage", "mean", "mean", moved(0.15), value=gap),
    Row("gap of 0.4 SD", "coverage", "mean", "mean", moved(0.4), value=gap),
    Row("gap of 0.15 SD, shared noise", "coverage", "mean", "mean", moved(0.15), coupled=True,
        value=gap),
    _WIDTH,
    replace(_WIDTH, name="variance x 0.7, shared noise", coupled=True),
    _tailed(_WIDTH, "t5", "heavy tails"),
    _tailed(_WIDTH, "brightness", "brightness varies"),
    Row("distances x 0.7", "coverage", "diversity", "diversity", ratio(0.7), value=variances),
    Row("dimension x 0.6", "coverage", "dimension", "dimension", fewer_dimensions(0.6),
        value=dimensions),
    Row("80 % of y heeded", "coverage", "dependence", "dependence", scene=_FLAT,
        restore=heeding(0.8), value=lambda teacher, student: 0.8),
    Row("10 % fewer puncta", "coverage", "count", COUNT, fewer(0.1), scene=_PUNCTA,
        value=counts),
    Row("spread of the count x 0.8", "coverage", "count", f"{COUNT}.spread", sharper_counts,
        scene=_FAINT, value=spreads),
)  # fmt: skip
"""Students at a known distance, for the coverage of intervals."""

WATCHED = (
    Row("variance x 0.6", "fault", "variance", "variance", ratio(0.6), scene=_FLAT),
    Row("fine detail x 0.5", "fault", "spectrum", "spectrum", fine(0.5, band=2)),
    Row("25 % form dropped", "fault", "modes", "modes",
        lambda scene: without_form(scene.teacher, 1), scene=_FORMS),
    Row("logits doubled", "fault", "sites", "sites.lost",
        lambda scene: with_doubled_logits(scene.teacher), scene=_FAINT),
    Row("half of y ignored", "fault", "dependence", "dependence", ignoring(0.5), scene=_FLAT,
        restore=heeding(0.5)),
    Row("prior only", "fault", "dependence", "dependence", lambda scene: scene.toy.blind,
        scene=_FLAT, restore=lambda toy, y: toy.blind),
    Row("gain x 1.05", "fault", "mean", "mean", lambda scene: with_gain(scene.teacher, 1.05),
        scene=_FLAT),
    Row("MSE image repeated", "fault", "variance", "variance",
        lambda scene: repeated(scene.teacher), scene=_FLAT),
    Row("SDS-like collapse", "fault", "diversity", "diversity",
        lambda scene: collapsed(scene.teacher), scene=_FORMS),
)  # fmt: skip
"""Every planted fault, watched by every check."""

WATCHING = ("mean", "variance", "spectrum", "tiles", "likelihood", "dimension", "diversity",
            "modes", "count", "sites")  # fmt: skip
"""The checks that need no new draws."""

_LOOKED_AT = (
    Row("exact, variance", "exact", "variance", "variance"),
    Row("variance x 0.8", "boundary", "variance", "variance", ratio(0.8)),
    Row("variance x 0.6", "fault", "variance", "variance", ratio(0.6)),
)

SEQUENCES = (
    *_LOOKED_AT,
    *(_tailed(row, "brightness", "brightness varies") for row in _LOOKED_AT),
    Row("exact, mean", "exact", "mean", "mean"),
    Row("gap of 0.2 SD", "boundary", "mean", "mean", moved(0.2)),
    Row("gap of 0.3 SD", "fault", "mean", "mean", moved(0.3)),
    Row("exact, puncta count", "exact", "count", COUNT, scene=_FAINT),
    Row("10 % fewer puncta", "boundary", "count", COUNT, fewer(0.1), scene=_FAINT),
    Row("20 % fewer puncta", "fault", "count", COUNT, fewer(0.2), scene=_FAINT),
)
"""What is looked at again and again."""
