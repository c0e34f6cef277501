"""How often either run draws each form of the answer, and what that says about limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import optimize, stats

from napari_posterior.checks.finding import percent
from napari_posterior.checks.verdicts.evidence import ASSURANCE, TEvidence
from napari_posterior.checks.verdicts.planning import join_growths
from napari_posterior.statistics.proportions import (
    fisher_mid_p,
    newcombe_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Form", "FormEvidence", "compare_forms"]

_MOST_Z: Final = 8.0  # beyond it a p-value is below 1e-15


@dataclass(frozen=True)
class Form:
    """One form of the answer and how often each run draws it.

    Parameters
    ----------
    teacher, student : int
        Samples of each run that have it.
    n_teacher, n_student : int
        Of how many.
    interval : tuple of float
        Of the share of the student less that of the teacher.
    p_value : float
        Fisher's mid-p value that both draw it as often, after Benjamini and Hochberg over the
        forms.
    examples : tuple of tuple of int
        Samples of teacher and student that are nearest to the middle of the form, the nearest
        first; none where the run does not draw it.
    sentence : str
        In words.
    """

    teacher: int
    student: int
    n_teacher: int
    n_student: int
    interval: tuple[float, float]
    p_value: float
    examples: tuple[tuple[int, ...], tuple[int, ...]]
    sentence: str

    @property
    def difference(self) -> float:
        """Share of the student less that of the teacher."""
        return self.student / self.n_student - self.teacher / self.n_teacher


def compare_forms(
    labels: np.ndarray,
    n_teacher: int,
    *,
    level: float,
    examples: Callable[[int], tuple[tuple[int, ...], tuple[int, ...]]] | None = None,
) -> tuple[Form, ...]:
    """Compare how often two runs draw each form.

    Parameters
    ----------
    labels : ndarray, (K_T + K_S,) int
        The form of each sample from 0 on, teacher first; found without regard to the run.
    n_teacher : int
        Samples of the teacher.
    level : float
        Confidence level of the intervals of the differences (Newcombe).
    examples : callable, optional
        Gives the samples of each run that stand for a form.
    """
    count = int(labels.max()) + 1
    totals = n_teacher, len(labels) - n_teacher
    teacher = np.bincount(labels[:n_teacher], minlength=count)
    student = np.bincount(labels[n_teacher:], minlength=count)
    lows, highs = newcombe_interval(student, totals[1], teacher, totals[0], level=level)
    p_values = stats.false_discovery_control(fisher_mid_p(student, totals[1], teacher, totals[0]))
    return tuple(
        Form(
            teacher=int(teacher[i]),
            student=int(student[i]),
            n_teacher=totals[0],
            n_student=totals[1],
            interval=(float(lows[i]), float(highs[i])),
            p_value=float(p_values[i]),
            examples=((), ()) if examples is None else examples(i),
            sentence=_tell_form(i, (int(teacher[i]), int(student[i])), totals),
        )
        for i in range(count)
    )


@dataclass(frozen=True)
class FormEvidence:
    """What the shares of all forms say about limits of their differences, which hold 0.

    *Within* the limits all forms have to be, each tested at the full level (intersection-union,
    Berger 1982, Technometrics 24:295); *beyond* them one is enough, its p-value times the number of
    forms that can lie on the limits while none is beyond: differences add up to 0, so that there
    are as many on one side as on the other, and of two forms each is the mirror of the other. A
    p-value is the tail at which the end of a form's interval is the limit.

    Parameters
    ----------
    forms : tuple of Form
        One or more.
    """

    forms: tuple[Form, ...]

    def below(self, limit: float) -> float:
        """See `Evidence`."""
        return self._gather([_tail(one, limit, 1) for one in self.forms], every=limit >= 0)

    def above(self, limit: float) -> float:
        """See `Evidence`."""
        return self._gather([_tail(one, limit, -1) for one in self.forms], every=limit <= 0)

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """See `Evidence`; notes.

        The largest of several differences is large by chance as well. Where none is beyond the
        limit, all are planned for as the share of them that their chi-squared does not expect of
        chance (method of moments: DerSimonian & Laird 1986, Control. Clin. Trials 7:177).
        """
        side = 1.0 if limit >= 0 else -1.0
        se = np.array([_standard_error(one) for one in self.forms])
        apart = np.array([one.difference for one in self.forms])
        if (side * apart < side * limit).all():
            apart = apart * self._beyond_chance
        left = side * (limit - apart) - side * shift * se
        within = left > 0
        reach = stats.norm.isf(np.where(within, tail, tail / self._rivals)) + ASSURANCE
        with np.errstate(divide="ignore"):
            needed = np.where(left == 0, math.inf, (reach * se / left) ** 2)
        if within.all():
            return join_growths(needed.tolist(), tail)
        return float(needed[~within].min())

    def at(self, value: float) -> TEvidence:
        """Return what these samples would say if every form differed by `value`."""
        return TEvidence(value, max(map(_standard_error, self.forms)), math.inf)

    @property
    def shares(self) -> tuple[float, float] | None:
        """Of the form that varies most."""
        worst = max(self.forms, key=_standard_error)
        return _parts(worst)

    def _gather(self, p_values: list[float], *, every: bool) -> float:
        return max(p_values) if every else min(1.0, self._rivals * min(p_values))

    @property
    def _rivals(self) -> int:
        """Forms that can lie on the limits while none is beyond."""
        count = len(self.forms)
        return 1 if count <= 2 else 2 * (count // 2)

    @property
    def _beyond_chance(self) -> float:
        """Share of the squared differences that chance does not explain."""
        chi2 = 0.0
        for one in self.forms:
            pooled = (one.teacher + one.student) / (one.n_teacher + one.n_student)
            if pooled > 0:
                chi2 += one.difference**2 / (pooled * (1 / one.n_teacher + 1 / one.n_student))
        return max(1 - (len(self.forms) - 1) / chi2, 0.0) if chi2 > 0 else 0.0


def _tell_form(form: int, counts: tuple[int, int], totals: tuple[int, int]) -> str:
    """Say how often each run draws a form, with 95 % intervals."""
    told = []
    for run, count, total in zip(("student", "teacher"), counts[::-1], totals[::-1], strict=True):
        if count == 0:
            # the share whose samples all miss it with a probability of 5 %
            most = percent(1 - 0.05 ** (1 / total))
            told.append(
                f"the {run} 0 of {total}, so it shows this form less than {most} of the time (95 %)"
            )
        else:
            low, high = (float(end) for end in wilson_interval(count, total))
            told.append(
                f"the {run} {count} of {total}, {percent(count / total)} "
                f"({100 * low:.0f}–{percent(high)})"
            )
    return f"Form {form + 1}: {'; '.join(told)}."


def _tail(form: Form, limit: float, side: int) -> float:
    """Return the one-sided p-value that the end of a form's interval reaches a limit."""
    d = form.difference
    if d == limit:
        return 0.5
    upper = d < limit

    def miss(z: float) -> float:
        low, high = newcombe_interval(
            form.student,
            form.n_student,
            form.teacher,
            form.n_teacher,
            level=1 - 2 * float(stats.norm.sf(z)),
        )
        return float(high if upper else low) - limit

    # a level of 0 is no level: start a hair above
    ends = miss(1e-6), miss(_MOST_Z)
    z = _MOST_Z if ends[0] * ends[1] > 0 else optimize.brentq(miss, 1e-6, _MOST_Z)
    p = float(stats.norm.sf(z))
    return p if upper == (side > 0) else 1 - p


def _parts(form: Form) -> tuple[float, float]:
    """Return the parts of teacher and student in the squared error of the difference."""
    parts = []
    for count, total in ((form.teacher, form.n_teacher), (form.student, form.n_student)):
        share = (count + 1) / (total + 2)  # 0 of K has an error too
        parts.append(share * (1 - share) / total)
    return parts[0], parts[1]


def _standard_error(form: Form) -> float:
    return math.sqrt(sum(_parts(form)))
