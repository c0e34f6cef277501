"""What a statistic is: numbers or objects, computed on every sample alone."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.statistics.context import StatisticContext

__all__ = ["Combine", "FunctionStatistic", "Objects", "Parameter", "Statistic", "Value"]


@dataclass(frozen=True, eq=False)
class Objects:
    """Things found in one plane of a sample: puncta, nuclei.

    Parameters
    ----------
    positions : ndarray, (n, 2)
        Row and column of each centre in pixels.
    columns : mapping of str to ndarray, (n,)
        What was measured on each.
    units : mapping of str to str
        Unit of each column.

    Raises
    ------
    InputError
        If a column is not as long as the positions, or has no unit.
    """

    positions: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if np.shape(column) != (len(self.positions),) or name not in self.units:
                raise InputError(
                    f"the column {name!r} of {len(self.positions)} objects has the shape "
                    f"{np.shape(column)} and the unit {self.units.get(name)!r}; give one number "
                    "for each object, and a unit"
                )

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.positions)

    def take(self, keep: np.ndarray) -> Objects:
        """Return some of them: ``keep`` are flags, (n,), or indices."""
        columns = {name: column[keep] for name, column in self.columns.items()}
        return Objects(self.positions[keep], columns, self.units)


Number: TypeAlias = float | int | np.number[Any]
Value: TypeAlias = Number | Mapping[str, Number] | Objects
Function = Callable[..., Value]
Combine = Literal["sum", "mean"]


@dataclass(frozen=True)
class Parameter:
    """A choice that a statistic leaves to its user; annotates a keyword of its function.

    Parameters
    ----------
    unit : str
        Unit of the value.
    minimum, maximum : float, optional
        What is allowed, ends included.
    doc : str
        One sentence.
    name, default
        Taken from the function.
    """

    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    doc: str = ""
    name: str = ""
    default: Any = None

    def check(self, value: Any) -> Any:
        """Return the value in the type of the default.

        Raises
        ------
        InputError
            If it is of another type or out of range.
        """
        wanted = type(self.default)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not wanted:
            raise InputError(f"{self.name} = {value!r} is no {wanted.__name__}; give {self._range}")
        low, high = self.minimum, self.maximum
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise InputError(f"{self.name} is {value!r}; give {self._range}")
        return value

    @property
    def _range(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        told = f"{type(self.default).__name__} such as {self.default!r}{unit}"
        if self.minimum is not None:
            told += f", {self.minimum:g} at least"
        return told if self.maximum is None else f"{told}, {self.maximum:g} at most"


@runtime_checkable
class Statistic(Protocol):
    """A number h(x), several named ones, or objects, of one sample.

    Attributes
    ----------
    name : str
        Identifier, for example ``"puncta_count"``; parameters that were set follow in brackets.
    title : str
        The same in words.
    unit : str
        Unit of the number, for example ``"puncta"``.
    combine : {"sum", "mean"}
        How the planes of a stack make one number.
    parameters : tuple of Parameter
        What can be set.
    regions : bool
        Whether it honours the region of the context.
    volume : bool
        Whether it takes a stack (Z, Y, X) instead of a plane.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def combine(self) -> Combine: ...  # noqa: D102
    @property
    def parameters(self) -> tuple[Parameter, ...]: ...  # noqa: D102
    @property
    def regions(self) -> bool: ...  # noqa: D102
    @property
    def volume(self) -> bool: ...  # noqa: D102

    def measure(self, x: np.ndarray, context: StatisticContext) -> Value:
        """Return h(x) for one sample x of (H, W) photoelectrons per pixel."""
        ...


@dataclass(frozen=True)
class FunctionStatistic:
    """A statistic made from a function; it can still be called like the function.

    Its parameters are the keyword-only arguments that have a default of type bool, int, float or
    str; ``Annotated[float, Parameter(unit="px")]`` gives them a unit and a range.
    """

    function: Function
    name: str
    title: str
    unit: str
    combine: Combine = "sum"
    regions: bool = False
    volume: bool = False
    settings: tuple[tuple[str, Any], ...] = ()

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be set, with the defaults of the function."""
        return _read_parameters(self.function)

    def measure(self, x: np.ndarray, context: StatisticContext) -> Value:
        """Return h(x) for one sample x of (H, W) photoelectrons per pixel."""
        return self.function(x, context, **dict(self.settings))

    def __call__(self, x: np.ndarray, context: StatisticContext, **settings: Any) -> Value:
        """Call the function itself."""
        return self.function(x, context, **{**dict(self.settings), **settings})

    def set(self, **values: Any) -> FunctionStatistic:
        """Return the statistic with other parameters; its name and title tell of them.

        Raises
        ------
        InputError
            If there is no such parameter, or the value is not allowed.
        """
        known = {one.name: one for one in self.parameters}
        for key in values:
            if key not in known:
                there = ", ".join(known) or "none"
                raise InputError(f"{self.name} has no parameter {key!r}; there are: {there}")
        chosen = {**dict(self.settings), **values}
        chosen = {key: known[key].check(chosen[key]) for key in sorted(chosen)}
        chosen = {key: value for key, value in chosen.items() if value != known[key].default}
        name, title = self.name.partition("(")[0], self.title.partition(" (")[0]
        if chosen:
            told = ", ".join(f"{key}={value!r}" for key, value in chosen.items())
            words = ", ".join(
                f"{key.replace('_', ' ')} {value}{' ' + known[key].unit if known[key].unit else ''}"
                for key, value in chosen.items()
            )
            name, title = f"{name}({told})", f"{title} ({words})"
        return replace(self, name=name, title=title, settings=tuple(chosen.items()))


def _read_parameters(function: Function) -> tuple[Parameter, ...]:
    found = []
    for name, given in inspect.signature(function).parameters.items():
        if given.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if not isinstance(given.default, bool | int | float | str):
            continue
        told = getattr(_resolve(given.annotation, function), "__metadata__", ())
        told = [one for one in told if isinstance(one, Parameter)]
        base = told[0] if told else Parameter()
        found.append(replace(base, name=name, default=given.default))
    return tuple(found)


def _resolve(annotation: Any, function: Function) -> Any:
    """Return an annotation; one that is still a string is looked up where its function is.

    One by one: other arguments may have types that are imported for type checkers only.
    """
    holder = type("Holder", (), {"__annotations__": {"it": annotation}})
    names = getattr(function, "__globals__", {})
    return typing.get_type_hints(holder, names, include_extras=True)["it"]
