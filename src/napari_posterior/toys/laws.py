"""Posteriors of images in closed form: the ruler of the checks.

A `Restoration` knows the posterior of every measurement of a stationary Gaussian object; a `Law`
draws from such a posterior, to which puncta that are there or not, forms of which each sample
shows one, and heavy tails may be added. Nothing but tests and docs uses this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.measurement import Measurement

__all__ = [
    "Draws",
    "Forms",
    "Law",
    "Puncta",
    "Restoration",
    "add_forms",
    "add_puncta",
    "frequencies",
]

Tails = Literal["gaussian", "t5", "brightness"]

_TARGET: Final = 1.0  # px, the width at which objects are seen
_BRIGHTNESS_CV: Final = 0.32


def frequencies(size: int) -> np.ndarray:
    """Return the radial frequency of every bin of a transform, (size, size), cycles per pixel."""
    one = np.fft.fftfreq(size)
    return np.asarray(np.hypot(one[:, None], one[None]))


@dataclass(frozen=True, eq=False)
class Puncta:
    """Puncta that are there or not, each by itself.

    Parameters
    ----------
    sites : ndarray, (m, 2)
        Row and column, in pixels.
    probabilities : ndarray, (m,)
        That each is there in a sample.
    amplitude : float
        Peak of each, photoelectrons per pixel, at the target resolution.
    """

    sites: np.ndarray
    probabilities: np.ndarray
    amplitude: float

    def pictures(self, size: int) -> np.ndarray:
        """Return every punctum on the torus, (m, size, size) photoelectrons per pixel."""
        grid = np.arange(size)
        away = [(grid[None] - at[:, None] + size / 2) % size - size / 2 for at in self.sites.T]
        rows, columns = (np.exp(-(one**2) / (2 * _TARGET**2)) for one in away)
        return np.asarray(self.amplitude * rows[:, :, None] * columns[:, None, :])


@dataclass(frozen=True, eq=False)
class Forms:
    """What a sample shows one of.

    Parameters
    ----------
    pictures : ndarray, (m, n, n)
        Added to the sample, photoelectrons per pixel.
    weights : ndarray, (m,)
        How often each is shown; they add up to 1.
    """

    pictures: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Draws:
    """Samples and what was drawn for each.

    Parameters
    ----------
    samples : ndarray, (K, n, n)
        float32, photoelectrons per pixel.
    present : ndarray, (K, m)
        Whether each punctum is there; no columns without puncta.
    forms : ndarray, (K,)
        Which form is shown; 0 without forms.
    """

    samples: np.ndarray
    present: np.ndarray
    forms: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Puncta in each sample, (K,) float64."""
        return np.asarray(self.present.sum(1), np.float64)

    def first(self, count: int) -> Draws:
        """Return the first of them."""
        return Draws(self.samples[:count], self.present[:count], self.forms[:count])


@dataclass(frozen=True, eq=False)
class Law:
    """A sampler of images with known moments.

    Parameters
    ----------
    mean : ndarray, (n, n)
        Mean of the field, photoelectrons per pixel; puncta and forms come on top.
    spectrum : ndarray, (n, n)
        Variance V(f) of the field in the order of ``numpy.fft.fft2``, (photoelectrons per
        pixel)^2: its average is the variance of a pixel.
    puncta : Puncta or None
        Puncta that may be there.
    forms : Forms or None
        Forms of which each sample shows one.
    envelope : ndarray, (n, n), or None
        By which the field is multiplied at every pixel; None: by 1.
    gain : float
        By which every sample is multiplied.
    tails : str
        ``"gaussian"``; ``"t5"``: the white noise that the spectrum filters has Student's t with 5
        degrees of freedom; ``"brightness"``: a sample's field is multiplied by the square root of
        a gamma variable of mean 1 and coefficient of variation .32. The moments stay the same.
    """

    mean: np.ndarray
    spectrum: np.ndarray
    puncta: Puncta | None = None
    forms: Forms | None = None
    envelope: np.ndarray | None = None
    gain: float = 1.0
    tails: Tails = "gaussian"

    @property
    def size(self) -> int:
        """Side of the image in pixels."""
        return len(self.mean)

    def draw(
        self, count: int, generator: np.random.Generator, *, noise: np.ndarray | None = None
    ) -> Draws:
        """Draw samples.

        Parameters
        ----------
        count : int
            K.
        generator : Generator
            Source of what is random.
        noise : ndarray, (K, n, n), optional
            White noise that the field is made of, so that two samplers can share it.
        """
        n = self.size
        if noise is None:
            noise = generator.standard_normal((count, n, n))
        if self.tails == "t5":
            noise = noise * np.sqrt(3 / generator.chisquare(5, noise.shape))
        filtered = np.fft.rfft2(noise) * np.sqrt(self.spectrum[:, : n // 2 + 1])
        field = np.fft.irfft2(filtered, s=(n, n))
        if self.tails == "brightness":
            shape = _BRIGHTNESS_CV**-2
            field *= np.sqrt(generator.gamma(shape, 1 / shape, (count, 1, 1)))
        samples = self.mean + (field if self.envelope is None else self.envelope * field)
        present = np.zeros((count, 0), bool)
        shown = np.zeros(count, int)
        if self.puncta is not None:
            present = generator.uniform(size=(count, len(self._lone))) < self.puncta.probabilities
            samples += np.tensordot(present.astype(float), self._lone, 1)
        if self.forms is not None:
            shown = generator.choice(len(self.forms.weights), count, p=self.forms.weights)
            samples += self.forms.pictures[shown]
        return Draws((self.gain * samples).astype(np.float32), present, shown)

    @property
    def expected(self) -> np.ndarray:
        """Mean over samples, (n, n)."""
        total = np.array(self.mean, np.float64)
        if self.puncta is not None:
            total += np.tensordot(self.puncta.probabilities, self._lone, 1)
        if self.forms is not None:
            total += np.tensordot(self.forms.weights, self.forms.pictures, 1)
        return self.gain * total

    @property
    def variance(self) -> np.ndarray:
        """Variance of every pixel over samples, (n, n)."""
        total = np.full(self.mean.shape, self.spectrum.mean())
        if self.envelope is not None:
            total *= self.envelope**2
        if self.puncta is not None:
            p = self.puncta.probabilities
            total += np.tensordot(p * (1 - p), self._lone**2, 1)
        if self.forms is not None:
            pictures, weights = self.forms.pictures, self.forms.weights
            middle = np.tensordot(weights, pictures, 1)
            total += np.tensordot(weights, (pictures - middle) ** 2, 1)
        return np.asarray(self.gain**2 * total)

    @property
    def total_variance(self) -> float:
        """tr(Sigma)."""
        return float(self.variance.sum())

    @property
    def dimension(self) -> float:
        """Effective dimension ``tr(Sigma)^2 / tr(Sigma^2)`` of the field without its envelope."""
        return float(self.spectrum.sum() ** 2 / (self.spectrum**2).sum())

    @cached_property
    def _lone(self) -> np.ndarray:
        return np.zeros((0, 1, 1)) if self.puncta is None else self.puncta.pictures(self.size)


@dataclass(frozen=True, eq=False)
class Restoration:
    """A stationary Gaussian object, ``x ~ N(level, P(f))``, measured as ``y = h * x + n``.

    Its posterior is known for every y: with H the transfer function and s the noise,
    ``V = P s^2 / (s^2 + P H^2)`` and ``mean = level + P H / (s^2 + P H^2) (y - H level)`` in
    Fourier space. The noise is Gaussian with the variance of a camera at the level of the object,
    and the image a torus, which is what the package's forward model is but for the edges.

    Parameters
    ----------
    size : int
        Side of the image in pixels.
    level : float
        Mean of the object, photoelectrons per pixel.
    contrast : float
        Standard deviation of the object at a pixel, photoelectrons.
    grain : float
        Length in pixels below which the object's structures become rare.
    psf_sigma : float
        Width of the PSF in pixels; 1 blurs nothing beyond the target resolution.
    read_noise : float
        Electrons.
    """

    size: int = 32
    level: float = 100.0
    contrast: float = 15.0
    grain: float = 3.0
    psf_sigma: float = 1.5
    read_noise: float = 2.0

    @cached_property
    def prior(self) -> np.ndarray:
        """Spectrum P(f) of the object, (n, n); nothing finer than the target resolution."""
        f = frequencies(self.size)
        shape = np.exp(-((2 * np.pi * _TARGET * f) ** 2)) / (1 + (2 * self.grain * f) ** 2)
        return np.asarray(self.contrast**2 * shape / shape.mean())

    @cached_property
    def transfer(self) -> np.ndarray:
        """Transfer function H(f) of what the PSF is beyond the target, (n, n)."""
        left = self.psf_sigma**2 - _TARGET**2
        return np.asarray(np.exp(-2 * np.pi**2 * left * frequencies(self.size) ** 2))

    @property
    def noise(self) -> float:
        """Standard deviation s of the measurement, electrons."""
        return float(np.sqrt(self.level + self.read_noise**2))

    @property
    def camera(self) -> Camera:
        """A camera with this noise."""
        from napari_posterior.physics.camera import Camera

        return Camera(gain=2.0, offset=100.0, read_noise=self.read_noise)

    def posterior(self, y: np.ndarray, *, heeded: float = 1.0) -> Law:
        """Return the posterior of a measurement.

        Parameters
        ----------
        y : ndarray, (n, n)
            Electrons.
        heeded : float
            Share of the measurement that moves the mean: below 1 for a student that ignores part.
        """
        power = self.prior * self.transfer / (self.noise**2 + self.prior * self.transfer**2)
        moved = np.fft.ifft2(power * np.fft.fft2(y - self.level)).real
        spectrum = self.prior * self.noise**2 / (self.noise**2 + self.prior * self.transfer**2)
        return Law(self.level + heeded * moved, spectrum)

    @property
    def blind(self) -> Law:
        """The law of the object before any measurement: a student that ignores it."""
        return Law(np.full((self.size, self.size), self.level), self.prior)

    def object(self, generator: np.random.Generator) -> np.ndarray:
        """Draw an object, (n, n) photoelectrons per pixel."""
        return np.asarray(self.blind.draw(1, generator).samples[0], np.float64)

    def measure(self, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Measure objects, (..., n, n), in electrons."""
        seen = np.fft.ifft2(self.transfer * np.fft.fft2(x)).real
        return np.asarray(seen + self.noise * generator.standard_normal(np.shape(x)))

    def log_likelihood(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return ``ln p(y | x)`` up to a constant, summed over the last two axes."""
        seen = np.fft.ifft2(self.transfer * np.fft.fft2(x)).real
        return np.asarray(-((y - seen) ** 2).sum((-2, -1)) / (2 * self.noise**2))

    def as_measurement(self, y: np.ndarray) -> Measurement:
        """Return a measurement of the package, in ADU, with camera and PSF."""
        from napari_posterior.physics.measurement import Measurement
        from napari_posterior.physics.psf import Psf

        grey = np.asarray(self.camera.to_adu(y), np.float32)
        return Measurement(grey, self.camera, Psf(self.psf_sigma))


def add_puncta(
    law: Law, probabilities: np.ndarray, *, amplitude: float = 60.0, seed: int = 0
) -> Law:
    """Add puncta at sites that keep 4 px from each other where there is room.

    Parameters
    ----------
    law : Law
        The field.
    probabilities : ndarray, (m,)
        That each is there in a sample.
    amplitude : float
        Photoelectrons per pixel.
    seed : int
        Of the sites.
    """
    generator = np.random.default_rng(seed)
    side = max(int(np.ceil(np.sqrt(len(probabilities)))), 1)
    step = law.size / side
    cells = generator.permutation(side**2)[: len(probabilities)]
    room = max((step - 4) / 2, 0)
    jitter = generator.uniform(-room, room, (len(probabilities), 2))
    sites = np.stack(np.divmod(cells, side), 1) * step + step / 2 + jitter
    return replace(law, puncta=Puncta(sites, np.asarray(probabilities, np.float64), amplitude))


def add_forms(
    law: Law, weights: tuple[float, ...] = (0.60, 0.25, 0.15), *, apart: float = 6.0
) -> Law:
    """Let every sample show one of several forms: so many bright bars, each at its own place.

    Parameters
    ----------
    law : Law
        The field.
    weights : tuple of float
        How often each is shown.
    apart : float
        Distance of two forms, in standard deviations of the field along the line between them.
    """
    n = law.size
    rows, columns = np.indices((n, n))
    pictures = []
    for form in range(len(weights)):
        at = (form + 0.5) * n / len(weights)
        bar = np.exp(-((rows - at) ** 2) / 18 - ((columns - n / 2) ** 2) / (n / 4) ** 2)
        pictures.append(bar / np.linalg.norm(bar))
    shown = np.array(pictures)
    line = shown[0] - shown[1]
    power = np.abs(np.fft.fft2(line)) ** 2 / n**2
    # the field's variance along the line, whose own length is that of the two forms' distance
    sd = np.sqrt((law.spectrum * power).sum() / (line**2).sum())
    scale = apart * sd / np.linalg.norm(line)
    return replace(law, forms=Forms(scale * shown, np.asarray(weights, np.float64)))
