from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.correction.estimate import About
from napari_posterior.correction.of_runs import couple_runs
from napari_posterior.correction.stream import stream_samples
from napari_posterior.correction.two_level import TwoLevel
from napari_posterior.errors import InputError

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}


def test_samples_of_one_number_are_pairs_and_the_rest_are_students(stored_run):
    teacher = stored_run(samples=6)
    student = stored_run(samples=20, spread=2.0, **STUDENT)
    both = couple_runs(teacher, student, pilot=2)
    assert both.pilot == (0, 1) and both.paired == (2, 3, 4, 5)
    assert both.alone == tuple(range(6, 20))
    for place, (first, second) in enumerate(both.pairs()):
        assert np.array_equal(first, np.asarray(teacher.samples[place + 2]))
        assert np.array_equal(second, np.asarray(student.samples[place + 2]))
    assert np.array_equal(next(both.students()), np.asarray(student.samples[6]))


def test_mean_of_the_teacher_is_nearer_than_its_own_samples_bring_it(stored_run):
    teacher = stored_run(samples=6)
    student = stored_run(samples=80, spread=2.7, **STUDENT)
    both, maps = couple_runs(teacher, student), TwoLevel()
    stream_samples([maps], pairs=both.pairs(), students=both.students())
    found = maps.mean(About("mean", "e-"))
    truth = (teacher.input.astype(np.float32) - 100) / 2
    error = float(np.mean((found.value - truth) ** 2))
    assert error < 0.2 * float(np.mean((teacher.mean - truth) ** 2))
    assert np.median(found.r) > 0.99


def test_runs_of_different_noise_are_refused(stored_run):
    with pytest.raises(InputError, match="with seed 0"):
        couple_runs(stored_run(samples=6), stored_run(samples=20, seed=1, **STUDENT))


def test_student_without_samples_of_its_own_is_refused(stored_run):
    with pytest.raises(InputError, match="more of the student"):
        couple_runs(stored_run(samples=6), stored_run(samples=7, **STUDENT))


def test_runs_that_do_not_know_their_time_have_no_costs(stored_run):
    both = couple_runs(stored_run(samples=6), stored_run(samples=20, **STUDENT))
    if both.teacher.seconds == 0:
        with pytest.raises(InputError, match="greater than 0"):
            _ = both.costs
    else:
        assert both.costs.teacher == pytest.approx(both.teacher.seconds / 6)
