from __future__ import annotations

import numpy as np
import pytest
from coupled_toys import NormalPair, draw_pairs, draw_students

from napari_posterior.correction.estimate import About
from napari_posterior.correction.events import Thresholds
from napari_posterior.correction.series import Series

ABOUT = About("total", "e-")
PAIR = NormalPair()


def _numbers(seed, *, pairs=15, students=60, whole=False):
    generator = np.random.default_rng(seed)
    as_told = np.rint if whole else float
    both = [tuple(map(as_told, p)) for p in draw_pairs(PAIR, pairs, (), generator)]
    return both, [as_told(s) for s in draw_students(PAIR, students, (), generator)]


def _fill(kept, pairs, students):
    for pair in pairs:
        kept.add_pair(*pair)
    for student in students:
        kept.add_student(student)
    return kept


def _series(seed, **options) -> Series:
    return _fill(Series("e-"), *_numbers(seed, **options))


def test_distribution_on_a_grid_of_left_out_students_has_no_bias():
    found = [_series(seed).distribution(ABOUT) for seed in range(150)]
    errors = np.array([f.raw.value - PAIR.below(f.grid) for f in found])
    inside = slice(12, 29)  # where some samples lie on either side
    mean, se = errors.mean(0)[inside], errors.std(0)[inside] / np.sqrt(len(found))
    assert (np.abs(mean) < 4 * se).all()
    assert {f.raw.students for f in found} == {45}
    held = [(f.raw.low <= PAIR.below(f.grid)) & (PAIR.below(f.grid) <= f.raw.high) for f in found]
    assert np.mean(held) > 0.94


def test_whole_numbers_need_no_student_to_choose_their_grid():
    found = _series(3, whole=True).distribution(ABOUT)
    assert found.raw.students == 60 and (found.grid == np.rint(found.grid)).all()
    assert found.raw.value[0] == 0 and found.raw.value[-1] == 1
    assert found.raw.about.unit == "" and "at most t e-, total" in found.raw.about.quantity


def test_whole_numbers_beyond_those_seen_change_nothing():
    numbers = _numbers(4, whole=True)
    found = _fill(Series("e-"), *numbers).distribution(ABOUT)
    wide = np.arange(found.grid[0] - 3, found.grid[-1] + 3)
    again = _fill(Thresholds(wide), *numbers).distribution(ABOUT)
    assert again.cdf[3:-2] == pytest.approx(found.cdf)
    assert again.quantile(0.5)[0] == found.quantile(0.5)[0]


def test_mean_uses_every_student():
    assert _series(5).mean(ABOUT).students == 60


@pytest.mark.parametrize("students", [3, 15])
def test_too_few_students_choose_no_grid(students):
    assert _series(6, students=students).distribution(ABOUT) is None
