"""How much of the gap between the means is one change of brightness and offset."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import number
from napari_posterior.checks.gram import group

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram

__all__ = ["Affine", "explain_gap"]

_MOST: Final = 0.5  # of the squared gap: what makes an explanation worth telling


@dataclass(frozen=True)
class Affine:
    """The line through the student's mean against the teacher's, pixel by pixel.

    Parameters
    ----------
    gain : float
        Its slope; 1 where brightness is kept.
    offset : float
        Photoelectrons per pixel.
    gap, left : float
        Gap of the means before and after the line is taken out, in posterior SD of the teacher; 0
        where it is below the noise of the samples.
    """

    gain: float
    offset: float
    gap: float
    left: float

    @property
    def explains(self) -> bool:
        """Whether the line makes up more than half of the squared gap."""
        return self.gap > 0 and self.left**2 < _MOST * self.gap**2

    @property
    def sentence(self) -> str:
        """In words; it explains and never decides."""
        offset = number(self.offset, 2, sign=True)
        return (
            f"Most of the gap on this image is a change of brightness: the student's mean is "
            f"{number(self.gain, 3)} times the teacher's {offset} photoelectrons per pixel, and "
            f"without that the means are {number(self.left, 2)} posterior SD apart."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def explain_gap(gram: Gram, teacher: np.ndarray, student: np.ndarray, *, paired: bool) -> Affine:
    """Fit gain and offset of the student's mean against the teacher's.

    Parameters
    ----------
    gram : Gram
        Of all pixels; what the means owe to chance is worked out from it.
    teacher, student : ndarray, (P, H, W) or (H, W)
        Means over the samples in `gram`, photoelectrons per pixel, of all planes.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    Affine

    Raises
    ------
    ValueError
        If the means have other pixels than the Gram matrix.

    Notes
    -----
    The slope is ``(Cov(x, y) - c) / (Var(x) - v)``: v is the variance of the teacher's mean over
    draws, c its covariance with the student's, 0 unless the noise is shared. Without them noise in
    x makes the slope too small. Fuller (1987), Measurement Error Models, section 1.2.
    """
    if not teacher.size == student.size == gram.n_pixels:
        raise ValueError(f"means of {teacher.size} pixels for a Gram matrix of {gram.n_pixels}")
    x, y = (np.asarray(mean, np.float64).ravel() for mean in (teacher, student))
    m, n = gram.n_teacher, gram.n_student
    blocks = gram.matrix[:m, :m], gram.matrix[m:, m:]
    variances = [group(block).total_variance / gram.n_pixels for block in blocks]
    noise = variances[0] / m, variances[1] / n
    shared = 0.0
    if paired:
        cross = gram.matrix[:m, m:]
        matched = np.trace(cross) - cross.sum() / m
        shared = float(matched / (m - 1)) / gram.n_pixels / m
    middle = float(x.mean()), float(y.mean())
    spread = float(np.var(x)) - noise[0]
    together = float(np.mean((x - middle[0]) * (y - middle[1]))) - shared
    gain = together / spread if spread > 0 else 1.0
    offset = middle[1] - gain * middle[0]
    unit = math.sqrt(variances[0]) if variances[0] > 0 else math.nan

    def gap(slope: float, shift: float) -> float:
        square = float(np.mean((y - slope * x - shift) ** 2))
        square -= noise[1] + slope**2 * noise[0] - 2 * slope * shared
        return math.sqrt(max(square, 0.0)) / unit

    return Affine(gain, offset, gap(1.0, 0.0), gap(gain, offset))
