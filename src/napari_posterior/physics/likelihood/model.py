"""The likelihood of objects given one measurement, batched over samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.likelihood.densities import (
    LAMBDA_FLOOR,
    gaussian_nats,
    poisson_deviance,
    poisson_nats,
    standardise,
)
from napari_posterior.physics.likelihood.exact import exact_nats
from napari_posterior.physics.likelihood.law import Law, law_of_sums
from napari_posterior.physics.likelihood.mask import Model, exact_pixels
from napari_posterior.physics.likelihood.pixels import (
    Part,
    add_up,
    assemble,
    samples_at_once,
    take,
    wide,
)
from napari_posterior.physics.likelihood.residuals import cells_of, quantile_residuals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_posterior.physics.likelihood.pixels import Columns
    from napari_posterior.physics.measurement import Measurement

__all__ = ["Likelihood"]

_LEAST_DRAWS: Final = 2


class Likelihood:
    """Minus log likelihood of objects given one measurement, batched over samples.

    All densities are per electron; one per ADU is lower by ``ln gain`` a pixel, see `log_gain`.
    Saturated pixels are left out of every sum and mean, and are 0 in every map. Expected
    electrons below 1e-3 are raised to it. Arithmetic is in float64 where the device has it.

    Parameters
    ----------
    measurement : Measurement
        The plane or stack y with camera, PSF and background.
    model : {"auto", "exact", "gaussian", "poisson"}
        ``"auto"`` takes the exact Poisson-Gaussian sum where the read noise is below 1.6 e- and
        the smoothed measurement below 30 e-, and the Gaussian elsewhere; ``"poisson"`` leaves out
        read noise, for counters of photons.
    mask : array or Tensor, bool of the shape of y, optional
        Where ``"auto"`` takes the exact sum: the `mask` of another likelihood of the same y. By
        default chosen from the measurement alone, so it is the same for every run on it.

    Attributes
    ----------
    mask : Tensor, bool of the shape of y
        Where the exact sum is used.
    n : int
        Pixels used.
    censored : int
        Saturated pixels, left out.

    Raises
    ------
    InputError
        If `model` or `mask` cannot be, or y has values that are not finite or saturated pixels
        only.
    """

    def __init__(
        self, measurement: Measurement, *, model: Model = "auto", mask: Any = None
    ) -> None:
        grey = np.asarray(measurement.y, np.float64)
        if not np.isfinite(grey).all():
            raise InputError("the measurement has NaN or infinite values; replace them first")
        camera, valid = measurement.camera, measurement.valid
        if not valid.any():
            raise InputError(
                "every pixel of the measurement is saturated; give a measurement with pixels "
                f"below {camera.saturation:g} ADU"
            )
        electrons = camera.to_electrons(grey)
        exact = exact_pixels(electrons, camera.noise_floor, model, mask)
        self.measurement: Final = measurement
        self.mask: Final[Tensor] = torch.from_numpy(exact)
        self.n: Final = int(valid.sum())
        self.censored: Final = int(grey.size - self.n)
        self._shape: Final = grey.shape
        self._valid: Final = torch.from_numpy(valid.ravel())
        self._z: Final = torch.from_numpy(electrons.ravel())
        noise = np.broadcast_to(camera.noise_floor, grey.shape)
        self._noise: Final = torch.from_numpy(np.array(noise, np.float64).ravel())
        self._used: Final = _where(valid.ravel())
        self._poisson: Final = model == "poisson"

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width in pixels, after the planes of a stack."""
        return self._shape

    @property
    def log_gain(self) -> float:
        """What to add to `total` for a density per ADU instead of per electron, in nats."""
        gain = np.broadcast_to(self.measurement.camera.gain, self._shape)
        return float(np.log(gain[self.measurement.valid]).sum())

    def per_pixel(self, x: Tensor) -> Tensor:
        """Return -log p(z|x) of every pixel.

        Parameters
        ----------
        x : Tensor, (K, H, W) or (K, D, H, W)
            Objects in photoelectrons per pixel, float32 or float64.

        Returns
        -------
        Tensor, of the shape of `x`
            Nats; the dtype and device of `x`. Differentiable in `x`.

        Raises
        ------
        InputError
            If `x` does not have the shape of the measurement after its first axis; so for all
            methods.
        """
        return self._map(x, self._density(self._z))

    def total(self, x: Tensor) -> Tensor:
        """Return -log p(z|x) summed over the pixels used, (K,) float64, in nats.

        Differentiable in `x`.
        """
        return self._sum(x, self._density(self._z))[0]

    def reduced_chi2(self, x: Tensor) -> Tensor:
        """Return the mean of (z - lambda)^2 / (lambda + noise^2) over the pixels used, (K,).

        Its expected value is 1 for the object that made the measurement, at any number of
        photons, and so for a draw from the posterior; `chi2_sd` is its standard deviation.
        """
        return self.agreement(x)[0]

    def chi2_sd(self, x: Tensor) -> Tensor:
        """Return the sd of `reduced_chi2` over measurements of the object `x`, (K,).

        The squared residual has variance ``2 + lambda / variance^2`` (fourth cumulant of the
        Poisson part; Kendall's Advanced Theory of Statistics I, section 3.14), hence
        ``sqrt(2 / n)`` at many photons.
        """
        return self.agreement(x)[1]

    def floored_fraction(self, x: Tensor) -> Tensor:
        """Return the fraction of pixels whose expected electrons were raised to 1e-3, (K,)."""
        return self.agreement(x)[2]

    def agreement(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `reduced_chi2`, `chi2_sd` and `floored_fraction` of one forward pass, (K,) each.

        Parameters
        ----------
        x : Tensor, (K, H, W) or (K, D, H, W)
            Objects in photoelectrons per pixel.
        """

        def spread(columns: Columns, mean: Tensor) -> Tensor:
            return 2 + mean / (mean + take(self._noise, columns, mean).square()).square()

        def floored(_: Columns, mean: Tensor) -> Tensor:
            return (mean <= LAMBDA_FLOOR).to(mean.dtype)

        others = ([Part(formula, self._used)] for formula in (spread, floored))
        chi2, variance, share = (
            sums.to(x.dtype) / self.n for sums in self._sum(x, self._square(self._z), *others)
        )
        return chi2, (variance / self.n).sqrt(), share

    def standardised_residuals(self, x: Tensor) -> Tensor:
        """Return (z - lambda) / sqrt(lambda + noise^2) of every pixel, of the shape of `x`.

        Their mean square over the pixels used is `reduced_chi2`.

        Parameters
        ----------
        x : Tensor, (K, H, W) or (K, D, H, W)
            Objects in photoelectrons per pixel.
        """
        return self._map(x, self._residual(self._z))

    def quantile_residuals(self, x: Tensor, *, seed: int = 0) -> Tensor:
        """Return randomised quantile residuals of every pixel, of the shape of `x`.

        Standard normal for the object that made the measurement at any number of electrons, and
        for draws from the posterior over measurements; not for their mean. See `residuals`.
        Computed on the CPU in float64.

        Parameters
        ----------
        x : Tensor, (K, H, W) or (K, D, H, W)
            Objects in photoelectrons per pixel.
        seed : int
            Seed of the point each pixel takes within its grey level, the same for all samples:
            runs that are compared take one seed.
        """
        cells = cells_of(self.measurement.y, self.measurement.camera, seed=seed)

        def quantiles(columns: Columns, mean: Tensor) -> Tensor:
            there = columns.cpu() if isinstance(columns, torch.Tensor) else columns
            q = quantile_residuals(cells.at(there), mean.detach().to("cpu", torch.float64))
            return q.to(mean)

        return self._map(x.detach(), [Part(quantiles, self._used)])

    def poisson_deviance(self, x: Tensor) -> Tensor:
        """Return 2 (z ln(z / lambda) - z + lambda) of every pixel, of the shape of `x`.

        Parameters
        ----------
        x : Tensor, (K, H, W) or (K, D, H, W)
            Objects in photoelectrons per pixel.
        """
        return self._map(x, self._deviance(self._z))

    def total_deviance(self, x: Tensor) -> Tensor:
        """Return `poisson_deviance` summed over the pixels used, (K,) float64."""
        return self._sum(x, self._deviance(self._z))[0]

    def law(self, x: Tensor, *, draws: int = 32, seed: int = 0) -> Law:
        """Return what `total`, `reduced_chi2` and `total_deviance` are if `x` is the object.

        Parametric bootstrap: measurements y* ~ p(.|x) are simulated, saturation and rounding
        included, and scored against `x` with the same formula at every pixel (`mask`). A draw
        that saturates at a pixel is left out there, as the measurement was not saturated.

        Parameters
        ----------
        x : Tensor, (H, W) or (D, H, W)
            One sample, in photoelectrons per pixel.
        draws : int
            Measurements to simulate, at least 2.
        seed : int
            Seed of the measurements.

        Raises
        ------
        InputError
            If `draws` is below 2 or `x` is not one object of the shape of the measurement.
        """
        if draws < _LEAST_DRAWS:
            raise InputError(f"the law was asked of {draws} draws; give {_LEAST_DRAWS} or more")
        if tuple(x.shape) != self._shape:
            raise InputError(
                f"the object has shape {tuple(x.shape)}; the law is of one sample of shape "
                f"{self._shape}"
            )
        with torch.no_grad():
            total, chi2, deviance = law_of_sums(self._simulated(x, draws, seed), draws=draws)
        return Law(total, chi2.scaled(1 / self.n), deviance, draws)

    def _simulated(
        self, x: Tensor, draws: int, seed: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the three numbers of every pixel, (3, d, n), and where they count, (d, n)."""
        forward, camera = self.measurement.forward, self.measurement.camera
        generator = torch.Generator(device=x.device).manual_seed(seed)
        mean = forward.mean(x[None]).reshape(1, -1).to(wide(x))
        step = samples_at_once(mean.numel())
        for start in range(0, draws, step):
            count = min(step, draws - start)
            grey = forward.sample(x.expand(count, *x.shape), generator)
            z = camera.to_electrons(grey.to(mean.dtype)).reshape(count, -1)
            means = mean.expand(count, -1)
            parts = (self._density(z), self._square(z), self._deviance(z))
            values = torch.stack([assemble(part, means) for part in parts])
            counts = self._valid.numpy() & ~camera.is_saturated(grey.cpu().numpy().reshape(z.shape))
            yield values.cpu().numpy(), counts

    def _density(self, z: Tensor) -> list[Part]:
        """Return the formulas of -log p for a measurement z, (n,) or one for each mean, (K, n)."""

        def gaussian(columns: Columns, mean: Tensor) -> Tensor:
            return gaussian_nats(take(z, columns, mean), mean, take(self._noise, columns, mean))

        def exact(columns: Columns, mean: Tensor) -> Tensor:
            return exact_nats(take(z, columns, mean), mean, take(self._noise, columns, mean))

        def poisson(columns: Columns, mean: Tensor) -> Tensor:
            return poisson_nats(take(z, columns, mean), mean)

        if self._poisson:
            return [Part(poisson, self._used)]
        mask, valid = self.mask.numpy().ravel(), self._valid.numpy()
        parts = [Part(exact, _where(valid & mask)), Part(gaussian, _where(valid & ~mask))]
        return [part for part in parts if part.pixels is None or len(part.pixels)]

    def _residual(self, z: Tensor) -> list[Part]:
        def residual(columns: Columns, mean: Tensor) -> Tensor:
            return standardise(take(z, columns, mean), mean, take(self._noise, columns, mean))

        return [Part(residual, self._used)]

    def _square(self, z: Tensor) -> list[Part]:
        (part,) = self._residual(z)
        return [Part(lambda columns, mean: part.formula(columns, mean).square(), part.pixels)]

    def _deviance(self, z: Tensor) -> list[Part]:
        def deviance(columns: Columns, mean: Tensor) -> Tensor:
            return poisson_deviance(take(z, columns, mean), mean)

        return [Part(deviance, self._used)]

    def _map(self, x: Tensor, parts: list[Part]) -> Tensor:
        maps = [assemble(parts, mean) for mean in self._means(x)]
        return (maps[0] if len(maps) == 1 else torch.cat(maps)).reshape(x.shape)

    def _sum(self, x: Tensor, *quantities: list[Part]) -> list[Tensor]:
        rows = [[add_up(parts, mean) for parts in quantities] for mean in self._means(x)]
        return [torch.cat(column) for column in zip(*rows, strict=True)]

    def _means(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the expected electrons of some samples after the other, (k, n)."""
        if x.ndim != 1 + len(self._shape) or tuple(x.shape[1:]) != self._shape:
            raise InputError(
                f"the objects have shape {tuple(x.shape)}; the measurement needs "
                f"(samples, {', '.join(map(str, self._shape))})"
            )
        step = samples_at_once(self._z.numel())
        for start in range(0, x.shape[0], step):
            yield self.measurement.forward.mean(x[start : start + step]).flatten(1)


def _where(chosen: np.ndarray) -> Tensor | None:
    """Return the numbers of the chosen pixels, None for all."""
    return None if chosen.all() else torch.from_numpy(np.flatnonzero(chosen))
