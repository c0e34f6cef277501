"""Counts over the threshold: a verdict that turns over nearby is told, one that stays is not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.counted.thresholds import compare_curve, depends_on_threshold
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Tolerance
from napari_posterior.errors import InputError

LOOKS = Looks()
TEN_PERCENT = Tolerance("relative", None, 0.1)


def curve(teacher_means, student_means, *, samples=64, spread=1.0, seed=0, paired=False):
    """Counts with planted means; the three factors near 1 unless told otherwise."""
    rng = np.random.default_rng(seed)
    factors = (0.5, 0.8, 1.0, 1.25, 2.0) if len(teacher_means) == 5 else (0.8, 1.0, 1.25)
    runs = [
        {
            factor: mean + spread * rng.normal(size=samples)
            for factor, mean in zip(factors, means, strict=True)
        }
        for means in (teacher_means, student_means)
    ]
    return compare_curve(*runs, level=LOOKS.level, paired=paired)


def test_a_verdict_that_holds_at_all_thresholds_has_no_note() -> None:
    same = curve((60, 50, 40, 30, 10), (60, 50, 40, 30, 10))
    assert depends_on_threshold(same, TEN_PERCENT, LOOKS) is None
    lost = curve((60, 50, 40, 30, 10), (40, 35, 28, 20, 5))
    assert depends_on_threshold(lost, TEN_PERCENT, LOOKS) is None


def test_a_verdict_that_turns_over_has_a_note_with_all_three() -> None:
    note = depends_on_threshold(curve((50, 40, 30), (50, 40, 22)), TEN_PERCENT, LOOKS)
    assert note.startswith("Depends on threshold: on this image")
    assert "at the threshold itself (preserved)" in note
    assert "at 1.25 times the threshold (not preserved)" in note
    assert "−27 %" in note or "−26 %" in note
    back = depends_on_threshold(curve((50, 40, 30), (50, 31, 30)), TEN_PERCENT, LOOKS)
    assert "at the threshold itself (not preserved)" in back


def test_an_estimate_across_the_limit_counts_though_undecided() -> None:
    # 13 % off with a wide interval next to a verdict of preserved
    runs = [{0.8: np.full(64, 50.0), 1.0: np.full(64, 40.0)} for _ in range(2)]
    rng = np.random.default_rng(1)
    for run, mean in zip(runs, (30.0, 26.0), strict=True):
        noise = rng.normal(size=64)
        for factor in (0.8, 1.0):
            run[factor] = run[factor] + 0.5 * rng.normal(size=64)
        run[1.25] = mean + 6 * (noise - noise.mean()) / noise.std()
    note = depends_on_threshold(
        compare_curve(*runs, level=LOOKS.level, paired=False), TEN_PERCENT, LOOKS
    )
    assert "at 1.25 times the threshold (not enough samples)" in note


def test_a_question_left_open_by_fewer_puncta_is_no_dependence() -> None:
    rng = np.random.default_rng(2)
    runs = []
    for _ in range(2):
        noise = rng.normal(size=64)
        runs.append(
            {
                1.0: 40 + 0.5 * rng.normal(size=64),
                1.25: 5 + 3 * (noise - noise.mean()) / noise.std(),
            }
        )
    found = compare_curve(*runs, level=LOOKS.level, paired=False)
    assert depends_on_threshold(found, TEN_PERCENT, LOOKS) is None


def test_thresholds_far_off_do_not_matter() -> None:
    far = curve((60, 50, 40, 30, 10), (30, 50, 40, 30, 2))
    assert depends_on_threshold(far, TEN_PERCENT, LOOKS) is None


def test_counts_of_nothing_are_passed_over() -> None:
    empty = compare_curve(
        {1.0: np.zeros(20), 1.25: np.zeros(20)},
        {1.0: np.zeros(20), 1.25: np.zeros(20)},
        level=0.9,
        paired=False,
    )
    assert depends_on_threshold(empty, TEN_PERCENT, LOOKS) is None
    assert empty.points[0].relative is None


@pytest.mark.parametrize("paired", [False, True])
def test_the_rows_hold_the_planted_means_in_their_intervals(paired: bool) -> None:
    found = curve((60, 50, 40, 30, 10), (54, 45, 36, 27, 9), paired=paired)
    rows = found.to_rows()
    assert [row["factor"] for row in rows] == [0.5, 0.8, 1.0, 1.25, 2.0]
    for row, mean in zip(rows, (60, 50, 40, 30, 10), strict=True):
        assert row["teacher_low"] < mean < row["teacher_high"]
        assert row["student_low"] < 0.9 * mean < row["student_high"]
        assert row["relative_low"] < -0.1 < row["relative_high"]


def test_runs_counted_at_other_thresholds_are_refused() -> None:
    with pytest.raises(InputError, match="different thresholds"):
        compare_curve({1.0: np.ones(4)}, {0.8: np.ones(4)}, level=0.9, paired=False)
