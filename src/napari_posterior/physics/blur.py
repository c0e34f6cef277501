"""Convolution of images and stacks, by FFT or directly, with the boundary stated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import torch
from scipy.fft import next_fast_len

from napari_posterior.physics.kernel import check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

__all__ = ["BOUNDARIES", "Boundary", "Method", "blur_gaussian", "convolve"]

Boundary = Literal["mirror", "zero", "periodic"]
Method = Literal["auto", "fft", "direct"]

BOUNDARIES: Final[tuple[str, ...]] = get_args(Boundary)
"""mirror: about the outermost pixel (d c b | a b c d | c b a); zero: dark; periodic: repeated."""

_REACH: Final = 5.5
_LEAST_DIRECT: Final = 1.5
# what is narrow rings, so that the ends of the frame would be seen
_LEAST_MARGIN: Final = 8
_BLOCK: Final = 64
_WIDEST_DIRECT: Final = 70
_LARGEST_DIRECT: Final = 256
# images of one pass: measured, beyond the cache of a core both ways take two to three times as long
_PASS: Final = 2 * 540 * 540


def blur_gaussian(
    x: Tensor,
    sigma: float | Tensor | Sequence[float],
    *,
    boundary: Boundary = "mirror",
    method: Method = "auto",
) -> Tensor:
    """Blur with the exact Gaussian transfer function ``exp(-2 pi^2 sigma^2 f^2)``.

    The transfer function, unlike a sampled kernel, adds widths in quadrature exactly for images
    that are band-limited, also for a sigma well below one pixel. Directly, the axes are convolved
    one after the other with the samples of its inverse transform up to 5.5 sigma. What is cut off
    is less than 1e-6 of the light where sigma is 1.5 px or more, as the transfer at the Nyquist
    frequency is then below 2e-5; so both ways agree to 1e-6 of the largest value (in float64; in
    float32 to 1e-5). Narrower Gaussians ring too far for that and always go by FFT.

    Parameters
    ----------
    x : Tensor, (..., H, W) or (..., D, H, W)
        Images or stacks; the dtype is kept.
    sigma : float, Tensor of (..., 1, 1), or sequence of floats
        Standard deviation in pixels: of height and width, one for all or one for each image; or
        one for each of the last axes. All 0 returns `x` itself.
    boundary : {"mirror", "zero", "periodic"}
        What is taken to lie around the image.
    method : {"auto", "fft", "direct"}
        "auto" takes what was measured to be faster; the narrow go by FFT whatever is asked for.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    if isinstance(sigma, torch.Tensor):
        widest = [float(sigma.max())] * 2
    else:
        widest = [float(s) for s in (sigma if not isinstance(sigma, (int, float)) else [sigma] * 2)]
    if max(widest) == 0:
        return x
    margins = [max(math.ceil(_REACH * s) + 1, _LEAST_MARGIN) if s > 0 else 0 for s in widest]
    narrow = isinstance(sigma, torch.Tensor) or min(s or math.inf for s in widest) < _LEAST_DIRECT
    if not narrow and _directly(method, margins, x):
        return _in_passes(x, lambda part: _separable(part, widest, margins, boundary), len(widest))

    def transfer(frame: Sequence[int]) -> Tensor:
        axes = _frequencies(frame, x)
        if isinstance(sigma, torch.Tensor):
            return torch.exp(-2 * (math.pi * sigma) ** 2 * (axes[0] ** 2 + axes[1] ** 2))
        squared = sum((s * f) ** 2 for s, f in zip(widest, axes, strict=True))
        return torch.exp(-2 * math.pi**2 * torch.as_tensor(squared))

    return _by_fft(x, margins, boundary, transfer)


def convolve(
    x: Tensor, kernel: np.ndarray, *, boundary: Boundary = "mirror", method: Method = "auto"
) -> Tensor:
    """Convolve with a sampled kernel; by FFT and directly it is the same sum, up to rounding.

    Parameters
    ----------
    x : Tensor, (..., H, W) or (..., D, H, W)
        Images or stacks; the dtype is kept.
    kernel : ndarray, (h, w) or (d, h, w)
        Odd sizes, its origin in the middle.
    boundary : {"mirror", "zero", "periodic"}
        What is taken to lie around the image.
    method : {"auto", "fft", "direct"}
        "auto" takes what was measured to be faster.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    InputError
        If the kernel is larger than the image.
    """
    check_size(kernel.shape, x.shape)
    taps = torch.tensor(kernel, dtype=x.dtype, device=x.device)
    margins = [size // 2 for size in kernel.shape]
    # measured: with one channel torch convolves 9 taps in the time of the FFT
    if method == "direct" or (method == "auto" and kernel.size <= 9):
        return _in_passes(x, lambda part: _sliding(part, taps, margins, boundary), kernel.ndim)

    def transfer(frame: Sequence[int]) -> Tensor:
        sizes = [(0, f - k) for f, k in zip(frame, kernel.shape, strict=True)]
        placed = torch.nn.functional.pad(taps, [p for pair in reversed(sizes) for p in pair])
        axes = tuple(range(kernel.ndim))
        spectrum: Tensor = torch.fft.rfftn(placed.roll([-m for m in margins], axes))
        return spectrum

    return _by_fft(x, margins, boundary, transfer)


def _directly(method: Method, margins: Sequence[int], x: Tensor) -> bool:
    """Whether to convolve axis by axis; `benchmarks/forward.py` prints the times.

    On a CPU stacks and small images are faster so, and larger images within 20 % as fast.
    """
    if method != "auto":
        return method == "direct"
    small = len(margins) > 2 or max(x.shape[-2:]) <= _LARGEST_DIRECT
    return small and max(margins) <= _WIDEST_DIRECT and x.device.type == "cpu"


def _frequencies(frame: Sequence[int], like: Tensor) -> list[Tensor]:
    """Return the frequencies of a half spectrum, one tensor an axis, that broadcast."""
    axes = [torch.fft.fftfreq(n, dtype=like.dtype, device=like.device) for n in frame[:-1]]
    axes.append(torch.fft.rfftfreq(frame[-1], dtype=like.dtype, device=like.device))
    return [f.reshape([-1] + [1] * (len(frame) - 1 - i)) for i, f in enumerate(axes)]


def _by_fft(
    x: Tensor,
    margins: Sequence[int],
    boundary: Boundary,
    make_transfer: Callable[[Sequence[int]], Tensor],
) -> Tensor:
    shape = x.shape[-len(margins) :]
    if boundary == "periodic":
        before, frame = [0] * len(margins), list(shape)
    else:
        # with dark around it, one margin serves both ends of the periodic frame
        both = 1 if boundary == "zero" else 2
        before = [0 if boundary == "zero" else m for m in margins]
        frame = [
            next_fast_len(n + both * m, real=True) if m else n
            for n, m in zip(shape, margins, strict=True)
        ]
    after = [f - n - b for f, n, b in zip(frame, shape, before, strict=True)]
    transfer = make_transfer(frame)
    axes = tuple(range(-len(margins), 0))

    def part(x: Tensor, transfer: Tensor = transfer) -> Tensor:
        padded = _pad(x, before, after, boundary)
        spectrum = torch.fft.rfftn(padded, dim=axes).mul_(transfer)
        blurred: Tensor = torch.fft.irfftn(spectrum, s=tuple(frame), dim=axes)
        for axis, start, size in zip(axes, before, shape, strict=True):
            blurred = blurred.narrow(axis, start, size)
        return blurred

    # one transfer an image cannot be cut into passes
    return part(x) if transfer.ndim > len(margins) else _in_passes(x, part, len(margins))


def _in_passes(x: Tensor, run: Callable[[Tensor], Tensor], axes: int) -> Tensor:
    """Run over as many images at once as stay in the cache; on a GPU over all."""
    shape = x.shape[-axes:]
    flat = x.reshape(-1, *shape)
    most = max(_PASS // math.prod(shape), 1)
    if x.device.type != "cpu" or len(flat) <= most:
        return run(flat).reshape(x.shape)
    parts = torch.split(flat, most)
    if torch.is_grad_enabled() and x.requires_grad:
        return torch.cat([run(part) for part in parts]).reshape(x.shape)
    out = torch.empty_like(flat)
    for part, into in zip(parts, torch.split(out, most), strict=True):
        into.copy_(run(part))
    return out.reshape(x.shape)


def _pad(x: Tensor, before: Sequence[int], after: Sequence[int], boundary: Boundary) -> Tensor:
    axes = len(before)
    if not any(before) and not any(after):
        return x
    pairs = [p for b, a in zip(reversed(before), reversed(after), strict=True) for p in (b, a)]
    if boundary == "zero":
        return torch.nn.functional.pad(x, pairs)
    shape = x.shape[-axes:]
    if boundary == "mirror" and all(
        max(b, a) < n for b, a, n in zip(before, after, shape, strict=True)
    ):
        flat = x.reshape(-1, 1, *shape)
        padded = torch.nn.functional.pad(flat, pairs, mode="reflect")
        return padded.reshape(*x.shape[:-axes], *padded.shape[2:])
    for axis, b, a, n in zip(range(-axes, 0), before, after, shape, strict=True):
        # by index, as margins may be wider than the image: it is then mirrored more than once
        mode: Literal["reflect", "wrap"] = "reflect" if boundary == "mirror" else "wrap"
        index = torch.from_numpy(np.pad(np.arange(n), (b, a), mode=mode)).to(x.device)
        x = x.index_select(axis, index)
    return x


def _taps(sigma: float, margin: int, like: Tensor) -> Tensor:
    """Return the inverse transform of the Gaussian transfer function, summing to 1."""
    size = 8 * margin + 1
    f = np.fft.rfftfreq(size)
    wide = np.fft.irfft(np.exp(-2 * (np.pi * sigma * f) ** 2), size)
    taps = np.concatenate([wide[-margin:], wide[: margin + 1]])
    return torch.tensor(taps / taps.sum(), dtype=like.dtype, device=like.device)


def _separable(
    x: Tensor, sigmas: Sequence[float], margins: Sequence[int], boundary: Boundary
) -> Tensor:
    """Convolve axis by axis, in blocks of 64 pixels, each a product with a banded matrix."""
    for axis, (sigma, margin) in enumerate(zip(sigmas, margins, strict=True)):
        if margin == 0:
            continue
        along = axis - len(sigmas)
        pads = [margin if i == axis else 0 for i in range(len(sigmas))]
        padded = _pad(x, pads, pads, boundary)
        block = min(_BLOCK, x.shape[along])
        band = x.new_zeros(block + 2 * margin, block)
        taps = _taps(sigma, margin, x)
        place = torch.arange(block, device=x.device)
        band[place[:, None] + torch.arange(2 * margin + 1, device=x.device), place[:, None]] = taps
        x = _banded(padded, band, along, x.shape[along])
    return x


def _banded(padded: Tensor, band: Tensor, along: int, size: int) -> Tensor:
    block, margins = band.shape[1], band.shape[0] - band.shape[1]
    blocks = []
    for start in range(0, size, block):
        width = min(block, size - start)
        matrix = band[: width + margins, :width]
        part = padded.narrow(along, start, width + margins)
        if along == -1:
            blocks.append(part @ matrix)
        elif along == -2:
            blocks.append(matrix.T @ part)
        else:
            blocks.append((part.movedim(along, -1) @ matrix).movedim(-1, along))
    return torch.cat(blocks, along)


def _sliding(x: Tensor, taps: Tensor, margins: Sequence[int], boundary: Boundary) -> Tensor:
    padded = _pad(x, margins, margins, boundary)[:, None]
    flipped = taps.flip(list(range(taps.ndim)))[None, None]
    slide = torch.nn.functional.conv2d if taps.ndim == 2 else torch.nn.functional.conv3d
    return slide(padded, flipped)[:, 0]
