"""A small table beside a finding: numbers that say more and decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding

__all__ = ["KEY", "Detail", "detail_of"]

KEY: Final = "detail"
"""Where a finding keeps its table, in `Finding.extra`."""

Cell = str | float | None


@dataclass(frozen=True)
class Detail:
    """Rows of numbers with their names.

    Parameters
    ----------
    title : str
        What they are about.
    columns : tuple of str
        Heads with units; the first is that of the names of the rows.
    rows : tuple of tuple
        Of each a name, then words, numbers, or None for what there is not.
    caption : str
        How to read them, in sentences.

    Raises
    ------
    InputError
        If a row is not as long as the columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"a row of {self.title!r} has {len(row)} cells; give {len(self.columns)}, one "
                    "for each column"
                )

    def to_extra(self) -> dict[str, Any]:
        """Return what `Finding.extra` takes, JSON values after `finding.as_json`."""
        return {
            KEY: {
                "title": self.title,
                "columns": list(self.columns),
                "rows": [list(row) for row in self.rows],
                "caption": self.caption,
            }
        }


def detail_of(finding: Finding) -> Detail | None:
    """Return the table of a finding; None for one without."""
    kept = finding.extra.get(KEY)
    if kept is None:
        return None
    rows = tuple(map(tuple, kept["rows"]))
    return Detail(kept["title"], tuple(kept["columns"]), rows, kept["caption"])
