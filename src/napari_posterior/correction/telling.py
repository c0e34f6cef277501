"""Corrected estimates and plans in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.durations import duration
from napari_posterior.numerals import confidence, number, percent, rounded

if TYPE_CHECKING:
    from napari_posterior.correction.allocation import Offer, Plan
    from napari_posterior.correction.bands import Spectrum
    from napari_posterior.correction.estimate import Corrected
    from napari_posterior.correction.events import Distribution
    from napari_posterior.correction.levels import Telescoped

__all__ = [
    "tell_bands",
    "tell_corrected",
    "tell_distribution",
    "tell_levels",
    "tell_plan",
    "tell_sites",
]

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


def tell_bands(spectrum: Spectrum) -> list[str]:
    """Tell how far the student follows the teacher, from coarse to fine detail."""
    edges, r = spectrum.edges, spectrum.r
    known = np.flatnonzero(np.isfinite(r))
    if not known.size:
        return []
    first, last = int(known[0]), int(known[-1])
    if first == last:
        return [f"At all sizes of detail together the correlation is {number(float(r[first]))}."]
    return [
        f"By size of detail the correlation goes from {number(float(r[first]))} (coarser than "
        f"{number(1 / edges[first + 1], 2)} px) to {number(float(r[last]))} (finer than "
        f"{number(1 / edges[last], 2)} px)."
    ]


def tell_distribution(found: Distribution, mean: Corrected) -> list[str]:
    """Tell the median and the middle 80 % of a number, beside its corrected mean."""
    unit = _unit(mean.about.unit)
    middle, (low, high) = found.quantile(0.5)
    (tenth, _), (ninth, _) = found.quantile(0.1), found.quantile(0.9)
    if not np.isfinite([middle, tenth, ninth]).all():
        return []
    return [
        f"The median over samples of the teacher is {number(middle)}{unit} "
        f"({confidence(mean.level)} interval {_end(low)} to {_end(high)}); a tenth of them has "
        f"at most {number(tenth)}{unit}, nine tenths at most {number(ninth)}{unit}."
    ]


def tell_sites(found: Corrected, *, radius: float) -> list[str]:
    """Tell how many objects are likely, and how well their probabilities are known."""
    count = np.size(found.value)
    if not count:
        return [f"No {found.about.quantity} were found in any sample."]
    half, sure = (int((found.value >= share).sum()) for share in (0.5, 0.95))
    width = float(np.median((found.high - found.low) / 2))
    return [
        f"Of {count} places where {found.about.quantity} were found (detections within "
        f"{number(radius, 2)} px taken together), {half} have a probability of a half or more "
        f"under the teacher and {sure} of 0.95 or more; the median {confidence(found.level)} "
        f"interval reaches {number(width, 2)} to either side."
    ]


def tell_levels(found: Telescoped, *, quantity: str, unit: str = "") -> list[str]:
    """Tell an estimate over several levels, and what the finest one changed.

    Parameters
    ----------
    found : Telescoped
        The estimate.
    quantity, unit : str
        What was estimated, such as ``"mean of each pixel"``, and its unit.
    """
    drawn = f"{found.counts[0]} samples of {found.names[0]} alone"
    pairs = zip(found.counts[1:], found.names[:-1], found.names[1:], strict=True)
    drawn += "".join(f", {n} pairs of {above} with {below}" for n, below, above in pairs)
    term, p_values = found.last_step
    step = f"{found.names[-1]} less {found.names[-2]}, in pairs"
    if np.size(found.value) == 1:
        value, span = _written(found.value, found.low, found.high)
        change = number(float(np.reshape(term.value, ())), 2, sign=True)
        return [
            f"The {quantity} under {found.names[-1]} is {value}{_unit(unit)} "
            f"({confidence(found.level)} interval {span}), from {drawn}.",
            f"{step}: {change}{_unit(unit)} ({_p_value(float(np.mean(p_values)))}).",
        ]
    return [
        f"The {quantity} under {found.names[-1]} is known to {_size(found.se)}{_unit(unit)} "
        f"(standard error, root mean square over {np.size(found.value)} values), from {drawn}.",
        f"{step}: {_size(term.value)}{_unit(unit)} as a root mean square, of which "
        f"{_size(term.se)}{_unit(unit)} is noise of the estimate.",
    ]


def _size(values: np.ndarray) -> str:
    return number(float(np.sqrt(np.mean(np.square(values)))), 2)


def _end(value: float) -> str:
    return number(value) if np.isfinite(value) else "beyond"


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
