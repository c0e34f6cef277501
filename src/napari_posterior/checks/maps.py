"""A map of one plane: where in the image something differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MapImage"]


@dataclass(frozen=True, eq=False)
class MapImage:
    """One number for each pixel of a plane.

    Parameters
    ----------
    name : str
        For files and for `Finding.maps`, such as ``"mean_difference"``.
    title : str
        What is shown, in a few words.
    values : ndarray, (H, W) float32
        NaN where nothing is shown.
    unit : str
        Unit of the values; empty for a ratio or a code.
    words : str
        What the values mean, in one sentence.
    """

    name: str
    title: str
    values: np.ndarray
    unit: str
    words: str
