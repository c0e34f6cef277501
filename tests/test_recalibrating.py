"""The factor that error bars need, from runs and known objects."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.errors import InputError


def image(seed: int, narrow: float, sampler: str = "kd"):
    """A run of 200 samples whose spread is `narrow` times its error, and the known object."""
    generator = np.random.default_rng(seed)
    mean = generator.normal(20, 5, (16, 16))
    samples = mean + narrow * generator.normal(size=(200, 16, 16))
    request = SimpleNamespace(bundle_hash="b", sampler=sampler, steps=1)
    run = SimpleNamespace(request=request, quantile=lambda q: np.quantile(samples, q, axis=0))
    return run, mean + generator.normal(size=(16, 16))


# with 60 images the risk to keep below .1 is .085, which takes 1.72 instead of 1.64 SD
FEW = 1.72 / 1.645


def test_error_bars_that_are_half_as_wide_as_they_should_be_are_doubled() -> None:
    found = npo.recalibrate([image(seed, 0.5) for seed in range(60)])
    assert found.factor == pytest.approx(2 * FEW, rel=0.04)
    assert found.before > 0.3
    assert "60 images" in found.sentence


def test_error_bars_that_hold_are_left_about_as_they_are() -> None:
    found = npo.recalibrate([image(seed, 1.0) for seed in range(60)])
    assert found.factor == pytest.approx(FEW, rel=0.04)


def test_too_few_images_and_several_samplers_are_refused() -> None:
    with pytest.raises(InputError, match="give 9 or more"):
        npo.recalibrate([image(seed, 1.0) for seed in range(5)])
    with pytest.raises(InputError, match="2 samplers"):
        npo.recalibrate([image(seed, 1.0, "kd" if seed else "pd") for seed in range(10)])
    run, _ = image(0, 1.0)
    with pytest.raises(InputError, match="of the shape of the image"):
        npo.recalibrate([(run, np.ones((3, 3)))])
