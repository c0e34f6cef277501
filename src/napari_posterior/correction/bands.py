"""The teacher's variance at each size of detail, and how far the student follows it there.

The quantity is the power of deviations from the mean in bands of radial frequency. It needs the
mean, which a stream does not know; so each new sample is compared with the mean of those before it:

    e_n = (n - 1) / n |x_n - mean_(n-1)|^2        summed over the frequencies of a band

Every e_n has the variance as its expectation, and the mean of e_2 ... e_N *is* the unbiased
variance (they are Helmert contrasts; for normal samples they are independent). The estimate, its
standard error, the weights and the difference are then those of a mean of pairs (e_T, e_S), held as
`CoMoments`; the same contrasts of products give the correlation r of both samplers, band by band.
Samples of several planes have the mean of the powers of their planes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.correction.comoments import CoMoments
from napari_posterior.correction.terms import mean_term
from napari_posterior.correction.two_level import correct
from napari_posterior.errors import InputError
from napari_posterior.physics.frequency_bands import BandPower, Bands, make_bands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.correction.estimate import About, Corrected

__all__ = ["BandCorrection", "Contrasts", "Spectrum"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What is known of the teacher at each size of detail.

    Parameters
    ----------
    edges : tuple of float, (n + 1,)
        Ends of the bands, cycles per pixel; the first band reaches down to 0.
    variance : Corrected
        The teacher's variance in each band, (n,): their sum is about the mean variance of a pixel,
        less what is finer than the last band.
    r : ndarray, (n,)
        Correlation of deviations of teacher and student in pairs; NaN where one does not vary.
    """

    edges: tuple[float, ...]
    variance: Corrected
    r: np.ndarray


class Contrasts:
    """Powers and products in bands of samples, or pairs, that are added one at a time.

    Parameters
    ----------
    power : BandPower
        For the shape of the planes.
    variables : int
        1 for samples alone, 2 for pairs.

    Notes
    -----
    Two transforms of a plane are kept for pairs, one for samples alone, whatever their number.
    """

    def __init__(self, power: BandPower, *, variables: int) -> None:
        self._power = power
        self._variables = variables
        self._count = 0
        self._means: list[np.ndarray] = []
        self._squares = CoMoments(variables=variables)
        self._crossed = np.zeros(power.bands.count)

    @property
    def count(self) -> int:
        """How many samples, or pairs, were added."""
        return self._count

    @property
    def means(self) -> Sequence[np.ndarray]:
        """Mean transforms, one a variable."""
        return self._means

    @property
    def squares(self) -> CoMoments:
        """The contrasts: one fewer than samples, (n,) each; their mean is the variance."""
        return self._squares

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance of a pair summed over each band, (n,)."""
        if self._count < 2:
            raise InputError("a covariance needs two pairs or more; draw more")
        return self._crossed / (self._count - 1)

    def add(self, *planes: np.ndarray) -> None:
        """Add one sample of each variable, (H, W) or (..., H, W) each.

        Raises
        ------
        InputError
            If values are not finite.
        """
        if not all(np.isfinite(plane).all() for plane in planes):
            raise InputError("a sample has values that are not finite; draw it again")
        self._join([self._transform(np.asarray(plane, np.float64)) for plane in planes], 1)

    def merge(self, other: Contrasts) -> None:
        """Take over the samples of another stream of the same bands: one contrast more."""
        if other.count == 0:
            return
        self._join(list(other.means), other.count)
        self._squares.merge(other.squares)
        if other.count > 1:
            self._crossed += other.covariance * (other.count - 1)

    def _join(self, means: Sequence[np.ndarray], count: int) -> None:
        """Add the contrast between two sets, and join their means."""
        total = self._count + count
        if self._count == 0:
            self._means = [mean.astype(np.complex128) for mean in means]
        else:
            share = self._count * count / total
            gaps = [new - old for new, old in zip(means, self._means, strict=True)]
            self._squares.add(*(share * self._products(gap, gap) for gap in gaps))
            if self._variables == 2:
                self._crossed += share * self._products(*gaps)
            for mean, gap in zip(self._means, gaps, strict=True):
                mean += gap * (count / total)
        self._count = total

    def _transform(self, sample: np.ndarray) -> np.ndarray:
        """Return the transforms of the planes of a sample, (P, H, W // 2 + 1)."""
        planes = sample.reshape(-1, *sample.shape[-2:])
        return np.stack([self._power.transform(plane) for plane in planes])

    def _products(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return inner products in each band, the mean over the planes, (n,)."""
        pairs = zip(first, second, strict=True)
        return np.asarray(np.mean([self._power.products(*pair) for pair in pairs], axis=0))


class BandCorrection:
    """The covariance spectrum from students alone and pairs.

    Parameters
    ----------
    shape : tuple of int
        Height and width of a plane.
    bands : Bands, optional
        By default those of the checks.
    weight : ndarray, (H, W), optional
        What deviations are multiplied by, fixed beforehand, such as a Hann window over a pilot's
        standard deviation. By default a Hann window whose squares sum to 1.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        bands: Bands | None = None,
        weight: np.ndarray | None = None,
    ) -> None:
        self.bands = make_bands(shape) if bands is None else bands
        power = BandPower(self.bands, weight=weight, shape=shape)
        self.pairs = Contrasts(power, variables=2)
        self.students = Contrasts(power, variables=1)

    def add_pair(self, teacher: np.ndarray, student: np.ndarray) -> None:
        """Add a teacher's sample and the student's on the same noise, (..., H, W) each."""
        self.pairs.add(teacher, student)

    def add_student(self, student: np.ndarray) -> None:
        """Add a student's sample on noise of its own, (..., H, W)."""
        self.students.add(student)

    def merge(self, other: BandCorrection) -> None:
        """Take over the samples of another stream; errors may change in their last digits."""
        self.pairs.merge(other.pairs)
        self.students.merge(other.students)

    def spectrum(
        self, about: About, *, slope: float = 1.0, nested: bool = True, level: float = 0.95
    ) -> Corrected:
        """Estimate the teacher's variance in each band, (n,), in the square of the sample's unit.

        The parameters are those of `correct`. Three samples of each set are needed, and the counts
        of the result are those of contrasts: one fewer than samples in each set.
        """
        return correct(
            mean_term,
            self.pairs.squares,
            self.students.squares,
            about,
            slope=slope,
            nested=nested,
            level=level,
        )

    def correlation(self) -> np.ndarray:
        """Return the correlation r of teacher and student in each band, (n,) float64.

        Of deviations, which decides what the correction gains for means; NaN where one does not
        vary.
        """
        squares = self.pairs.squares
        if squares.count < 1:
            raise InputError("a correlation needs two pairs or more; draw more")
        scale = np.sqrt(squares.mean(0) * squares.mean(1))
        found = np.full(scale.shape, np.nan)
        np.divide(self.pairs.covariance, scale, out=found, where=scale > 0)
        return np.clip(found, -1.0, 1.0)

    def figures(self, about: About, *, level: float = 0.95) -> Spectrum:
        """Return the corrected variance and the correlation of each band; see `spectrum`."""
        return Spectrum(self.bands.edges, self.spectrum(about, level=level), self.correlation())
