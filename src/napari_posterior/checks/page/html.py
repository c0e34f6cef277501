"""The report as one page that holds its pictures and needs no other file."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.page.charts import plot_report
from napari_posterior.checks.page.html_head import show_answer, show_warnings
from napari_posterior.checks.page.html_made import show_making
from napari_posterior.checks.page.html_parts import names, say_time
from napari_posterior.checks.page.html_pictures import show_pictures
from napari_posterior.checks.page.html_questions import show_questions
from napari_posterior.checks.page.html_table import show_table
from napari_posterior.checks.page.html_where import show_where
from napari_posterior.checks.page.svg import CHART_STYLE, draw
from napari_posterior.checks.page.thumbnails import show_forms

if TYPE_CHECKING:
    from napari_posterior.checks.report import Report

__all__ = ["render"]

_STYLE: Final = Path(__file__).with_name("report.css")


def render(report: Report) -> str:
    """Return the page: the answer, the questions, pictures, charts, all numbers, how it was made.

    Parameters
    ----------
    report : Report
        What to show.
    """
    first, second = names(report)
    title = f"{report.teacher.image_name or 'image'}: {second} compared with {first}"
    style = _STYLE.read_text(encoding="utf-8") + CHART_STYLE
    body = [
        show_answer(report),
        show_questions(report),
        show_warnings(report.warnings),
        show_pictures(report),
        show_forms(report),
        show_where(report),
        _charts(report),
        show_table(report),
        show_making(report),
        f"<footer><p>{escape(report.footer)}</p><p>napari-posterior report, "
        f"{escape(say_time(report.created))}</p></footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _charts(report: Report) -> str:
    charts = "".join(
        f"<figure class='wide'>{draw(chart)}<figcaption>{escape(chart.caption)}</figcaption>"
        "</figure>"
        for chart in plot_report(report, names=names(report))
    )
    return f"<section><h2>Charts</h2><div class='grid two'>{charts}</div></section>"
