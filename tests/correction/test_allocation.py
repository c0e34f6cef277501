from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from coupled_toys import NormalPair, repeat

from napari_posterior.correction.allocation import TooLittleCorrelation, allocate
from napari_posterior.correction.costs import Costs, speed_up
from napari_posterior.correction.estimate import About
from napari_posterior.correction.pilot import Pilot, measure_pilot
from napari_posterior.correction.terms import variance_term
from napari_posterior.errors import InputError

COSTS = Costs(student=0.5, teacher=20.0)


def _pilot(r: float = 0.97, *, student: float = 0.8, teacher: float = 1.0) -> Pilot:
    return Pilot(teacher, student, r * math.sqrt(teacher * student), bias_square=0.04, pairs=8)


def _variance(pilot: Pilot, slope: float, pairs: int, students: int, *, nested: bool) -> float:
    b = slope * students / (students + pairs) if nested else slope
    rest = pilot.teacher + b**2 * pilot.student - 2 * b * pilot.covariance
    return b**2 * pilot.student / students + rest / pairs


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("slope", [1.0, None])
@pytest.mark.parametrize("r", [0.7, 0.97, 1.0])
def test_no_other_numbers_give_a_smaller_error_in_the_time(nested, slope, r):
    pilot, seconds = _pilot(r), 700.0
    plan = allocate(pilot, COSTS, seconds=seconds, slope=slope, nested=nested)
    best = math.inf
    for pairs, students in itertools.product(range(8, 36), range(8, 1300)):
        if COSTS.of(students=students, pairs=pairs) <= seconds:
            best = min(best, _variance(pilot, plan.slope, pairs, students, nested=nested))
    assert COSTS.of(students=plan.students, pairs=plan.pairs) <= seconds
    assert plan.corrected.se**2 == pytest.approx(best, rel=1e-9)
    found = _variance(pilot, plan.slope, plan.pairs, plan.students, nested=nested)
    assert found == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("slope", [1.0, None])
def test_no_other_numbers_reach_the_error_in_less_time(nested, slope):
    pilot, se = _pilot(), 0.07
    plan = allocate(pilot, COSTS, se=se, slope=slope, nested=nested)
    least = math.inf
    for pairs, students in itertools.product(range(8, 60), range(8, 1500)):
        if _variance(pilot, plan.slope, pairs, students, nested=nested) <= se**2:
            least = min(least, COSTS.of(students=students, pairs=pairs))
    assert plan.corrected.se <= se
    assert plan.corrected.seconds == pytest.approx(least)
    assert plan.teacher.teachers == math.ceil(1.0 / se**2)


@pytest.mark.parametrize(
    ("r", "gain"), [(0.8, 1.9), (0.9, 3.0), (0.95, 4.7), (0.98, 8.0), (0.99, 11.0), (0.999, 24.0)]
)
def test_speed_up_at_forty_student_samples_a_teacher_sample(r, gain):
    assert speed_up(r, 40.0) == pytest.approx(gain, rel=0.05)
    assert speed_up(r, 40.0, nested=False) < speed_up(r, 40.0)


@pytest.mark.parametrize("nested", [True, False])
def test_plan_gains_what_the_law_says(nested):
    pilot = _pilot(0.98, student=1.0)
    plan = allocate(pilot, COSTS, seconds=1e5, slope=None, nested=nested)
    assert plan.speed_up == pytest.approx(speed_up(0.98, COSTS.ratio, nested=nested), rel=0.01)


def test_predicted_error_is_the_one_that_is_found():
    pair = NormalPair(r=0.98)
    seen = repeat(pair, pairs=8, students=2, repeats=300, seed=1, order=2)
    plan = allocate(measure_pilot(seen.pairs), COSTS, seconds=800.0)
    drawn = repeat(pair, pairs=plan.pairs, students=plan.students, repeats=2000, seed=2, order=2)
    found = drawn.mean(About("value"), slope=plan.slope, nested=plan.nested)
    assert found.value.std() == pytest.approx(plan.corrected.se, rel=0.1)
    assert plan.student.bias == pytest.approx(0.3, rel=0.1)
    assert plan.student.error > plan.corrected.error


def test_pilot_of_variances_sees_the_square_of_the_correlation():
    seen = repeat(NormalPair(r=0.9), pairs=40, students=2, repeats=3000, seed=3)
    assert measure_pilot(seen.pairs).r == pytest.approx(0.9, abs=0.01)
    assert measure_pilot(seen.pairs, estimator=variance_term).r == pytest.approx(0.81, abs=0.03)


@pytest.mark.parametrize("r", [-0.9, 0.0, 0.3, 0.54])
def test_too_little_correlation_is_refused_with_the_reason(r):
    plan = allocate(_pilot(r), COSTS, seconds=500.0)
    assert "correlation" in plan.refusal and plan.refusal.count(".") <= 4
    with pytest.raises(TooLittleCorrelation, match="draw from the teacher alone"):
        plan.require()


def test_student_that_costs_nearly_as_much_is_refused():
    plan = allocate(_pilot(0.8), Costs(student=10.0, teacher=20.0), seconds=5000.0, slope=None)
    assert "teacher alone is as exact" in plan.refusal


def test_good_student_is_not_refused():
    plan = allocate(_pilot(), COSTS, seconds=500.0)
    assert plan.require() is plan and plan.speed_up > 2


def test_student_that_varies_far_too_much_is_refused_with_slope_one_only():
    pilot = Pilot(teacher=1.0, student=9.0, covariance=0.9 * 3)
    assert allocate(pilot, COSTS, seconds=500.0).refusal
    assert not allocate(pilot, COSTS, seconds=500.0, slope=None).refusal


def test_time_that_is_too_short_says_how_much_is_needed():
    with pytest.raises(InputError, match=r"take 168 s"):
        allocate(_pilot(), COSTS, seconds=30.0)


@pytest.mark.parametrize("goal", [{}, {"seconds": 1.0, "se": 1.0}, {"se": 0.0}, {"se": np.nan}])
def test_one_goal_is_needed(goal):
    with pytest.raises(InputError, match="either the seconds"):
        allocate(_pilot(), COSTS, **goal)


def test_teacher_that_does_not_vary_needs_no_correction():
    with pytest.raises(InputError, match="do not vary"):
        allocate(Pilot(0.0, 1.0, 0.0), COSTS, seconds=500.0)


def test_pilots_of_three_pairs_are_too_small():
    seen = repeat(NormalPair(), pairs=3, students=2, repeats=3, seed=1)
    with pytest.raises(InputError, match="4 pairs or more"):
        measure_pilot(seen.pairs)


def test_costs_are_positive():
    with pytest.raises(InputError, match="greater than 0"):
        Costs(student=0.0, teacher=1.0)
