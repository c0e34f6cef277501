from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.api.correcting import correct
from napari_posterior.correction.telling import tell_corrected
from napari_posterior.errors import InputError

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}


def test_two_runs_on_disk_give_the_teachers_mean_variance_and_statistics(stored_run):
    teacher = stored_run(samples=8)
    student = stored_run(samples=40, spread=2.5, **STUDENT)
    seen = []
    found = correct(
        teacher.path,
        student.path,
        ["total_intensity", "puncta"],
        on_sample=lambda: seen.append(1),
    )
    assert {"mean", "variance", "total_intensity", "puncta"} <= set(found)
    assert len(seen) == 40
    assert found["mean"].value.shape == teacher.samples.shape[1:]
    assert found["mean"].pairs == 8 and found["mean"].students == 32
    assert np.mean(found["variance"].value) == pytest.approx(9.0, rel=0.1)
    total, own = found["total_intensity"], np.asarray(teacher.samples).sum((1, 2))
    assert total.r == pytest.approx(1.0, abs=1e-3)
    assert total.teacher.value == pytest.approx(own.mean())
    told = tell_corrected(total)
    assert told[0].startswith("On this image, the mean of total_intensity under the teacher (4 ")
    assert "the student kd (1 step)" in told[0]


def test_pairs_of_the_pilot_are_left_out(stored_run):
    found = correct(stored_run(samples=8), stored_run(samples=20, **STUDENT), pilot=4)
    assert found["mean"].pairs == 4 and found["mean"].students == 12


def test_runs_in_the_wrong_order_are_refused(stored_run):
    with pytest.raises(InputError, match="teacher first"):
        correct(stored_run(samples=20, **STUDENT), stored_run(samples=8))
