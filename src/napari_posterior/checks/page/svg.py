"""Charts as SVG, in the colours of the page or on their own."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final, assert_never

from napari_posterior.checks.page.bins import log_ticks, ticks
from napari_posterior.checks.page.chart import Dots, Level, Line, Ribbon, Steps, Zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_posterior.checks.page.chart import Axis, Chart, Mark, Role

__all__ = ["CHART_STYLE", "axis_ticks", "draw", "standalone", "write_tick"]

CHART_STYLE: Final = Path(__file__).with_name("chart.css").read_text(encoding="utf-8")
"""Colours of charts, light and dark."""

_WIDTH, _HEIGHT = 600, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 46, 54
_FLOOR: Final = _HEIGHT - _BOTTOM


class _Frame:
    """Where numbers lie on the sheet."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y

    def x(self, value: float) -> float:
        return _LEFT + _share(value, self._x) * (_WIDTH - _RIGHT - _LEFT)

    def y(self, value: float) -> float:
        return _FLOOR - _share(value, self._y) * (_FLOOR - _TOP)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def _share(value: float, axis: Axis) -> float:
    """Return how far along an axis a value lies, kept just beyond its ends."""
    if axis.log:
        if value <= 0:
            return -0.02
        share = math.log(value / axis.low) / math.log(axis.high / axis.low)
    else:
        share = (value - axis.low) / (axis.high - axis.low)
    return min(max(share, -0.02), 1.02)


def draw(chart: Chart) -> str:
    """Draw a chart.

    Parameters
    ----------
    chart : Chart
        What to draw.

    Returns
    -------
    str
        An ``<svg>`` element that takes its colours from `CHART_STYLE`.
    """
    at = _Frame(chart.x, chart.y)
    right = _WIDTH - _RIGHT
    parts = [_mark(one, at) for one in chart.marks if not isinstance(one, Level)]
    grid = []
    for tick in axis_ticks(chart.y, 4):
        y = at.y(tick)
        grid.append(
            f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="soft" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{write_tick(tick, chart.y)}</text>"
        )
    parts = [*grid, *parts, *(_mark(one, at) for one in chart.marks if isinstance(one, Level))]
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{_FLOOR}" y2="{_FLOOR}"/>')
    for tick in axis_ticks(chart.x, 6):
        parts.append(
            f'<text class="soft" x="{at.x(tick):.1f}" y="{_FLOOR + 20}" text-anchor="middle">'
            f"{write_tick(tick, chart.x)}</text>"
        )
    parts.append(
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{html.escape(chart.x.label)}</text>"
        f'<text class="soft" x="{_LEFT - 42}" y="{_TOP - 8}">{html.escape(chart.y.label)}</text>'
    )
    parts += _legend(chart.legend)
    words = html.escape(chart.title, quote=True)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{words}">'
        + "".join(parts)
        + "</svg>"
    )


def standalone(svg: str, *, about: str = "") -> str:
    """Return a chart as a file of its own, with its style and words that travel with it.

    Parameters
    ----------
    svg : str
        An ``<svg>`` element.
    about : str
        What the chart is about: put into its ``<desc>``.
    """
    head = '<svg xmlns="http://www.w3.org/2000/svg" '
    inner = f"<style>{CHART_STYLE}</style>"
    if about:
        inner = f"<desc>{html.escape(about)}</desc>{inner}"
    return svg.replace("<svg ", head, 1).replace(">", f">{inner}", 1)


def axis_ticks(axis: Axis, count: int) -> list[float]:
    """Return round numbers along an axis."""
    if axis.log:
        return log_ticks(axis.low, axis.high)
    scale = 100.0 if axis.percent else 1.0
    return [tick / scale for tick in ticks(scale * axis.low, scale * axis.high, count)]


def write_tick(value: float, axis: Axis) -> str:
    """Write a tick, with a typographic minus."""
    return f"{100 * value if axis.percent else value:.6g}".replace("-", "−")


def _mark(mark: Mark, at: _Frame) -> str:
    if isinstance(mark, Steps):
        xs = [edge for edge in mark.edges for _ in (0, 1)]
        ys = [0.0, *(height for height in mark.heights for _ in (0, 1)), 0.0]
        return f'<path class="{mark.role}" d="M{at.path(xs, ys)}"/>'
    if isinstance(mark, Line):
        return f'<path class="line-{mark.role}" d="M{at.path(mark.x, mark.y)}"/>'
    if isinstance(mark, Ribbon):
        xs, ys = [*mark.x, *reversed(mark.x)], [*mark.low, *reversed(mark.high)]
        return f'<path class="zone-{mark.role}" d="M{at.path(xs, ys)}Z"/>'
    if isinstance(mark, Dots):
        return _dots(mark, at)
    if isinstance(mark, Zone):
        return _zone(mark, at)
    if isinstance(mark, Level):
        return _level(mark, at)
    assert_never(mark)


def _dots(mark: Dots, at: _Frame) -> str:
    bars = ""
    if mark.low is not None and mark.high is not None:
        bars = "".join(
            f'<path class="bar-{mark.role}" d="M{at.x(x):.1f} {at.y(low):.1f}V{at.y(high):.1f}"/>'
            for x, low, high in zip(mark.x, mark.low, mark.high, strict=True)
        )
    # filled and open circles differ without their colours
    kind, radius = ("open", 3.6) if mark.role == "student" else ("fill", 4.0)
    return bars + "".join(
        f'<circle class="{kind}-{mark.role}" cx="{at.x(x):.1f}" cy="{at.y(y):.1f}" r="{radius}"/>'
        for x, y in zip(mark.x, mark.y, strict=True)
    )


def _zone(mark: Zone, at: _Frame) -> str:
    if mark.along == "x":
        left, right = at.x(mark.low), at.x(mark.high)
        top, bottom = float(_TOP), float(_FLOOR)
    else:
        left, right = float(_LEFT), float(_WIDTH - _RIGHT)
        top, bottom = at.y(mark.high), at.y(mark.low)
    words = ""
    if mark.words:
        words = (
            f'<text class="limit-text" x="{left + 6:.1f}" y="{top + 14:.1f}">'
            f"{html.escape(mark.words)}</text>"
        )
    return (
        f'<rect class="zone-{mark.role}" x="{left:.1f}" y="{top:.1f}" '
        f'width="{right - left:.1f}" height="{bottom - top:.1f}"/>{words}'
    )


def _level(mark: Level, at: _Frame) -> str:
    if mark.along == "x":
        place = at.x(mark.at)
        near_end = place > _WIDTH - 160
        line = f"M{place:.1f} {_TOP}V{_FLOOR}"
        # above the marks, but below the label of the axis
        y = _TOP + 12.0 if place < _LEFT + 150 else _TOP - 7.0
        x, anchor = place, "end" if near_end else "start"
    else:
        place = at.y(mark.at)
        line = f"M{_LEFT} {place:.1f}H{_WIDTH - _RIGHT}"
        x, y, anchor = _WIDTH - _RIGHT - 6.0, place - 5, "end"
    words = ""
    if mark.words:
        words = (
            f'<text class="{mark.role}-text" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{html.escape(mark.words)}</text>"
        )
    return f'<path class="line-{mark.role}" d="{line}"/>{words}'


def _legend(entries: Iterable[tuple[Role, str]]) -> list[str]:
    parts, left = [], _LEFT + 6.0
    for role, name in entries:
        words = name if len(name) < 40 else f"{name[:38]}…"
        kind = role if role in ("teacher", "student") else f"zone-{role}"
        parts.append(
            f'<rect class="{kind}" x="{left:.0f}" y="9" width="24" height="12"/>'
            f'<text x="{left + 32:.0f}" y="20">{html.escape(words)}</text>'
        )
        left += 54 + 6.7 * len(words)
    return parts
