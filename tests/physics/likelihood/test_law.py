"""The law of the likelihood for the object itself, and what posterior draws make of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf


def simulate(x: torch.Tensor, camera: Camera, seed: int, sigma: float = 1.0) -> Measurement:
    blank = Measurement(np.zeros(x.shape), camera, Psf(sigma))
    y = blank.forward.sample(x, torch.Generator().manual_seed(seed)).numpy()
    return Measurement(y, camera, Psf(sigma))


@pytest.mark.parametrize(
    ("mean", "expected", "sd"),
    [
        (0.05, 0.30, 0.93),
        (0.3, 0.84, 0.81),
        (1.0, 1.15, 1.17),
        (5.0, 1.05, 1.51),
        (100, 1.00, 1.42),
    ],
)
def test_deviance_of_counts_has_its_known_mean_and_sd(
    mean: float, expected: float, sd: float
) -> None:
    x = torch.full((96, 96), float(mean), dtype=torch.float64)
    camera = Camera(read_noise=0.0)
    likelihood = Likelihood(simulate(x, camera, 1), model="poisson")
    law = likelihood.law(x, draws=16)
    error = 3 * sd / math.sqrt(16 * 96**2)
    assert law.deviance.mean / 96**2 == pytest.approx(expected, abs=0.005 + error)
    assert law.deviance.sd / 96 == pytest.approx(sd, abs=0.005 + 0.02 * sd)
    assert law.reduced_chi2.mean == pytest.approx(1, abs=4 * law.reduced_chi2.sd / 4)
    assert 96 * law.reduced_chi2.sd == pytest.approx(math.sqrt(2 + 1 / mean), rel=0.06)


@pytest.mark.parametrize(
    ("read_noise", "mean", "extra", "last"),
    [
        (0.7, 0.5, 0.020, 1e-3),
        (0.7, 2.0, 0.023, 1e-3),
        (0.7, 10.0, 0.0075, 1e-4),
        (1.0, 0.5, 0.006, 1e-3),
        (1.0, 2.0, 0.012, 1e-3),
        (1.0, 10.0, 0.0065, 1e-4),
        (1.6, 0.5, 0.0007, 1e-4),
        (1.6, 2.0, 0.0035, 1e-4),
        (1.6, 10.0, 0.0043, 1e-4),
        (2.5, 0.5, 0.0001, 1e-4),
        (2.5, 2.0, 0.0006, 1e-4),
        (2.5, 10.0, 0.0019, 1e-4),
    ],
)
def test_the_gaussian_costs_its_known_nats_a_pixel(
    read_noise: float, mean: float, extra: float, last: float
) -> None:
    z = np.linspace(-25, 75, 20000).reshape(100, 200)
    measurement = Measurement(z, Camera(read_noise=read_noise), Psf())
    x = torch.full((1, *z.shape), mean, dtype=torch.float64)
    exact, gaussian = (
        Likelihood(measurement, model=model).per_pixel(x) for model in ("exact", "gaussian")
    )
    lost = float((exact.neg().exp() * (gaussian - exact)).sum()) * 100 / 19999
    assert lost == pytest.approx(extra, abs=0.55 * last)  # the table is rounded to `last`


@pytest.mark.parametrize(("mean", "read_noise"), [(1.0, 0.5), (4.0, 1.0), (60.0, 1.6)])
def test_squared_residuals_have_mean_1_and_the_known_range_of_sd(
    mean: float, read_noise: float
) -> None:
    x = torch.full((128, 128), mean, dtype=torch.float64)
    law = Likelihood(simulate(x, Camera(read_noise=read_noise), 2)).law(x, draws=8)
    assert law.reduced_chi2.low < 1 < law.reduced_chi2.high
    assert 1.41 < 128 * law.reduced_chi2.sd < 1.65


def test_law_is_that_of_fresh_measurements_of_the_object() -> None:
    side, fresh = 24, 200
    yy, xx = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    x = (8 * (1 + torch.sin(xx / 3) * torch.cos(yy / 4)) + 20 * (xx > 16)).double()
    camera = Camera(gain=2.0, offset=100.0, read_noise=0.8)
    likelihood = Likelihood(simulate(x, camera, 0, sigma=1.4))
    assert 0 < int(likelihood.mask.sum()) < side**2
    law = likelihood.law(x, draws=100, seed=7)
    scores = []
    for seed in range(fresh):
        again = Likelihood(simulate(x, camera, 100 + seed, sigma=1.4), mask=likelihood.mask)
        scores.append([again.total(x[None]), again.reduced_chi2(x[None])])
        scores[-1].append(again.total_deviance(x[None]))
    table = np.array([[float(value) for value in row] for row in scores])
    for band, column in zip((law.total, law.reduced_chi2, law.deviance), table.T, strict=True):
        error = column.std() * math.sqrt(1 / 100 + 1 / fresh)
        assert band.mean == pytest.approx(column.mean(), abs=3 * error)
        assert band.sd == pytest.approx(column.std(), rel=0.15)
        inside = ((column > band.low) & (column < band.high)).mean()
        assert 0.90 <= inside <= 0.99


def test_law_is_made_again_by_its_seed() -> None:
    x = torch.full((16, 16), 5.0)
    likelihood = Likelihood(simulate(x, Camera(), 0))
    assert likelihood.law(x, seed=1) == likelihood.law(x, seed=1)
    assert likelihood.law(x, seed=1) != likelihood.law(x, seed=2)


def test_law_of_a_stack_is_near_that_of_its_planes() -> None:
    x = torch.full((3, 24, 24), 5.0)
    stack = Likelihood(simulate(x, Camera(), 0)).law(x)
    plane = Likelihood(simulate(x[0], Camera(), 0)).law(x[0])
    assert stack.total.mean == pytest.approx(3 * plane.total.mean, abs=plane.total.sd)
    assert stack.total.sd == pytest.approx(math.sqrt(3) * plane.total.sd, rel=0.1)


def test_law_leaves_out_the_draws_that_saturate() -> None:
    x = torch.full((96, 96), 100.0, dtype=torch.float64)
    camera = Camera(saturation=106.0)
    likelihood = Likelihood(simulate(x, camera, 3))
    assert 0.1 < likelihood.censored / 96**2 < 0.5
    law = likelihood.law(x)
    chi2 = float(likelihood.reduced_chi2(x[None]))
    assert law.reduced_chi2.low < chi2 < law.reduced_chi2.high
    assert law.reduced_chi2.high < 0.95  # what is left of the noise is narrower


class Toy:
    """Gaussian prior on a torus and noise that hardly depends on the light: a known posterior.

    Shares of the prior in what is seen, S / (S + noise^2) by frequency, have the mean 0.064 as in
    the table of the statistics notes, hence reduced chi-squared 0.936 of the posterior mean.
    """

    side, level, read_noise = 64, 100.0, 100.0

    def __init__(self) -> None:
        self.variance = self.level + self.read_noise**2
        f = np.fft.fftfreq(self.side)
        square = f[:, None] ** 2 + f[None, :] ** 2
        self.spectrum = 4 * self.variance * np.exp(-2 * np.pi**2 * 2.0**2 * square)
        self.share = self.spectrum / (self.spectrum + self.variance)

    def field(self, generator: np.random.Generator, power: np.ndarray, count: int) -> np.ndarray:
        white = np.fft.fft2(generator.normal(size=(count, self.side, self.side)))
        return np.fft.ifft2(white * np.sqrt(power)).real

    def scores(self, seed: int, draws: int) -> dict[str, float]:
        generator = np.random.default_rng(seed)
        truth = self.level + self.field(generator, self.spectrum, 1)[0]
        shots = generator.poisson(np.maximum(truth, 0))
        y = shots + self.read_noise * generator.normal(size=truth.shape)
        likelihood = Likelihood(Measurement(y, Camera(read_noise=self.read_noise), Psf()))
        mean = self.level + np.fft.ifft2(np.fft.fft2(y - self.level) * self.share).real
        noise = self.field(generator, self.share * self.variance, draws)
        sd = math.sqrt(self.share.mean() * self.variance)
        kinds = {
            "truth": truth[None],
            "sample": mean + noise,
            "mean": mean[None],
            "variance x 0.25": mean + 0.5 * noise,
            "variance x 0.64": mean + 0.8 * noise,
            "sd x 1.5": mean + 1.5 * noise,
            "bias of 0.3 sd": mean + noise + 0.3 * sd,
        }
        chi2 = {name: likelihood.reduced_chi2(torch.from_numpy(x)) for name, x in kinds.items()}
        spread = {"sd over samples": float(chi2["sample"].std())}
        return {name: float(values.mean()) for name, values in chi2.items()} | spread


def test_posterior_draws_have_chi2_of_one_and_changed_ones_what_theory_says() -> None:
    toy, images = Toy(), 48
    rows = [toy.scores(seed, 6) for seed in range(images)]
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    share = float(toy.share.mean())
    assert share == pytest.approx(0.064, abs=0.003)
    expected = {
        "truth": 1.0,
        "sample": 1.0,
        "mean": 1 - share,
        "variance x 0.25": 1 - 0.75 * share,
        "variance x 0.64": 1 - 0.36 * share,
        "sd x 1.5": 1 + 1.25 * share,
        "bias of 0.3 sd": 1 + 0.09 * share,
    }
    for name, value in expected.items():
        error = table[name].std() / math.sqrt(images)
        assert table[name].mean() == pytest.approx(value, abs=3 * error), name
    # between images as sqrt(2 / n), between samples of one image much less
    assert table["truth"].std() == pytest.approx(math.sqrt(2) / toy.side, rel=0.3)
    assert 0.004 < table["sd over samples"].mean() < 0.009
    difference = table["variance x 0.25"] - table["sample"]
    test = stats.ttest_1samp(difference, -0.75 * share)
    assert test.pvalue > 0.003
    assert abs(difference.mean()) > 20 * difference.std() / math.sqrt(images)
