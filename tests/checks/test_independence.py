"""Samples that are repeated, or that depend on their neighbours, are found from the Gram matrix."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.independence import find_repeats, lag_correlation, tell_dependence


def gram_of(teacher, student):
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]).astype(np.float32))
    return accumulator.result()


def draw(count, seed, *, pixels=400, heavy=False):
    """Independent samples around one object; heavy: each with a brightness of its own."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, pixels))
    if heavy:
        noise *= generator.lognormal(0, 1, size=(count, 1))
    return 100 + noise


def test_independent_samples_are_not_warned_of():
    warned = sum(
        bool(tell_dependence(gram_of(draw(24, seed), draw(16, seed + 1000, heavy=True))))
        for seed in range(200)
    )
    assert warned <= 3


def test_repeated_samples_are_named():
    samples = draw(16, 0)
    samples[11] = samples[9] = samples[4]
    (told,) = tell_dependence(gram_of(draw(16, 1), samples))
    assert "Samples of the student are repeated, such as 5 and 10: 2 of 16 add nothing" in told
    assert find_repeats(gram_of(samples, draw(8, 1)).matrix[:16, :16]) == [[4, 9, 11]]


def test_a_run_of_one_image_is_called_that():
    one = np.repeat(draw(1, 0), 12, axis=0)
    (told,) = tell_dependence(gram_of(draw(16, 1), one))
    assert told.startswith("All 12 samples of the student are one image")
    assert "spread is zero" in told


def test_antithetic_and_slowly_drifting_samples_are_found():
    half = draw(32, 3, heavy=True) - 100
    antithetic = 100 + np.stack([half, -half], axis=1).reshape(64, -1)
    drift = np.linspace(0.5, 2.0, 64)[:, None]
    drifting = 100 + drift * (draw(64, 4) - 100)
    found = tell_dependence(gram_of(antithetic, drifting), names=("flow", "kd"))
    assert [one.split(" depend")[0] for one in found] == [
        "Neighbouring samples of the flow",
        "Neighbouring samples of the kd",
    ]


def test_the_correlation_is_that_of_the_squared_distances():
    samples = draw(20, 5, heavy=True)
    d = ((samples - samples.mean(0)) ** 2).sum(1)
    d -= d.mean()
    expected = (d[1:] * d[:-1]).sum() / (d**2).sum()
    gram = gram_of(samples, draw(8, 6))
    found = lag_correlation(gram.matrix[:20, :20])
    assert found == pytest.approx(expected, abs=1e-4)
