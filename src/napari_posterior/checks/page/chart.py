"""A chart as data: axes and marks, to be drawn as SVG or PDF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Axis",
    "Chart",
    "Dots",
    "Level",
    "Line",
    "Mark",
    "Ribbon",
    "Role",
    "Steps",
    "Zone",
]

Role = Literal["teacher", "student", "floor", "limit", "mark", "none"]
"""What a mark stands for, and so its colour: the floor is the teacher against itself, a limit is a
tolerance, a mark is something known, none is no difference."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Parameters
    ----------
    label : str
        Quantity and unit.
    low, high : float
        Its ends; positive on a logarithmic scale.
    log : bool
        Whether the scale is logarithmic.
    percent : bool
        Whether ticks are written as percentages.
    """

    label: str
    low: float
    high: float
    log: bool = False
    percent: bool = False


@dataclass(frozen=True, eq=False)
class Steps:
    """Outline of a histogram: filled for the teacher, dashed for the student.

    Parameters
    ----------
    role : str
        Whose.
    edges : sequence of float, (bins + 1,)
        Edges of the bins.
    heights : sequence of float, (bins,)
        Heights.
    """

    role: Role
    edges: Sequence[float]
    heights: Sequence[float]


@dataclass(frozen=True, eq=False)
class Line:
    """Points joined by a line."""

    role: Role
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, eq=False)
class Ribbon:
    """The area between two lines."""

    role: Role
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, eq=False)
class Dots:
    """Points, with vertical intervals where `low` and `high` are given."""

    role: Role
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


@dataclass(frozen=True)
class Zone:
    """All between two values of one axis."""

    role: Role
    low: float
    high: float
    along: Literal["x", "y"] = "y"
    words: str = ""


@dataclass(frozen=True)
class Level:
    """One value of one axis."""

    role: Role
    at: float
    along: Literal["x", "y"] = "y"
    words: str = ""


Mark = Steps | Line | Ribbon | Dots | Zone | Level


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart.

    Parameters
    ----------
    name : str
        For files.
    title : str
        What is shown, for those who cannot see it.
    caption : str
        How to read it, in sentences.
    x, y : Axis
        The axes.
    marks : tuple of Mark
        From back to front.
    legend : tuple of (Role, str)
        What the roles mean here.
    about : tuple of str
        Ids of the findings whose verdicts belong beside it.
    """

    name: str
    title: str
    caption: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    legend: tuple[tuple[Role, str], ...] = ()
    about: tuple[str, ...] = field(default=())
