"""What a correction of a student is expected to gain, from the figures on a model's card.

The card of a model holds what `benchmarks/students.py` measured on scenes that no training saw, in
units of the reference's own variance: the student's variance, the gap between the means, and the
correlation of deviations on shared noise. They are fixed before an image is looked at, so a plan
that is made from them costs no pilot: every pair that is drawn then counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from napari_posterior.correction.pilot import Pilot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.bundles.card import ModelCard

__all__ = ["expected_pilot", "measured_steps"]

_TABLE: Final = "students_held_out"
_ALL: Final = "all"
_RATIO, _GAP, _CORRELATION = "variance_ratio", "mean_gap_in_sd", "noise_correlation"


def expected_pilot(card: ModelCard, student: str, steps: int | None = None) -> Pilot | None:
    """Return what a pilot of the mean of a pixel would see on an image like those of the card.

    Parameters
    ----------
    card : ModelCard
        Of the model; its figures are those of its reference.
    student : str
        Name of the student.
    steps : int, optional
        Its steps; may be left out where the card has figures of one number of steps only.

    Returns
    -------
    Pilot or None
        In units of the teacher's standard deviation, with 0 pairs; None where the card has no
        such figures, as those of imported and of own models.

    Notes
    -----
    With the ratio q of variances and the correlation r of deviations, the covariance is
    ``r sqrt(q)``; the squared bias is the square of the gap between the means. All are pooled over
    spatial frequencies, and every scene counts alike.
    """
    if steps is None:
        known = measured_steps(card, student)
        if len(known) != 1:
            return None
        steps = known[0]
    row = _row(student, steps)
    ratio, gap, r = (_figure(card, figure, row) for figure in (_RATIO, _GAP, _CORRELATION))
    if ratio is None or gap is None or r is None or not (ratio > 0 and abs(r) <= 1):
        return None
    return Pilot(
        teacher=1.0, student=ratio, covariance=r * math.sqrt(ratio), bias_square=gap**2, pairs=0
    )


def measured_steps(card: ModelCard, student: str) -> tuple[int, ...]:
    """Return the numbers of steps that the card has figures of, in increasing order."""
    rows = _table(card).get(_CORRELATION)
    if not isinstance(rows, dict):
        return ()
    named = (name.removeprefix(f"{student}, ").split(" ")[0] for name in rows)
    return tuple(sorted({int(n) for n in named if n.isdecimal() and _row(student, int(n)) in rows}))


def _row(student: str, steps: int) -> str:
    """Return the name that a student with its steps has in the tables of a card."""
    return f"{student}, {steps} step{'s' * (steps > 1)}"


def _table(card: ModelCard) -> Mapping[str, object]:
    table = card.evaluation.get(_TABLE)
    return table if isinstance(table, dict) else {}


def _figure(card: ModelCard, figure: str, row: str) -> float | None:
    """Return the estimate of all bands together; the table is free, so it may be anything."""
    value: object = _table(card)
    for key in (figure, row, _ALL):
        value = value.get(key) if isinstance(value, dict) else None
    first = value[0] if isinstance(value, list) and value else value
    known = isinstance(first, int | float) and not isinstance(first, bool) and math.isfinite(first)
    return float(first) if known else None  # type: ignore[arg-type]  # a number, as was just seen
