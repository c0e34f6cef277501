from __future__ import annotations

import re

import numpy as np
import pytest
from coupled_toys import MixturePair, NormalPair, repeat

from napari_posterior.correction.allocation import allocate
from napari_posterior.correction.costs import Costs
from napari_posterior.correction.estimate import About
from napari_posterior.correction.pilot import Pilot
from napari_posterior.correction.telling import tell_corrected, tell_plan

COSTS = Costs(student=1.0, teacher=32.0)
ABOUT = About(
    "mean of the puncta count",
    unit="puncta",
    teacher="the teacher with 32 steps",
    student="kd with 1 step",
    costs=COSTS,
)


def test_number_is_told_with_its_scope_interval_unit_and_samples():
    both = repeat(NormalPair(r=0.99), pairs=20, students=300, repeats=1, seed=0)
    told = tell_corrected(both.mean(ABOUT))
    assert told[0].startswith("On this image, the mean of the puncta count under the teacher with")
    assert re.search(r"is [\d.]+ puncta \(95 % interval [\d.]+ to [\d.]+\), from 20 pairs", told[0])
    assert "300 samples of kd with 1 step" in told[0]
    assert "times the variance" in told[1]
    assert "paired t" in told[2] and "puncta" in told[2]
    assert "no single sample is corrected" in told[3]


def test_map_is_told_by_its_error():
    both = repeat(MixturePair(), pairs=20, students=300, repeats=50, seed=0)
    told = " ".join(tell_corrected(both.variance(About("variance", scope="in this crop"))))
    assert told.startswith("In this crop, the variance under the teacher is known to")
    assert "root mean square over 50 values" in told
    assert "false discovery rate 5 %" in told


def test_correction_that_gained_nothing_says_so():
    both = repeat(NormalPair(), pairs=20, students=50, repeats=1, seed=1, shuffled=True)
    assert "plain sampling of the teacher" in tell_corrected(both.mean(ABOUT))[1]


def test_samples_that_do_not_vary_have_no_correlation():
    both = repeat(NormalPair(), pairs=0, students=0, repeats=1, seed=0)
    for _ in range(3):
        both.add_pair(np.ones(1), np.ones(1))
        both.add_student(np.ones(1))
    assert "no correlation can be told" in tell_corrected(both.mean(ABOUT))[1]


@pytest.mark.parametrize(("r", "count"), [(0.98, 3), (0.2, 3)])
def test_plan_tells_three_ways_and_that_the_student_is_biased(r, count):
    plan = allocate(Pilot(4.0, 4.0, 4 * r, bias_square=0.25), COSTS, seconds=3000.0)
    told = tell_plan(plan, unit="e-")
    assert len(told) == count
    assert "biased by about 0.50 e-" in told[1]
    assert told[2].startswith("Corrected:" if r > 0.9 else "The student follows")


def test_forbidden_words_are_not_used():
    both = repeat(NormalPair(), pairs=20, students=300, repeats=1, seed=0)
    plan = allocate(Pilot(4.0, 4.0, 3.9), COSTS, seconds=3000.0)
    said = " ".join([*tell_corrected(both.mean(ABOUT)), *tell_plan(plan)]).lower()
    assert not re.search(r"\b(validated|identical|true|safe)\b", said)
