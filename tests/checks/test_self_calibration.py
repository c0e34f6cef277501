"""Calibration by paired self-simulation: known answers of a scalar Gaussian, and of images."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.experiments.experiment import Redraw
from napari_posterior.checks.experiments.ranks import RankMeter, Ranks, rank
from napari_posterior.checks.experiments.self_calibration import find_self_calibration
from napari_posterior.toys.laws import Restoration
from napari_posterior.toys.students import with_variance

NOISE = 0.5  # variance; that of the object is 1
GAIN, VARIANCE = 1 / (1 + NOISE), NOISE / (1 + NOISE)
K = 39  # attains 90 %


def simulate(rng, n, *, y_obs=None, k=K, teacher=1.0, student=1.0, prior=False):
    """Objects, their measurements, and samples (k, n) of teacher and student."""
    seen = np.full(n, y_obs) if y_obs is not None else rng.normal(size=n) * np.sqrt(1 + NOISE)
    star = GAIN * seen + rng.normal(size=n) * np.sqrt(VARIANCE * teacher)
    y = star + rng.normal(size=n) * np.sqrt(NOISE)

    def draw(ratio):
        return GAIN * y + rng.normal(size=(k, n)) * np.sqrt(VARIANCE * ratio)

    second = rng.normal(size=(k, n)) if prior else draw(student)
    return star, y, draw(teacher), second


def score(rng, n, **changes):
    """The ranks of the object and of its log likelihood in each simulation."""
    star, y, *runs = simulate(rng, n, **changes)
    found = []
    for i in range(n):
        logs = [-((y[i] - one[:, i]) ** 2) for one in (star[None], *runs)]
        found.append(
            {
                "pixels": (rank(runs[0][:, i], star[i]), rank(runs[1][:, i], star[i])),
                "likelihood": (rank(logs[1], logs[0][0]), rank(logs[2], logs[0][0])),
            }
        )
    return found


def find(rng, n, *, level=0.9, **changes):
    return find_self_calibration(score(rng, n, **changes), samples=changes.get("k", K), level=level)


@pytest.mark.parametrize(("y_obs", "known"), [(0.0, 0.936), (1.0, 0.913), (2.5, 0.795)])
def test_objects_of_one_image_are_not_uniform_even_for_a_perfect_sampler(y_obs, known):
    star, _, teacher, _ = simulate(np.random.default_rng(0), 8000, y_obs=y_obs)
    found = rank(teacher, star).covered
    # both numbers come from simulations, of 4000 and of 8000
    error = np.sqrt(known * (1 - known) * (1 / 4000 + 1 / 8000))
    assert abs(found - known) < 3 * error


@pytest.mark.parametrize(
    ("changes", "known"), [({}, 0.900), ({"student": 0.5}, 0.773), ({"prior": True}, 0.900)]
)
def test_pooled_over_images_the_coverage_of_a_student_is_the_known_one(changes, known):
    star, _, _, student = simulate(np.random.default_rng(1), 8000, **changes)
    error = np.sqrt(known * (1 - known) * (1 / 4000 + 1 / 8000))
    assert abs(rank(student, star).covered - known) < 3 * error


@pytest.mark.parametrize("y_obs", [0.0, 2.5])
def test_an_exact_student_differs_by_nothing_on_whatever_image(y_obs):
    found, _ = find(np.random.default_rng(2), 800, y_obs=y_obs)
    assert abs(found.estimate) < 3 * found.extra["se"]
    assert found.p_value > 0.01


@pytest.mark.parametrize("y_obs", [None, 2.5])
def test_a_student_with_half_the_variance_is_found(y_obs):
    found, _ = find(np.random.default_rng(3), 300, student=0.5, y_obs=y_obs)
    assert found.estimate < -0.05 and found.interval[1] < -0.05
    assert found.p_value < 0.01


def test_a_teacher_that_is_itself_too_narrow_shows_beside_a_correct_student():
    found, _ = find(np.random.default_rng(4), 300, teacher=0.5)
    assert found.interval[0] > 0
    assert found.extra["teacher"] == pytest.approx(0.79, abs=0.07)


def test_a_student_that_ignores_the_measurement_shows_in_the_likelihood_alone():
    pixels, likelihood = find(np.random.default_rng(5), 800, prior=True)
    assert abs(pixels.estimate) < 0.05
    assert likelihood.extra["rank_student"] == pytest.approx(0.74, abs=0.03)
    assert likelihood.extra["rank_teacher"] == pytest.approx(0.5, abs=0.04)
    assert likelihood.p_value < 0.01


def test_intervals_of_the_difference_hold_nothing_for_an_exact_student():
    rng = np.random.default_rng(6)
    held, small = [], []
    for _ in range(150):
        star, _, *runs = simulate(rng, 50, k=15, y_obs=2.5)
        pairs = [
            {"pixels": tuple(rank(run[:, i], star[i]) for run in runs)} for i in range(len(star))
        ]
        (found,) = find_self_calibration(pairs, samples=15, level=0.9)
        held.append(found.interval[0] <= 0 <= found.interval[1])
        small.append(found.p_value < 0.05)
    assert 0.84 <= np.mean(held) <= 0.97
    assert np.mean(small) < 0.1


def test_ranks_of_known_places():
    samples = np.arange(15.0)
    assert rank(samples, -1.0) == Ranks(0.0, 0.0)
    assert rank(samples, 0.5) == Ranks(1.0, 1 / 15)
    assert rank(samples, 13.5) == Ranks(1.0, 14 / 15)
    assert rank(samples, 99.0) == Ranks(0.0, 1.0)


def test_ties_count_as_the_mean_of_random_tie_breaking():
    rng = np.random.default_rng(7)
    samples = rng.integers(0, 3, 15).astype(float)
    broken = [rank(samples + 1e-6 * rng.uniform(size=15), 0.0 + 1e-6 * u).covered
              for u in rng.uniform(size=4000)]  # fmt: skip
    assert rank(samples, 0.0).covered == pytest.approx(np.mean(broken), abs=0.03)
    assert rank(np.full(15, 4.0), 4.0).covered == pytest.approx(14 / 16)
    assert rank(np.full(15, 4.0), 4.0).below == 0.5


def test_swapped_runs_flip_the_sign():
    one = score(np.random.default_rng(8), 60, student=0.5)
    other = [{key: pair[::-1] for key, pair in row.items()} for row in one]
    first, second = (find_self_calibration(rows, samples=K, level=0.9)[0] for rows in (one, other))
    assert second.estimate == pytest.approx(-first.estimate)
    assert second.interval == pytest.approx((-first.interval[1], -first.interval[0]))
    assert second.p_value == first.p_value


def test_what_is_said_names_its_scope_and_what_it_cannot_show():
    found = find(np.random.default_rng(9), 40)
    for one in found:
        assert one.sentence.startswith("In 40 simulated measurements of this image, 90.0 %")
        assert any("cannot show that what the model has learned is right" in n for n in one.notes)
        assert (one.n_teacher, one.n_student) == (40, 40)
        assert (one.counted, one.question) == ("simulations", "calibration")
    assert [one.kind for one in found] == ["self_calibration", ""]
    assert [one.id for one in found] == ["self_calibration", "self_calibration.likelihood"]


def test_a_quantity_that_is_not_always_defined_is_told_and_left_out():
    rows = score(np.random.default_rng(10), 20)
    for row in rows[:3]:
        del row["likelihood"]
    pixels, likelihood = find_self_calibration(rows, samples=K, level=0.9)
    assert (pixels.n_teacher, likelihood.n_teacher) == (20, 17)
    assert "not defined in 3 simulations" in likelihood.notes[-1]


@pytest.fixture(scope="module")
def images():
    """Twelve objects of one image with new measurements, and what restores them."""
    toy, rng = Restoration(), np.random.default_rng(11)
    y = toy.measure(toy.object(rng), rng)
    stars = toy.posterior(y).draw(12, rng).samples
    seen = [toy.measure(star, rng) for star in stars]
    meter = RankMeter([toy.as_measurement(y)], ("puncta_count", "mean_intensity"))

    def run(change):
        rows = []
        for i, (star, electrons) in enumerate(zip(stars, seen, strict=True)):
            law = toy.posterior(electrons)
            redraw = Redraw(i, i, star, toy.as_measurement(electrons).y)
            teacher = law.draw(16, rng).samples
            rows.append(meter.score(redraw, teacher, change(law).draw(15, rng).samples))
        return find_self_calibration(rows, samples=15, level=0.9, titles=meter.titles)

    return run


def test_on_images_every_quantity_is_ranked_and_an_exact_student_passes(images):
    found = {one.id: one for one in images(lambda law: law)}
    names = ("", ".likelihood", ".distance", ".puncta_count", ".mean_intensity")
    assert set(found) == {f"self_calibration{name}" for name in names}
    pixels = found["self_calibration"]
    assert pixels.interval[0] < 0 < pixels.interval[1]
    assert pixels.extra["teacher"] == pytest.approx(0.875, abs=0.08)
    assert "(puncta count)" in found["self_calibration.puncta_count"].sentence


def test_on_images_lost_variance_is_found_in_pixels_and_in_distances(images):
    found = {one.id: one for one in images(lambda law: with_variance(law, 0.5))}
    assert found["self_calibration"].interval[1] < -0.05
    # a sample lies nearer to the middle than the object does
    distance = found["self_calibration.distance"].extra
    assert distance["rank_student"] > 0.9 > distance["rank_teacher"]


def test_the_sample_that_distances_are_measured_from_is_not_ranked():
    toy, rng = Restoration(), np.random.default_rng(12)
    electrons = toy.measure(toy.object(rng), rng)
    law, measurement = toy.posterior(electrons), toy.as_measurement(electrons)
    star, *student = law.draw(16, rng).samples
    teacher = law.draw(16, rng).samples
    meter, redraw = RankMeter([measurement], ("mean_intensity",)), Redraw(0, 0, star, measurement.y)
    found = meter.score(redraw, teacher, np.array(student))
    teacher[-1] = star + 1e-3
    again = meter.score(redraw, teacher, np.array(student))
    assert again.pop("distance") == (Ranks(0.0, 0.0),) * 2
    found.pop("distance")
    assert again == found
