"""Rows of a CSV file of unknown origin: bounded, by column name, and only ever text or numbers."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Final, TextIO

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["LARGEST_FILE", "open_rows", "to_number"]

LARGEST_FILE: Final = 2**30
"""Bytes; a million detections with all features of TrackMate take 140 MB."""

_LONGEST_LINE: Final = 100_000  # characters
_DELIMITERS: Final = (",", ";", "\t")

Row = tuple[int, list[str]]


def open_rows(path: Path, known: Sequence[frozenset[str]]) -> tuple[list[str], Iterator[Row]]:
    """Open a CSV file and find its header.

    Parameters
    ----------
    path : Path
        The file: UTF-8 or a one-byte encoding; comma, semicolon or tab.
    known : sequence of frozenset of str
        Sets of columns; the header must hold one of them.

    Returns
    -------
    header : list of str
        Names of the columns.
    rows : iterator of (int, list of str)
        Number of the line and its fields, as many as the header has. Blank lines are left out.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, too large or no text, or has no such header; while
        the rows are read, if a line has another number of fields.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(
                f"{path.name} has {size / 2**30:.1f} GiB, more than {LARGEST_FILE / 2**30:.0f}; "
                "export fewer columns, or one file for each sample"
            )
        with path.open("r", encoding="utf-8-sig", errors="replace", newline="") as file:
            first = next((line for line in _lines(path, file) if line.strip()), "")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path.name!r} cannot be read ({why}); give a CSV file") from error
    if not first:
        raise InputError(f"{path.name} is empty; export the table of detections again")
    for delimiter in _DELIMITERS:
        header = [name.strip() for name in first.strip("\r\n").split(delimiter)]
        header = [name[1:-1] if name[:1] == name[-1:] == '"' else name for name in header]
        if any(needed <= set(header) for needed in known):
            return header, _rows(path, delimiter, len(header))
    raise InputError(
        f"{path.name} has no columns that are known; give a spots table of TrackMate (POSITION_X, "
        "POSITION_Y, FRAME), one of RS-FISH (x, y, t, c), or a table with the columns y and x in "
        "pixels"
    )


def to_number(text: str) -> float | None:
    """Return the finite number that a field holds, or None."""
    if "_" in text:  # Python reads 1_0 as ten
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE or "\0" in line:
            raise InputError(f"{path.name} is no table in text form; export it as CSV")
        yield line


def _rows(path: Path, delimiter: str, width: int) -> Iterator[Row]:
    with path.open("r", encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(_lines(path, file), delimiter=delimiter)
        header_seen = False
        try:
            for fields in reader:
                if not any(field.strip() for field in fields):
                    continue
                if not header_seen:
                    header_seen = True
                elif len(fields) == width:
                    yield reader.line_num, [field.strip() for field in fields]
                else:
                    raise InputError(
                        f"line {reader.line_num} of {path.name} has {len(fields)} fields where "
                        f"the header has {width}; take the {delimiter!r} out of its labels, or "
                        "export the table again"
                    )
        except csv.Error as error:
            raise InputError(
                f"line {reader.line_num} of {path.name} cannot be read ({error}); export the "
                "table again"
            ) from error
