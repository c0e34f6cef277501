"""A finding: one estimate of one difference between two runs, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from napari_posterior.checks.verdicts.evidence import Evidence
    from napari_posterior.checks.verdicts.verdict import Judgement, Verdict

__all__ = ["QUESTIONS", "Finding", "as_json", "confidence", "number", "percent", "rounded"]

QUESTIONS: Final[Mapping[str, str]] = {
    "mean": "Is the average restoration kept?",
    "variance": "Are the error bars kept, everywhere and in fine detail?",
    "task": "Is what you count and measure kept?",
    "likelihood": "Do the samples agree with the measurement as well?",
    "calibration": "Do the error bars hold what they promise?",
    "diversity": "Are all forms of the answer still drawn?",
    "dependence": "Does the answer still follow the measurement?",
}
"""The seven questions, by name."""

Bound = float | None


@dataclass(frozen=True)
class Finding:
    """What a comparison found about one quantity.

    Parameters
    ----------
    id : str
        For example ``"mean"``, ``"variance"``, ``"puncta_count"``.
    title : str
        The quantity in words.
    estimand : str
        What is estimated, in symbols or words.
    unit : str
        Unit of the estimate; empty for a ratio.
    estimate : float or None
        None where it cannot be estimated; the sentence says why.
    interval : tuple of float or None
        Lower and upper end; None where there is no bound.
    level : float
        Confidence level of the interval, for example 0.9.
    method : str
        How estimate and interval were computed.
    n_teacher, n_student : int
        Samples that entered.
    coupled : bool
        Whether samples were compared in pairs of one noise canvas.
    sentence : str
        The finding in words.
    no_difference : float
        The value at which teacher and student agree: 0 for a difference, 1 for a ratio.
    question : str
        Which of `QUESTIONS` it answers.
    kind : str
        What stands for its id in `tolerances.DEFAULTS`, such as ``"statistic"``; empty where only
        an estimate is given.
    evidence : Evidence or None
        What the estimate says about limits.
    distance : bool
        Whether the quantity cannot be below `no_difference`.
    untestable : str
        Why there is no verdict whatever the samples, as a clause; empty where there can be one.
    p_value : float or None
        Of no difference at all; shown, and never decides.
    p_method : str
        How it was computed.
    region : str or None
        Where in the image; None for the whole.
    maps : tuple of str
        Names of the maps that show where.
    notes : tuple of str
        What to keep in mind, in sentences.
    counted : str
        What `n_teacher` and `n_student` count: ``"samples"``, or restorations or simulations of an
        experiment.
    judgement : Judgement or None
        The verdict; None for what is an estimate only.
    required : bool
        Whether it decides the whole.
    extra : mapping
        Further numbers: standard error, degrees of freedom, the value of each run.
    """

    id: str
    title: str
    estimand: str
    unit: str
    estimate: float | None
    interval: tuple[Bound, Bound]
    level: float
    method: str
    n_teacher: int
    n_student: int
    coupled: bool
    sentence: str
    no_difference: float = 0.0
    question: str = ""
    kind: str = ""
    evidence: Evidence | None = None
    distance: bool = False
    untestable: str = ""
    p_value: float | None = None
    p_method: str = ""
    region: str | None = None
    maps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    counted: str = "samples"
    judgement: Judgement | None = None
    required: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict | None:
        """*preserved*, *not preserved*, *not enough samples*, *not testable*; None: no verdict."""
        return None if self.judgement is None else self.judgement.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values: no NaN, no arrays."""
        values: dict[str, Any] = as_json(
            {
                "id": self.id,
                "title": self.title,
                "question": self.question,
                "region": self.region,
                "estimand": self.estimand,
                "unit": self.unit,
                "estimate": self.estimate,
                "ci": list(self.interval),
                "ci_level": self.level,
                "no_difference": self.no_difference,
                "method": self.method,
                "K_T": self.n_teacher,
                "K_S": self.n_student,
                "counted": self.counted,
                "coupled": self.coupled,
                "p_value": self.p_value,
                "p_method": self.p_method,
                "required": self.required,
                "verdict": None,
                **({} if self.judgement is None else self.judgement.to_dict()),
                "sentence": self.sentence,
                "maps": list(self.maps),
                "warnings": list(self.notes),
                "extra": dict(self.extra),
            }
        )
        return values


_MINUS: Final = "−"
_MOST_DECIMALS: Final = 8


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Write a number for a sentence: `digits` significant digits and a typographic minus."""
    if value is None or not math.isfinite(value):
        return "unbounded"
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return _fixed(value, digits - 1 - magnitude, sign=sign)


def rounded(
    value: float | None, interval: tuple[Bound, Bound], *, sign: bool = False
) -> tuple[str, str]:
    """Write an estimate and its interval with the decimals that the interval deserves.

    Two significant digits of half its width; three digits of the numbers where it has none.

    Returns
    -------
    tuple of str
        ``("0.70", "0.65 to 0.75")``, or ``"–"`` for what there is not.
    """
    low, high = interval
    if value is None or low is None or high is None or not high > low:
        ends = [number(bound, sign=sign) for bound in interval]
        span = "–" if low is None and high is None else " to ".join(ends)
        return "–" if value is None else number(value, sign=sign), span
    decimals = 1 - math.floor(math.log10((high - low) / 2))
    texts = [_fixed(v, decimals, sign=sign) for v in (value, low, high)]
    return texts[0], f"{texts[1]} to {texts[2]}"


def _fixed(value: float, decimals: int, *, sign: bool) -> str:
    """Write a number with some decimals, without a sign where it rounds to zero."""
    text = f"{abs(value):.{min(max(decimals, 0), _MOST_DECIMALS)}f}"
    if float(text) == 0:
        return "0"
    return (_MINUS if value < 0 else "+" if sign else "") + text


def percent(share: float, digits: int = 0, *, sign: bool = False) -> str:
    """Write a share as a percentage with a space, as in ``"90 %"``."""
    return f"{_fixed(100 * share, digits, sign=sign)} %"


def confidence(level: float) -> str:
    """Write a confidence level, as in ``"97.6 %"``."""
    return f"{100 * level:.3g} %"


def as_json(value: Any) -> Any:
    """Turn numpy values, tuples and mappings into JSON values; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
