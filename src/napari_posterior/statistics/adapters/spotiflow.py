"""Spotiflow as a detector of puncta, with one normaliser for all samples of a measurement.

By default Spotiflow rescales each image by that image's own 1 and 99.8 percentiles. On samples
that would move the threshold from sample to sample, and between teacher and student; so here the
two levels come from the measurement, once. A sample is sharper than its measurement, so its
brightest puncta exceed 1; far above it a model leaves what it was trained on and may see two.
"""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.adapters.spotiflow_model import load_spotiflow, require_spotiflow
from napari_posterior.statistics.base import FunctionStatistic, Objects, Parameter
from napari_posterior.statistics.context import StatisticContext, measured_levels

if TYPE_CHECKING:
    from os import PathLike

    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.statistics.adapters.spotiflow_model import Device, Predictor

__all__ = [
    "SpotiflowPuncta",
    "load_spotiflow",
    "offer_spotiflow",
    "spotiflow_count",
    "spotiflow_puncta",
]

_LARGEST_TILE: Final = 1024
# Samples are measured in several threads; one model is not, and torch uses all cores anyway.
_ONE_AT_A_TIME: Final = threading.Lock()


@dataclass(frozen=True, eq=False)
class SpotiflowPuncta:
    """The statistic: puncta that a Spotiflow model finds in a sample.

    Parameters
    ----------
    model : Predictor
        A two-dimensional ``spotiflow.model.Spotiflow`` of one channel.
    low, high : float
        Photoelectrons per pixel that become 0 and 1, the same for every sample.
    probability : float, optional
        Smallest probability of a punctum; by default the threshold stored with the model.
    label : str
        What the title calls the model.

    Raises
    ------
    InputError
        If `high` is not above `low`, or the probability is not between 0 and 1.
    """

    model: Predictor
    low: float
    high: float
    probability: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        _check(self.low, self.high, self.probability)

    @property
    def name(self) -> str:
        """Identifier."""
        return "spotiflow_count"

    @property
    def title(self) -> str:
        """The same in words, with the model."""
        return f"Spotiflow puncta count ({self.label})" if self.label else "Spotiflow puncta count"

    @property
    def unit(self) -> str:
        """Unit of the count."""
        return "puncta"

    @property
    def combine(self) -> Literal["sum", "mean"]:
        """The puncta of all planes are counted."""
        return "sum"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """None: model and levels are set when the statistic is made."""
        return ()

    @property
    def regions(self) -> bool:
        """Puncta whose centre lies in the region are counted."""
        return True

    @property
    def volume(self) -> bool:
        """It is given planes."""
        return False

    def measure(self, x: np.ndarray, context: StatisticContext) -> Objects:
        """Return the puncta of one sample and their probabilities.

        Parameters
        ----------
        x : ndarray, (H, W)
            One sample, photoelectrons per pixel.
        context : StatisticContext
            Its region, if it has one, is where puncta are counted.

        Raises
        ------
        InputError
            If `x` is not two-dimensional.
        """
        if x.ndim != 2:
            raise InputError(f"Spotiflow is given planes; the array has {x.ndim} axes")
        with _ONE_AT_A_TIME:
            positions, details = self.model.predict(
                np.ascontiguousarray(x, np.float32),
                None if self.probability is None else float(self.probability),
                # Its own choice of tiles depends on the memory of the device.
                tuple(math.ceil(size / _LARGEST_TILE) for size in x.shape),
                normalizer=self._normalise,
                verbose=False,
            )
        positions = np.asarray(positions, np.float64).reshape(-1, 2)
        probability = np.asarray(details.prob, np.float64).reshape(-1)
        found = Objects(positions, {"probability": probability}, {"probability": ""})
        return found.take(context.inside(positions))

    def _normalise(self, plane: np.ndarray) -> np.ndarray:
        scaled = (np.asarray(plane, np.float64) - self.low) / (self.high - self.low)
        return scaled.astype(np.float32)


def spotiflow_puncta(
    measurement: Measurement,
    *,
    folder: str | PathLike[str] | None = None,
    pretrained: str | None = None,
    probability: float | None = None,
    device: Device = "auto",
) -> SpotiflowPuncta:
    """Make the statistic for the samples of a measurement, the same for teacher and student.

    Parameters
    ----------
    measurement : Measurement
        Fixes the levels of the normaliser, see `measured_levels`.
    folder, pretrained, device
        The model, see `load_spotiflow`.
    probability : float, optional
        Smallest probability of a punctum; by default the threshold stored with the model.

    Returns
    -------
    SpotiflowPuncta

    Raises
    ------
    InputError
        For the reasons of `load_spotiflow`; if the measurement is flat.
    """
    low, high = measured_levels(measurement)
    _check(low, high, probability)
    model = load_spotiflow(folder=folder, pretrained=pretrained, device=device)
    label = Path(folder).name if folder is not None else str(pretrained)
    return SpotiflowPuncta(model, low, high, probability, label)


def _detect(
    x: np.ndarray,
    context: StatisticContext,
    *,
    folder: Annotated[str, Parameter(doc="Folder of a trained model.")] = "",
    pretrained: Annotated[str, Parameter(doc="Or a model of Spotiflow to download.")] = "",
    probability: Annotated[
        float, Parameter(minimum=0, maximum=1, doc="Smallest one; 0 for that of the model.")
    ] = 0.0,
) -> Objects:
    """Detect puncta with Spotiflow, by name; the levels of the context become 0 and 1."""
    low, high = context.levels or (0.0, 0.0)
    _check(low, high, probability or None)
    with _ONE_AT_A_TIME:
        model = _load_once(folder or None, pretrained or None)
    return SpotiflowPuncta(model, low, high, probability or None).measure(x, context)


spotiflow_count: Final = FunctionStatistic(
    _detect, "spotiflow_count", "Spotiflow puncta count", "puncta", "sum", regions=True
)
"""`spotiflow_puncta` by name, with the model as parameters; `offer_spotiflow` registers it."""


def offer_spotiflow() -> FunctionStatistic:
    """Return `spotiflow_count`, for the list of what can be measured.

    Raises
    ------
    InputError
        If Spotiflow is not installed.
    """
    require_spotiflow()
    return spotiflow_count


@functools.lru_cache(maxsize=2)
def _load_once(folder: str | None, pretrained: str | None) -> Predictor:
    return load_spotiflow(folder=folder, pretrained=pretrained)


def _check(low: float, high: float, probability: float | None) -> None:
    """Refuse what no model can work with, before one is loaded."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(
            f"Spotiflow cannot work between the levels {low:g} and {high:g}; make the context from "
            "a measurement with structure"
        )
    if probability is not None and not 0 < probability < 1:
        raise InputError(f"the probability is {probability}; give a number between 0 and 1")
