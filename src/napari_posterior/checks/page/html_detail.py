"""The small table beside a finding, in the fold of its question."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from napari_posterior.checks.detail import detail_of
from napari_posterior.checks.finding import number

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding

__all__ = ["show_detail"]


def show_detail(finding: Finding) -> str:
    """Return the table of a finding with its title and caption; nothing for one without.

    Parameters
    ----------
    finding : Finding
        Perhaps with a `Detail`.
    """
    table = detail_of(finding)
    if table is None:
        return ""
    numeric = [
        any(isinstance(row[i], float | int) for row in table.rows)
        for i in range(len(table.columns))
    ]
    heads = "".join(
        f"<th{_kind(counts)}>{escape(name)}</th>"
        for name, counts in zip(table.columns, numeric, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{_kind(counts)}>{_write(cell)}</td>"
            for cell, counts in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    caption = f"<p class='caption'>{escape(table.caption)}</p>" if table.caption else ""
    return (
        f"<div class='detail'><h4>{escape(table.title)}</h4><div class='inside'><table>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{caption}</div>"
    )


def _kind(numeric: bool) -> str:
    return " class='n'" if numeric else ""


def _write(cell: str | float | None) -> str:
    if isinstance(cell, str):
        return escape(cell)
    return "–" if cell is None else number(cell)
