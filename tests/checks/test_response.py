"""Mean and spread of a sampler against each other: known answers on a Gaussian restoration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_posterior.checks.experiments.response import find_response, measure_response
from napari_posterior.toys.laws import Restoration

TOY = Restoration()
SIDE = 4


def redraws(rng, count=4):
    star = TOY.posterior(TOY.measure(TOY.object(rng), rng)).draw(1, rng).samples[0]
    return [TOY.measure(star, rng) for _ in range(count)]


def score(ys, rng, *, heeded=1.0, variance=1.0, count=8):
    """The log-likelihoods ``[b, k, j]`` of 4 x 4 px patches, of a sampler with such faults."""
    logs = []
    for y in ys:
        law = TOY.posterior(y, heeded=heeded)
        group = replace(law, spectrum=variance * law.spectrum).draw(count, rng).samples
        seen = np.fft.ifft2(TOY.transfer * np.fft.fft2(group)).real
        logs.append(np.stack([-((one - seen) ** 2) / (2 * TOY.noise**2) for one in ys], axis=1))
    n = TOY.size // SIDE
    values = np.array(logs)
    return values.reshape(*values.shape[:3], n, SIDE, n, SIDE).sum((4, 6))


FAULTS = {
    "none": ({}, 1.0),
    "half the data": ({"heeded": 0.5}, 0.5),
    "variance x 0.64": ({"variance": 0.64}, 1 / 0.64),
    "variance x 1.5": ({"variance": 1.5}, 1 / 1.5),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sampler_moves_as_far_as_its_spread_implies_or_by_the_planted_share(fault) -> None:
    options, known = FAULTS[fault]
    rng = np.random.default_rng(0)
    ratios, held, told = [], [], []
    for _ in range(20):
        ys = redraws(rng)
        logs = score(ys, rng, **options)
        found = find_response(logs, logs, level=0.9, paired=True)
        ratios.append(found.estimate)
        held.append(found.interval[0] <= known <= found.interval[1])
        told.append(found.extra["se"])
    spread = np.std(ratios, ddof=1)
    assert np.mean(ratios) == pytest.approx(known, abs=3 * spread / np.sqrt(20))
    assert spread < 0.12 * known
    assert np.mean(held) >= 0.8
    # a jackknife over four measurements is too wide rather than too narrow
    assert 0.7 * spread < np.sqrt(np.mean(np.square(told))) < 2.2 * spread


def test_the_relation_is_exact_for_a_gaussian_posterior_and_whole_images() -> None:
    rng = np.random.default_rng(1)
    ys = redraws(rng)
    logs = score(ys, rng, count=3000).sum((3, 4))
    found = measure_response(logs)
    # of each pair of redraws, both ends with one variance; 2 / K is its relative square error
    error = np.sqrt(2 / 3000)
    assert found.ratio == pytest.approx(1.0, abs=4 * error)
    moments = [TOY.posterior(y) for y in ys]
    apart = np.fft.fft2(ys[0]) - np.fft.fft2(ys[1])
    change = np.fft.fft2(moments[0].mean) - np.fft.fft2(moments[1].mean)
    # E[D | y_0] - E[D | y_1], and the variance of D, without a single sample
    moved = (np.conj(apart) * TOY.transfer * change).real.sum() / (TOY.noise * TOY.size) ** 2
    power = np.abs(apart * TOY.transfer) ** 2 * moments[0].spectrum
    implied = power.sum() / TOY.size**2 / TOY.noise**4
    assert moved == pytest.approx(implied, rel=1e-10)


def test_neighbourhoods_narrow_the_error_of_the_implied_spread() -> None:
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(20):
        logs = score(redraws(rng), rng)
        ratios.append([measure_response(one).ratio for one in (logs, logs.sum((3, 4)))])
    near, whole = np.std(np.log(ratios), axis=0)
    assert near < 0.75 * whole


def test_leaving_out_a_sample_is_measuring_without_it() -> None:
    rng = np.random.default_rng(3)
    logs = score(redraws(rng), rng, count=5)
    found = measure_response(logs)
    for k in (0, 4):
        again = measure_response(np.delete(logs, k, axis=1))
        np.testing.assert_allclose(found.without[:, k], again.implied)


def test_a_sampler_that_follows_nothing_is_not_judged_and_the_teacher_is_told_all_the_same() -> (
    None
):
    rng = np.random.default_rng(4)
    ys = redraws(rng)
    teacher = score(ys, rng)
    still = np.repeat(teacher.mean(1, keepdims=True).mean(0, keepdims=True), 4, 0).repeat(8, 1)
    found = find_response(teacher, still, level=0.9, paired=False)
    assert found.estimate is None
    assert "cannot be told" in found.sentence
    assert found.extra["teacher"] is not None
    there = find_response(teacher, score(ys, rng), level=0.9, paired=False)
    assert (there.id, there.kind, there.question) == ("dependence.response", "", "dependence")
    assert (there.n_teacher, there.counted) == (32, "restorations of each sampler")
    assert "the teacher's" in there.sentence


def test_two_samples_of_a_measurement_are_too_few() -> None:
    rng = np.random.default_rng(5)
    ys = redraws(rng)
    few, enough = score(ys, rng, count=2), score(ys, rng, count=3)
    assert find_response(enough, few, level=0.9, paired=False) is None
    assert find_response(enough, enough, level=0.9, paired=False) is not None
