"""The filter that puncta are found with: a scaled Laplacian of a Gaussian, 2-D or 3-D.

With the widths ``s_a`` of a spot along the axes, ``a = 1 .. d``, the response is

    R = -C_d sum_a s_a^2 d^2/dx_a^2 (G_s * x),    C_d = 2^(d/2 + 1) / d,

the Laplacian where the spot is round and of width 1. A spot of amplitude A and widths
``rho s_a`` has the response ``A gain(rho) (1 - 2 q / d) exp(-q)`` at ``q = sum_a (dx_a / s_a)^2 /
(2 (1 + rho^2))`` from its centre, with ``gain(rho) = 2^(d/2 + 1) rho^d (1 + rho^2)^-(d/2 + 1)`` and
``gain(1) = 1``: the convolution of two Gaussians, differentiated twice. A constant and a slope
give no response. In two dimensions C is 2, in three ``2^(5/2) / 3``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.statistics.shifted_sums import (
    add_shifted,
    curved_taps,
    gaussian_taps,
    mirrored,
    row_blocks,
)

__all__ = [
    "Widths",
    "as_widths",
    "response_at",
    "response_gain",
    "response_sd",
    "spot_response",
    "without_level",
]

Widths: TypeAlias = float | Sequence[float]

_REACH: Final = 5.0  # widths: cut off there, the response is off by 1e-4 of it
_WINDOW: Final = 4.0  # widths: 2e-3
_NARROWEST: Final = 0.5  # px: sampled once a pixel, narrower Gaussians are none
_WINDOWS: Final = 1 << 21  # values of the windows cut out at once


def as_widths(sigma: Widths, ndim: int) -> tuple[float, ...]:
    """Return one width for each axis, in pixels.

    Parameters
    ----------
    sigma : float or sequence of float
        One for all axes, or one each, in the order of the axes.
    ndim : int
        2 for planes, 3 for stacks.

    Raises
    ------
    InputError
        If there are not as many as axes, or one is smaller than 0.5 px.
    """
    given = [sigma] * ndim if isinstance(sigma, int | float | np.number) else list(sigma)
    widths = tuple(float(one) for one in given)
    if len(widths) != ndim or not all(_NARROWEST <= one < math.inf for one in widths):
        raise InputError(
            f"the width of puncta is {sigma} px; give a number of {_NARROWEST:g} px or more, "
            f"or one for each of the {ndim} axes"
        )
    return widths


def spot_response(x: np.ndarray, *, sigma: Widths = TARGET_SIGMA) -> np.ndarray:
    """Return the response R, float32 of the shape and in the unit of x.

    At the centre of a Gaussian spot of width `sigma` on a flat or tilted surrounding R is the
    spot's amplitude; for other widths see `response_gain`. Edges are mirrored.

    Parameters
    ----------
    x : ndarray, (H, W) or (D, H, W)
        Plane or stack.
    sigma : float or sequence of float
        Width of the spots in pixels, for all axes or one each.

    Raises
    ------
    InputError
        If x has other than two or three axes, or the widths do not fit.
    """
    values = without_level(x)
    widths = as_widths(sigma, values.ndim)
    out = np.empty(values.shape, np.float32)
    if values.ndim == 2:
        _filter_plane(values, None, widths, out)
        return out
    near, curve = gaussian_taps(widths[0], _REACH), curved_taps(widths[0], _REACH)
    reach, plane = len(near) - 1, values.shape[1:]
    size = plane[0] * plane[1]
    flat = mirrored(values, reach, 0, 0).ravel()
    memory = np.empty((4, size), np.float32)
    for index in range(len(values)):
        add_shifted(
            flat,
            [(near, memory[0]), (curve, memory[1])],
            start=(index + reach) * size,
            stride=size,
            spare=memory[2:],
        )
        level, curved = memory[:2].reshape(2, *plane)
        _filter_plane(level, curved, widths[1:], out[index])
    return out


def without_level(x: np.ndarray) -> np.ndarray:
    """Return x without its mean, which gives no response, so that single precision is enough.

    Raises
    ------
    InputError
        If x has other than two or three axes.
    """
    values = np.asarray(x)
    if values.ndim not in (2, 3):
        raise InputError(f"puncta are found in planes or stacks; the array has {values.ndim} axes")
    values = values.astype(np.result_type(values.dtype, np.float32), copy=False)
    return (values - float(values.mean(dtype=np.float64))).astype(np.float32, copy=False)


def response_gain(ratio: np.ndarray | float, ndim: int) -> np.ndarray:
    """Return the response of a spot `ratio` times as wide as the filter, over its amplitude."""
    rho = np.asarray(ratio, np.float64)
    power = ndim / 2 + 1
    return np.asarray(2**power * rho**ndim / (1 + rho**2) ** power)


def response_sd(noise: float, *, sigma: Widths, ndim: int = 2) -> float:
    """Return the standard deviation of R under white noise of standard deviation `noise`.

    By Parseval's theorem it is ``noise C_d sqrt(d (d + 2) / 4 (4 pi)^(-d/2) / prod_a s_a)``.
    """
    volume = math.prod(as_widths(sigma, ndim))
    power = ndim * (ndim + 2) / 4 * (4 * math.pi) ** (-ndim / 2) / volume
    return noise * _scale(ndim) * math.sqrt(power)


def response_at(
    x: np.ndarray, positions: np.ndarray, *, sigmas: Sequence[Sequence[float]]
) -> np.ndarray:
    """Return the response of several widths at positions between pixels.

    Parameters
    ----------
    x : ndarray, (H, W) or (D, H, W)
        Plane or stack.
    positions : ndarray, (n, 2) or (n, 3)
        In pixels.
    sigmas : sequence of sequences of float
        One width for each axis of x, in pixels; k of them.

    Returns
    -------
    ndarray, (k, n)
        Float64, in the unit of x.
    """
    ndim = x.ndim
    reach = [math.ceil(_WINDOW * max(axis)) for axis in zip(*sigmas, strict=True)]
    at_once = max(1, _WINDOWS // math.prod(2 * r + 1 for r in reach))
    found = np.empty((len(sigmas), len(positions)))
    flat = np.ravel(x)
    for start in range(0, len(positions), at_once):
        part = slice(start, start + at_once)
        base = np.rint(positions[part]).astype(np.intp)
        steps = [base[:, [a]] + np.arange(-r, r + 1) for a, r in enumerate(reach)]
        places = np.zeros((len(base), *[1] * ndim), np.intp)
        for a, step in enumerate(steps):
            where = _mirror(step, x.shape[a]) * math.prod(x.shape[a + 1 :])
            places = places + where.reshape(len(base), *[1] * a, -1, *[1] * (ndim - 1 - a))
        # a level gives no response but by rounding
        windows = without_level(np.take(flat, places).reshape(len(base), -1))
        windows = windows.reshape(len(base), *(2 * r + 1 for r in reach))
        away = [step - positions[part, [a]] for a, step in enumerate(steps)]
        found[:, part] = _weigh(windows, away, sigmas)
    return found


def _weigh(
    windows: np.ndarray, away: list[np.ndarray], sigmas: Sequence[Sequence[float]]
) -> np.ndarray:
    """Return the response, (k, n), of windows (n, ...) whose places are so far from the centre."""
    *others, last = ([_window_taps(u, widths[a]) for widths in sigmas] for a, u in enumerate(away))
    # the last axis for all widths at once: it is the one with all the values
    taps = np.stack([tap for pair in last for tap in pair], axis=-1)
    taps = taps.reshape(len(taps), *[1] * (len(others) - 1), *taps.shape[1:])
    passed = np.moveaxis(np.matmul(windows, taps.astype(np.float32)), -1, 0)
    found = []
    for row in range(len(sigmas)):
        smooth, bent = passed[2 * row], passed[2 * row + 1]
        for axis in reversed(others):
            near, curve = axis[row]
            bent = np.einsum("n...i,ni->n...", bent, near) + np.einsum(
                "n...i,ni->n...", smooth, curve
            )
            smooth = np.einsum("n...i,ni->n...", smooth, near)
        found.append(-_scale(len(away)) * bent)
    return np.stack(found)


def _window_taps(away: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `gaussian_taps` and `curved_taps`, (n, m), at any distances from the centre."""
    near = np.exp(-(away**2) / (2 * width**2))
    near /= near.sum(1, keepdims=True)
    curve = ((away / width) ** 2 - 1) * near
    return near, curve - near * curve.sum(1, keepdims=True)


def _filter_plane(
    smooth: np.ndarray, bent: np.ndarray | None, widths: Sequence[float], out: np.ndarray
) -> None:
    """Filter a plane of a plane or stack along rows and columns, and write it to `out`.

    `smooth` is what a stack is when smoothed along its first axis, `bent` its second derivative.
    """
    near_down, near_along = (gaussian_taps(width, _REACH) for width in widths)
    curve_down, curve_along = (curved_taps(width, _REACH) for width in widths)
    scale = -_scale(2 if bent is None else 3)
    high, wide = len(near_down) - 1, len(near_along) - 1
    padded = mirrored(smooth, high, wide)
    width = padded.shape[1]
    flat = padded.ravel()
    also = None if bent is None else mirrored(bent, high, wide).ravel()
    blocks = row_blocks(len(out), width)
    memory = np.zeros((5, blocks[0].stop * width), np.float32)
    spare = memory[3:]
    for rows in blocks:
        level, curved, total, *_ = memory[:, : (rows.stop - rows.start) * width]
        down = partial(add_shifted, start=(rows.start + high) * width, stride=width, spare=spare)
        down(flat, [(near_down, level), (curve_down, curved)])
        if also is not None:
            down(also, [(near_down, curved)], more=True)
        # what runs over the ends of a row stays in what is cut off
        inner = total[wide:-wide]
        along = partial(add_shifted, start=wide, stride=1, spare=spare)
        along(level, [(curve_along, inner)])
        along(curved, [(near_along, inner)], more=True)
        block = total.reshape(-1, width)[:, wide : width - wide]
        np.multiply(block, np.float32(scale), out=out[rows])


def _scale(ndim: int) -> float:
    return float(2 ** (ndim / 2 + 1) / ndim)


def _mirror(index: np.ndarray, size: int) -> np.ndarray:
    folded = index % (2 * size)
    return np.asarray(np.minimum(folded, 2 * size - 1 - folded))
