"""A finding: one estimate of one difference between two runs, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.numerals import confidence, number, percent, rounded

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
    correlation : float or None
        In pairs, of what one sample of each run adds to the estimate, where it is known.
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
    correlation: float | None = None
    judgement: Judgement | None = None
    required: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict | None:
        """*preserved*, *not preserved*, *not enough samples*, *not testable*; None: no verdict."""
        return None if self.judgement is None else self.judgement.verdict

    @property
    def pairing(self) -> str:
        """How samples were paired, with the correlation where it is known; else empty."""
        if not self.coupled or self.counted != "samples":
            return ""
        known = "" if self.correlation is None else f", correlation {self.correlation:.2f}"
        return f"paired on shared noise{known}".replace("-", "−")

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
                "pair_correlation": self.correlation,
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
