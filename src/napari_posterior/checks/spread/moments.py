"""Mean and standard deviation over the samples of one plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Moments"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation (ddof 1) over samples of one plane, (H, W) float32 each."""

    mean: np.ndarray
    sd: np.ndarray
