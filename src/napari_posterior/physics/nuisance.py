"""What differs between two images of one field that is not the object: gain, offset, blur, shift.

Another exposure or another microscope sees the object with a brightness, a sharpness and a place
of its own. These are fitted once, on one image such as the teacher's mean, frozen, and used for
every sample and every student: fitted anew for each, the fit would hide the errors that are looked
for (a student that loses light or sharpness would get both back).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.spectrum import MirroredSpectrum

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_posterior.physics.camera import Camera

    Pixels = TypeVar("Pixels", np.ndarray, Tensor)

__all__ = ["Nuisance", "fit_nuisance"]

_SMALLEST: Final = 16
_STEPS: Final = 60
_SETTLED: Final = 1e-10
_REWEIGHTINGS: Final = 3
_CLEAR: Final = 3.0
_LEAST_NOISE: Final = 1e-2
# of the blur, as it touches 0 where the reference is as sharp as the image
_FIRST_VARIANCE: Final = 1.0


@dataclass(frozen=True)
class Nuisance:
    """What one image needs to look like another: ``gain * shifted(blurred(x)) + offset``.

    Parameters
    ----------
    gain : float
        Units of the reference per unit of the image. A reference with a camera is in
        photoelectrons, so for an image x it is the exposure relative to that of x.
    offset : float
        In units of the reference.
    sigma : float
        Standard deviation of the Gaussian blur in pixels, 0 for none.
    shift : (float, float)
        Rows and columns by which the reference lies further down and right, in pixels.
    dof : int
        Numbers that were fitted, to be taken off the degrees of freedom of a residual.
    errors : tuple of 5 floats
        Standard errors of gain, offset, sigma^2 (in square pixels), shift down and shift right;
        0 for what was not fitted.
    pixels : int
        Pixels that were compared.
    chi2 : float, optional
        Weighted sum of squared residuals over ``pixels - dof``: near 1 if the image explains the
        reference up to its noise. None where the noise is not known.
    """

    gain: float
    offset: float = 0.0
    sigma: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    dof: int = 5
    errors: tuple[float, ...] = (0.0,) * 5
    pixels: int = 0
    chi2: float | None = None

    def apply(self, image: Pixels) -> Pixels:
        """Return the image as it would look in the reference.

        Parameters
        ----------
        image : ndarray or Tensor, (..., H, W)
            In the units of the image that was fitted; one plane, samples or a stack.

        Returns
        -------
        ndarray or Tensor, (..., H, W)
            In units of the reference; of the kind of `image`, an array float32 if it is that and
            else float64.
        """
        if isinstance(image, torch.Tensor):
            return self._apply(image)
        pixels = np.asarray(image)
        dtype = np.float32 if pixels.dtype.newbyteorder("=") == np.float32 else np.float64
        # torch takes neither the byte order of some files nor what is read-only
        return self._apply(torch.from_numpy(np.require(pixels, dtype, ["C", "W"]))).numpy()

    def _apply(self, image: Tensor) -> Tensor:
        if self.sigma > 0 or self.shift != (0.0, 0.0):
            reach = 4 * self.sigma + max(abs(part) for part in self.shift)
            image = MirroredSpectrum(image, reach).moved(self.sigma**2, *self.shift)
        return self.gain * image + self.offset


def fit_nuisance(
    image: np.ndarray | Tensor,
    reference: np.ndarray | Tensor,
    *,
    camera: Camera | None = None,
    variance: ArrayLike | None = None,
    valid: np.ndarray | None = None,
    blur: bool = True,
    shift: bool = True,
    most_blur: float = 8.0,
    most_shift: float = 8.0,
) -> Nuisance:
    """Fit gain, offset, blur and shift of one image to another of the same field.

    The weighted sum of squares of ``reference - gain * shifted(blurred(image)) - offset`` is
    minimised by Gauss-Newton steps with Levenberg's damping (Press et al., Numerical Recipes, 3rd
    edition 2007, 15.5.2); blur ``exp(-2 pi^2 sigma^2 f^2)`` and shift ``exp(-2 pi i f.d)`` act on
    the mirrored image's spectrum, and so do their derivatives. Weights are one over the noise
    variance of the reference. With a camera the reference is turned into photoelectrons, pixel by
    pixel where there are maps, and the variance ``mean + noise_floor^2`` (F. Huang et al., Nature
    Methods 10 (2013) 653-658) is that of the fitted mean, fitted anew a few times: in that of the
    data, a pixel that is low by chance would count for more. Pixels that are saturated, and those
    at the edges that only a mirrored image explains, are left out. The image itself is taken as
    free of noise: its noise makes gain too small and blur too large.

    Parameters
    ----------
    image : ndarray or Tensor, (H, W) or (D, H, W)
        The sharper of the two, such as the teacher's mean. One fit is made for all planes.
    reference : ndarray or Tensor, of the shape of `image`
        The other. With `camera` in ADU, and the fit is to its photoelectrons.
    camera : Camera, optional
        Of the reference.
    variance : float or ndarray, optional
        Noise variance of the reference, if there is no camera; without both all pixels weigh the
        same.
    valid : ndarray of bool, of the shape of `reference`, optional
        Pixels to compare; all by default.
    blur, shift : bool
        Whether to fit them; else they are 0.
    most_blur, most_shift : float
        Largest that may be found, in pixels.

    Returns
    -------
    Nuisance

    Raises
    ------
    InputError
        If the two differ in shape, are flat, small or not finite, the reference shows nothing of
        the image, or blur or shift go beyond what may be found.
    """
    x, y = _double(image), _double(reference)
    _check(x, y)
    if camera is not None:
        camera.check_fits(tuple(y.shape))
    used = _inside(y, most_shift if shift else 0.0)
    if valid is not None:
        if valid.shape != used.shape:
            raise InputError(
                f"the pixels to compare have shape {valid.shape} and the reference "
                f"{tuple(used.shape)}; give one value a pixel"
            )
        used &= torch.from_numpy(np.array(valid, bool))
    if camera is not None:
        used &= torch.from_numpy(~camera.is_saturated(y.numpy()))
        y = camera.to_electrons(y)
    if int(used.sum()) < _SMALLEST:
        raise InputError(
            "hardly any pixel of the reference can be compared; give one that is less saturated"
        )
    spectrum = MirroredSpectrum(x, 4 * most_blur + most_shift)
    free = [True, True, blur, shift, shift]
    start = torch.zeros(5, dtype=torch.float64)
    start[2] = _FIRST_VARIANCE if blur else 0.0
    if shift:
        start[3:] = torch.tensor(_whole_shift(x, y, most_shift), dtype=torch.float64)
    bounds = torch.tensor([math.inf, math.inf, most_blur**2, most_shift, most_shift])
    weights = _weights(y, None, camera, variance)
    for _ in range(1 if camera is None else _REWEIGHTINGS):
        fit = _Fit(spectrum, y, weights * used, free, bounds)
        start, covariance, squares = fit.solve(start)
        mean = fit.mean(start)
        weights = _weights(y, mean, camera, variance)
    gain, offset, spread, down, right = start.tolist()
    count, dof = int(used.sum()), sum(free)
    chi2 = squares / (count - dof)
    errors = (covariance.diagonal() * chi2).clamp_min(0).sqrt().tolist()
    if not gain > _CLEAR * errors[0]:
        raise InputError(
            f"the reference shows nothing of the image (fitted gain {gain:.3g} +- "
            f"{errors[0]:.2g}); give two images of the same field"
        )
    if spread >= most_blur**2 or max(abs(down), abs(right)) >= most_shift:
        raise InputError(
            f"the reference is blurred by {math.sqrt(spread):.3g} px and shifted by ({down:.3g}, "
            f"{right:.3g}) px against the image, as much as is looked for; register the two, or "
            "allow more"
        )
    known = camera is not None or variance is not None
    return Nuisance(
        gain, offset, math.sqrt(spread), (down, right), dof, tuple(errors), count,
        chi2 if known else None,
    )  # fmt: skip


class _Fit:
    """Weighted least squares of (gain, offset, blur variance, shift down, shift right)."""

    def __init__(
        self,
        spectrum: MirroredSpectrum,
        reference: Tensor,
        weights: Tensor,
        free: list[bool],
        bounds: Tensor,
    ) -> None:
        self.spectrum, self.reference, self.weights = spectrum, reference, weights
        self.free = torch.tensor(free)
        self.high = bounds.to(torch.float64)
        self.low = -self.high
        self.low[2] = 0.0

    def mean(self, values: Tensor) -> Tensor:
        """Return what the reference should be."""
        return values[0] * self.spectrum.moved(*values[2:].tolist()) + values[1]

    def solve(self, start: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return the values, their covariance for weights of unit noise, and the squares."""
        values = self._with_line(start.clone())
        squares = self._squares(values)
        damping = 1e-3
        for _ in range(_STEPS):
            normal, gradient = self._normal(values)
            step = self._step(values, normal, gradient, damping)
            moved = torch.minimum(torch.maximum(values + step, self.low), self.high)
            moved = self._with_line(moved)
            new = self._squares(moved)
            gained = (squares - new) / squares if squares > 0 else 0.0
            if gained >= 0:
                values, squares, damping = moved, new, damping / 10
                if gained < _SETTLED:
                    break
            else:
                damping *= 10
                if damping > 1e10:
                    break
        normal, gradient = self._normal(values)
        covariance = torch.zeros(5, 5, dtype=torch.float64)
        index = self._moving(values, gradient)
        part = torch.linalg.pinv(normal[index][:, index], hermitian=True)
        covariance[index[:, None], index] = part
        return values, covariance, squares

    def _with_line(self, values: Tensor) -> Tensor:
        """Put in the best gain and offset for a blur and shift: both are linear."""
        moved = self.spectrum.moved(*values[2:].tolist())
        total = self.weights.sum()
        x0 = (self.weights * moved).sum() / total
        y0 = (self.weights * self.reference).sum() / total
        deviation = self.weights * (moved - x0)
        gain = (deviation * self.reference).sum() / (deviation * moved).sum()
        return torch.cat([torch.stack([gain, y0 - gain * x0]), values[2:]])

    def _squares(self, values: Tensor) -> float:
        return float((self.weights * (self.reference - self.mean(values)).square()).sum())

    def _normal(self, values: Tensor) -> tuple[Tensor, Tensor]:
        place = values[2:].tolist()
        moved = self.spectrum.moved(*place)
        slopes = [values[0] * slope for slope in self.spectrum.slopes(*place)]
        columns = torch.stack([moved, torch.ones_like(moved), *slopes]).flatten(1)
        weighted = columns * self.weights.flatten()
        residual = (self.reference - self.mean(values)).flatten()
        return weighted @ columns.T, weighted @ residual

    def _moving(self, values: Tensor, gradient: Tensor) -> Tensor:
        """Return the indices of what is fitted and not at a bound and drawn beyond it."""
        below = (values <= self.low) & (gradient < 0)
        above = (values >= self.high) & (gradient > 0)
        return torch.nonzero(self.free & ~below & ~above).flatten()

    def _step(self, values: Tensor, normal: Tensor, gradient: Tensor, damping: float) -> Tensor:
        index = self._moving(values, gradient)
        part = normal[index][:, index]
        part = part + damping * torch.diag(part.diagonal())
        step = torch.zeros_like(values)
        step[index] = torch.linalg.lstsq(part, gradient[index, None]).solution[:, 0]
        return step


def _weights(
    y: Tensor, mean: Tensor | None, camera: Camera | None, variance: ArrayLike | None
) -> Tensor:
    """Return one over the noise variance of the reference, of its shape."""
    if camera is None:
        if variance is None:
            return torch.ones_like(y)
        noise = np.asarray(variance, np.float64)
        if not (np.isfinite(noise) & (noise > 0)).all():
            raise InputError("the variance of the reference is not positive everywhere; give one")
        try:
            return (1 / torch.tensor(noise)).expand_as(y)
        except RuntimeError as error:
            raise InputError(
                f"the variance has shape {noise.shape} and the reference {tuple(y.shape)}; give "
                "one number, or one a pixel"
            ) from error
    # before there is a fit, a mean that depends little on the noise of the single pixel
    level = y.mean((-2, -1), keepdim=True).expand_as(y) if mean is None else mean
    floor = torch.as_tensor(np.maximum(camera.noise_floor, _LEAST_NOISE), dtype=y.dtype)
    return 1 / (level.clamp_min(0.0) + floor**2)


def _inside(y: Tensor, most_shift: float) -> Tensor:
    """Return where a shift brings no mirrored pixel in, bool; of small images a part of that."""
    inside = torch.zeros(y.shape, dtype=torch.bool)
    rows, columns = (min(math.ceil(most_shift), size // 8) for size in y.shape[-2:])
    inside[..., rows : y.shape[-2] - rows, columns : y.shape[-1] - columns] = True
    return inside


def _whole_shift(x: Tensor, y: Tensor, most: float) -> tuple[float, float]:
    """Return the shift in whole pixels at the highest cross-correlation, within bounds."""
    height, width = x.shape[-2:]
    window = torch.hann_window(height, periodic=False, dtype=x.dtype)[:, None] * torch.hann_window(
        width, periodic=False, dtype=x.dtype
    )
    size = (2 * height, 2 * width)
    parts = [torch.fft.rfft2((i - i.mean((-2, -1), keepdim=True)) * window, s=size) for i in (x, y)]
    alike = torch.fft.irfft2(parts[0].conj() * parts[1], s=size)
    alike = alike.reshape(-1, *size).sum(0)
    reach = [min(int(most), side // 2) for side in (height, width)]
    down, right = (torch.arange(-side, side + 1) for side in reach)
    near = alike[down[:, None], right[None, :]]
    place = int(near.argmax())
    return float(down[place // len(right)]), float(right[place % len(right)])


def _double(image: Any) -> Tensor:
    if isinstance(image, torch.Tensor):
        return image.detach().cpu().to(torch.float64)
    return torch.from_numpy(np.array(image, np.float64))


def _check(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or x.ndim not in (2, 3):
        raise InputError(
            f"the image has shape {tuple(x.shape)} and the reference {tuple(y.shape)}; give two of "
            "one shape, planes or stacks"
        )
    if min(x.shape[-2:]) < _SMALLEST:
        raise InputError(
            f"the image has {x.shape[-2]} x {x.shape[-1]} pixels; gain, blur and shift need "
            f"{_SMALLEST} x {_SMALLEST} or more"
        )
    for name, values in (("image", x), ("reference", y)):
        if not bool(torch.isfinite(values).all()):
            raise InputError(f"the {name} holds NaN or infinite values; give finite ones")
        if float(values.max()) == float(values.min()):
            raise InputError(f"the {name} is flat; give one that shows the object")
