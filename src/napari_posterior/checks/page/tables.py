"""The numbers of a report as CSV tables."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.checks.detail import detail_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_posterior.checks.report import Report, Values

__all__ = ["details_table", "findings_table", "sites_table", "values_table"]

_LEFT_OUT: Final = ("extra",)
_SPLIT: Final = {
    "ci": ("ci_low", "ci_high"),
    "tolerance": ("tolerance_low", "tolerance_high"),
}


def findings_table(report: Report) -> str:
    """Return one row for each finding, with the names of its JSON; `extra` is left out."""
    rows = [
        _flat({key: value for key, value in one.to_dict().items() if key not in _LEFT_OUT})
        for one in report.findings
    ]
    return _table(list(dict.fromkeys(key for row in rows for key in row)), rows)


def details_table(report: Report) -> str:
    """Return one row for each number of the small tables: finding, row, column, value."""
    rows = [
        {"finding": one.id, "row": name, "column": column, "value": "" if cell is None else cell}
        for one in report.findings
        if (table := detail_of(one)) is not None
        for name, *cells in table.rows
        for column, cell in zip(table.columns[1:], cells, strict=True)
    ]
    return _table(["finding", "row", "column", "value"], rows)


def values_table(report: Report) -> str:
    """Return one row for each number of each sample: sample, run, statistic, unit, value.

    The sample is its number in its run, from 0.
    """
    rows = [
        {
            "sample": int(number),
            "run": role,
            "statistic": values.id,
            "unit": values.unit,
            "value": repr(float(value)),
        }
        for values in report.figures.values
        for role, column, numbers in (
            ("teacher", values.teacher, _numbers(values, 0)),
            ("student", values.student, _numbers(values, 1)),
        )
        for number, value in zip(numbers, column, strict=True)
    ]
    return _table(["sample", "run", "statistic", "unit", "value"], rows)


def _numbers(values: Values, run: int) -> Sequence[int]:
    """Return the number of each sample in its run."""
    if values.samples is None:
        return range(len((values.teacher, values.student)[run]))
    return list(map(int, values.samples[run]))


def sites_table(report: Report) -> str | None:
    """Return one row for each punctum; None where none were looked for."""
    figures = report.figures
    if figures.sites is None:
        return None
    frame = figures.sites.to_frame(pixel_size=figures.pixel_size, unit=figures.unit)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _flat(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == "more_samples":
            more = value or {}
            for name in ("teacher", "student", "borderline"):
                found[f"more_{name}"] = more.get(name)
        elif key in _SPLIT:
            found |= dict(zip(_SPLIT[key], value or (None, None), strict=True))
        elif isinstance(value, list | dict):
            found[key] = json.dumps(value, ensure_ascii=False) if value else ""
        else:
            found[key] = value
    return found


def _table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    out = io.StringIO()
    table = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()
