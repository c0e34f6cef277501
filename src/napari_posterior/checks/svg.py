"""Small charts as SVG, in the colours of the page or on their own."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import number

if TYPE_CHECKING:
    from napari_posterior.checks.report import Values

Place = Callable[[float], float]

__all__ = ["CHART_STYLE", "histogram", "shared_edges", "standalone", "strip"]

CHART_STYLE: Final = """
.chart{font:13px system-ui,sans-serif;--c-ink:#1f2328;--c-soft:#6b7280;--c-line:#c9ced6;
--c-teacher:#8b929c;--c-teacher-fill:#b9bfc8;--c-student:#1d63d8;--c-band:#f0c24b33;
--c-mark:#a86a00}
@media (prefers-color-scheme:dark){.chart{--c-ink:#e6e9ee;--c-soft:#9aa3af;--c-line:#3b424d;
--c-teacher:#9aa3af;--c-teacher-fill:#5a626e;--c-student:#6ea8ff;--c-band:#f0c24b2b;
--c-mark:#e8b64a}}
.chart text{fill:var(--c-ink)}.chart .soft{fill:var(--c-soft)}
.chart .axis{stroke:var(--c-line);stroke-width:1;fill:none}
.chart .teacher{fill:var(--c-teacher-fill);fill-opacity:.75;stroke:var(--c-teacher)}
.chart .student{fill:none;stroke:var(--c-student);stroke-width:2.2;stroke-dasharray:6 3.5}
.chart .mean-t{stroke:var(--c-teacher);stroke-width:2}
.chart .mean-s{stroke:var(--c-student);stroke-width:2;stroke-dasharray:6 3.5}
.chart .fill-t{fill:var(--c-teacher)}.chart .fill-s{fill:var(--c-student)}
.chart .band{fill:var(--c-band)}
.chart .mark{stroke:var(--c-mark);stroke-width:1.6;fill:none}.chart .mark-text{fill:var(--c-mark)}
.chart .none{stroke:var(--c-soft);stroke-width:1;stroke-dasharray:2 2}
.chart .span{stroke:var(--c-student);stroke-width:4;stroke-linecap:round;opacity:.55}
.chart .dot{fill:var(--c-student)}
"""

_WIDTH, _HEIGHT = 600, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 16, 46, 52
_MOST_BARS: Final = 24


def histogram(values: Values, *, names: tuple[str, str]) -> str:
    """Draw both distributions of a number over samples: teacher filled, student dashed.

    Parameters
    ----------
    values : Values
        The numbers; ``expected`` and ``sd`` are marked where they are known.
    names : tuple of str
        Teacher and student in the legend.
    """
    edges = shared_edges(values.teacher, values.student)
    shares = [np.histogram(v, edges)[0] / len(v) for v in (values.teacher, values.student)]
    low, high = edges[0], edges[-1]
    if values.expected is not None:
        reach = 2.4 * (values.sd or 0.0)
        low, high = min(low, values.expected - reach), max(high, values.expected + reach)
        margin = 0.02 * (high - low)
        low, high = low - margin, high + margin
    top = max(float(s.max()) for s in shares) * 1.08
    left, right, floor = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(x: float) -> float:
        return float(left + (x - low) / (high - low) * (right - left))

    def up(y: float) -> float:
        return floor - y / top * (floor - _TOP)

    parts = []
    if values.expected is not None and values.sd:
        a, b = at(values.expected - 2 * values.sd), at(values.expected + 2 * values.sd)
        parts.append(
            f'<rect class="band" x="{a:.1f}" y="{_TOP}" width="{b - a:.1f}" '
            f'height="{floor - _TOP:.1f}"/>'
        )
    for tick in _ticks(0, 100 * top, 4):
        parts.append(
            f'<line class="axis" x1="{left}" x2="{right}" y1="{up(tick / 100):.1f}" '
            f'y2="{up(tick / 100):.1f}"/><text class="soft" x="{left - 8}" '
            f'y="{up(tick / 100) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    parts.append(f'<path class="teacher" d="{_steps(edges, shares[0], at, up)}"/>')
    parts.append(f'<path class="student" d="{_steps(edges, shares[1], at, up)}"/>')
    if values.expected is not None:
        x = at(values.expected)
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{floor}"/>'
            f'<text class="mark-text" x="{x + 5:.1f}" y="{_TOP + 12}">'
            f"{number(values.expected, 3)} expected</text>"
        )
    for kind, series in (("t", values.teacher), ("s", values.student)):
        x = at(float(np.mean(series)))
        parts.append(
            f'<path class="fill-{kind}" d="M{x:.1f} {floor + 1}l-5 8h10z"><title>mean '
            f"{number(float(np.mean(series)), 4)}</title></path>"
        )
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    for tick in _ticks(low, high, 6):
        parts.append(
            f'<text x="{at(tick):.1f}" y="{floor + 24}" text-anchor="middle">'
            f"{tick:g}</text>".replace(">-", ">−")
        )
    unit = f"{values.title}, {values.unit}" if values.unit != values.title else values.unit
    parts.append(
        f'<text class="soft" x="{(left + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{html.escape(unit)} per sample (▲ mean)</text>"
        f'<text class="soft" x="{left - 8}" y="{_TOP - 6}" text-anchor="end">%</text>'
    )
    legend = left + 6.0
    for kind, name, count in (
        ("teacher", names[0], len(values.teacher)),
        ("student", names[1], len(values.student)),
    ):
        words = f"{name if len(name) < 30 else name[:28] + chr(8230)} ({count} samples)"
        parts.append(
            f'<rect class="{kind}" x="{legend}" y="10" width="24" height="12"/>'
            f'<text x="{legend + 32}" y="21">{html.escape(words)}</text>'
        )
        legend += 60 + 7.2 * len(words)
    words = html.escape(f"{values.title}: distribution over samples")
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{words}">'
        + "".join(parts)
        + "</svg>"
    )


def strip(
    estimate: float | None,
    interval: tuple[float | None, float | None],
    *,
    no_difference: float,
    ratio: bool,
) -> str:
    """Draw an interval with its estimate beside the value of no difference (dotted)."""
    width, height = 190, 26
    low, high = interval
    if estimate is None or low is None or high is None or (ratio and min(low, estimate) <= 0):
        return ""

    def scaled(v: float) -> float:
        return math.log(v) if ratio else v

    points = [scaled(v) for v in (no_difference, low, high, estimate)]
    # A ratio keeps a least span so that a hair's breadth does not look like a large difference.
    span = max(max(points) - min(points), 0.05 if ratio else 0.0) or 1.0
    middle = (max(points) + min(points)) / 2

    def at(v: float) -> float:
        return width / 2 + (scaled(v) - middle) / span * (width - 24)

    return (
        f'<svg class="chart strip" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="interval {number(low)} to {number(high)}, no difference at '
        f'{number(no_difference)}">'
        f'<line class="axis" x1="0" x2="{width}" y1="13" y2="13"/>'
        f'<line class="none" x1="{at(no_difference):.1f}" x2="{at(no_difference):.1f}" y1="2" '
        f'y2="24"/><line class="span" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="13" y2="13"/>'
        f'<circle class="dot" cx="{at(estimate):.1f}" cy="13" r="4.5"/></svg>'
    )


def standalone(svg: str) -> str:
    """Return a chart as a file of its own, with its style."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" '
    return svg.replace("<svg ", head, 1).replace(">", f"><style>{CHART_STYLE}</style>", 1)


def shared_edges(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """Choose common bins: one for each whole number where that gives few, else round widths.

    Parameters
    ----------
    teacher, student : ndarray, (K,)
        Finite numbers; at least one in one of them.

    Returns
    -------
    ndarray, (bins + 1,)
        Edges in increasing order.
    """
    joined = np.concatenate([teacher, student]).astype(np.float64)
    low, high = float(joined.min()), float(joined.max())
    whole = bool((joined == np.round(joined)).all())
    if whole and high - low < _MOST_BARS:
        return np.arange(low - 0.5, high + 1.0)
    if high - low <= 1e-9 * max(abs(high), 1e-9):
        half = max(abs(low) * 1e-3, 1e-6)
        return np.array([low - half, low + half])
    bars = int(np.clip(1.3 * len(joined) ** 0.5, 6, _MOST_BARS))
    width = (high - low) / bars
    if whole:  # the same number of whole numbers in every bin
        width = math.ceil(width)
        return np.arange(low - 0.5, high + width, width)
    return np.linspace(low, high, bars + 1)


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers between two limits."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [(first + i) * step for i in range(count + 2)]
    return [round(tick, 10) + 0.0 for tick in ticks if tick <= high + 1e-9 * step]


def _steps(edges: np.ndarray, shares: np.ndarray, at: Place, up: Place) -> str:
    """Return the path of a histogram's outline."""
    points = [f"M{at(edges[0]):.1f} {up(0):.1f}"]
    for left, right, share in zip(edges[:-1], edges[1:], shares, strict=True):
        points.append(f"L{at(left):.1f} {up(share):.1f}L{at(right):.1f} {up(share):.1f}")
    points.append(f"L{at(edges[-1]):.1f} {up(0):.1f}Z")
    return "".join(points)
