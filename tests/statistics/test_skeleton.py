"""Skeletons of drawn masks: length, pruning of short branches, fragments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_posterior.statistics.skeleton import make_skeleton

ROOT = math.sqrt(2)


def drawn(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def cross(size: int, arm: int) -> np.ndarray:
    """A vertical line with an arm to the right from its middle."""
    mask = np.zeros((size, size), bool)
    mask[2:-2, size // 2] = True
    mask[size // 2, size // 2 : size // 2 + arm + 1] = True
    return mask


def test_steps_along_axes_count_one_and_along_diagonals_root_two() -> None:
    mask = drawn(
        "......",
        ".###..",
        "....#.",
        "....#.",
        "......",
    )
    assert make_skeleton(mask).length() == pytest.approx(3 + ROOT)


def test_length_follows_height_and_width_of_a_pixel() -> None:
    mask = np.zeros((20, 20), bool)
    mask[4, 3:14] = True
    mask[5:9, 14] = True
    assert make_skeleton(mask).length((0.3, 0.1)) == pytest.approx(
        10 * 0.1 + 3 * 0.3 + math.hypot(0.3, 0.1)
    )


@pytest.mark.parametrize("arm", [2, 4])
def test_a_branch_shorter_than_the_limit_is_pruned_and_the_line_kept(arm: int) -> None:
    straight = make_skeleton(cross(31, 0), shortest=5.0)
    pruned = make_skeleton(cross(31, arm), shortest=5.0)
    # thinning rounds off the corner of the branch, which may leave the line a pixel to the side
    assert pruned.length() == pytest.approx(straight.length(), abs=1.0)
    assert make_skeleton(cross(31, arm)).length() > straight.length() + arm - 1


def test_the_corners_of_a_crossing_are_not_counted_as_diagonals() -> None:
    mask = np.zeros((31, 31), bool)
    mask[5:26, 15] = True
    mask[15, 5:26] = True
    assert make_skeleton(mask).length() == pytest.approx(40)


def test_a_branch_longer_than_the_limit_is_kept() -> None:
    whole = make_skeleton(cross(31, 9))
    assert make_skeleton(cross(31, 9), shortest=5.0).length() == whole.length()
    assert whole.length() == pytest.approx(26 + 9, abs=1.0)


def test_the_end_of_a_line_that_forks_keeps_its_longer_prong() -> None:
    mask = np.zeros((40, 30), bool)
    mask[8:36, 15] = True
    for step in range(1, 5):
        mask[8 - step, 15 + step] = True
    for step in range(1, 3):
        mask[8 - step, 15 - step] = True
    kept = make_skeleton(mask, shortest=7.0)
    assert kept.length() == pytest.approx(27 + 4 * ROOT)
    assert kept.positions.min(0).tolist() == [4, 15]


def test_a_fragment_shorter_than_the_limit_goes_whole() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5, 3:30] = True
    mask[15, 3:7] = True
    mask[25, 10] = True
    assert make_skeleton(mask).fragments == 3
    left = make_skeleton(mask, shortest=4.5)
    assert left.fragments == 1
    assert left.length() == 26


def test_a_loop_has_no_end_and_is_never_pruned() -> None:
    mask = np.zeros((12, 12), bool)
    mask[3:8, 3:8] = True
    mask[4:7, 4:7] = False
    assert make_skeleton(mask, shortest=50.0).length() > 10


def test_a_diagonal_line_two_pixels_thick_survives_thinning() -> None:
    diagonal = np.eye(40, dtype=bool) | np.eye(40, k=1, dtype=bool)
    assert make_skeleton(diagonal).length() == pytest.approx(39 * ROOT, rel=0.05)


def test_an_empty_mask_has_no_length_no_fragments_and_nothing_near() -> None:
    empty = make_skeleton(np.zeros((9, 9), bool), shortest=3.0)
    assert (empty.length(), empty.fragments) == (0.0, 0)
    assert empty.fragment_near((4, 4), 9.0) is None


def test_the_nearest_fragment_is_found_within_reach_only() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5, 3:30] = True
    mask[15, 3:30] = True
    found = make_skeleton(mask)
    assert found.fragment_near((7, 10), 3.0) == found.fragment_near((4, 20), 3.0)
    assert found.fragment_near((7, 10), 3.0) != found.fragment_near((13, 10), 3.0)
    assert found.fragment_near((10, 10), 3.0) is None
