"""Statistics by name: our own, those of the user, and those that other packages bring."""

from __future__ import annotations

import ast
import logging
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, overload

from napari_posterior.errors import InputError
from napari_posterior.statistics.base import FunctionStatistic, Statistic

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

    from napari_posterior.statistics.base import Combine, Function

__all__ = ["ENTRY_POINTS", "get_statistic", "list_statistics", "register_statistic", "statistic"]

_LOG = logging.getLogger(__name__)

ENTRY_POINTS: Final = "napari_posterior.statistics"
"""Group of entry points; each names a `Statistic`, or a function without arguments that makes one.
"""

# The registry is filled by the decorator when modules are imported.
_REGISTRY: Final[dict[str, Statistic]] = {}


@overload
def statistic(function: Function, /) -> FunctionStatistic: ...
@overload
def statistic(
    *,
    name: str | None = ...,
    title: str | None = ...,
    unit: str = ...,
    combine: Combine = ...,
    regions: bool = ...,
    volume: bool = ...,
) -> Callable[[Function], FunctionStatistic]: ...
def statistic(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    unit: str = "",
    combine: Combine = "sum",
    regions: bool = False,
    volume: bool = False,
) -> FunctionStatistic | Callable[[Function], FunctionStatistic]:
    """Register a function ``h(x, context)`` as a statistic; a decorator, bare or with options.

    Parameters
    ----------
    function : callable
        Takes one sample, (H, W) photoelectrons per pixel, and a `StatisticContext`; returns a
        number, a dict of numbers, or `Objects`. It must give the same answer for the same sample.
        Keyword-only arguments with a default are its parameters.
    name : str, optional
        Default: the name of the function.
    title : str, optional
        Default: the name in words.
    unit : str
        Unit of the number.
    combine : {"sum", "mean"}
        How the planes of a stack make one number.
    regions : bool
        Whether it honours ``context.region``; it is refused for regions otherwise.
    volume : bool
        Whether it takes a stack (Z, Y, X): not testable where planes were restored separately.

    Returns
    -------
    FunctionStatistic

    Raises
    ------
    InputError
        If another function has the name already, or the name is no identifier.
    """

    def register(given: Function) -> FunctionStatistic:
        label = name or str(getattr(given, "__name__", "statistic"))
        words = title or label.replace("_", " ")
        made = FunctionStatistic(given, label, words, unit, combine, regions, volume)
        register_statistic(made)
        return made

    return register if function is None else register(function)


def register_statistic(made: Statistic) -> None:
    """Make a statistic known by its name.

    Raises
    ------
    InputError
        If another one has the name already, or the name is no identifier.
    """
    if not made.name.isidentifier():
        raise InputError(
            f"{made.name!r} cannot be the name of a statistic; use letters, digits and underscores"
        )
    known = _REGISTRY.get(made.name)
    if known is not None and _origin(known) != _origin(made):
        raise InputError(f"a statistic named {made.name!r} exists; choose another name")
    _REGISTRY[made.name] = made


def get_statistic(name: str | Statistic) -> Statistic:
    """Return a statistic by name; a statistic is returned as it is.

    Parameters
    ----------
    name : str or Statistic
        ``"puncta_count"``, or with parameters ``"puncta_count(threshold_factor=1.5)"``.

    Raises
    ------
    InputError
        If there is none of that name (the message lists those there are), or a parameter is
        unknown or not allowed.
    """
    if isinstance(name, str):
        return _by_name(name)
    if isinstance(name, Statistic):
        return name
    raise InputError(f"{name!r} is not a statistic; give a name or use napari_posterior.statistic")


def list_statistics() -> tuple[str, ...]:
    """Return the names of all statistics in alphabetical order; nothing is imported for it."""
    return tuple(sorted({*_REGISTRY, *_offered()}))


def _by_name(text: str) -> Statistic:
    name, values = _parse(text)
    found = _REGISTRY.get(name)
    if found is None and (entry := _offered().get(name)) is not None:
        found = _load(entry)
    if found is None:
        known = ", ".join(list_statistics())
        raise InputError(f"there is no statistic {name!r}; choose from {known}")
    if not values:
        return found
    if not isinstance(found, FunctionStatistic):
        raise InputError(
            f"the parameters of {name!r} cannot be set by name; set them on the object"
        )
    return found.set(**values)


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    """Take ``name(key=value, ...)`` apart; values are literals, and nothing is evaluated."""
    if "(" not in text:
        return text.strip(), {}
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError(text)
        values = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords if one.arg}
        if len(values) != len(call.keywords):
            raise ValueError(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InputError(
            f"the statistic {text!r} cannot be read; write it as puncta_count(threshold_factor=1.5)"
        ) from None
    return call.func.id, values


def _offered() -> dict[str, EntryPoint]:
    return {one.name: one for one in entry_points(group=ENTRY_POINTS)}


def _load(entry: EntryPoint) -> Statistic:
    """Load the statistic of another package."""
    try:
        found = entry.load()
        if not isinstance(found, Statistic) and callable(found):
            found = found()
    except InputError:  # such as for something that is not installed: it says what to do
        raise
    except Exception as error:
        _LOG.debug("the entry point %s cannot be loaded", entry.name, exc_info=True)
        raise InputError(
            f"the statistic {entry.name!r} of another package cannot be loaded "
            f"({type(error).__name__}: {error}); update or remove that package"
        ) from error
    if not isinstance(found, Statistic):
        raise InputError(f"the entry point {entry.name!r} is no statistic; tell its authors")
    return found


def _origin(one: Statistic) -> tuple[str, str]:
    """Tell a function that is defined again from another one of the same name."""
    thing: Any = one.function if isinstance(one, FunctionStatistic) else type(one)
    return getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
