"""What -log p(y|x) of every pixel costs, beside plain NumPy and SciPy on the same numbers.

    python benchmarks/likelihood.py [--samples 64] [--size 512] [--threads 2] [--repeats 5]

Prints wall-clock seconds (the least of the repeats, ours and plain taken in turn) for all samples,
forward model left out by a PSF at the target resolution and then included with one of 1.6 px, their
ratio, and the largest difference in nats. The plain exact sum takes so long that it is timed on one
sample and scaled to all; read noise is 1 e-, and the exact sum is taken at every pixel.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import special

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Callable

READ_NOISE = 1.0


def plain_gaussian(z: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return -log Normal(z; mean, mean + s^2) as one would write it."""
    variance = mean + READ_NOISE**2
    return 0.5 * ((z - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def plain_exact(z: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the Poisson-Gaussian sum as one would write it, within 8 sd of z and of the mean."""
    rows = []
    for part, expected in zip(
        np.array_split(z, 16), np.array_split(mean, 16, axis=-2), strict=True
    ):
        low = max(0.0, np.floor(min(part.min(), expected.min()) - 8 * READ_NOISE))
        n = np.arange(low, np.ceil(max(part.max(), expected.max()) + 8 * READ_NOISE) + 1)
        terms = special.xlogy(n, expected[..., None]) - expected[..., None] - special.gammaln(n + 1)
        terms -= 0.5 * ((part[..., None] - n) / READ_NOISE) ** 2
        terms -= np.log(READ_NOISE * np.sqrt(2 * np.pi))
        rows.append(-special.logsumexp(terms, axis=-1))
    return np.concatenate(rows, axis=-2)


def seconds(run: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Time every model and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    generator = np.random.default_rng(0)
    shape = (options.size, options.size)
    truth = generator.gamma(2.0, 5.0, shape)
    y = generator.poisson(truth) + READ_NOISE * generator.normal(size=shape)
    scatter = generator.gamma(20.0, 0.05, (options.samples, *shape)).astype(np.float32)
    x = torch.from_numpy(truth.astype(np.float32) * scatter)
    plain = {"gaussian": plain_gaussian, "exact": plain_exact}
    print(
        f"{options.samples} samples of {shape[0]} x {shape[1]}, float32, "
        f"{options.threads} threads, least of {options.repeats}"
    )
    print(
        f"{'model':10s}{'ours':>9s}{'with PSF':>10s}{'plain':>10s}{'ratio':>8s}{'difference':>14s}"
    )
    for model, formula in plain.items():
        alone, blurred = (
            Likelihood(Measurement(y, Camera(read_noise=READ_NOISE), Psf(sigma)), model=model)
            for sigma in (1.0, 1.6)
        )
        # in float64 a difference tells the formulas apart, not the rounding of the result
        part = x[: 1 if model == "exact" else options.samples].numpy().astype(np.float64)
        best = dict.fromkeys(("ours", "psf", "plain"), float("inf"))
        for _ in range(options.repeats):
            best["ours"] = min(best["ours"], seconds(alone.per_pixel, x))
            best["psf"] = min(best["psf"], seconds(blurred.per_pixel, x))
            took = seconds(formula, y, part) * options.samples / len(part)
            best["plain"] = min(best["plain"], took)
        first = part[:1]
        error = np.abs(alone.per_pixel(torch.from_numpy(first)).numpy() - formula(y, first)).max()
        print(
            f"{model:10s}{best['ours']:8.2f}s{best['psf']:9.2f}s{best['plain']:9.2f}s"
            f"{best['plain'] / best['ours']:7.1f}x{error:14.1e}"
        )


if __name__ == "__main__":
    main()
