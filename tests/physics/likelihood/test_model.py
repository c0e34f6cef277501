"""The likelihood of a plane or stack: sums, maps, saturation, camera maps, chi-squared laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import LAMBDA_FLOOR, Likelihood
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

MODELS = ("auto", "exact", "gaussian", "poisson")


def counts(mean: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, shape).astype(np.float64)


def objects(count: int, shape: tuple[int, ...], mean: float = 6.0, seed: int = 1) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.gamma(3.0, mean / 3, (count, *shape)))


def test_gaussian_keeps_its_log_variance_term(measure) -> None:
    likelihood = Likelihood(measure(np.full((8, 8), 50.0), read_noise=3.0), model="gaussian")
    nats = likelihood.per_pixel(torch.full((1, 8, 8), 40.0, dtype=torch.float64))
    np.testing.assert_allclose(nats.numpy(), -stats.norm.logpdf(50.0, 40.0, 7.0), rtol=1e-12)


def test_poisson_is_the_probability_of_a_count(measure) -> None:
    likelihood = Likelihood(measure(np.full((8, 8), 5.0), read_noise=0.0), model="poisson")
    nats = likelihood.per_pixel(torch.full((1, 8, 8), 3.5, dtype=torch.float64))
    np.testing.assert_allclose(nats.numpy(), -stats.poisson.logpmf(5, 3.5), rtol=1e-12)


def test_exact_pixels_are_chosen_from_the_measurement_alone(measure) -> None:
    electrons = np.full((40, 40), 5.0)
    electrons[:, 20:] = 100.0
    mask = Likelihood(measure(electrons)).mask
    assert bool(mask[:, :14].all())
    assert not bool(mask[:, 26:].any())
    assert not bool(Likelihood(measure(electrons, read_noise=1.6)).mask.any())


def test_noisy_pixels_of_a_camera_map_are_not_exact(measure) -> None:
    read_noise = np.full((16, 16), 1.0)
    read_noise[3, 4] = 5.0
    mask = Likelihood(measure(np.full((16, 16), 5.0), read_noise=read_noise)).mask
    assert not bool(mask[3, 4])
    assert int(mask.sum()) == 255


def test_rounding_of_a_camera_with_bits_counts_as_noise(measure) -> None:
    y = np.full((8, 8), 5.0)
    x = torch.full((1, 8, 8), 4.0, dtype=torch.float64)
    nats = Likelihood(measure(y, gain=0.25, bits=12), model="gaussian").total(x)
    wider = math.sqrt(1 + 1 / (12 * 0.25**2))
    expected = Likelihood(measure(y, gain=0.25, read_noise=wider), model="gaussian").total(x)
    torch.testing.assert_close(nats, expected)


def test_a_mask_is_shared_by_likelihoods_of_one_measurement(measure) -> None:
    shape = (12, 14)
    measurement = measure(counts(28.0, shape))
    other = np.zeros(shape, bool)
    other[:6] = True
    shared = Likelihood(measurement, mask=Likelihood(measurement, mask=other).mask)
    x = objects(2, shape, 28.0)
    nats = shared.per_pixel(x)
    exact = Likelihood(measurement, model="exact").per_pixel(x)
    gaussian = Likelihood(measurement, model="gaussian").per_pixel(x)
    torch.testing.assert_close(nats[:, :6], exact[:, :6])
    torch.testing.assert_close(nats[:, 6:], gaussian[:, 6:])


@pytest.mark.parametrize("model", MODELS)
def test_total_is_the_sum_of_the_pixels(measure, model: str) -> None:
    electrons = counts(6.0, (20, 24))
    electrons[5:9] += 60
    likelihood = Likelihood(measure(electrons, sigma=1.5), model=model)
    x = objects(5, (20, 24))
    torch.testing.assert_close(likelihood.total(x), likelihood.per_pixel(x).sum((1, 2)))


@pytest.mark.parametrize("model", MODELS)
def test_a_stack_is_its_planes(measure, model: str) -> None:
    shape = (3, 18, 16)
    electrons = counts(6.0, shape)
    electrons[1] += 80
    x = objects(4, shape)
    stack = Likelihood(measure(electrons, sigma=1.5), model=model)
    planes = [Likelihood(measure(one, sigma=1.5), model=model) for one in electrons]
    seen = list(enumerate(planes))
    assert stack.shape == shape
    assert stack.n == sum(plane.n for plane in planes)
    for name in ("per_pixel", "standardised_residuals", "poisson_deviance"):
        expected = torch.stack([getattr(plane, name)(x[:, i]) for i, plane in seen], 1)
        torch.testing.assert_close(getattr(stack, name)(x), expected)
    torch.testing.assert_close(stack.total(x), sum(plane.total(x[:, i]) for i, plane in seen))
    chi2 = sum(plane.reduced_chi2(x[:, i]) for i, plane in seen) / 3
    torch.testing.assert_close(stack.reduced_chi2(x), chi2)


def test_every_pixel_takes_its_own_gain_offset_and_read_noise() -> None:
    shape = (12, 16)
    cameras = (Camera(2.0, 100.0, 0.8), Camera(0.5, 80.0, 2.5))
    halves = (np.s_[:, :8], np.s_[:, 8:])
    levels = {name: np.empty(shape) for name in ("gain", "offset", "read_noise")}
    y = np.empty(shape)
    for camera, half in zip(cameras, halves, strict=True):
        y[half] = camera.to_adu(counts(9.0, shape)[half])
        for name, level in levels.items():
            level[half] = getattr(camera, name)
    x = objects(3, shape)
    whole = Likelihood(Measurement(y, Camera(**levels), Psf(1.0)))
    parts = [
        Likelihood(
            Measurement(y[half], camera, Psf(1.0)), mask=np.ascontiguousarray(whole.mask[half])
        )
        for camera, half in zip(cameras, halves, strict=True)
    ]
    per_part = [part.per_pixel(x[:, *half]) for part, half in zip(parts, halves, strict=True)]
    torch.testing.assert_close(whole.per_pixel(x), torch.cat(per_part, -1))
    assert whole.log_gain == pytest.approx(sum(part.log_gain for part in parts))


def test_saturated_pixels_are_left_out_and_counted(measure) -> None:
    electrons = counts(9.0, (16, 16))
    electrons[2:4, 5:9] = 1e4
    measurement = measure(electrons, saturation=2000.0)
    x = objects(3, (16, 16)).requires_grad_()
    likelihood = Likelihood(measurement)
    assert (likelihood.n, likelihood.censored) == (248, 8)
    brighter = electrons.copy()
    brighter[2:4, 5:9] = 3e4
    other = Likelihood(measure(brighter, saturation=2000.0), mask=likelihood.mask)
    torch.testing.assert_close(other.total(x), likelihood.total(x))
    for name in ("per_pixel", "standardised_residuals", "poisson_deviance", "quantile_residuals"):
        values = getattr(likelihood, name)(x)
        assert bool((values[:, 2:4, 5:9] == 0).all()), name
        assert int((values != 0).sum()) == 3 * 248, name
    likelihood.total(x).sum().backward()
    assert bool((x.grad[:, 2:4, 5:9] == 0).all())
    chi2 = likelihood.standardised_residuals(x).square().sum((1, 2)) / 248
    torch.testing.assert_close(likelihood.reduced_chi2(x), chi2)


@pytest.mark.parametrize(("level", "read_noise"), [(1.0, 0.6), (12.0, 1.0), (300.0, 3.0)])
def test_truth_has_reduced_chi2_of_one(measure, level: float, read_noise: float) -> None:
    yy, xx = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    truth = level * (1 + 0.8 * torch.sin(xx / 5) * torch.cos(yy / 7)).double()
    blank = measure(np.zeros((96, 96)), read_noise=read_noise, sigma=1.8, background=0.5)
    y = blank.forward.sample(truth, torch.Generator().manual_seed(3)).numpy()
    likelihood = Likelihood(Measurement(y, blank.camera, blank.psf, blank.background))
    chi2 = float(likelihood.reduced_chi2(truth[None]))
    sd = float(likelihood.chi2_sd(truth[None]))
    assert abs(chi2 - 1) < 3 * sd
    assert math.sqrt(2 / 96**2) <= sd < 1.7 * math.sqrt(2 / 96**2)


@pytest.mark.parametrize(("mean", "sd"), [(0.01, 10.0), (0.5, 2.0)])
def test_pearson_residual_of_counts_has_sd_of_root_of_two_plus_one_over_lambda(
    measure, mean: float, sd: float
) -> None:
    likelihood = Likelihood(measure(counts(mean, (64, 64)), read_noise=0.0))
    got = likelihood.chi2_sd(torch.full((1, 64, 64), mean, dtype=torch.float64))
    assert 64 * float(got) == pytest.approx(sd, rel=0.02)


def test_negative_means_are_floored_and_reported(measure) -> None:
    x = torch.ones((2, 16, 16), dtype=torch.float64)
    x[1, :8] = -5.0
    likelihood = Likelihood(measure(np.ones((16, 16))))
    assert likelihood.floored_fraction(x).tolist() == [0.0, 0.5]
    assert likelihood.floored_fraction(x.float()).tolist() == [0.0, 0.5]
    floored = likelihood.per_pixel(x)[1, 0, 0]
    at_floor = likelihood.per_pixel(torch.full_like(x, LAMBDA_FLOOR))[0, 0, 0]
    assert float(floored) == pytest.approx(float(at_floor))


def test_blocks_do_not_change_the_result(measure, monkeypatch: pytest.MonkeyPatch) -> None:
    electrons = counts(6.0, (20, 24))
    electrons[:5] += 60
    measurement = measure(electrons, sigma=1.5)
    x = objects(5, (20, 24))
    likelihood = Likelihood(measurement)
    whole, total = likelihood.per_pixel(x), likelihood.total(x)
    for name, value in {"_IN_CACHE": 40, "_NARROWEST": 7, "_FORWARD": 1000}.items():
        monkeypatch.setattr(f"napari_posterior.physics.likelihood.pixels.{name}", value)
    torch.testing.assert_close(likelihood.per_pixel(x), whole)
    torch.testing.assert_close(likelihood.total(x), total)


@pytest.mark.parametrize("model", MODELS)
def test_gradient_matches_finite_differences(measure, model: str) -> None:
    electrons = counts(3.0, (8, 8))
    electrons[:2] += 90
    likelihood = Likelihood(measure(electrons, read_noise=0.8, sigma=1.2), model=model)
    x = objects(2, (8, 8), 3.0).requires_grad_()
    assert torch.autograd.gradcheck(likelihood.total, (x,), atol=1e-5)
    (summed,) = torch.autograd.grad(likelihood.total(x).sum(), x)
    (mapped,) = torch.autograd.grad(likelihood.per_pixel(x).sum(), x)
    torch.testing.assert_close(mapped, summed)


def test_float32_agrees_with_float64(measure) -> None:
    likelihood = Likelihood(measure(counts(8.0, (16, 16)), sigma=1.3))
    x = objects(3, (16, 16), 8.0)
    assert likelihood.per_pixel(x.float()).dtype == torch.float32
    torch.testing.assert_close(likelihood.total(x.float()), likelihood.total(x), rtol=1e-6, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("model", MODELS)
def test_a_graphics_card_agrees_with_the_cpu(measure, model: str) -> None:
    electrons = counts(9.0, (32, 32))
    electrons[:9] += 60
    likelihood = Likelihood(measure(electrons, sigma=1.5, saturation=260.0), model=model)
    x = objects(4, (32, 32), 9.0)
    for name in ("per_pixel", "total", "reduced_chi2", "poisson_deviance", "quantile_residuals"):
        method = getattr(likelihood, name)
        there = method(x.cuda())
        assert there.device.type == "cuda"
        torch.testing.assert_close(there.cpu(), method(x), rtol=1e-9, atol=1e-9)
    ours, theirs = (likelihood.law(one, draws=16) for one in (x[0], x[0].cuda()))
    assert theirs.total.mean == pytest.approx(ours.total.mean, abs=2 * ours.total.sd)


def test_log_gain_turns_the_density_into_one_per_adu(measure) -> None:
    assert Likelihood(measure(np.ones((8, 8)))).log_gain == pytest.approx(64 * math.log(2.1))


def test_mean_square_of_the_residuals_is_the_reduced_chi2(measure) -> None:
    likelihood = Likelihood(measure(counts(20.0, (16, 18)), read_noise=1.6, sigma=1.5))
    x = 40 * torch.rand((3, 16, 18), generator=torch.Generator().manual_seed(0))
    residuals = likelihood.standardised_residuals(x)
    assert residuals.shape == x.shape
    chi2 = likelihood.reduced_chi2(x)
    np.testing.assert_allclose(residuals.square().mean((-2, -1)), chi2, rtol=1e-5)


def test_residual_counts_the_noise_of_shots_and_reading(measure) -> None:
    likelihood = Likelihood(measure(np.full((8, 8), 30.0), read_noise=3.0))
    residuals = likelihood.standardised_residuals(torch.full((1, 8, 8), 16.0))
    np.testing.assert_allclose(residuals, (30 - 16) / 5, rtol=1e-5)


def test_deviance_is_twice_the_nats_lost_against_the_counts_themselves(measure) -> None:
    likelihood = Likelihood(measure(counts(2.0, (16, 16)), read_noise=0.0), model="poisson")
    x = objects(2, (16, 16), 2.0)
    z = torch.from_numpy(likelihood.measurement.camera.to_electrons(likelihood.measurement.y))
    best = likelihood.per_pixel(z[None].clamp_min(1e-12))
    expected = 2 * (likelihood.per_pixel(x) - best)
    torch.testing.assert_close(likelihood.poisson_deviance(x), expected, rtol=0, atol=1e-2)
    seen = z > 0  # elsewhere the floor of the mean stands in for a mean of 0
    torch.testing.assert_close(likelihood.poisson_deviance(x)[:, seen], expected[:, seen])
    sums = likelihood.poisson_deviance(x).sum((1, 2))
    torch.testing.assert_close(likelihood.total_deviance(x), sums)


def test_what_cannot_be_is_refused_in_one_sentence(measure) -> None:
    measurement = measure(np.ones((8, 8)))
    x = torch.ones(8, 8)
    with pytest.raises(InputError, match="samples, 8, 8"):
        Likelihood(measurement).total(x)
    with pytest.raises(InputError, match="unknown; use auto, exact, gaussian or poisson"):
        Likelihood(measurement, model="laplace")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"mask .* has shape \(4, 4\)"):
        Likelihood(measurement, mask=np.ones((4, 4)))
    with pytest.raises(InputError, match="'auto' only"):
        Likelihood(measurement, model="gaussian", mask=np.ones((8, 8)))
    with pytest.raises(InputError, match="one plane of height x width, or one stack"):
        Likelihood(Measurement(np.ones(8), Camera(), Psf()))
    with pytest.raises(InputError, match="NaN or infinite"):
        Likelihood(measure(np.full((8, 8), np.nan)))
    with pytest.raises(InputError, match="every pixel of the measurement is saturated"):
        Likelihood(measure(np.ones((8, 8)), saturation=101.0))
    with pytest.raises(InputError, match="give 2 or more"):
        Likelihood(measurement).law(x, draws=1)
    with pytest.raises(InputError, match="one sample of shape"):
        Likelihood(measurement).law(x[None])
