"""Puncta of a measured plane or stack, where the noise is in the image itself."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.statistics.puncta import Puncta, detect_puncta
from napari_posterior.statistics.spot_filter import as_widths, spot_response

if TYPE_CHECKING:
    from napari_posterior.statistics.spot_filter import Widths

__all__ = ["MEASURED_SNR", "detect_in_measurement"]

MEASURED_SNR: Final = 5.0
"""Smallest amplitude in units of the noise of the response."""

_NARROWEST: Final = 0.5  # filter widths: no light comes narrower through the microscope
_WIDEST: Final = 2.0  # filter widths: beyond are flanks and saddles of large things
_AROUND: Final = 5.0  # filter widths over which the level is taken
_COVERED: Final = 3.0  # filter widths to the end of a punctum's response
_LEVELS: Final = 8
_FEWEST: Final = 1000  # pixels of one level
_ROUNDS: Final = 20


def detect_in_measurement(
    y: np.ndarray,
    *,
    sigma: Widths,
    snr: float = MEASURED_SNR,
    region: np.ndarray | None = None,
) -> Puncta:
    """Find the puncta of a measured plane or stack, by one rule for all images.

    The amplitude of a punctum is at least `snr` times the noise of `spot_response` where the image
    is as bright as around it. That noise is 1.4826 times the median absolute deviation of the
    response over the pixels of about one level (of eight, of equally many pixels, by the image
    smoothed over 5 widths) that no punctum covers; puncta and noise are found in turn until they
    stay. It holds photon noise, whatever the camera, and the texture that puncta must stand out
    from.

    Left out are spots less than half as wide as the PSF, which are single noisy pixels, those more
    than twice as wide, and those on the outermost rows and columns, where mirrored noise counts
    twice. Those on the first and the last plane of a stack may have their centre outside of it. In
    samples there is no noise: they are measured with `detect_puncta` and one threshold.

    Parameters
    ----------
    y : ndarray, (H, W) or (D, H, W)
        The measurement, in any unit that is linear in the light.
    sigma : float or sequence of float
        Width of the PSF in pixels, for all axes or one each.
    snr : float
        Smallest amplitude in units of the noise of the response.
    region : ndarray of the shape of y, optional
        Where to look, bool: noise and puncta are those inside.

    Returns
    -------
    Puncta
        Amplitudes and intensities in the unit of y.

    Raises
    ------
    InputError
        If the image is flat, the region is empty or of another shape, or a number does not fit.
    """
    y = np.asarray(y)
    response = spot_response(y, sigma=sigma)
    widths = as_widths(sigma, y.ndim)
    if not snr > 0:
        raise InputError(f"the signal to noise ratio is {snr}; give a positive number")
    where = np.ones(y.shape, bool) if region is None else np.asarray(region, bool)
    if where.shape != y.shape or not where.any():
        raise InputError("the region holds no pixel of the image; give flags of its shape")
    level = ndimage.gaussian_filter(
        y.astype(np.float64), [_AROUND * width for width in widths], mode="reflect"
    )
    noise = _Noise(response, level, where)
    if not noise.largest > 0:
        raise InputError("the image is flat where puncta are looked for; give another region")
    # when puncta are left out, less noise remains
    found = detect_puncta(y, snr * noise.smallest / 2, sigma=sigma)
    pixels = np.rint(np.clip(found.positions, 0, np.array(y.shape) - 1)).astype(np.intp)
    last = np.array(y.shape)[-2:] - 1
    inner = (found.positions[:, -2:] > 0.5) & (found.positions[:, -2:] < last - 0.5)
    ratios = found.widths / widths[-1]
    keep = where[tuple(pixels.T)] & inner.all(1) & (ratios >= _NARROWEST) & (ratios <= _WIDEST)
    clear = np.zeros(len(found), bool)
    for _ in range(_ROUNDS):
        before, clear = clear, keep & (found.amplitudes > snr * noise.at(pixels))
        if (before == clear).all():
            break
        free = np.ones(y.shape, bool)
        free[tuple(pixels[clear].T)] = False
        away = ndimage.distance_transform_edt(free, sampling=[1 / width for width in widths])
        noise.measure(away > _COVERED)
    return Puncta(*(getattr(found, field.name)[clear] for field in fields(found)))


class _Noise:
    """The noise of the response over the level, plane by plane: mirrored ends have more."""

    def __init__(self, response: np.ndarray, level: np.ndarray, where: np.ndarray) -> None:
        self._response = response.reshape(-1, *response.shape[-2:])
        self._level = level.reshape(self._response.shape)
        # the level that a pixel belongs to; the last one holds what is left out
        self._bins = np.full(self._response.shape, _LEVELS, np.uint8)
        self._tables: list[tuple[np.ndarray, np.ndarray]] = []
        for here, bins, inside in zip(
            self._level, self._bins, where.reshape(self._bins.shape), strict=True
        ):
            values = here[inside]
            count = int(np.clip(len(values) // _FEWEST, 1, _LEVELS))
            ends = np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]) if len(values) else []
            # of equal levels some bins are empty
            used, bins[inside] = np.unique(np.searchsorted(ends, values), return_inverse=True)
            middles = np.array([np.median(here[bins == number]) for number in range(len(used))])
            self._tables.append((middles, np.zeros(len(used))))
        self.measure(np.ones(self._bins.shape, bool))

    @property
    def largest(self) -> float:
        """The largest noise of a level."""
        return max(float(n) for _, noise in self._tables for n in noise)

    @property
    def smallest(self) -> float:
        """The smallest noise of a level that is not flat."""
        return min(float(n) for _, noise in self._tables for n in noise if n > 0)

    def measure(self, free: np.ndarray) -> None:
        """Measure it where flags of the shape of the image say; too few pixels change nothing."""
        free = free.reshape(self._bins.shape)
        for plane, (_, noise) in enumerate(self._tables):
            for number in range(len(noise)):
                values = self._response[plane][free[plane] & (self._bins[plane] == number)]
                if len(values) > _FEWEST // 20:
                    noise[number] = 1.4826 * np.median(np.abs(values - np.median(values)))

    def at(self, pixels: np.ndarray) -> np.ndarray:
        """Return the noise at pixels (n, d), (n,)."""
        planes = pixels[:, 0] if pixels.shape[1] == 3 else np.zeros(len(pixels), np.intp)
        levels = self._level[planes, pixels[:, -2], pixels[:, -1]]
        found = np.zeros(len(pixels))
        for plane, (middles, noise) in enumerate(self._tables):
            here = planes == plane
            if len(noise):
                found[here] = np.sqrt(np.interp(levels[here], middles, noise**2))
        return np.maximum(found, self.smallest)
