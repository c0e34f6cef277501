from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_posterior.physics.scenes import Dice
from napari_posterior.training.own.places import AIMED, draw_crops, find_places, mirrored


@given(
    length=st.integers(16, 40),
    start=st.integers(-15, 20),
    size=st.integers(1, 60),
)
def test_mirrored_indices_are_those_of_a_padded_array(length, start, size):
    stop = min(start + size, length + 15)
    if stop <= start:
        return
    padded = np.pad(np.arange(length), 15, mode="reflect")
    assert (mirrored(start, stop, length) == padded[start + 15 : stop + 15]).all()


@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 3), st.integers(20, 50), st.integers(20, 50)),
        min_size=1,
        max_size=3,
    ),
    size=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_crops_lie_inside_their_plane(shapes, size, seed):
    rng = np.random.default_rng(seed)
    places = [rng.integers(0, shape, (rng.integers(0, 4), 3)) for shape in shapes]
    for crop in draw_crops(shapes, places, 20, size, Dice.seeded(seed)):
        planes, height, width = shapes[crop.piece]
        assert 0 <= crop.plane < planes
        assert 0 <= crop.row <= height - size
        assert 0 <= crop.column <= width - size


def test_three_crops_of_four_hold_the_only_structure_and_the_others_lie_anywhere():
    planes = np.zeros((2, 400, 400), np.float32)
    planes[1, 198:202, 310:314] = 1.0
    places = find_places(planes)
    assert places.tolist() == [[1, 200, 312]]
    crops = draw_crops([planes.shape], [places], 4000, 64, Dice.seeded(0))
    holds = [
        crop.plane == 1 and 0 <= 200 - crop.row < 64 and 0 <= 312 - crop.column < 64
        for crop in crops
    ]
    by_chance = (1 - AIMED) / 2 * (64 / 337) ** 2
    assert abs(np.mean(holds) - AIMED - by_chance) < 0.03
    away = [(crop.row, crop.column) for crop, there in zip(crops, holds, strict=True) if not there]
    assert np.ptp([row for row, _ in away]) > 300


def test_a_place_lies_anywhere_in_its_crops():
    places = np.array([[0, 200, 200]])
    crops = draw_crops([(1, 400, 400)], [places], 2000, 64, Dice.seeded(0))
    rows = np.array([200 - crop.row for crop in crops])
    inside = rows[(rows >= 0) & (rows < 64)]
    counts = np.histogram(inside, bins=4, range=(0, 64))[0]
    assert counts.min() > 0.7 * counts.max()


def test_an_empty_plane_has_no_places_and_one_hot_pixel_is_none():
    planes = np.zeros((1, 64, 64))
    assert find_places(planes).shape == (0, 3)
    planes[0, 30, 30] = 0.5
    assert find_places(planes).shape == (0, 3)


def test_every_piece_is_drawn_equally_often():
    shapes = [(1, 64, 64), (9, 500, 500)]
    crops = draw_crops(shapes, [np.zeros((0, 3), int)] * 2, 2000, 32, Dice.seeded(1))
    assert 0.45 < np.mean([crop.piece for crop in crops]) < 0.55
