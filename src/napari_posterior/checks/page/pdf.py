"""Charts as PDF, drawn with matplotlib (extra ``figures``)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, assert_never

from napari_posterior.checks.page.chart import Dots, Level, Line, Ribbon, Steps, Zone
from napari_posterior.checks.page.svg import axis_ticks, write_tick
from napari_posterior.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.checks.page.chart import Axis, Chart, Mark, Role

__all__ = ["draw_pdf"]

_COLOURS: Final[Mapping[Role, str]] = {
    "teacher": "#7d8590",
    "student": "#1d63d8",
    "floor": "#7d8590",
    "limit": "#0b7a75",
    "mark": "#9a6200",
    "none": "#5d6673",
}
_DASHES: Final[Mapping[Role, Any]] = {"student": (0, (5, 3)), "none": (0, (1, 2))}


def draw_pdf(chart: Chart, *, about: str = "") -> bytes:
    """Draw a chart as one page of its size, with text as text.

    Parameters
    ----------
    chart : Chart
        What to draw.
    about : str
        Kept as the subject of the file.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_pdf import FigureCanvasPdf
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OutputError(
            'charts as PDF need matplotlib; install it with pip install "napari-posterior[figures]"'
        ) from error
    out = io.BytesIO()
    with rc_context({"pdf.fonttype": 42, "font.size": 8}):
        page = Figure(figsize=(4.5, 2.6), layout="constrained")
        FigureCanvasPdf(page)
        axes = page.add_subplot()
        for place, mark in enumerate(chart.marks):
            _draw(mark, axes, place)
        _set(axes.xaxis, chart.x)
        _set(axes.yaxis, chart.y)
        axes.spines[["top", "right"]].set_visible(False)
        if chart.legend:
            axes.legend(
                handles=[_handle(role, words) for role, words in chart.legend],
                loc="lower left",
                bbox_to_anchor=(0, 1),
                ncols=len(chart.legend),
                frameon=False,
            )
        # without a date the same report gives the same file
        page.savefig(
            out,
            format="pdf",
            metadata={"Title": chart.title, "Subject": about, "CreationDate": None},
        )
    return out.getvalue()


def _set(axis: Any, found: Axis) -> None:
    from matplotlib.ticker import NullLocator

    limits = axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim
    if found.log:
        (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    limits(found.low, found.high)
    ticks = axis_ticks(found, 5)
    axis.set_ticks(ticks, labels=[write_tick(tick, found) for tick in ticks])
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(found.label)


def _draw(mark: Mark, axes: Any, place: int) -> None:
    style: dict[str, Any] = {
        "color": _COLOURS[mark.role],
        "linestyle": _DASHES.get(mark.role, "-"),
        "zorder": 2 + 0.01 * place,
    }
    shade = {"color": _COLOURS[mark.role], "alpha": 0.18, "linewidth": 0, "zorder": 1}
    if isinstance(mark, Steps):
        filled = mark.role == "teacher"
        axes.stairs(mark.heights, mark.edges, fill=filled, alpha=0.55 if filled else 1, **style)
    elif isinstance(mark, Line):
        axes.plot(mark.x, mark.y, **style)
    elif isinstance(mark, Ribbon):
        axes.fill_between(mark.x, mark.low, mark.high, **shade)
    elif isinstance(mark, Dots):
        if mark.low is not None and mark.high is not None:
            axes.vlines(mark.x, mark.low, mark.high, color=style["color"], linewidth=1)
        face = "white" if mark.role == "student" else style["color"]
        axes.plot(mark.x, mark.y, "o", color=style["color"], markerfacecolor=face, markersize=3.5)
    elif isinstance(mark, Zone):
        (axes.axvspan if mark.along == "x" else axes.axhspan)(mark.low, mark.high, **shade)
    elif isinstance(mark, Level):
        (axes.axvline if mark.along == "x" else axes.axhline)(mark.at, linewidth=1.1, **style)
        if mark.words:
            _write(mark, axes)
    else:
        assert_never(mark)


def _write(mark: Level, axes: Any) -> None:
    if mark.along == "x":
        where = {"xy": (mark.at, 1), "xycoords": ("data", "axes fraction"), "va": "top"}
        shift = {"xytext": (3, -2)}
    else:
        where = {"xy": (1, mark.at), "xycoords": ("axes fraction", "data"), "ha": "right"}
        shift = {"xytext": (-2, 2)}
    axes.annotate(mark.words, **where, **shift, textcoords="offset points", fontsize=7)


def _handle(role: Role, words: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=_COLOURS[role], linestyle=_DASHES.get(role, "-"), label=words)
