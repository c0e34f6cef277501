"""Write a report as a folder: the page, the numbers and the pictures as files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.page.charts import plot_report
from napari_posterior.checks.page.html_parts import names
from napari_posterior.checks.page.html_pictures import choose_scales
from napari_posterior.checks.page.html_where import layer_maps, scale_of
from napari_posterior.checks.page.map_files import encode_tiff
from napari_posterior.checks.page.pdf import draw_pdf
from napari_posterior.checks.page.pictures import Panel, composite, nice_length
from napari_posterior.checks.page.svg import draw, standalone
from napari_posterior.checks.page.tables import (
    details_table,
    findings_table,
    sites_table,
    values_table,
)
from napari_posterior.checks.page.travelling import tell_overall, tell_verdicts
from napari_posterior.checks.report import write_bytes, write_text
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from napari_posterior.checks.report import Report

__all__ = ["FORMATS", "write_report"]

FORMATS: Final = ("png", "svg", "pdf")
"""Formats of figures: pictures are PNG, charts SVG and PDF."""

_Sheet = tuple[list[list[Panel]], tuple[str, ...]]


def write_report(
    report: Report,
    folder: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("png", "svg"),
) -> Path:
    """Write a report into a folder.

    ``report.html`` needs no other file. ``report.json`` and ``findings.csv`` have all findings,
    ``details.csv`` the small tables beside them, ``values.csv`` every number of every sample,
    ``sites.csv`` puncta one by one. ``maps/`` has the maps as float32 TIFF. ``figures/`` has
    pictures and charts; each keeps the verdicts that it is about in its metadata, and a picture
    also in words below it.

    Parameters
    ----------
    report : Report
        What to write.
    folder : path
        Made if it is not there; files of the same names are replaced.
    formats : sequence of str
        Some of `FORMATS`; ``"pdf"`` needs the extra ``figures``.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If a format is not known.
    OutputError
        If a file cannot be written, or matplotlib is missing for a PDF.
    """
    if unknown := [one for one in formats if one not in FORMATS]:
        raise InputError(
            f"figures cannot be written as {unknown[0]!r}; choose from {', '.join(FORMATS)}"
        )
    target = Path(folder)
    if "png" in formats:
        _write_pictures(report, target / "figures")
    for chart in plot_report(report, names=names(report)):
        about, stem = " ".join(tell_verdicts(report, chart.about)), _stem(chart.name)
        if "svg" in formats:
            drawn = standalone(draw(chart), about=about)
            write_text(target / "figures" / f"{stem}.svg", drawn)
        if "pdf" in formats:
            write_bytes(target / "figures" / f"{stem}.pdf", draw_pdf(chart, about=about))
    for found in report.figures.maps:
        write_bytes(target / "maps" / f"{_stem(found.name)}.tif", encode_tiff(found, report))
    write_text(target / "findings.csv", findings_table(report))
    write_text(target / "details.csv", details_table(report))
    write_text(target / "values.csv", values_table(report))
    if (sites := sites_table(report)) is not None:
        write_text(target / "sites.csv", sites)
    report.to_json(target / "report.json")
    return report.to_html(target / "report.html")


def _write_pictures(report: Report, folder: Path) -> None:
    figures = report.figures
    bar = (
        None
        if figures.pixel_size is None
        else nice_length(figures.input.shape[1], figures.pixel_size[1], figures.unit)
    )
    for name, (rows, notes) in {**_runs(report), **_maps(report)}.items():
        if all(rows):
            write_bytes(folder / f"{_stem(name)}.png", composite(rows, bar=bar, notes=notes))


def _runs(report: Report) -> dict[str, _Sheet]:
    figures, scales = report.figures, choose_scales(report.figures)
    first, second = names(report)
    runs = (figures.teacher, first), (figures.student, second)
    means = [Panel(f"mean, {name}", run.mean, scales.mean) for run, name in runs]
    spreads = [Panel(f"SD, {name}", run.sd, scales.sd) for run, name in runs]
    title = "log2 variance ratio, averaged over 3 px"
    ratio = Panel(title, figures.log2_variance_ratio, scales.ratio)
    single = [
        [Panel(f"{name}, {i + 1}", sample, scales.mean) for i, sample in enumerate(run.gallery)]
        for run, name in runs
    ]
    spread = tell_verdicts(report, ("variance",))
    return {
        "input": ([[Panel("input", figures.input, scales.input)]], ()),
        "means": ([means], tell_verdicts(report, ("mean",))),
        "standard_deviations": ([spreads], spread),
        "variance_ratio": ([[ratio]], spread),
        "samples": (single, tell_overall(report)),
    }


def _maps(report: Report) -> dict[str, _Sheet]:
    sheets: dict[str, _Sheet] = {}
    for found in layer_maps(report.figures.maps):
        base = found.base
        panel = Panel(base.title, base.values, scale_of(base), found.overlay)
        shown = {one.name for one in (base, *found.over)}
        about = [one.id for one in report.findings if shown & set(one.maps)]
        sheets[base.name] = [[panel]], (found.words, *tell_verdicts(report, about))
    return sheets


def _stem(name: str) -> str:
    """Make the name of a file of the id of a statistic, which a user may have chosen."""
    return re.sub(r"[^\w.-]+", "_", name)
