"""Corrected estimates and plans in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.durations import duration
from napari_posterior.numerals import confidence, number, percent, rounded

if TYPE_CHECKING:
    from napari_posterior.correction.allocation import Offer, Plan
    from napari_posterior.correction.estimate import Corrected

__all__ = ["tell_corrected", "tell_plan"]

_RATE = 0.05


def tell_corrected(corrected: Corrected) -> list[str]:
    """Tell an estimate, what it gained, and what the student alone would have been off by.

    Returns
    -------
    list of str
        Three sentences or four; for a map, the root mean square of its errors.
    """
    about = corrected.about
    scope = about.scope[:1].upper() + about.scope[1:]
    drawn = (
        f"from {corrected.pairs} pairs on shared noise and {corrected.students} samples of "
        f"{about.student} besides"
    )
    if np.size(corrected.value) == 1:
        value, span = _written(corrected.value, corrected.low, corrected.high)
        first = (
            f"{scope}, the {about.quantity} under {about.teacher} is {value}{_unit(about.unit)} "
            f"({confidence(corrected.level)} interval {span}), {drawn}."
        )
    else:
        error = float(np.sqrt(np.mean(corrected.se**2)))
        first = (
            f"{scope}, the {about.quantity} under {about.teacher} is known to "
            f"{number(error, 2)}{_unit(about.unit)} (standard error, root mean square over "
            f"{np.size(corrected.value)} values), {drawn}."
        )
    return [first, _tell_gain(corrected), *_tell_difference(corrected), _tell_limits(corrected)]


def tell_plan(plan: Plan, *, unit: str = "") -> list[str]:
    """Tell what the teacher alone, the student alone and the correction promise."""
    told = [
        f"The teacher alone: {_offer(plan.teacher.teachers, plan.teacher, unit)}.",
        f"The student alone: {_offer(plan.student.students, plan.student, unit)}, and biased by "
        f"about {number(plan.student.bias, 2)}{_unit(unit)}, which more samples do not lessen.",
    ]
    if plan.refusal:
        return [*told, plan.refusal]
    return [
        *told,
        f"Corrected: {plan.pairs} pairs and {plan.students} students, "
        f"{duration(plan.corrected.seconds)}, expected error {number(plan.corrected.se, 2)}"
        f"{_unit(unit)}, as from {number(plan.speed_up, 2)} times as many samples of the teacher "
        "in that time.",
    ]


def _offer(count: int, offer: Offer, unit: str) -> str:
    return (
        f"{count} samples, {duration(offer.seconds)}, expected standard error "
        f"{number(offer.se, 2)}{_unit(unit)}"
    )


def _tell_gain(corrected: Corrected) -> str:
    r = np.atleast_1d(corrected.r)
    known = r[np.isfinite(r)]
    if not known.size:
        return "In these pairs teacher or student does not vary, so no correlation can be told."
    middle = "" if known.size == 1 else "median "
    start = f"The {middle}correlation of both on shared noise is {number(float(np.median(known)))}"
    if corrected.speed_up is None:
        return f"{start}."
    if corrected.speed_up <= 1:
        return f"{start}: plain sampling of the teacher would have been as exact in that time."
    return (
        f"{start}: in the same time the teacher alone would have had "
        f"{number(corrected.speed_up, 2)} times the variance."
    )


def _tell_difference(corrected: Corrected) -> list[str]:
    gap, about = corrected.difference, corrected.about
    if np.size(gap.value) == 1:
        value, span = _written(gap.value, gap.low, gap.high, sign=True)
        return [
            f"Student less teacher, in pairs: {value}{_unit(about.unit)} "
            f"({confidence(corrected.level)} interval {span}; p = "
            f"{number(float(np.mean(gap.p_values)), 2)}, {gap.method})."
        ]
    share = float(np.mean(gap.found(rate=_RATE)))
    return [
        f"Student and teacher differ at {percent(share)} of the values (false discovery rate "
        f"{percent(_RATE)}, {gap.method}), by {number(float(np.sqrt(np.mean(gap.value**2))), 2)}"
        f"{_unit(about.unit)} as a root mean square, noise of the estimate included."
    ]


def _tell_limits(corrected: Corrected) -> str:
    return (
        f"This holds for {corrected.about.teacher}, whose own error it keeps, and for this "
        "quantity: no single sample is corrected."
    )


def _written(
    value: np.ndarray, low: np.ndarray, high: np.ndarray, *, sign: bool = False
) -> tuple[str, str]:
    numbers = (float(np.asarray(one).reshape(())) for one in (value, low, high))
    middle, first, last = numbers
    return rounded(middle, (first, last), sign=sign)


def _p_value(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {number(p, 2)}"


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
