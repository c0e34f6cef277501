"""Objects of two runs under the same numbers: planted ones, rare ones, merged ones."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.statistics.object_matching import match_objects

PLACES = [(12, 12), (12, 48), (48, 12), (48, 48), (30, 80)]
HALF = 7


def square(plane, place, label, half=HALF):
    plane[place[0] - half : place[0] + half, place[1] - half : place[1] + half] = label


def draw(present, generator, *, shift=1):
    """Labels of samples with squares where `present` (K, n) says, jittered, numbered at random."""
    planes = np.zeros((len(present), 64, 96), np.int32)
    for plane, row in zip(planes, present, strict=True):
        numbers = 1 + generator.permutation(20)
        for place, here, label in zip(PLACES, row, numbers, strict=False):
            if here:
                moved = np.add(place, generator.integers(-shift, shift + 1, 2))
                square(plane, moved, label)
    return planes


def sort(found):
    """Order of the found objects by the nearest place."""
    distance = np.linalg.norm(found.positions[:, None] - np.array(PLACES) + 0.5, axis=2)
    assert (distance.min(0) < 2).all()
    return distance.argmin(0)


def test_existence_of_planted_objects_is_found_in_every_sample() -> None:
    generator = np.random.default_rng(0)
    teacher = generator.random((30, 5)) < [1.0, 0.9, 0.6, 0.3, 0.2]
    student = generator.random((20, 5)) < [1.0, 0.9, 0.2, 0.3, 0.6]
    found = match_objects(draw(teacher, generator), draw(student, generator))
    assert len(found) == 5
    order = sort(found)
    np.testing.assert_array_equal(found.teacher.exists[order], teacher.T)
    np.testing.assert_array_equal(found.student.exists[order], student.T)
    np.testing.assert_allclose(found.teacher.probability[order], teacher.mean(0))
    counts = found.teacher.exists.sum(1) + found.student.exists.sum(1)
    assert (np.diff(counts) <= 0).all()


def test_shapes_are_given_where_the_object_exists_and_missing_elsewhere() -> None:
    planes = np.zeros((4, 64, 96), np.int32)
    for plane, half in zip(planes, (6, 7, 8, 0), strict=True):
        square(plane, (30, 40), 3, half)
        square(plane, (50, 80), 1, 5)
    found = match_objects(planes[:2], planes[2:], pixel_size=(0.5, 0.5), unit="micrometer")
    row = int(np.argmin(found.positions[:, 0]))
    np.testing.assert_array_equal(found.teacher.columns["area"][row], [144, 196])
    np.testing.assert_array_equal(found.student.columns["area"][row], [256, np.nan])
    np.testing.assert_array_equal(found.student.columns["area_um2"][row], [64, np.nan])
    np.testing.assert_array_equal(found.student.exists[row], [True, False])
    assert not found.student.merged.any()
    assert found.units["area_um2"] == "µm²"


def test_objects_that_one_run_lost_altogether_are_there() -> None:
    generator = np.random.default_rng(1)
    both = np.ones((8, 5), bool)
    some = both.copy()
    some[:, 2] = False
    for teacher, student, lost in ((both, some, "student"), (some, both, "teacher")):
        found = match_objects(draw(teacher, generator), draw(student, generator))
        row = sort(found)[2]
        assert len(found) == 5
        assert getattr(found, lost).probability[row] == 0
        assert found.teacher.probability[row] + found.student.probability[row] == 1


def test_a_neighbour_that_was_joined_is_merged_and_not_lost() -> None:
    planes = np.zeros((10, 40, 60), np.int32)
    for k, plane in enumerate(planes):
        square(plane, (20, 20), 1)
        square(plane, (20, 36), 2)
        if k >= 6:
            plane[13:27, 13:43] = 1
    planes[5][planes[5] == 2] = 0
    found = match_objects(planes[:5], planes[5:])
    assert len(found) == 2
    second = 1 - int(np.argmax(found.teacher.probability + found.student.probability))
    np.testing.assert_array_equal(found.student.exists[second], [False] * 5)
    np.testing.assert_array_equal(found.student.merged[second], [False, True, True, True, True])
    assert not found.teacher.merged.any()


def test_objects_that_hardly_overlap_are_different_ones() -> None:
    planes = np.zeros((6, 40, 60), np.int32)
    for k, plane in enumerate(planes):
        square(plane, (20, 20 if k % 2 else 29), 1)
    found = match_objects(planes[:3], planes[3:])
    assert len(found) == 2
    assert (found.teacher.exists.sum(0) == 1).all()
    # They share 5 of 23 columns; below that they are one.
    assert len(match_objects(planes[:3], planes[3:], overlap=0.2)) == 1


def test_at_most_one_object_of_a_sample_is_matched() -> None:
    planes = np.zeros((5, 40, 60), np.int32)
    for plane in planes:
        square(plane, (20, 20), 1, 10)
    planes[4] = 0
    planes[4, 10:30, 10:19], planes[4, 10:30, 20:30] = 1, 2
    found = match_objects(planes[:3], planes[3:])
    assert len(found) == 2
    assert found.student.columns["area"][0, 1] == 200
    assert found.student.exists[:, 1].tolist() == [True, True]
    assert found.student.exists[:, 0].tolist() == [True, False]
    assert found.student.merged[:, 0].tolist() == [False, True]


def test_exchanging_and_relabelling_samples_changes_nothing() -> None:
    generator = np.random.default_rng(2)
    present = generator.random((16, 5)) < 0.7
    planes = draw(present, generator)
    found = match_objects(planes[:8], planes[8:])
    swapped = match_objects(planes[8:], planes[:8])
    other = np.concatenate([[0], 1 + generator.permutation(20)])[planes]
    renamed = match_objects(other[:8], other[8:])
    here = [tuple(one.tolist()) for one in found.outlines]
    for twin, teacher in ((swapped, "student"), (renamed, "teacher")):
        there = [tuple(one.tolist()) for one in twin.outlines]
        assert sorted(here) == sorted(there)
        order = [there.index(one) for one in here]
        np.testing.assert_array_equal(getattr(twin, teacher).exists[order], found.teacher.exists)
        np.testing.assert_array_equal(
            getattr(twin, teacher).columns["area"][order], found.teacher.columns["area"]
        )


def test_two_runs_of_one_model_lose_nothing_that_teacher_objects_alone_would() -> None:
    generator = np.random.default_rng(4)
    pooled, teacher_only, planted = [], [], []
    for _ in range(80):
        present = generator.random((8, 5)) < 0.1
        planes = draw(present, generator, shift=0)
        found = match_objects(planes[:4], planes[4:])
        loss = found.teacher.probability - found.student.probability
        pooled.append(loss.sum())
        teacher_only.append(loss[found.teacher.exists.any(1)].sum())
        planted.append(present[:4].mean(0).sum() - present[4:].mean(0).sum())
    np.testing.assert_allclose(pooled, planted)
    error = np.std(planted, ddof=1) / np.sqrt(len(planted))
    assert abs(np.mean(planted)) < 2.5 * error
    # Of 0.5 objects in a sample, 5 x 0.1 x 0.9^4 would seem lost.
    assert np.mean(teacher_only) == pytest.approx(0.33, abs=3 * error)
    assert np.mean(teacher_only) > 4 * error


def test_outlines_are_what_most_samples_share_and_can_be_drawn() -> None:
    planes = np.zeros((5, 40, 60), np.int32)
    for plane, half in zip(planes, (6, 7, 8, 8, 9), strict=True):
        square(plane, (20, 30), 1, half)
    found = match_objects(planes[:2], planes[2:])
    drawn = found.labels()
    np.testing.assert_array_equal(drawn, planes[2])
    np.testing.assert_allclose(found.positions, [[19.5, 29.5]])


def test_runs_without_objects_match_nothing() -> None:
    found = match_objects(np.zeros((3, 20, 20), int), np.zeros((2, 20, 20), int))
    assert len(found) == 0
    assert found.positions.shape == (0, 2)
    assert found.teacher.exists.shape == (0, 3)
    assert found.student.columns["area"].shape == (0, 2)


def test_labels_that_cannot_be_matched_are_refused() -> None:
    plane = np.zeros((1, 9, 9), int)
    with pytest.raises(InputError, match="draw more samples"):
        match_objects(plane, plane[:0])
    for wrong in (np.zeros((1, 8, 9), int), np.zeros((1, 9, 9)), plane - 1):
        with pytest.raises(InputError, match="planes of integers"):
            match_objects(plane, wrong)
    with pytest.raises(InputError, match="plane by plane"):
        match_objects(plane[None], plane[None])
    with pytest.raises(InputError, match="below 1"):
        match_objects(plane, plane, overlap=1.0)
