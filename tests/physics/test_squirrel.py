"""RSE and RSP with a fit that is made once and reused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.nuisance import Nuisance, fit_nuisance
from napari_posterior.physics.psf import gaussian_blur
from napari_posterior.physics.scenes import Dice, draw_scenes
from napari_posterior.physics.squirrel import Squirrel

SIZE = 96
NOISE = 6.0


@pytest.fixture
def x() -> torch.Tensor:
    return draw_scenes("filaments", 1, SIZE, 100.0, Dice.seeded(5))[0, 0].double()


@pytest.fixture
def y(x: torch.Tensor) -> np.ndarray:
    mean = Nuisance(2.1, 100.0, 1.2).apply(x).numpy()
    return mean + NOISE * np.random.default_rng(0).standard_normal(mean.shape)


def test_what_is_left_of_the_object_itself_is_the_noise(x: torch.Tensor, y: np.ndarray) -> None:
    measure = Squirrel.fitted_on(x, y)
    assert measure.nuisance.dof == 3
    assert measure.nuisance.sigma == pytest.approx(1.2, abs=0.1)
    assert float(measure.rse(x)) == pytest.approx(NOISE, rel=0.03)
    signal = np.std(y - (y - measure.nuisance.apply(x).numpy()))
    expected = signal / np.hypot(signal, NOISE)
    assert float(measure.rsp(x)) == pytest.approx(expected, abs=0.003)


def test_rse_and_rsp_are_root_mean_square_and_pearson(x: torch.Tensor, y: np.ndarray) -> None:
    measure = Squirrel(y, Nuisance(2.0, 90.0))
    seen = 2.0 * x.numpy() + 90.0
    assert float(measure.rse(x)) == pytest.approx(np.sqrt(np.mean((y - seen) ** 2)))
    assert float(measure.rsp(x)) == pytest.approx(np.corrcoef(y.ravel(), seen.ravel())[0, 1])
    np.testing.assert_allclose(measure.error_map(x), np.abs(y - seen))


def test_every_sample_is_measured_with_the_one_fit(x: torch.Tensor, y: np.ndarray) -> None:
    measure = Squirrel.fitted_on(x, y)
    samples = torch.stack([x, 0.8 * x, gaussian_blur(x, 1.5)])
    rse, rsp = measure.rse(samples), measure.rsp(samples)
    assert rse.shape == rsp.shape == (3,)
    assert rse == pytest.approx([float(measure.rse(sample)) for sample in samples])
    assert rse[0] < rse[1]
    assert rse[0] < rse[2]
    # Pearson's correlation knows no scale: lost light shows in RSE alone
    assert rsp[1] == pytest.approx(rsp[0])
    assert rsp[2] < rsp[0]


def test_a_fit_made_anew_would_hide_lost_light(x: torch.Tensor, y: np.ndarray) -> None:
    dimmed = 0.8 * x
    anew = Squirrel(y, fit_nuisance(dimmed, y, shift=False))
    frozen = Squirrel.fitted_on(x, y)
    assert float(anew.rse(dimmed)) == pytest.approx(float(frozen.rse(x)), rel=1e-6)
    assert float(frozen.rse(dimmed)) > 1.1 * float(frozen.rse(x))


def test_pixels_that_do_not_count_change_nothing(x: torch.Tensor, y: np.ndarray) -> None:
    valid = np.ones(y.shape, bool)
    valid[40:44, 10:80] = False
    spoiled = np.where(valid, y, 1e5)
    clean, masked = (Squirrel.fitted_on(x, image, valid=valid) for image in (y, spoiled))
    assert masked.nuisance == clean.nuisance
    assert float(masked.rse(x)) == pytest.approx(float(clean.rse(x)))
    assert float(masked.rsp(x)) == pytest.approx(float(clean.rsp(x)))


def test_a_stack_gives_one_number_a_sample(x: torch.Tensor, y: np.ndarray) -> None:
    stack, measured = torch.stack([x, x.flip(0)]), np.stack([y, y[::-1]])
    measure = Squirrel.fitted_on(stack, measured)
    assert measure.nuisance.sigma == pytest.approx(1.2, abs=0.1)
    flat = Squirrel(y, measure.nuisance)
    assert float(measure.rse(stack)) == pytest.approx(float(flat.rse(x)), rel=0.01)


def test_a_flat_image_has_no_correlation(x: torch.Tensor, y: np.ndarray) -> None:
    assert np.isnan(Squirrel.fitted_on(x, y).rsp(torch.full_like(x, 7.0)))


def test_pixels_of_another_shape_are_refused(y: np.ndarray) -> None:
    with pytest.raises(InputError, match="give some of its pixels"):
        Squirrel(y, Nuisance(1.0), np.ones((2, 2), bool))
    with pytest.raises(InputError, match="give some of its pixels"):
        Squirrel(y, Nuisance(1.0), np.zeros(y.shape, bool))
