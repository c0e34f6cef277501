from __future__ import annotations

import pytest
import torch

from napari_posterior.physics.scenes import Dice
from napari_posterior.training.batches import MARGIN, SceneStream, TrainingRange, measure_scenes

SMALL = {"seed": 3, "batch": 4, "pool": 10, "reuse": 2, "size": 32}


def test_a_batch_is_a_pure_function_of_seed_stream_and_step():
    one, other = SceneStream(**SMALL), SceneStream(**SMALL)
    later = one.batch_at(7)
    one.batch_at(0)
    assert torch.equal(one.batch_at(7).electrons, later.electrons)
    assert torch.equal(other.batch_at(7).maps, later.maps)


def test_steps_streams_and_seeds_see_other_measurements():
    base = SceneStream(**SMALL).batch_at(0).electrons
    others = [
        SceneStream(**SMALL).batch_at(1),
        SceneStream(**SMALL, stream=1).batch_at(0),
        SceneStream(**(SMALL | {"seed": 4})).batch_at(0),
    ]
    assert all(not torch.equal(base, other.electrons) for other in others)


def test_acquisitions_stay_in_the_training_range_and_reach_its_ends():
    trained = TrainingRange(peak=(5.0, 500.0), psf_sigma=(1.0, 3.0), read_noise=(0.5, 5.0))
    dice = Dice.seeded(0)
    x = torch.full((400, 1, 8 + 2 * MARGIN, 8 + 2 * MARGIN), 20.0)
    read, sigma, background = measure_scenes(x, dice, size=8, trained=trained).acquisition.T
    assert (read.min(), read.max()) == (pytest.approx(0.5, rel=0.1), pytest.approx(5.0, rel=0.1))
    assert sigma.max() <= 3.0
    assert 0.1 < (sigma == 1.0).float().mean() < 0.35
    assert 0.5 < (background == 0).float().mean() < 0.9
    assert background.max() <= 100.0


def test_measured_electrons_follow_the_simulated_camera():
    trained = TrainingRange(psf_sigma=(1.0, 1.0), read_noise=(2.0, 2.0), background=(0.0, 1e-6))
    x = torch.full((64, 1, 32 + 2 * MARGIN, 32 + 2 * MARGIN), 30.0)
    batch = measure_scenes(x, Dice.seeded(1), size=32, trained=trained)
    n = batch.electrons.numel()
    assert batch.electrons.mean() == pytest.approx(30.0, abs=4 * (34 / n) ** 0.5)
    assert batch.electrons.var() == pytest.approx(34.0, rel=4 * (2 / n) ** 0.5)
    assert batch.x.shape == (64, 1, 32, 32)


def test_the_blind_share_is_told_nothing():
    batch = SceneStream(**(SMALL | {"blind": 1.0})).batch_at(0)
    assert not batch.vector.any()
    assert not batch.maps[:, 1].any()
