"""Does the answer follow the measurement: known answers on a Gaussian restoration."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.experiments.dependence import find_dependence
from napari_posterior.checks.experiments.dependence_patches import find_patch_accuracy, ratio_map
from napari_posterior.checks.experiments.likelihood_gaps import GapMeter
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import DEFAULTS
from napari_posterior.checks.verdicts.verdict import NOT_ENOUGH, NOT_PRESERVED, judge
from napari_posterior.toys.laws import Restoration

TOY = Restoration()
B, K, SIDE = 4, 8, 4
KNOWN = (1.0, 0.9, 0.8, 0.5, 0.0)


def redraws(rng, count=B):
    """A posterior sample, measured several times."""
    y = TOY.measure(TOY.object(rng), rng)
    star = TOY.posterior(y).draw(1, rng).samples[0]
    return [TOY.measure(star, rng) for _ in range(count)]


def laws(ys, heeded=1.0):
    return [TOY.blind if heeded is None else TOY.posterior(y, heeded=heeded) for y in ys]


def score(ys, groups):
    """The log-likelihoods ``[b, k, j]`` of 4 x 4 px patches."""
    seen = [np.fft.ifft2(TOY.transfer * np.fft.fft2(group)).real for group in groups]
    logs = [[-((y - one) ** 2) / (2 * TOY.noise**2) for y in ys] for one in seen]
    n = TOY.size // SIDE
    values = np.array(logs).transpose(0, 2, 1, 3, 4)
    return values.reshape(*values.shape[:3], n, SIDE, n, SIDE).sum((4, 6))


def draw(ys, rng, *, heeded=1.0, count=K, noise=None):
    pairs = enumerate(laws(ys, heeded))
    white = [None] * len(ys) if noise is None else noise
    return score(ys, [law.draw(count, rng, noise=white[b]).samples for b, law in pairs])


def decide(finding):
    limits = DEFAULTS["dependence"].resolve()
    counts = finding.n_teacher, finding.n_student
    return judge(
        finding.estimate,
        finding.interval,
        limits,
        evidence=finding.evidence,
        counts=counts,
        looks=Looks(),
        no_difference=1.0,
    ).verdict


@pytest.fixture(scope="module")
def table():
    """Findings of students that heed so much of the measurement, 16 experiments each."""
    rng = np.random.default_rng(0)
    found = {heeded: [] for heeded in KNOWN}
    for _ in range(16):
        ys = redraws(rng)
        teacher = draw(ys, rng)
        for heeded, row in found.items():
            student = draw(ys, rng, heeded=heeded)
            row.append(find_dependence(teacher, student, level=Looks().level, paired=False))
    return found


@pytest.mark.parametrize("heeded", KNOWN)
def test_the_share_of_the_measurement_that_a_student_heeds_is_found(table, heeded):
    values = np.array([one.estimate for one in table[heeded]])
    assert values.std(ddof=1) < 0.05
    assert abs(values.mean() - heeded) < 3 * values.std(ddof=1) / len(values) ** 0.5


def test_standard_errors_are_those_of_repeated_experiments(table):
    for row in table.values():
        spread = np.std([one.estimate for one in row], ddof=1)
        told = np.sqrt(np.mean([one.extra["se"] ** 2 for one in row]))
        # a jackknife over four measurements is a little too wide
        assert 0.6 * spread < told < 2.0 * spread


def test_an_exact_student_is_not_called_different_and_half_the_data_always_is(table):
    assert not any(decide(one) == NOT_PRESERVED for one in table[1.0])
    assert all(decide(one) == NOT_PRESERVED for one in table[0.5])
    assert all(decide(one) == NOT_PRESERVED for one in table[0.0])
    # at the limit itself neither is shown
    assert sum(decide(one) == NOT_ENOUGH for one in table[0.9]) >= 14


def test_a_permutation_tells_no_difference_from_a_large_one(table):
    assert np.mean([one.p_value < 0.05 for one in table[1.0]]) < 0.3
    assert all(one.p_value < 0.01 for one in table[0.5])


def test_a_student_that_knows_only_the_prior_follows_nothing():
    rng = np.random.default_rng(1)
    ratios, shares = [], []
    for _ in range(8):
        ys = redraws(rng)
        teacher, student = draw(ys, rng), draw(ys, rng, heeded=None)
        ratios.append(find_dependence(teacher, student, level=0.9, paired=False).estimate)
        shares.append(find_patch_accuracy(teacher, student, level=0.9, paired=False).extra)
    assert abs(np.mean(ratios)) < 3 * np.std(ratios, ddof=1) / 8**0.5
    found = [one["student"] for one in shares]
    assert abs(np.mean(found) - 1 / B) < 3 * np.std(found, ddof=1) / 8**0.5
    assert min(one["teacher"] for one in shares) > 1 / B + 0.02
    assert max(one["infonce_student_nats"] for one in shares) < 0.02


def test_whole_images_are_told_apart_by_a_student_that_heeds_a_part_so_patches_are_scored():
    rng = np.random.default_rng(2)
    ys = redraws(rng)
    teacher, student = draw(ys, rng, count=24), draw(ys, rng, heeded=0.7, count=24)
    whole = [one.sum((3, 4))[..., None] for one in (teacher, student)]
    saturated = find_patch_accuracy(*whole, level=0.9, paired=False).extra
    assert min(saturated["teacher"], saturated["student"]) > 0.98
    told = find_patch_accuracy(teacher, student, level=0.9, paired=False)
    assert told.extra["student"] < told.extra["teacher"]
    assert told.interval[1] < 0


def test_patches_that_tell_nothing_count_as_chance():
    nothing = np.zeros((B, K, B, 3, 3))
    found = find_patch_accuracy(nothing, nothing, level=0.9, paired=False)
    assert found.extra["teacher"] == pytest.approx(1 / B)


def test_shared_noise_makes_it_precise_and_leaves_the_answer():
    rng = np.random.default_rng(3)
    ys = redraws(rng)
    noise = rng.standard_normal((B, K, TOY.size, TOY.size))
    teacher, student = draw(ys, rng, noise=noise), draw(ys, rng, heeded=0.8, noise=noise)
    pairs = find_dependence(teacher, student, level=0.9, paired=True)
    alone = find_dependence(teacher, student, level=0.9, paired=False)
    assert pairs.estimate == pytest.approx(alone.estimate)
    assert pairs.estimate == pytest.approx(0.8, abs=0.02)
    assert pairs.extra["se"] < 0.5 * alone.extra["se"]
    assert pairs.coupled and not alone.coupled


def test_swapped_runs_give_the_inverse_and_order_and_constants_do_not_matter():
    rng = np.random.default_rng(4)
    ys = redraws(rng)
    teacher, student = draw(ys, rng), draw(ys, rng, heeded=0.8, count=12)
    found = find_dependence(teacher, student, level=0.9, paired=False)
    assert (found.n_teacher, found.n_student) == (B * K, B * 12)
    swapped = find_dependence(student, teacher, level=0.9, paired=False)
    assert swapped.estimate == pytest.approx(1 / found.estimate)
    moved = student[:, ::-1] + rng.normal(size=(B, 12, 1, 1, 1))
    again = find_dependence(teacher, moved, level=0.9, paired=False)
    assert again.estimate == pytest.approx(found.estimate, rel=1e-9)
    assert again.interval == pytest.approx(found.interval, rel=1e-9)


def test_without_a_teacher_that_follows_the_data_it_is_not_testable_and_says_why():
    rng = np.random.default_rng(5)
    ys = redraws(rng)
    blind = [draw(ys, rng, heeded=None) for _ in range(2)]
    found = find_dependence(*blind, level=0.9, paired=False)
    assert found.estimate is None and found.interval == (None, None)
    assert "hardly follows" in found.untestable
    assert "nats" in found.sentence and "on this image" in found.sentence


def test_the_map_shows_where_a_student_does_not_look():
    rng = np.random.default_rng(6)
    ys = redraws(rng)
    teacher = score(ys, [law.draw(16, rng).samples for law in laws(ys)])
    half = np.arange(TOY.size) < TOY.size // 2
    groups = []
    for law, blank in zip(laws(ys), laws(ys, heeded=0.0), strict=True):
        groups.append(np.where(half, blank.draw(16, rng).samples, law.draw(16, rng).samples))
    found = ratio_map(teacher, score(ys, groups), shape=(TOY.size, TOY.size), patch=SIDE)
    assert found.values.shape == (TOY.size, TOY.size) and found.values.dtype == np.float32
    assert abs(np.nanmean(found.values[:, half])) < 0.25
    assert np.nanmean(found.values[:, ~half]) == pytest.approx(1, abs=0.25)


def test_the_map_fits_planes_that_are_no_multiple_of_a_tile():
    rng = np.random.default_rng(7)
    logs = rng.normal(size=(B, K, B, 6, 8)) + 5 * np.eye(B)[:, None, :, None, None]
    found = ratio_map(logs, logs, shape=(23, 30))
    assert found.values.shape == (23, 30)
    np.testing.assert_allclose(found.values, 1, rtol=1e-6)


def test_samples_are_scored_with_the_likelihood_of_the_camera():
    rng = np.random.default_rng(8)
    ys = redraws(rng)
    meter = GapMeter([[TOY.as_measurement(y)] for y in ys])
    noise = rng.standard_normal((B, K, TOY.size, TOY.size))
    logs = []
    for heeded in (1.0, 0.8):
        pairs = enumerate(laws(ys, heeded))
        drawn = [law.draw(K, rng, noise=noise[b]).samples for b, law in pairs]
        logs.append(np.array([[meter.measure([x]) for x in group] for group in drawn]))
    assert logs[0].shape == (B, K, B, 1, 8, 8)
    assert np.abs(logs[0].mean(2)).max() < 1e-3
    found = find_dependence(*logs, level=0.9, paired=True)
    assert found.estimate == pytest.approx(0.8, abs=0.02)


def test_pixels_that_are_saturated_in_one_redraw_are_left_out_of_all():
    from dataclasses import replace

    rng = np.random.default_rng(9)
    first, second, third = (TOY.as_measurement(y) for y in redraws(rng, 3))
    full = replace(first.camera, saturation=1e4)
    planes = [replace(one, camera=full, y=one.y.copy()) for one in (first, second, third)]
    planes[1].y[:4, :4] = 2e4
    x = TOY.blind.draw(1, rng).samples[0]
    found = GapMeter([[one] for one in planes]).measure([x])
    assert (found[:, 0, 0, 0] == 0).all()
    assert found[:, 0, 1, 1].all()


def test_one_formula_scores_a_pixel_of_all_redraws():
    import torch

    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.likelihood import Likelihood
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.physics.psf import Psf

    # about as bright as where the exact sum ends, so that each redraw alone would choose otherwise
    rng = np.random.default_rng(13)
    seen = [2.0 * rng.poisson(30, (16, 16)) + 100 for _ in range(3)]
    camera = Camera(gain=2.0, offset=100.0, read_noise=1.0)
    planes = [Measurement(y.astype(np.float32), camera, Psf(1.0)) for y in seen]
    mask = Likelihood(planes[0]).mask
    assert any((Likelihood(one).mask != mask).any() for one in planes[1:])
    x = np.full((16, 16), 25.0, np.float32)
    logs = [-float(Likelihood(y, mask=mask).total(torch.from_numpy(x)[None])) for y in planes]
    found = GapMeter([[one] for one in planes]).measure([x]).sum((1, 2, 3))
    np.testing.assert_allclose(found, np.array(logs) - np.mean(logs), atol=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, 32])
def test_intervals_hold_the_answer_of_students_that_blur(count):
    from dataclasses import replace

    from napari_posterior.toys.laws import frequencies

    rng = np.random.default_rng(10)
    gain = np.where(frequencies(TOY.size) > 0.1, 0.3, 1.0)
    rows = []
    for _ in range(200):
        ys = redraws(rng)
        students = []
        for law in laws(ys):
            moved = np.fft.ifft2(gain * np.fft.fft2(law.mean - TOY.level)).real
            students.append(replace(law, mean=TOY.level + moved).draw(count, rng).samples)
        teacher = draw(ys, rng, count=count)
        found = find_dependence(teacher, score(ys, students), level=0.9, paired=False)
        rows.append((found.estimate, *found.interval))
    value, low, high = np.array(rows).T
    assert 0.85 <= np.mean((low < value.mean()) & (value.mean() < high)) <= 0.97
