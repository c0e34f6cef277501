"""Whether two samplers differ on shared noise, and the first hand-over that does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from corrected_toys import Quick, bare, canvases, gaussian, teacher

from napari_posterior.checks.paired import climb, look_at_pairs
from napari_posterior.checks.source import Stack
from napari_posterior.errors import InputError
from napari_posterior.sampling.correct import correct
from napari_posterior.sampling.corrections import HandOver
from napari_posterior.sampling.model import FlowMap
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.sampling.samplers import StudentSampler
from napari_posterior.toys import exact_student

PATH = LinearFlow()
TAUS = (0.1, 0.3, 0.5, 0.7)
SAMPLES = 16
TRUE = gaussian(0.5, 0.4)


def handed_over(wrong, *, below: float):
    """Climb with a student that is exact in jumps to `below` and later times only."""
    right, other = exact_student(TRUE, PATH), exact_student(wrong, PATH)

    def net(x, s, t, maps, vector):
        faulty = (t < below)[:, None, None, None]
        return torch.where(faulty, other(x, s, t, maps, vector), right(x, s, t, maps, vector))

    student = StudentSampler("flow", FlowMap(PATH, net), (1.0, 0.0))
    base, z = teacher(TRUE, PATH, steps=60), canvases(Quick(SAMPLES))
    first = Stack(base.draw(z, bare()).numpy())

    def look(tau: float):
        draws = correct(student, base, HandOver(tau=tau)).draw(z, bare())
        return look_at_pairs(first, Stack(draws.numpy()))

    return climb(TAUS, look, level=0.05, negligible=0.01)


def stacks(shift=0.0, factor=1.0, r=0.9, seed=0, shape=(8, 8)) -> tuple[Stack, Stack]:
    """Pairs of one law, but for a shift and a factor of the second's standard deviation."""
    generator = np.random.default_rng(seed)
    shared, *own = generator.standard_normal((3, SAMPLES, *shape))
    both = [np.sqrt(r) * shared + np.sqrt(1 - r) * one for one in own]
    return Stack(both[0]), Stack(factor * both[1] + shift)


def test_an_exact_student_hands_over_at_the_smallest_time():
    ((tau, look, rejected),) = handed_over(TRUE, below=0.0)
    assert (tau, rejected) == (TAUS[0], False)
    assert look.r > 0.999


@pytest.mark.parametrize("wrong", [gaussian(0.9, 0.4), gaussian(0.5, 0.6)], ids=["mean", "spread"])
def test_a_fault_below_a_time_is_handed_over_above_it(wrong):
    found = handed_over(wrong, below=0.5)
    assert [tau for tau, _, _ in found] == [0.1, 0.3, 0.5]
    assert [rejected for _, _, rejected in found] == [True, True, False]


def test_a_fault_of_the_mean_or_the_variance_is_found_by_its_own_test_and_measured():
    shifted = look_at_pairs(*stacks(shift=0.3, shape=(24, 24)))
    assert shifted.mean_p == 0.001 < 0.05 < shifted.variance_p
    assert shifted.mean_gap == pytest.approx(0.3, abs=0.03)
    wider = look_at_pairs(*stacks(factor=1.2, shape=(24, 24)))
    assert wider.variance_p == 0.001 < 0.05 < wider.mean_p
    assert wider.variance_ratio == pytest.approx(1.44, abs=0.1)
    assert wider.r == pytest.approx(0.9, abs=0.03)


def test_without_a_difference_it_rejects_as_seldom_as_the_level_says():
    repeats = 300
    looks = [look_at_pairs(*stacks(seed=seed), permutations=199) for seed in range(repeats)]
    share = np.mean([look.rejects(level=0.1) for look in looks])
    assert share < 0.1 + 3 * np.sqrt(0.1 * 0.9 / repeats)
    assert share > 0.02


def test_dim_pixels_count_as_much_as_bright_ones():
    scale = np.ones((16, 16))
    scale[:8] = 1e4
    arrays = [np.stack([one.plane(k, 0) for k in range(SAMPLES)]) for one in stacks(shape=(16, 16))]
    arrays[1][:, 8:] += 0.5
    look = look_at_pairs(*(Stack(scale * one) for one in arrays))
    assert look.mean_p == 0.001


def test_differences_that_do_not_matter_are_not_rejected():
    look = look_at_pairs(*stacks(shift=0.05, r=0.9999, shape=(24, 24)))
    assert look.p_value <= 0.004
    assert look.rejects(level=0.05)
    assert not look.rejects(level=0.05, negligible=0.1)


def test_samples_that_are_the_same_differ_in_nothing():
    first, _ = stacks()
    look = look_at_pairs(first, first)
    assert (look.p_value, look.mean_gap, look.variance_ratio, look.r) == (1.0, 0.0, 1.0, 1.0)


def test_too_few_pairs_are_refused():
    few = Stack(np.zeros((7, 8, 8), np.float32))
    with pytest.raises(InputError, match="8 or more"):
        look_at_pairs(few, few)
