"""Tolerances as they are kept between sessions: those that differ from the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_posterior.checks.verdicts.tolerances import Tolerance
from napari_posterior.errors import InputError
from napari_posterior.session.tolerance_rows import choose_tolerances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["read_tolerances", "write_tolerances"]


def write_tolerances(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits as JSON values: kind, low and high by id of the finding.

    Parameters
    ----------
    given : mapping
        As `CompareState.tolerances`; what cannot be read is left out.
    """
    told = {}
    for key, value in given.items():
        try:
            one = Tolerance.read(value, key=key)
        except InputError:
            continue
        told[key] = {"kind": one.kind, "low": one.low, "high": one.high}
    return told


def read_tolerances(told: Any, question: str, statistics: Sequence[str]) -> dict[str, Tolerance]:
    """Take over what `write_tolerances` returned; what cannot be used any more is left out.

    Parameters
    ----------
    told : object
        From a file that anybody may have edited.
    question, statistics
        As of `choose_tolerances`.
    """
    found: dict[str, Tolerance] = {}
    for key, entry in told.items() if isinstance(told, dict) else ():
        try:
            one = _read(key, **entry)
            choose_tolerances(question, statistics, {key: one})
        except (InputError, TypeError, ValueError):
            continue
        found[key] = one
    return found


def _read(key: str, *, kind: Any, low: Any, high: Any) -> Tolerance:
    if kind == "range":
        return Tolerance.read((low, high), key=key)
    if kind not in ("relative", "sd"):
        raise InputError(f"a tolerance of the kind {kind!r} is not known; give another one")
    return Tolerance(kind, None, float(high), "user")
