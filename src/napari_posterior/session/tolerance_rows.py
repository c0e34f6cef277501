"""The tolerances of a comparison as rows that can be edited, one for each check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from napari_posterior.checks.verdicts.tolerances import DEFAULTS, PRESETS, Tolerance, Tolerances
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.session.statistic_choices import StatisticChoice

__all__ = ["Measure", "ToleranceRow", "change", "choose_tolerances", "list_rows", "reset"]

Form: TypeAlias = Literal["at most", "around", "between"]

_PERCENT: Final = 100.0

_CHECKS: Final[Mapping[str, tuple[str, str, float]]] = {
    "mean": ("gap between the means", "posterior SD", 1.0),
    "variance": ("variance ratio", "× teacher", 1.0),
    "tiles": ("variance ratio, tile by tile", "× teacher", 1.0),
    "spectrum": ("variance ratio by size of detail", "× teacher", 1.0),
    "likelihood": ("likelihood residual", "reduced χ²", 1.0),
    "sites.lost": ("puncta lost", "% of puncta", _PERCENT),
    "sites.invented": ("puncta invented", "% of puncta", _PERCENT),
    "dimension": ("independent ways to vary", "× teacher", 1.0),
    "diversity": ("diversity", "× teacher", 1.0),
    "modes": ("forms of the answer", "% of samples", _PERCENT),
    "coverage": ("coverage of the known object", "% of pixels", _PERCENT),
    "self_calibration": ("coverage in self-simulation", "% of pixels", _PERCENT),
    "dependence": ("dependence on the measurement", "× teacher", 1.0),
}
"""Title, unit as it is shown, and what a value is multiplied with to be in that unit."""

_AFTER_TASK: Final = ("dimension", "diversity", "modes", "coverage", "self_calibration")
_COUNTED: Final = ("sites.lost", "sites.invented")
_BEFORE_TASK: Final = ("mean", "variance", "tiles", "spectrum", "likelihood")


@dataclass(frozen=True)
class Measure:
    """A way to say how large a tolerance of a statistic is.

    Attributes
    ----------
    kind : str
        As of `Tolerance`.
    unit : str
        As it is shown.
    factor : float
        From the value of the tolerance to that unit.
    """

    kind: Literal["range", "relative", "sd"]
    unit: str
    factor: float = 1.0


@dataclass(frozen=True)
class ToleranceRow:
    """The tolerance of one check.

    Attributes
    ----------
    key : str
        Id of the finding.
    title : str
        In words.
    form : str
        ``"at most"`` and ``"around"`` have one number, `high`; ``"between"`` has two.
    low, high : float or None
        In the unit that is shown.
    measure : Measure
        What the numbers are in.
    measures : tuple of Measure
        What they can be in.
    default : str
        The limit that holds where none is set, in words.
    changed : bool
        Whether it is another one.
    required : bool
        Whether the check decides the whole.
    """

    key: str
    title: str
    form: Form
    low: float | None
    high: float | None
    measure: Measure
    measures: tuple[Measure, ...]
    default: str
    changed: bool
    required: bool

    @property
    def words(self) -> str:
        """The limit in words, as in ``"0.8 to 1.25 × teacher"``."""
        unit = self.measure.unit
        if self.form == "between":
            ends = " to ".join("open" if v is None else f"{v:g}" for v in (self.low, self.high))
            return f"{ends} {unit}"
        sign = "at most " if self.form == "at most" else "±"
        return f"{sign}{self.high:g} {unit}"


def choose_tolerances(
    question: str, statistics: Sequence[str], given: Mapping[str, Any]
) -> Tolerances:
    """Make the tolerances of a comparison from what is chosen in a window.

    Parameters
    ----------
    question : str
        Name of a preset.
    statistics : sequence of str
        What is measured.
    given : mapping
        Limits by id of a finding where they are not the defaults. Those of statistics that are
        not measured are left out.

    Raises
    ------
    InputError
        If the question or a limit cannot be used.
    """
    used = {key: one for key, one in given.items() if not _is_of_another(key, statistics)}
    return Tolerances.choose({"question": question, **used}, statistics=tuple(statistics))


def list_rows(
    question: str,
    statistics: Sequence[str],
    given: Mapping[str, Any],
    offered: Sequence[StatisticChoice] = (),
) -> tuple[ToleranceRow, ...]:
    """Return a row for every check, those that decide the whole first.

    Parameters
    ----------
    question, statistics, given
        As of `choose_tolerances`.
    offered : sequence of StatisticChoice
        For titles and units of the statistics.
    """
    chosen = choose_tolerances(question, statistics, given)
    plain = choose_tolerances(question, statistics, {})
    names = [*_BEFORE_TASK, *(n for s in statistics for n in (s, f"{s}.spread"))]
    names += _COUNTED if "puncta_count" in statistics else ()
    names += [*_AFTER_TASK, "dependence"]
    known = {one.name: one for one in offered}
    rows = []
    for key in dict.fromkeys((*(k for k in chosen.required if k in names), *names)):
        kind = key if key in DEFAULTS else "spread" if key.endswith(".spread") else "statistic"
        now, before = chosen.of(key, kind), plain.of(key, kind)
        if now is not None and before is not None:
            rows.append(_row(key, kind, now, before, known, required=key in chosen.required))
    return tuple(rows)


def change(
    given: Mapping[str, Any],
    row: ToleranceRow,
    *,
    low: float | None = None,
    high: float | None = None,
    measure: Measure | None = None,
) -> dict[str, Any]:
    """Return the limits with another one for a row.

    Parameters
    ----------
    given : mapping
        As of `choose_tolerances`.
    row : ToleranceRow
        What is changed.
    low, high : float, optional
        In the unit of `measure`; what is left out stays.
    measure : Measure, optional
        That of the row by default.

    Raises
    ------
    InputError
        If such a limit cannot be used.
    """
    unit = row.measure if measure is None else measure
    first, last = (row.low if low is None else low), (row.high if high is None else high)
    if unit.kind != "range":
        made = Tolerance(unit.kind, None, _scaled(last, unit), "user")
    elif row.form == "around" or row.measure.kind != "range":
        reach = _scaled(last, unit)
        if reach is None or reach <= 0:
            raise InputError(f"the limit of the {row.title} is {last}; give a positive number")
        made = Tolerance("range", -reach, reach, "user")
    else:
        ends = _scaled(first, unit), _scaled(last, unit)
        if row.form == "at most" and (ends[1] or 0.0) <= 0:
            raise InputError(f"the limit of the {row.title} is {last}; give a positive number")
        asked: Any = ends[1] if row.form == "at most" else ends
        made = Tolerance.read(asked, key=row.key)
    return {**given, row.key: made}


def reset(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the limits with the default for a check."""
    return {name: one for name, one in given.items() if name != key}


def _row(
    key: str,
    kind: str,
    now: Tolerance,
    before: Tolerance,
    known: Mapping[str, StatisticChoice],
    *,
    required: bool,
) -> ToleranceRow:
    title, measures = _title(key, kind, known)
    measure = next((one for one in measures if one.kind == now.kind), measures[0])
    low, high = (None if v is None else v * measure.factor for v in (now.low, now.high))
    form: Form = "around"
    if now.kind == "range":
        symmetric = low is not None and high is not None and low == -high
        form = "around" if symmetric else "at most" if low is None else "between"
    plain = next((one for one in measures if one.kind == before.kind), measures[0])
    return ToleranceRow(
        key=key,
        title=title,
        form=form,
        low=low,
        high=high,
        measure=measure,
        measures=measures,
        default=_words(before, plain),
        changed=(now.kind, now.low, now.high) != (before.kind, before.low, before.high),
        required=required,
    )


def _title(
    key: str, kind: str, known: Mapping[str, StatisticChoice]
) -> tuple[str, tuple[Measure, ...]]:
    if key in _CHECKS:
        title, unit, factor = _CHECKS[key]
        return title, (Measure("range", unit, factor),)
    name = key.removesuffix(".spread")
    one = known.get(name)
    title = name.replace("_", " ") if one is None else one.title
    if kind == "spread":
        return f"{title}, spread", (Measure("range", "× teacher", 1.0),)
    unit = (one.unit if one is not None else "") or "of it"
    return title, (
        Measure("relative", "% of mean", _PERCENT),
        Measure("sd", "teacher SD"),
        Measure("range", unit),
    )


def _words(tolerance: Tolerance, measure: Measure) -> str:
    low, high = (
        None if v is None else f"{v * measure.factor:g}".replace("-", "−")
        for v in (tolerance.low, tolerance.high)
    )
    if tolerance.kind != "range" or (tolerance.low == -(tolerance.high or 0.0)):
        return f"±{high} {measure.unit}"
    if low is None:
        return f"at most {high} {measure.unit}"
    return f"{low} to {high or 'open'} {measure.unit}"


def _scaled(value: float | None, measure: Measure) -> float | None:
    return None if value is None else value / measure.factor


def _is_of_another(key: str, statistics: Sequence[str]) -> bool:
    """Whether a limit is of a statistic that is not measured now, but may be again."""
    if key in DEFAULTS or any(key.startswith(f"{name}.") for name in statistics):
        return False
    preset_only = {name for preset in PRESETS.values() for name in preset.statistics}
    known = {*preset_only, *(f"{name}.spread" for name in preset_only)}
    return key not in statistics and key in known
