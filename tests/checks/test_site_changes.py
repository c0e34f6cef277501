"""Lost and invented puncta: planted changes are found, and none where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit

from napari_posterior.checks.counted.site_changes import (
    bounds_in_words,
    find_site_changes,
    locate,
    pool_planes,
)
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import DEFAULTS
from napari_posterior.checks.verdicts.verdict import judge
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import make_context

LEVEL = Looks().level
P = np.repeat([0.15, 0.2, 0.5, 0.8, 0.95, 0.99], [17, 6, 11, 8, 11, 7])  # 33 expected
DOUBLED = expit(2 * logit(P))
GRID = np.stack(np.meshgrid(*[np.arange(10.0, 130.0, 12.0)] * 2, indexing="ij"), -1).reshape(-1, 2)


def draw(rng, p, samples, *, plane=0, jitter=0.3):
    """Draw detections at the places of a grid, (n, 3) a sample, each there with its p."""
    found = []
    for _ in range(samples):
        places = GRID[: len(p)][rng.random(len(p)) < p]
        places = places + jitter * rng.normal(size=places.shape)
        found.append(np.insert(places, 0, plane, axis=1))
    return found


def find(teacher, student, **options):
    findings, table = find_site_changes(
        teacher, student, **({"level": LEVEL, "paired": False} | options)
    )
    return {one.id: one for one in findings}, table


def verdict(finding):
    return judge(
        finding.estimate,
        finding.interval,
        DEFAULTS[finding.kind].resolve(unit=finding.unit),
        evidence=finding.evidence,
        counts=(finding.n_teacher, finding.n_student),
        looks=Looks(),
        distance=finding.distance,
    ).verdict


def test_squared_probabilities_lose_the_sum_of_p_minus_p_squared() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.7, 0.6, 80)
    truth = (p - p**2).sum() / p.sum()
    found, _ = find(draw(rng, p, 128), draw(rng, p**2, 128))
    lost = found["sites.lost"]
    assert lost.estimate == pytest.approx(truth, abs=0.04)
    assert lost.interval[0] < truth < lost.interval[1]
    assert lost.extra["puncta"] == pytest.approx(lost.estimate * lost.extra["teacher_count"])
    assert lost.unit == "share of puncta"
    assert verdict(lost) == "not preserved"
    assert found["sites.invented"].estimate < 0.01
    assert found["sites"].p_value == pytest.approx(0.001)


def test_one_law_loses_and_invents_nothing() -> None:
    rng, verdicts = np.random.default_rng(1), []
    for _ in range(25):
        found, _ = find(draw(rng, P, 24), draw(rng, P, 32))
        verdicts += [verdict(found[key]) for key in ("sites.lost", "sites.invented")]
    assert "not preserved" not in verdicts


def test_one_law_is_preserved_with_many_samples_of_puncta_that_are_clear() -> None:
    rng = np.random.default_rng(2)
    p = np.where(P < 0.5, 0.02, 0.98)
    found, table = find(draw(rng, p, 256), draw(rng, p, 256))
    assert verdict(found["sites.lost"]) == verdict(found["sites.invented"]) == "preserved"
    assert set(table.classes) == {"shared"}


def test_invented_is_lost_with_the_runs_exchanged() -> None:
    rng = np.random.default_rng(3)
    teacher, student = draw(rng, P, 32), draw(rng, np.where(P <= 0.2, 0.0, P), 32)
    one, other = find(teacher, student)[0], find(student, teacher)[0]
    puncta = one["sites.lost"].extra["puncta"], other["sites.invented"].extra["puncta"]
    assert puncta[0] == pytest.approx(puncta[1], abs=0.3)
    assert one["sites"].estimate == pytest.approx(other["sites"].estimate)


def test_the_level_sets_the_bounds() -> None:
    rng = np.random.default_rng(4)
    runs = draw(rng, P, 32), draw(rng, DOUBLED, 32)
    wide, narrow = (find(*runs, level=level)[0]["sites.lost"].interval for level in (0.98, 0.8))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_pairs_of_one_noise_are_found_to_keep_their_puncta_with_narrower_bounds() -> None:
    rng = np.random.default_rng(5)
    places, shared = GRID[: len(P)], rng.random((64, len(P)))
    runs = [
        [np.insert(places[np.where(rng.random(len(P)) < 0.95, u, rng.random(len(P))) < P], 0, 0, 1)
         for u in shared]
        for _ in range(2)
    ]  # fmt: skip
    paired, apart = (find(*runs, paired=p)[0]["sites.lost"] for p in (True, False))
    assert paired.interval[1] < 0.8 * apart.interval[1]
    assert paired.coupled


def test_the_sentences_give_puncta_and_percent_on_this_image() -> None:
    rng = np.random.default_rng(6)
    found, _ = find(draw(rng, np.full(20, 0.9), 32), draw(rng, np.full(20, 0.4), 32))
    told = found["sites.lost"].sentence
    assert told.startswith("On this image a teacher sample has 1")
    assert "puncta; the student loses" in told
    assert "97.6 % interval" in told
    assert told.count("%") >= 3
    assert "invents none beyond chance" in found["sites.invented"].sentence
    assert "20 puncta on this image" in found["sites"].sentence


def test_the_largest_changes_are_told_one_by_one() -> None:
    rng = np.random.default_rng(7)
    p, q = np.full(12, 0.97), np.full(12, 0.97)
    q[4], q[7] = 0.05, 0.3
    found, table = find(draw(rng, p, 32), draw(rng, q, 32))
    largest = found["sites"].extra["largest"]
    assert 2 <= len(largest) <= 5
    assert [one.endswith(": lost.") for one in largest[:2]] == [True, True]
    assert largest == list(table.sentences[: len(largest)])
    np.testing.assert_allclose(table.positions[:2, 1:], GRID[[4, 7]], atol=1.2)
    assert list(table.classes[:2]) == ["lost", "lost"]
    assert table.teacher_probability[0] - table.student_probability[0] > 0.7
    assert table.teacher_interval.shape == table.student_interval.shape == (len(table), 2)
    assert table.teacher_interval[0, 0] < table.teacher_probability[0]
    frame = table.to_frame(pixel_size=(0.1, 0.1), unit="micrometer")
    assert list(frame["class"]) == list(table.classes)
    assert found["sites"].extra["classes"]["lost"] == 2


def test_puncta_of_different_planes_are_different() -> None:
    rng = np.random.default_rng(8)
    p = np.full(9, 1.0)
    sites = pool_planes(draw(rng, p, 4, plane=0), draw(rng, p, 4, plane=1))
    assert len(sites) == 18
    assert set(sites.positions[:, 0]) == {0.0, 1.0}


def test_a_teacher_without_puncta_leaves_no_share() -> None:
    rng = np.random.default_rng(9)
    found, table = find(draw(rng, np.zeros(5), 16), draw(rng, np.full(5, 0.8), 16))
    invented = found["sites.invented"]
    assert invented.estimate is None
    assert "no teacher sample has a punctum" in invented.untestable
    assert "invents 4" in invented.sentence or "invents 3" in invented.sentence
    assert len(table) == 5


def test_runs_without_any_punctum_are_compared_too() -> None:
    nothing = [np.empty((0, 3))] * 16
    found, table = find(nothing, nothing)
    assert len(table) == 0
    assert found["sites"].p_value == 1.0
    assert found["sites.lost"].untestable


def test_few_samples_give_no_upper_bound() -> None:
    rng = np.random.default_rng(10)
    found, _ = find(draw(rng, P, 6), draw(rng, P, 20))
    assert found["sites.lost"].interval[1] is None
    assert "8 samples of each run or more" in found["sites.lost"].sentence
    assert found["sites.lost"].to_dict()["extra"]["puncta_interval"][1] is None


def test_the_words_of_the_bounds_are_those_of_the_change() -> None:
    from napari_posterior.statistics.changes import Change

    assert bounds_in_words(Change(3.0, 2.04, 0.5, 1.2, 4.0)) == "2.0 a sample (1.2 to 4.0)"
    assert "at least 0.0; 8 samples" in bounds_in_words(Change(3.0, -1.0, 0.5, 0.0, math.inf))


def test_objects_of_a_sample_are_located_in_their_planes() -> None:
    places, plane = np.array([[10.0, 12.0], [20.0, 50.0], [45.0, 15.0]]), np.full((64, 64), 6.0)
    for place in places:
        away = np.square(np.indices((64, 64)) - place[:, None, None]).sum(0)
        plane += 90 * np.exp(-away / 2)
    y = np.random.default_rng(0).poisson(plane).astype(np.float32)
    context = make_context(Measurement(y, Camera(), Psf(1.5)))
    found = locate([np.zeros((64, 64)), plane], [context, context])
    np.testing.assert_allclose(found[:, 0], 1.0)
    np.testing.assert_allclose(found[np.argsort(found[:, 1]), 1:], places, atol=0.1)
    assert locate([np.zeros((64, 64))], [context]).shape == (0, 3)
    with pytest.raises(InputError, match="no objects"):
        locate([plane], [context], statistic="puncta_count")


@pytest.mark.slow
def test_the_test_of_any_difference_has_its_size_and_the_power_of_the_note() -> None:
    rng = np.random.default_rng(11)

    def rejected(q, samples, repeats):
        return np.mean(
            [
                find(draw(rng, P, samples), draw(rng, q, samples))[0]["sites"].p_value <= 0.05
                for _ in range(repeats)
            ]
        )

    assert rejected(P, 16, 300) <= 0.08
    assert rejected(DOUBLED, 16, 200) >= 0.70
    assert rejected(DOUBLED, 32, 100) >= 0.97
    assert rejected(np.where(P <= 0.2, 0.0, P), 16, 100) >= 0.70
