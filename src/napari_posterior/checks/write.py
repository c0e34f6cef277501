"""Write a report as a folder: the page, the numbers and the pictures as files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_posterior.checks.html import choose_scales, names
from napari_posterior.checks.pictures import Panel, composite, nice_length
from napari_posterior.checks.report import write_bytes, write_text
from napari_posterior.checks.svg import histogram, standalone

if TYPE_CHECKING:
    import os

    from napari_posterior.checks.report import Report

__all__ = ["write_report"]


def write_report(report: Report, folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html``, ``report.json`` and ``figures/`` into a folder.

    The figures are ``input.png``, ``means.png``, ``standard_deviations.png``,
    ``variance_ratio.png``, ``samples.png`` and one SVG for each distribution.

    Parameters
    ----------
    report : Report
        What to write.
    folder : path
        Made if it is not there; files of the same names are replaced.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    target = Path(folder)
    figures, scales = report.figures, choose_scales(report.figures)
    first, second = names(report)
    bar = (
        None
        if figures.pixel_size is None
        else nice_length(figures.input.shape[1], figures.pixel_size[1], figures.unit)
    )
    runs = (figures.teacher, first), (figures.student, second)
    sheets = {
        "input": [[Panel("input", figures.input, scales.input)]],
        "means": [[Panel(f"mean, {name}", run.mean, scales.mean) for run, name in runs]],
        "standard_deviations": [[Panel(f"SD, {name}", run.sd, scales.sd) for run, name in runs]],
        "variance_ratio": [
            [
                Panel(
                    "log2 variance ratio, averaged over 3 px",
                    figures.log2_variance_ratio,
                    scales.ratio,
                )
            ]
        ],
        "samples": [
            [Panel(f"{name}, {i + 1}", sample, scales.mean) for i, sample in enumerate(run.gallery)]
            for run, name in runs
        ],
    }
    for name, rows in sheets.items():
        if all(rows):
            write_bytes(target / "figures" / f"{name}.png", composite(rows, bar=bar))
    for values in figures.values:
        chart = standalone(histogram(values, names=(first, second)))
        stem = re.sub(r"[^\w.-]+", "_", values.id)
        write_text(target / "figures" / f"{stem}.svg", chart)
    report.to_json(target / "report.json")
    return report.to_html(target / "report.html")
