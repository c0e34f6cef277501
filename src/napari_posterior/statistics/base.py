"""What a statistic is: a number, or a few named ones, computed on every sample alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, overload, runtime_checkable

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from napari_posterior.statistics.context import StatisticContext

__all__ = [
    "FunctionStatistic",
    "Statistic",
    "evaluate",
    "get_statistic",
    "list_statistics",
    "statistic",
]

Value = float | Mapping[str, float]
Function = Callable[["np.ndarray", "StatisticContext"], Value]
Combine = Literal["sum", "mean"]


@runtime_checkable
class Statistic(Protocol):
    """A number h(x), or several named ones, of one sample.

    Attributes
    ----------
    name : str
        Identifier, for example ``"puncta_count"``.
    title : str
        The same in words.
    unit : str
        Unit of the number, for example ``"puncta"``.
    combine : {"sum", "mean"}
        How the planes of a stack make one number.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def combine(self) -> Combine: ...  # noqa: D102

    def compute(self, x: np.ndarray, context: StatisticContext) -> Value:
        """Return h(x) for one sample x of (H, W) photoelectrons per pixel."""
        ...


@dataclass(frozen=True)
class FunctionStatistic:
    """A statistic made from a function; it can still be called like the function."""

    function: Function
    name: str
    title: str
    unit: str
    combine: Combine = "sum"

    def compute(self, x: np.ndarray, context: StatisticContext) -> Value:
        """Return h(x) for one sample x of (H, W) photoelectrons per pixel."""
        return self.function(x, context)

    def __call__(self, x: np.ndarray, context: StatisticContext) -> Value:
        """Call the function itself."""
        return self.function(x, context)


# The registry is filled by the decorator when modules are imported.
_REGISTRY: Final[dict[str, Statistic]] = {}


@overload
def statistic(function: Function, /) -> FunctionStatistic: ...
@overload
def statistic(
    *, name: str | None = ..., title: str | None = ..., unit: str = ..., combine: Combine = ...
) -> Callable[[Function], FunctionStatistic]: ...
def statistic(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    unit: str = "",
    combine: Combine = "sum",
) -> FunctionStatistic | Callable[[Function], FunctionStatistic]:
    """Register a function ``h(x, context)`` as a statistic; a decorator, bare or with options.

    Parameters
    ----------
    function : callable
        Takes one sample, (H, W) photoelectrons per pixel, and a `StatisticContext`; returns a
        number or a dict of numbers. It must give the same answer for the same sample.
    name : str, optional
        Default: the name of the function.
    title : str, optional
        Default: the name in words.
    unit : str
        Unit of the number.
    combine : {"sum", "mean"}
        How the planes of a stack make one number.

    Returns
    -------
    FunctionStatistic

    Raises
    ------
    InputError
        If another function has the name already.
    """

    def register(given: Function) -> FunctionStatistic:
        label = name or str(getattr(given, "__name__", "statistic"))
        made = FunctionStatistic(given, label, title or label.replace("_", " "), unit, combine)
        known = _REGISTRY.get(label)
        if isinstance(known, FunctionStatistic) and _origin(known.function) != _origin(given):
            raise InputError(f"a statistic named {label!r} exists; choose another name")
        _REGISTRY[label] = made
        return made

    return register if function is None else register(function)


def get_statistic(name: str | Statistic) -> Statistic:
    """Return a registered statistic by name; a statistic is returned as it is.

    Raises
    ------
    InputError
        If there is none of that name; the message lists those there are.
    """
    if isinstance(name, str):
        if name not in _REGISTRY:
            known = ", ".join(list_statistics())
            raise InputError(f"there is no statistic {name!r}; choose from {known}")
        return _REGISTRY[name]
    if isinstance(name, Statistic):
        return name
    raise InputError(f"{name!r} is not a statistic; give a name or use napari_posterior.statistic")


def list_statistics() -> tuple[str, ...]:
    """Return the names of the registered statistics in alphabetical order."""
    return tuple(sorted(_REGISTRY))


def evaluate(
    chosen: Statistic, planes: list[np.ndarray], contexts: list[StatisticContext]
) -> dict[str, float]:
    """Compute a statistic on the planes of one sample and combine them.

    Parameters
    ----------
    chosen : Statistic
        What to compute.
    planes : list of ndarray, (H, W)
        The planes of one sample, photoelectrons per pixel.
    contexts : list of StatisticContext
        One for each plane.

    Returns
    -------
    dict of str to float
        One entry, named ``""``, for a statistic that is one number.

    Raises
    ------
    InputError
        If a value is not a finite number.
    """
    totals: dict[str, float] = {}
    for plane, context in zip(planes, contexts, strict=True):
        value = chosen.compute(plane, context)
        entries = value if isinstance(value, Mapping) else {"": value}
        for key, number in entries.items():
            totals[key] = totals.get(key, 0.0) + float(number)
    if chosen.combine == "mean":
        totals = {key: number / len(planes) for key, number in totals.items()}
    for number in totals.values():
        if not math.isfinite(number):
            raise InputError(f"the statistic {chosen.name!r} gave {number} for a sample; fix it")
    return totals


def _origin(function: Function) -> tuple[str, str]:
    """Tell a function that is defined again from another one of the same name."""
    return getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
