"""What is measured on every sample: the statistics, and how it agrees with the measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.counted.site_changes import locate
from napari_posterior.checks.likelihood import ResidualMeter, Residuals
from napari_posterior.checks.trust import noise_trust
from napari_posterior.statistics import (
    get_statistic,
    make_context,
    not_testable,
    quantify,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.statistics import Quantity, Region, Statistic

__all__ = ["MeasuredSample", "SampleMeter", "SampleValues"]

_OF_PUNCTA: Final = ("puncta", "puncta_count", "puncta_curve")


@dataclass(frozen=True)
class MeasuredSample:
    """What was measured on one sample.

    Parameters
    ----------
    numbers : mapping
        For each statistic, in each region, its quantities by key; ``""`` for one that is a number.
    residuals : Residuals
        Agreement with the measurement.
    puncta : ndarray, (n, 3), or None
        Plane, row and column of the puncta, where puncta are counted.
    curve : tuple of float
        Puncta above each of the factors `CURVE_FACTORS` of the threshold; empty where puncta are
        not counted.
    """

    numbers: Mapping[tuple[str, str], Mapping[str, Quantity]]
    residuals: Residuals
    puncta: np.ndarray | None = None
    curve: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class SampleValues:
    """One number of every sample of a run.

    Parameters
    ----------
    id, title, unit : str
        Identifier, words and unit.
    values : ndarray, (K,)
        One for each sample, float64.
    expected : float or None
        What is expected of a draw from the posterior, if known.
    region : str or None
        Where in the image; None for the whole.
    """

    id: str
    title: str
    unit: str
    values: np.ndarray
    expected: float | None = None
    region: str | None = None


class SampleMeter:
    """Measures samples of one measurement; everything is fixed before a sample is looked at.

    Parameters
    ----------
    measurements : sequence of Measurement
        One for each plane.
    statistics : sequence of str or Statistic
        Computed on every sample.
    regions : sequence of Region
        Where statistics are measured beside the whole plane, the same in every plane.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.

    Attributes
    ----------
    statistics : tuple of Statistic
        In the order given.
    contexts : tuple of StatisticContext
        One for each plane, with the thresholds.
    untestable : tuple of str
        Why some of those asked for have no answer here, a sentence each.
    trust : NoiseTrust
        What is known of the noise of the measurement.

    Raises
    ------
    InputError
        If a statistic is unknown or does not take regions, or the measurement cannot be used.
    """

    def __init__(
        self,
        measurements: Sequence[Measurement],
        statistics: Sequence[str | Statistic],
        *,
        regions: Sequence[Region] = (),
        pixel_size: tuple[float, float] | None = None,
        unit: str = "pixel",
    ) -> None:
        asked = [get_statistic(one) for one in statistics]
        self.statistics = tuple(one for one in asked if not one.volume)
        told = [not_testable(one) for one in asked if one.volume]
        self.untestable = tuple(f"{one[:1].upper()}{one[1:]}." for one in told)
        self.contexts = tuple(
            make_context(one, pixel_size=pixel_size, unit=unit) for one in measurements
        )
        self.trust = noise_trust(measurements)
        self._regions: tuple[Region | None, ...] = (None, *regions)
        self._puncta = any(one.name.partition("(")[0] in _OF_PUNCTA for one in self.statistics)
        self._residuals = ResidualMeter(measurements)

    def measure(self, planes: Sequence[np.ndarray]) -> MeasuredSample:
        """Measure one sample.

        Parameters
        ----------
        planes : sequence of ndarray, (H, W)
            The sample in photoelectrons per pixel, float32.

        Raises
        ------
        InputError
            If a statistic gives a number that is not finite.
        """
        shown, contexts = list(planes), list(self.contexts)
        numbers = {
            (one.name, "" if region is None else region.name): quantify(
                one, shown, contexts, region=region
            )
            for one in self.statistics
            for region in self._regions
        }
        residuals = self._residuals.measure(shown)
        if not self._puncta:
            return MeasuredSample(numbers, residuals)
        curve = quantify(get_statistic("puncta_curve"), shown, contexts)
        heights = tuple(one.value for one in curve.values())
        return MeasuredSample(numbers, residuals, locate(shown, contexts), heights)

    def values(self, samples: Sequence[MeasuredSample]) -> tuple[SampleValues, ...]:
        """Gather what was measured: the statistics, then the likelihood residual.

        Parameters
        ----------
        samples : sequence of MeasuredSample
            One at least.
        """
        found = []
        for one in self.statistics:
            for region in self._regions:
                place = "" if region is None else region.name
                for key, first in samples[0].numbers[one.name, place].items():
                    name, title = one.name, one.title
                    if key:
                        name, title = f"{one.name}.{key}", _title(one, key)
                    if region is not None:
                        name, title = f"{name}@{place}", f"{title} in {place}"
                    column = np.array([s.numbers[one.name, place][key].value for s in samples])
                    where = None if region is None else place
                    found.append(SampleValues(name, title, first.unit, column, region=where))
        known = self.trust.expected is not None
        chi2 = np.array([sample.residuals.chi2 for sample in samples])
        return (
            *found,
            SampleValues(
                "likelihood",
                "likelihood residual" if known else "likelihood residual (consistency only)",
                "reduced chi-squared",
                chi2,
                self.trust.expected,
            ),
        )


def _title(one: Statistic, key: str) -> str:
    """Say in words what one of several numbers is."""
    words = key.replace("_um2", " in µm²").replace("_", " ")
    # the mean of a column of objects, which the unit names
    return f"{words} of {one.unit}" if key.startswith("mean_") else f"{one.title}, {words}"
