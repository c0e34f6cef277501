"""An interval beside its tolerance, as one line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.finding import number

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding

__all__ = ["strip"]

_LEAST_RATIO: Final = 0.05  # span of a logarithm, so that a hair's breadth does not look large
_TIP: Final = 6.0  # px, the arrow of an end that is open


@dataclass(frozen=True)
class _Scale:
    """From values to places along a line of some width."""

    low: float
    high: float
    left: float
    right: float
    ratio: bool

    def __call__(self, value: float) -> float:
        bent = _bend(value, ratio=self.ratio)
        share = (bent - self.low) / (self.high - self.low)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)


def strip(finding: Finding, *, width: int = 190, labels: bool = False) -> str:
    """Draw the interval of a finding with its estimate, its tolerance and no difference (dotted).

    Parameters
    ----------
    finding : Finding
        Ratios are drawn on a logarithmic scale.
    width : int
        In pixels of the page.
    labels : bool
        Whether the ends of the tolerance are written below.

    Returns
    -------
    str
        An ``<svg>`` element; empty where there is no estimate to draw.
    """
    ratio = finding.no_difference == 1.0
    low, high = finding.interval
    value = finding.estimate
    drawn = [one for one in (value, low, high) if one is not None]
    if value is None or (low is None and high is None) or (ratio and min(drawn) <= 0):
        return ""
    limits = () if finding.judgement is None else _ends(finding)
    shown = [finding.no_difference, *drawn, *(end for end in limits if end is not None)]
    at = _scale([one for one in shown if not ratio or one > 0], width, ratio=ratio)
    middle, height = 14.0, 42 if labels else 28
    parts = [f'<path class="axis" d="M0 {middle:g}H{width}"/>']
    if limits:
        parts.append(_tolerance(limits, at, width, labels=labels))
    none = at(finding.no_difference)
    parts.append(f'<path class="none" d="M{none:.1f} 2V26"/>')
    parts.append(_interval(low, high, at, width, middle))
    parts.append(f'<circle class="dot" cx="{at(value):.1f}" cy="{middle:g}" r="4.5"/>')
    return (
        f'<svg class="chart strip" style="width:{width}px" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{_words(finding, limits)}">{"".join(parts)}</svg>'
    )


def _bend(value: float, *, ratio: bool) -> float:
    return math.log(value) if ratio else value


def _scale(shown: list[float], width: int, *, ratio: bool) -> _Scale:
    bent = [_bend(one, ratio=ratio) for one in shown]
    least = _LEAST_RATIO if ratio else 0.0
    span = max(max(bent) - min(bent), least) or 1.0
    middle = (max(bent) + min(bent)) / 2
    return _Scale(middle - span / 2, middle + span / 2, 22.0, width - 22.0, ratio)


def _ends(finding: Finding) -> tuple[float | None, float | None] | tuple[()]:
    judgement = finding.judgement
    if judgement is None or judgement.limits is None:
        return ()
    limits = judgement.limits
    # what cannot be below no difference has its tolerance from there on
    low = finding.no_difference if limits.low is None and finding.distance else limits.low
    return low, limits.high


def _tolerance(
    limits: tuple[float | None, float | None], at: _Scale, width: int, *, labels: bool
) -> str:
    low, high = limits
    left = 0.0 if low is None else at(low)
    right = float(width) if high is None else at(high)
    parts = [
        f'<rect class="band-limit" x="{left:.1f}" y="2" width="{max(right - left, 1):.1f}" '
        'height="24"/>'
    ]
    # two numbers are written apart from each other, or not at all
    apart = right - left > 46
    for end, place in ((low, left), (high, right)):
        if end is None:
            continue
        parts.append(f'<path class="line-limit" d="M{place:.1f} 2V26"/>')
        if labels and (apart or end == high):
            parts.append(
                f'<text class="limit-text" x="{place:.1f}" y="39" text-anchor="middle">'
                f"{_short(end)}</text>"
            )
    return "".join(parts)


def _short(value: float) -> str:
    """Write a limit without zeros at its end."""
    told = number(value)
    return told.rstrip("0").rstrip(".") if "." in told else told


def _interval(low: float | None, high: float | None, at: _Scale, width: int, middle: float) -> str:
    left = _TIP if low is None else at(low)
    right = width - _TIP if high is None else at(high)
    parts = [f'<path class="span" d="M{left:.1f} {middle:g}H{right:.1f}"/>']
    if low is None:
        parts.append(f'<path class="tip" d="M0 {middle:g}l{_TIP:g} -5v10z"/>')
    if high is None:
        parts.append(f'<path class="tip" d="M{width} {middle:g}l-{_TIP:g} -5v10z"/>')
    return "".join(parts)


def _words(finding: Finding, limits: tuple[float | None, float | None] | tuple[()]) -> str:
    ends = [number(end) for end in finding.interval]
    told = f"interval {ends[0]} to {ends[1]}, no difference at {number(finding.no_difference)}"
    if limits and finding.judgement is not None and finding.judgement.limits is not None:
        told += f", limit {finding.judgement.limits.words}"
    return told
