"""Spot tables of other programs, as they stand in their files.

The formats are those that the programs themselves write:

* TrackMate: ``io/CSVExporter.java`` and ``visualization/table/TablePanel.java`` of
  https://github.com/trackmate-sc/TrackMate (b0d922a, 2026-03). A row of feature keys, then up to
  three rows with names, short names and units; positions in the unit of the image; FRAME from 0;
  a missing value is empty or ``ø``; labels are not quoted.
* RS-FISH: ``result/output/ShowResult.java`` and ``gui/Block.java`` of
  https://github.com/PreibischLab/RS-FISH (c2e8907, 2025-02). ``x,y,z,t,c,intensity``, without z
  for planes; positions in pixels; t and c from 1.

Both count positions from the centre of the first pixel, as this package does.
"""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.image.geometry import unit_name
from napari_posterior.statistics.adapters.csv_rows import open_rows, to_number

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MOST_SAMPLES", "SpotTable", "read_table"]

MOST_SAMPLES: Final = 100_000
"""A larger sample number is taken for a mistake."""

_MISSING: Final = ("", "ø", "\ufffd", "NaN", "nan")


@dataclass(frozen=True)
class _Format:
    """Columns of a program: z, y, x, the sample and its first number, intensities by preference."""

    source: str
    position: tuple[str, str, str]
    sample: str
    first: int
    intensity: tuple[str, ...]
    needed: frozenset[str]


_FORMATS: Final = (
    _Format(
        "TrackMate",
        ("POSITION_Z", "POSITION_Y", "POSITION_X"),
        "FRAME",
        0,
        ("TOTAL_INTENSITY_CH1", "TOTAL_INTENSITY", "MEAN_INTENSITY_CH1", "MEAN_INTENSITY"),
        frozenset({"POSITION_Y", "POSITION_X", "FRAME"}),
    ),
    _Format("RS-FISH", ("z", "y", "x"), "t", 1, ("intensity",), frozenset("yxtc")),
    _Format("plain", ("z", "y", "x"), "sample", 0, ("intensity",), frozenset("yx")),
)


@dataclass(frozen=True, eq=False)
class SpotTable:
    """The detections of one file.

    Parameters
    ----------
    source : str
        ``"TrackMate"``, ``"RS-FISH"`` or ``"plain"``.
    unit : str
        UDUNITS name of the unit of the positions; empty where the file does not say.
    positions : ndarray, (n, 3) float64
        Plane, row and column, in `unit`; plane 0 where there is none.
    is_volume : bool
        Whether the planes mean something.
    samples : ndarray, (n,) int64
        From 0.
    says_sample : bool
        Whether the file has a column for the sample.
    intensity_column : str
        Empty if there is none.
    intensities : ndarray, (n,) float64
        NaN where one is missing.
    """

    source: str
    unit: str
    positions: np.ndarray
    is_volume: bool
    samples: np.ndarray
    says_sample: bool
    intensity_column: str
    intensities: np.ndarray


def read_table(path: Path) -> SpotTable:
    """Read a spots table of TrackMate, of RS-FISH, or one with the columns y and x in pixels.

    Raises
    ------
    InputError
        If the file cannot be read, is none of these tables, or holds a position or sample that
        is no finite number or out of range.
    """
    header, rows = open_rows(path, [one.needed for one in _FORMATS])
    form = next(one for one in _FORMATS if one.needed <= set(header))
    column = next((one for one in form.intensity if one in header), "")
    used = [one for one in (*form.position, form.sample, column) if one in header]
    if twice := [one for one in used if header.count(one) > 1]:
        raise InputError(f"{path.name} has the column {twice[0]!r} twice; keep one of them")
    at = {name: header.index(name) for name in (*used, "c") if name in header}
    physical = form.source == "TrackMate"
    unit, headings = ("", 3) if physical else ("pixel", 0)
    positions, samples, intensities = array("d"), array("q"), array("d")
    channels: set[str] = set()
    for line, fields in rows:
        if headings and _is_heading(fields[at["POSITION_X"]], fields[at["FRAME"]]):
            headings -= 1
            unit = _unit_in(fields[at["POSITION_X"]]) or unit
            continue
        headings = 0
        where = f"line {line} of {path.name}"
        for axis in form.position:
            positions.append(_position(fields[at[axis]], axis, where) if axis in at else 0.0)
        samples.append(_sample(fields[at[form.sample]], form, where) if form.sample in at else 0)
        intensities.append(_intensity(fields[at[column]], column, where) if column else math.nan)
        if form.source == "RS-FISH":
            channels.add(fields[at["c"]])
    if len(channels) > 1:
        raise InputError(
            f"{path.name} has detections in the channels {', '.join(sorted(channels)[:5])}; keep "
            "the rows of one channel"
        )
    found = np.array(positions, np.float64).reshape(-1, 3)
    # TrackMate writes z = 0 for planes.
    is_volume = bool(np.any(found[:, 0] != 0)) if physical else form.position[0] in at
    return SpotTable(
        form.source,
        unit,
        found,
        is_volume,
        np.array(samples, np.int64),
        form.sample in at,
        column,
        np.array(intensities, np.float64),
    )


def _is_heading(position: str, frame: str) -> bool:
    return frame in ("Frame", "") and to_number(position) is None


def _unit_in(heading: str) -> str:
    told = re.fullmatch(r"\((.*)\)", heading)
    # A micro sign in a one-byte encoding does not survive as UTF-8.
    return unit_name(told[1].replace("\ufffd", "\u00b5")) if told else ""


def _position(text: str, axis: str, where: str) -> float:
    number = to_number(text)
    if number is None:
        raise InputError(f"{axis} in {where} is {text[:40]!r}, no finite number; correct the table")
    return number


def _sample(text: str, form: _Format, where: str) -> int:
    number = to_number(text)
    if number is None or number != int(number):
        raise InputError(f"{form.sample} in {where} is {text[:40]!r}; give a whole number")
    if not form.first <= number < form.first + MOST_SAMPLES:
        raise InputError(
            f"{form.sample} in {where} is {text[:40]}; samples are numbered from {form.first}, "
            f"and there are {MOST_SAMPLES} at most"
        )
    return int(number) - form.first


def _intensity(text: str, column: str, where: str) -> float:
    number = to_number(text)
    if number is None and text not in _MISSING:
        raise InputError(f"{column} in {where} is {text[:40]!r}; give a number or leave it empty")
    return math.nan if number is None else number
