from __future__ import annotations

import math

import pytest
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes, point_source


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_are_positive_finite_and_reach_the_peak(kind):
    x = draw_scenes(kind, 16, 64, 200.0, Dice.seeded(1))
    assert x.shape == (16, 1, 64, 64)
    assert x.dtype == torch.float32
    assert torch.isfinite(x).all()
    assert x.min() >= 0
    highest = x.flatten(1).amax(1)
    # haze and floor may add to the structure's own peak, never more than 0.6 + 0.3 of it
    assert (highest <= 200 * 1.9 + 1e-3).all()
    assert highest.median() >= 150


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_hold_nothing_finer_than_the_target_resolution(kind):
    x = draw_scenes(kind, 8, 64, 1.0, Dice.seeded(2))[:, 0]
    window = torch.hann_window(64)
    spectrum = torch.fft.fft2(x * window[:, None] * window).abs().square().mean(0)
    f = torch.fft.fftfreq(64)
    fine = (f[:, None].square() + f.square()).sqrt() > 0.45
    assert spectrum[fine].sum() / spectrum.sum() < 1e-4


def test_the_same_dice_make_the_same_scenes():
    a, b = (draw_scenes("filaments", 2, 32, 1.0, Dice.seeded(3)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, draw_scenes("filaments", 2, 32, 1.0, Dice.seeded(4)))


def test_each_scene_gets_its_own_peak():
    peak = torch.tensor([1.0, 100.0])
    x = draw_scenes("haze", 2, 32, peak, Dice.seeded(5))
    assert x[1].max() > 30 * x[0].max()


def test_a_point_source_holds_its_photons_and_its_peak():
    x = point_source(33, (16.0, 16.0), 628.0)
    assert x.sum() == pytest.approx(628.0, rel=1e-4)
    assert x.max() == pytest.approx(628.0 / (2 * math.pi), rel=1e-4)


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(InputError, match="'cells'"):
        draw_scenes("cells", 1, 32, 1.0, Dice.seeded(0))


def test_a_haze_that_hardly_varies_is_still_finite():
    # the widest fields of this seed: one of them varies so little that its exponential overflows
    x = draw_scenes("puncta", 103, 96, 1.0, Dice.seeded(3700041193396073819))
    assert torch.isfinite(x).all()
