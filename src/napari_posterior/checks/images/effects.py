"""One finding on several images, brought to a scale on which its effects add."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from scipy import stats

from napari_posterior.checks.finding import number, percent
from napari_posterior.checks.verdicts.evidence import GapEvidence, TEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.finding import Finding

__all__ = ["CommonScale", "Effect", "find_scale", "measure_effect"]

Kind = Literal["linear", "log", "square"]

_SAME: Final = 1e-6
_SHARE: Final = "share of "


@dataclass(frozen=True)
class Effect:
    """What one image says, on a scale on which effects add.

    Parameters
    ----------
    value, se : float
        The effect and its standard error.
    kind : str
        ``"log"`` of a ratio, ``"square"`` of a distance, or ``"linear"``.
    """

    value: float
    se: float
    kind: Kind


@dataclass(frozen=True)
class CommonScale:
    """What the effects of all images are measured in.

    Parameters
    ----------
    kind : str
        As of `Effect`.
    units : tuple of float
        What the effect of each image is divided by.
    unit : str
        In words: the unit of the finding, ``"of the teacher's mean"``, ``"teacher SD"`` or
        ``"times your limit"`` where limits differ between images.
    low, high : float or None
        The limits in that unit.
    words : str
        The limits in words.
    """

    kind: Kind
    units: tuple[float, ...]
    unit: str
    low: float | None
    high: float | None
    words: str

    def back(self, value: float) -> float:
        """Return a value of the scale in the unit of the finding, or in `unit`."""
        if self.kind == "log":
            return math.exp(value)
        return math.sqrt(max(value, 0.0)) if self.kind == "square" else value

    def ends(self, share: float) -> tuple[float, float]:
        """Return the limits on the scale, moved outwards by a share of 1; inwards below 0."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if self.kind == "log":
            step = math.log1p(share) if share > -1 else -math.inf
            lowest = math.log(low) if low > 0 else -math.inf
            return lowest - step, math.log(high) + step
        if self.kind == "square":
            return -math.inf, max(high + share, 0.0) ** 2
        return low - share, high + share

    def write(self, value: float) -> str:
        """Write a value of `back`, with its unit."""
        return f"{self._figure(value)} {self._unit}".rstrip()

    def write_span(self, ends: tuple[float, float]) -> str:
        """Write two values of `back`, with their unit."""
        return f"{' to '.join(map(self._figure, ends))} {self._unit}".rstrip()

    def _figure(self, value: float) -> str:
        """Write a value without its unit, shares in percent."""
        if self.unit == "of the teacher's mean":
            return percent(value, 1, sign=True).removesuffix(" %")
        if self.unit.startswith(_SHARE):
            # a normal error reaches below a share that cannot
            value = value if self._signed else max(value, 0.0)
            return percent(value, 1, sign=self._signed).removesuffix(" %")
        return number(value, 3, sign=self.kind == "linear")

    @property
    def _signed(self) -> bool:
        return self.low is not None and self.low < 0

    @property
    def _unit(self) -> str:
        if self.unit == "of the teacher's mean":
            return f"% {self.unit}"
        if self.unit.startswith(_SHARE):
            return "percentage points" if self._signed else f"% of {self.unit.removeprefix(_SHARE)}"
        return self.unit


def measure_effect(finding: Finding) -> Effect | None:
    """Return the effect of a finding; None where it has no standard error, or is of many places."""
    evidence, value = finding.evidence, finding.estimate
    found: Effect | None = None
    if isinstance(evidence, TEvidence):
        if not evidence.log:
            found = Effect(evidence.value, evidence.se, "linear")
        elif evidence.value > 0:
            found = Effect(math.log(evidence.value), evidence.se, "log")
    elif isinstance(evidence, GapEvidence):
        spread = evidence.still + evidence.slope * max(evidence.square, 0.0)
        se = math.sqrt(max(spread, 0.0)) / evidence.unit
        found = Effect(evidence.square / evidence.unit, se, "square")
    elif evidence is None and value is not None:
        # an interval alone: the farther end, taken for that of a normal error
        reach = max((abs(value - end) for end in finding.interval if end is not None), default=0.0)
        se = reach / float(stats.norm.isf((1 - finding.level) / 2))
        found = Effect(value, se, "linear")
    if found is None or not (0 < found.se < math.inf and math.isfinite(found.value)):
        return None
    return found


def find_scale(findings: Sequence[Finding]) -> CommonScale | None:
    """Return what one finding of several images can be measured in; None where there are no limits.

    Limits that differ from image to image, such as 10 % of each teacher's mean, become one limit in
    units of that mean, of the teacher's standard deviation, or of the limit itself.

    Parameters
    ----------
    findings : sequence of Finding
        One of each image, with verdicts and an effect.
    """
    effects = [measure_effect(one) for one in findings]
    kinds = {one.kind for one in effects if one is not None}
    limits = [None if one.judgement is None else one.judgement.limits for one in findings]
    known = [one for one in limits if one is not None]
    if len(kinds) != 1 or len(known) < len(findings) or None in effects:
        return None
    kind = kinds.pop()
    ends = [(one.low, one.high) for one in known]
    first = known[0]
    if all(_near(low, ends[0][0]) and _near(high, ends[0][1]) for low, high in ends):
        units = (1.0,) * len(ends)
        return CommonScale(kind, units, findings[0].unit, first.low, first.high, first.words)
    if kind != "linear" or not all(
        low is not None and high is not None and _near(low, -high) for low, high in ends
    ):
        return None
    reaches = [high or 0.0 for _, high in ends]
    for key, unit in (("teacher_mean", "of the teacher's mean"), ("teacher_sd", "teacher SD")):
        values = [abs(float(one.extra.get(key) or 0.0)) for one in findings]
        if all(values):
            shares = [reach / value for reach, value in zip(reaches, values, strict=True)]
            if all(_near(share, shares[0]) for share in shares):
                share = shares[0]
                told = percent(share) if key == "teacher_mean" else number(share, 2)
                words = f"±{told} {unit}"
                return CommonScale(kind, tuple(values), unit, -share, share, words)
    words = "that of each image"
    return CommonScale(kind, tuple(reaches), "times your limit", -1.0, 1.0, words)


def _near(value: float | None, other: float | None) -> bool:
    if value is None or other is None:
        return value is other
    return math.isclose(value, other, rel_tol=_SAME)
