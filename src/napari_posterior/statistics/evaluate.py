"""A statistic on the planes of one sample, in one region or everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_posterior.errors import InputError, NotTestableError
from napari_posterior.statistics.base import Objects

if TYPE_CHECKING:
    from napari_posterior.statistics.base import Statistic, Value
    from napari_posterior.statistics.context import StatisticContext
    from napari_posterior.statistics.regions import Region

__all__ = [
    "Quantity",
    "combine_planes",
    "evaluate",
    "measure_planes",
    "not_testable",
    "quantify",
]


class Quantity(NamedTuple):
    """A number and its unit."""

    value: float
    unit: str


def not_testable(chosen: Statistic) -> str:
    """Say why a statistic of stacks has no answer on samples of planes."""
    return (
        f"the {chosen.title} is not testable: it needs stacks that were drawn as a whole, and the "
        "planes of these samples were restored one by one; measure planes, or the measured stack"
    )


def measure_planes(
    chosen: Statistic,
    planes: Sequence[np.ndarray],
    contexts: Sequence[StatisticContext],
    *,
    region: Region | None = None,
) -> list[Value]:
    """Measure the planes of one sample one by one.

    Parameters
    ----------
    chosen : Statistic
        What to measure.
    planes : sequence of ndarray, (H, W)
        The planes of one sample, photoelectrons per pixel.
    contexts : sequence of StatisticContext
        One for each plane.
    region : Region, optional
        Where; the same in every plane.

    Raises
    ------
    InputError
        If the statistic does not honour regions and there is one, or the region has another shape.
    NotTestableError
        If the statistic takes stacks.
    """
    if chosen.volume:
        raise NotTestableError(not_testable(chosen))
    if region is not None:
        if not chosen.regions:
            raise InputError(
                f"{chosen.name} does not take regions; declare it with regions=True once it "
                "measures inside context.region only"
            )
        region.check_shape(planes[0].shape)
        contexts = [context.within(region.mask) for context in contexts]
    return [chosen.measure(x, context) for x, context in zip(planes, contexts, strict=True)]


def evaluate(
    chosen: Statistic,
    planes: Sequence[np.ndarray],
    contexts: Sequence[StatisticContext],
    *,
    region: Region | None = None,
) -> dict[str, float]:
    """Return the numbers of `quantify` without their units."""
    found = quantify(chosen, planes, contexts, region=region)
    return {key: one.value for key, one in found.items()}


def quantify(
    chosen: Statistic,
    planes: Sequence[np.ndarray],
    contexts: Sequence[StatisticContext],
    *,
    region: Region | None = None,
) -> dict[str, Quantity]:
    """Compute a statistic on the planes of one sample and combine them.

    Objects give their number, named ``""``, and the mean of each of their columns over all
    objects of the sample, which is NaN where there is none.

    Parameters
    ----------
    chosen, planes, contexts, region
        As in `measure_planes`.

    Returns
    -------
    dict of str to Quantity
        One entry, named ``""``, for a statistic that is one number.

    Raises
    ------
    InputError
        If a value is not a finite number, or for the reasons of `measure_planes`.
    """
    return combine_planes(chosen, measure_planes(chosen, planes, contexts, region=region))


def combine_planes(chosen: Statistic, values: Sequence[Value]) -> dict[str, Quantity]:
    """Combine what `measure_planes` gave, as `quantify` does.

    Raises
    ------
    InputError
        If a value is not a finite number.
    """
    found = [one for one in values if isinstance(one, Objects)]
    if found:
        return _summarise(found, chosen.unit)
    totals: dict[str, float] = {}
    for value in values:
        entries = value if isinstance(value, Mapping) else {"": value}
        for key, number in entries.items():
            totals[key] = totals.get(key, 0.0) + float(number)  # type: ignore[arg-type]
    if chosen.combine == "mean":
        totals = {key: number / len(values) for key, number in totals.items()}
    for number in totals.values():
        if not math.isfinite(number):
            raise InputError(f"the statistic {chosen.name!r} gave {number} for a sample; fix it")
    return {key: Quantity(number, chosen.unit) for key, number in totals.items()}


def _summarise(found: Sequence[Objects], unit: str) -> dict[str, Quantity]:
    count = sum(len(one) for one in found)
    numbers = {"": Quantity(float(count), unit)}
    for name in found[0].columns:
        column = np.concatenate([one.columns[name] for one in found])
        mean = float(column.mean()) if count else math.nan
        numbers[f"mean_{name}"] = Quantity(mean, found[0].units[name])
    return numbers
