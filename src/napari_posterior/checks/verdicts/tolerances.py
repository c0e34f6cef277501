"""Tolerances: how much of a difference does not matter, set before the samples are looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Final, Literal

from napari_posterior.checks.finding import number, percent
from napari_posterior.errors import InputError

__all__ = ["DEFAULTS", "PRESETS", "Limits", "Preset", "Tolerance", "Tolerances"]

Kind = Literal["range", "relative", "sd"]

_WORDS: Final = re.compile(r"^\s*[±+]?\s*([0-9]+(?:[.][0-9]*)?|[.][0-9]+)\s*(%|percent|sd|SD)\s*$")


@dataclass(frozen=True)
class Limits:
    """The range in which a quantity may lie, and in words.

    Parameters
    ----------
    low, high : float or None
        Its ends; None where it is open.
    words : str
        As in ``"your limit of 0.8 to 1.25"``.
    """

    low: float | None
    high: float | None
    words: str

    def holds(self, value: float) -> bool:
        """Return whether a value lies inside."""
        return (self.low is None or value > self.low) and (self.high is None or value < self.high)


@dataclass(frozen=True)
class Tolerance:
    """How far a student may be from its teacher in one quantity.

    Parameters
    ----------
    kind : str
        ``"range"``: from `low` to `high` in the unit of the quantity; ``"relative"``: `high` times
        the teacher's mean to both sides; ``"sd"``: `high` times the standard deviation over
        teacher samples to both sides.
    low, high : float or None
        See `kind`; None where a range is open.
    origin : str
        ``"default"``, the name of a preset, or ``"user"``.
    """

    kind: Kind = "range"
    low: float | None = None
    high: float | None = None
    origin: str = "default"

    def __post_init__(self) -> None:
        known = [one for one in (self.low, self.high) if one is not None]
        empty = not known or not all(map(math.isfinite, known))
        if empty or (len(known) == 2 and known[0] >= known[1]):
            raise InputError(
                f"a tolerance from {self.low} to {self.high} holds nothing; give a lower and an "
                "upper limit"
            )
        if self.kind != "range" and not (self.low is None and known[0] > 0):
            raise InputError(f"a tolerance of {known[0]} {self.kind} is not positive; give a share")

    def resolve(
        self, *, mean: float | None = None, sd: float | None = None, unit: str = ""
    ) -> Limits | None:
        """Return the limits in the unit of the quantity; None where they cannot be worked out.

        Parameters
        ----------
        unit : str
            The unit, for the words.
        mean, sd : float, optional
            Of the quantity over teacher samples. Where the mean is smaller than the standard
            deviation, so that a share of it says little, a relative tolerance becomes half a
            standard deviation.
        """
        if self.kind == "range":
            return Limits(self.low, self.high, _range_words(self.low, self.high, unit))
        share = float(self.high or 0.0)
        if self.kind == "relative" and mean is not None and abs(mean) > (sd or 0.0):
            reach, words = share * abs(mean), self.words
        elif sd is not None and sd > 0:
            share = share if self.kind == "sd" else 0.5
            reach, words = share * sd, replace(self, kind="sd", high=share).words
        else:
            return None
        return Limits(-reach, reach, f"{words} (±{number(reach, 2)}{unit and ' '}{unit})")

    @property
    def words(self) -> str:
        """The limit, such as ``"±10 % of the teacher's mean"``."""
        if self.kind == "relative":
            return f"±{percent(self.high or 0.0)} of the teacher's mean"
        if self.kind == "sd":
            return f"±{self.high:.3g} teacher SD"
        return _range_words(self.low, self.high, "")

    @classmethod
    def read(cls, given: Any, *, key: str, origin: str = "user") -> Tolerance:
        """Make a tolerance of what a user gives.

        Parameters
        ----------
        given : float, tuple of two, str or Tolerance
            ``0.2`` (to both sides of no difference; from above for a gap), ``(0.8, 1.25)``,
            ``"10 %"`` of the teacher's mean, or ``"0.5 sd"`` of the teacher.
        key : str
            What it is for; ratios take two limits.
        origin : str
            Who gave it.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        if isinstance(given, Tolerance):
            return replace(given, origin=origin)
        if isinstance(given, str):
            found = _WORDS.match(given)
            if found and _is_plain(key):
                value = float(found[1])
                if found[2] in ("%", "percent"):
                    return cls("relative", None, value / 100, origin)
                return cls("sd", None, value, origin)
            raise InputError(
                f"the tolerance {given!r} of {key!r} cannot be read; give a number, two limits "
                'such as (0.8, 1.25), or for a statistic "10 %" or "0.5 sd"'
            )
        if isinstance(given, Sequence) and len(given) == 2:
            if all(one is None or _is_number(one) for one in given):
                low, high = (None if one is None else float(one) for one in given)
                read = cls("range", low, high, origin)
                agreed = 1.0 if _is_ratio(key) else 0.0
                if not Limits(low, high, "").holds(agreed):
                    raise InputError(
                        f"the tolerance {low} to {high} of {key!r} leaves out {agreed:g}, no "
                        "difference; give limits on both sides of it"
                    )
                return read
        elif _is_number(given) and given > 0:
            if key in _ONE_SIDED:
                return cls("range", None, float(given), origin)
            if _is_ratio(key):
                raise InputError(
                    f"{key!r} is a ratio; give its two limits, such as (0.8, 1.25), not {given}"
                )
            return cls("range", -float(given), float(given), origin)
        raise InputError(
            f"the tolerance {given!r} of {key!r} cannot be read; give a positive number or two "
            "limits"
        )


_RATIO: Final = Tolerance("range", 0.8, 1.25)
_LOOSE_RATIO: Final = Tolerance("range", 0.67, 1.5)
_SHARE: Final = Tolerance("relative", None, 0.1)

DEFAULTS: Final[Mapping[str, Tolerance]] = {
    "mean": Tolerance("range", None, 0.2),
    "variance": _RATIO,
    "tiles": _LOOSE_RATIO,
    "spectrum": _RATIO,
    "likelihood": Tolerance("range", -0.02, 0.02),
    "coverage": Tolerance("range", -0.05, 0.05),
    "self_calibration": Tolerance("range", -0.05, 0.05),
    "dimension": _LOOSE_RATIO,
    "diversity": _RATIO,
    "modes": Tolerance("range", -0.1, 0.1),
    "dependence": Tolerance("range", 0.9, 1.1),
    "sites.lost": Tolerance("range", None, 0.05),
    "sites.invented": Tolerance("range", None, 0.05),
    "statistic": _SHARE,
    "spread": _RATIO,
}
"""Tolerance of each quantity by its id, or by what it is: any statistic, its spread."""

_ONE_SIDED: Final = ("mean", "sites.lost", "sites.invented")
_RATIOS: Final = ("variance", "tiles", "spectrum", "dimension", "diversity", "dependence", "spread")


def _range_words(low: float | None, high: float | None, unit: str) -> str:
    def write(value: float) -> str:
        return percent(value) if unit.startswith("share") else f"{value:.3g}".replace("-", "−")

    word = f" {unit}" if unit and not unit.startswith("share") else ""
    if low is None:
        return f"at most {write(high or 0.0)}{word}"
    if high is None:
        return f"at least {write(low)}{word}"
    if math.isclose(low, -high):
        return f"±{write(high)}{word}"
    return f"{write(low)} to {write(high)}{word}"


def _is_number(given: Any) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _is_ratio(key: str) -> bool:
    return key.split(".")[0] in _RATIOS or key.endswith(".spread")


def _is_plain(key: str) -> bool:
    """Return whether a key is that of a statistic, whose tolerance may depend on the teacher."""
    return key == "statistic" or (key not in DEFAULTS and not key.endswith(".spread"))


@dataclass(frozen=True)
class Preset:
    """What matters for one kind of question.

    Parameters
    ----------
    title : str
        The question.
    statistics : tuple of str
        What is measured on every sample.
    required : tuple of str
        Ids of the findings that decide the whole; a statistic stands for its mean.
    tolerances : mapping
        Those that differ from the defaults.
    """

    title: str
    statistics: tuple[str, ...]
    required: tuple[str, ...]
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)


PRESETS: Final[Mapping[str, Preset]] = {
    "restoration": Preset(
        "I look at the restoration and its error bars",
        ("puncta_count",),
        ("mean", "variance", "likelihood", "puncta_count"),
    ),
    "puncta": Preset(
        "I count puncta",
        ("puncta_count",),
        ("puncta_count", "puncta_count.spread", "sites.lost", "sites.invented", "likelihood"),
    ),
    "intensity": Preset(
        "I measure intensity",
        ("mean_intensity",),
        ("mean", "variance", "likelihood", "mean_intensity", "mean_intensity.spread"),
        {"mean_intensity": Tolerance("relative", None, 0.05, "intensity")},
    ),
    "filaments": Preset(
        "I follow filaments",
        ("filament_length", "filament_fragments"),
        ("filament_length", "filament_fragments", "spectrum", "likelihood"),
    ),
}
"""Questions with what they need, by name."""


@dataclass(frozen=True)
class Tolerances:
    """All tolerances of a comparison, and which findings decide it.

    Parameters
    ----------
    given : mapping
        Tolerances by the id of a finding, where they are not the defaults.
    required : tuple of str
        Ids of the findings that decide the whole.
    preset : str
        The question they were chosen for.
    """

    given: Mapping[str, Tolerance] = field(default_factory=dict)
    required: tuple[str, ...] = PRESETS["restoration"].required
    preset: str = "restoration"

    @classmethod
    def choose(
        cls,
        given: Tolerances | Mapping[str, Any] | str | None = None,
        *,
        statistics: Sequence[str] = (),
    ) -> Tolerances:
        """Make the tolerances of a comparison from a question, single tolerances, or both.

        Parameters
        ----------
        given : Tolerances, mapping, str or None
            Name of a preset, or tolerances by id of the finding (see `Tolerance.read`), with
            ``"question"`` for the preset they go with.
        statistics : sequence of str
            Names of those that are measured: each is required.

        Raises
        ------
        InputError
            If a preset or a tolerance is not known.
        """
        if isinstance(given, Tolerances):
            return given
        single = {} if given is None or isinstance(given, str) else dict(given)
        name = given if isinstance(given, str) else str(single.pop("question", "restoration"))
        if name not in PRESETS:
            raise InputError(f"there is no question {name!r}; choose from {', '.join(PRESETS)}")
        preset = PRESETS[name]
        known = {*DEFAULTS, *(n for s in statistics for n in (s, f"{s}.spread"))}
        for key in single:
            if key not in known and not any(key.startswith(f"{s}.") for s in statistics):
                raise InputError(
                    f"nothing called {key!r} is compared; give tolerances for "
                    f"{', '.join(sorted(known))}"
                )
        read = {key: Tolerance.read(value, key=key) for key, value in single.items()}
        others = tuple(s for s in statistics if s not in preset.required)
        required = tuple(r for r in preset.required if _is_measured(r, statistics))
        return cls({**preset.tolerances, **read}, (*required, *others), name)

    def of(self, key: str, kind: str) -> Tolerance | None:
        """Return the tolerance of a finding; None for one that has none.

        Parameters
        ----------
        key : str
            Id of the finding.
        kind : str
            What stands for it in `DEFAULTS` where it has no tolerance of its own, such as
            ``"statistic"``.
        """
        return self.given.get(key) or self.given.get(kind) or DEFAULTS.get(kind)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "preset": self.preset,
            "required": list(self.required),
            "given": {
                key: {"kind": t.kind, "low": t.low, "high": t.high, "origin": t.origin}
                for key, t in self.given.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tolerances:
        """Read what `to_dict` gave."""
        given = {str(key): Tolerance(**entry) for key, entry in values["given"].items()}
        return cls(given, tuple(map(str, values["required"])), str(values["preset"]))


def _is_measured(key: str, statistics: Sequence[str]) -> bool:
    """Return whether a required finding is one of any comparison, or of a statistic asked for."""
    return key in DEFAULTS or not statistics or key.removesuffix(".spread") in statistics
