"""The camera: gain, offset and read noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = TypeVar("Array", np.ndarray, Tensor)

__all__ = ["Camera"]


@dataclass(frozen=True)
class Camera:
    """Linear camera, ``y = gain * (electrons + read noise) + offset``.

    Parameters
    ----------
    gain : float
        ADU per photoelectron.
    offset : float
        Grey level of a dark pixel, in ADU.
    read_noise : float
        Standard deviation of the read noise, in photoelectrons.
    source : str
        Where the numbers come from: ``"given"`` or ``"estimated"``.

    Raises
    ------
    InputError
        If the gain is not positive, the read noise is negative or a number is not finite.
    """

    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 1.0
    source: str = "given"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise InputError(f"camera gain is {self.gain}; give a positive number of ADU per e-")
        if not math.isfinite(self.offset):
            raise InputError(f"camera offset is {self.offset}; give a finite number of ADU")
        if not (math.isfinite(self.read_noise) and self.read_noise >= 0):
            raise InputError(
                f"camera read noise is {self.read_noise}; give a number of e- of 0 or more"
            )

    def to_electrons(self, y: Array) -> Array:
        """Convert grey levels in ADU to photoelectrons."""
        return (y - self.offset) / self.gain

    def to_adu(self, electrons: Array) -> Array:
        """Convert photoelectrons to grey levels in ADU."""
        return electrons * self.gain + self.offset
