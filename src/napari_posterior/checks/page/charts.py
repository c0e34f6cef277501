"""The charts of a report: from its numbers to axes and marks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import number
from napari_posterior.checks.known.truth import KNOWN
from napari_posterior.checks.page.bins import shared_edges
from napari_posterior.checks.page.chart import Axis, Chart, Dots, Level, Line, Ribbon, Steps, Zone
from napari_posterior.checks.page.pictures import short_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_posterior.checks.page.chart import Mark, Role
    from napari_posterior.checks.report import Report, Values

__all__ = ["distribution", "plot_report"]

Names = tuple[str, str]
_BOTH: Final[tuple[Role, Role]] = ("teacher", "student")


def plot_report(report: Report, *, names: Names) -> tuple[Chart, ...]:
    """Make all charts that a report has numbers for.

    Parameters
    ----------
    report : Report
        ``figures.charts`` may have, each as JSON values:

        ``"spectrum"``
            rows with ``edges`` (two, cycles per pixel), ``ratio``, ``low``, ``high`` and
            ``beyond_cutoff``
        ``"curve"``
            ``thresholds``, their ``unit``, the ``chosen`` one, and counts ``teacher`` and
            ``student``
        ``"eigen"``
            variances ``teacher`` and ``student`` from the largest on, and ``low`` and ``high``
            where the student's would lie if it were the teacher
        ``"scatter"``
            ``teacher`` and ``student``, (K, 2) each
        ``"coverage"``
            ``nominal`` levels, and what was found, ``teacher`` and ``student``
        ``"ranks"``
            shares ``teacher`` and ``student`` in equal bins, and ``low`` and ``high`` of the band

        Counts and coverages are mappings with ``value`` and, where there are intervals, ``low``
        and ``high``.
    names : tuple of str
        What teacher and student are called.

    Returns
    -------
    tuple of Chart
        Distributions of the statistics first.
    """
    found = [distribution(values, names=names) for values in report.figures.values]
    known = report.figures.charts
    found += [make(known[key], report, names) for key, make in _CHARTS.items() if known.get(key)]
    return tuple(found)


def distribution(values: Values, *, names: Names) -> Chart:
    """Show a number of every sample: how its values are distributed in both runs.

    Parameters
    ----------
    values : Values
        The numbers; ``expected`` and ``sd`` are marked where they are known.
    names : tuple of str
        What teacher and student are called.
    """
    edges = shared_edges(values.teacher, values.student)
    columns = values.teacher, values.student
    shares = [np.histogram(v, edges)[0] / max(len(v), 1) for v in columns]
    low, high = float(edges[0]), float(edges[-1])
    marks: list[Mark] = []
    caption = f"{_capital(values.title)} of every sample; the lines are means."
    if values.expected is not None:
        reach = 2.4 * (values.sd or 0.0)
        low, high = min(low, values.expected - reach), max(high, values.expected + reach)
        margin = 0.02 * (high - low)
        low, high = low - margin, high + margin
        if values.sd:
            ends = values.expected - 2 * values.sd, values.expected + 2 * values.sd
            marks.append(Zone("mark", *ends, along="x"))
        caption += (
            f" {number(values.expected)} is expected of a draw from the posterior; the band is "
            "± 2 SD over repeated measurements. Too low means fitting the noise, too high missing "
            "the data."
        )
    for role, share in zip(_BOTH, shares, strict=True):
        marks.append(Steps(role, edges.tolist(), share.tolist()))
    if values.expected is not None:
        marks.append(Level("mark", values.expected, "x", f"{number(values.expected)} expected"))
    for role, column in zip(_BOTH, columns, strict=True):
        if len(column):
            marks.append(Level(role, float(np.mean(column)), "x"))
    same = values.unit in ("", values.title, *values.title.split())
    label = values.title if same else f"{values.title}, {values.unit}"
    top = max(float(share.max()) for share in shares) * 1.08
    return Chart(
        name=values.id,
        title=f"{values.title}: distribution over samples",
        caption=caption,
        x=Axis(f"{label}, per sample", low, high),
        y=Axis("% of samples", 0.0, top, percent=True),
        marks=tuple(marks),
        legend=tuple(
            (role, f"{name} ({len(column)} samples)")
            for role, name, column in zip(_BOTH, names, columns, strict=True)
        ),
        about=(values.id,),
    )


def _spectrum(rows: Sequence[Mapping[str, Any]], report: Report, names: Names) -> Chart:
    size = report.figures.pixel_size
    per = 1.0 if size is None else 1 / size[1]
    rows = [row for row in rows if (row["ratio"] or 0) > 0]
    x = [math.sqrt(max(row["edges"][0], row["edges"][1] / 4) * row["edges"][1]) for row in rows]
    x = [per * one for one in x]
    ends = [per * max(rows[0]["edges"][0], rows[0]["edges"][1] / 4), per * rows[-1]["edges"][1]]
    y = [row["ratio"] for row in rows]
    low = [row["low"] if (row["low"] or 0) > 0 else row["ratio"] for row in rows]
    high = [row["ratio"] if row["high"] is None else row["high"] for row in rows]
    limits = _limits(report, "spectrum")
    reach = max(1.3, *(max(one, 1 / one) for one in [*y, *low, *high, *limits])) * 1.05
    marks: list[Mark] = []
    if limits:
        marks.append(Zone("limit", *limits, words="your limit"))
    beyond = [row["edges"][0] for row in rows if row["beyond_cutoff"]]
    if beyond:
        marks.append(Zone("none", per * min(beyond), ends[1], along="x"))
        marks.append(Level("none", per * min(beyond), "x", "beyond the optics"))
    marks += [Level("none", 1.0), Dots("student", x, y, low, high)]
    unit = "pixel" if size is None else short_unit(report.figures.unit)
    return Chart(
        name="spectrum",
        title="variance ratio by spatial frequency",
        caption=(
            f"Variance of {names[1]} over that of {names[0]} at each fineness of detail; coarse is "
            "left, fine is right, 1 is no difference."
            + (" Beyond the optics the measurement says nothing." if beyond else "")
        ),
        x=Axis(f"spatial frequency, cycles per {unit}", ends[0], ends[1], log=True),
        y=Axis("variance ratio", 1 / reach, reach, log=True),
        marks=tuple(marks),
        about=("spectrum", "resolution"),
    )


def _curve(found: Mapping[str, Any], report: Report, names: Names) -> Chart:
    x, unit = found["thresholds"], found.get("unit", "")
    sides = [found[role] for role in _BOTH]
    top = max(max(side.get("high") or side["value"]) for side in sides) or 1.0
    marks: list[Mark] = [m for r, s in zip(_BOTH, sides, strict=True) for m in _line(r, x, s)]
    if found.get("chosen") is not None:
        marks.append(Level("mark", found["chosen"], "x", "the threshold used"))
    return Chart(
        name="threshold_curve",
        title="puncta count by threshold",
        caption=(
            "Mean count over samples at other thresholds, with intervals; a difference that comes "
            "and goes here depends on the threshold."
        ),
        x=Axis(f"smallest amplitude{unit and ', '}{unit}", min(x), max(x), log=min(x) > 0),
        y=Axis("puncta per sample", 0.0, 1.06 * top),
        marks=tuple(marks),
        legend=tuple(zip(_BOTH, names, strict=True)),
        about=("puncta_count",),
    )


def _eigen(found: Mapping[str, Any], report: Report, names: Names) -> Chart:
    total = sum(found["teacher"]) or 1.0
    lines = {key: [float(v) / total for v in found[key]] for key in (*_BOTH, "low", "high")}
    least = 1e-4 * max(lines["teacher"])
    lines = {key: [max(v, least) for v in line] for key, line in lines.items()}
    x = range(1, len(lines["teacher"]) + 1)
    joined = [v for line in lines.values() for v in line]
    ends = min(joined), 1.2 * max(joined)
    legend: list[tuple[Role, str]] = [*zip(_BOTH, names, strict=True)]
    return Chart(
        name="modes_of_variation",
        title="variance of each independent way to vary",
        caption=(
            "How the samples' variance is spread over independent ways to vary, the largest "
            "first. A student below the band varies less in these ways."
        ),
        x=Axis("way to vary, by rank", 1.0, float(max(len(x), 2))),
        y=Axis("% of the teacher's variance", *ends, log=True, percent=True),
        marks=(
            Ribbon("floor", x, lines["low"], lines["high"]),
            Line("teacher", x, lines["teacher"]),
            Line("student", x, lines["student"]),
        ),
        legend=(*legend, ("floor", "halves of the teacher")),
        about=("dimension", "diversity"),
    )


def _scatter(found: Mapping[str, Any], report: Report, names: Names) -> Chart:
    points = [np.asarray(found[role], np.float64).reshape(-1, 2) for role in _BOTH]
    joined = np.concatenate(points)
    low, high = joined.min(axis=0), joined.max(axis=0)
    margin = np.maximum(0.06 * (high - low), 1e-6)
    low, high = low - margin, high + margin
    return Chart(
        name="samples_in_two_dimensions",
        title="samples along the two largest modes",
        caption=(
            "Each dot is a sample, along the two directions in which the samples of both runs "
            "vary most. Groups of one colour are forms that only one of them draws."
        ),
        x=Axis("first direction", float(low[0]), float(high[0])),
        y=Axis("second direction", float(low[1]), float(high[1])),
        marks=tuple(
            Dots(role, p[:, 0].tolist(), p[:, 1].tolist())
            for role, p in zip(_BOTH, points, strict=True)
        ),
        legend=tuple(zip(_BOTH, names, strict=True)),
        about=("modes", "diversity"),
    )


def _coverage(found: Mapping[str, Any], report: Report, names: Names) -> Chart:
    x = found["nominal"]
    marks: list[Mark] = [Line("none", (0.0, 1.0), (0.0, 1.0))]
    for role in _BOTH:
        marks += _line(role, x, found[role])
    ends = (*x, *(v for role in _BOTH for v in found[role].get("low") or found[role]["value"]))
    least = max(min(ends) - 0.1, 0.0)
    return Chart(
        name="coverage",
        title=f"coverage of the {found.get('of', KNOWN)}",
        caption=(
            f"How often intervals hold the {found.get('of', KNOWN)}, against how often they "
            "should. Below the dotted line error bars are too narrow."
        ),
        x=Axis("nominal coverage, %", least, 1.0, percent=True),
        y=Axis("% of pixels covered", least, 1.0, percent=True),
        marks=tuple(marks),
        legend=tuple(zip(_BOTH, names, strict=True)),
        about=("coverage.90",),
    )


def _ranks(found: Mapping[str, Any], report: Report, names: Names) -> Chart:
    shares = [[float(v) for v in found[role]] for role in _BOTH]
    edges = np.linspace(0, 1, len(shares[0]) + 1)
    marks: list[Mark] = []
    top = max(max(side) for side in shares)
    if found.get("low") is not None:
        low, high = (np.broadcast_to(found[k], len(shares[0])).tolist() for k in ("low", "high"))
        x, ends = (
            np.repeat(edges, 2)[1:-1].tolist(),
            [np.repeat(v, 2).tolist() for v in (low, high)],
        )
        marks.append(Ribbon("floor", x, *ends))
        top = max(top, *high)
    for role, side in zip(_BOTH, shares, strict=True):
        marks.append(Steps(role, edges.tolist(), side))
    marks.append(Level("none", 1 / len(shares[0])))
    return Chart(
        name="ranks",
        title=f"rank of the {found.get('of', KNOWN)} among the samples",
        caption=(
            "Flat, within the band, is calibrated; a valley means too narrow error bars, a hill "
            "too wide ones, a slope a bias."
        ),
        x=Axis(f"rank of the {found.get('of', KNOWN)}, % of samples below", 0.0, 1.0, percent=True),
        y=Axis("% of pixels", 0.0, 1.1 * top, percent=True),
        marks=tuple(marks),
        legend=tuple(zip(_BOTH, names, strict=True)),
        about=("coverage.90",),
    )


_CHARTS: Final[Mapping[str, Callable[[Any, Report, Names], Chart]]] = {
    "spectrum": _spectrum,
    "curve": _curve,
    "eigen": _eigen,
    "scatter": _scatter,
    "coverage": _coverage,
    "ranks": _ranks,
}


def _line(role: Role, x: Sequence[float], side: Mapping[str, Any]) -> list[Mark]:
    marks: list[Mark] = []
    if side.get("low") is not None and side.get("high") is not None:
        marks.append(Ribbon(role, x, side["low"], side["high"]))
    marks.append(Line(role, x, side["value"]))
    return marks


def _limits(report: Report, key: str) -> tuple[float, float] | tuple[()]:
    """Return the tolerance of a ratio, where it has one."""
    for finding in report.findings:
        limits = None if finding.judgement is None else finding.judgement.limits
        if finding.id == key and limits is not None and limits.low and limits.high:
            return limits.low, limits.high
    return ()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
