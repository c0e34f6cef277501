from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.layers import Limits, expected_limits, shared_by


def test_limits_of_several_runs_hold_all_of_them(stored_run):
    runs = stored_run(spread=1.0, sampler="kd", role="student"), stored_run(spread=4.0)
    both = shared_by(runs)
    narrow, wide = (shared_by([run]) for run in runs)
    # a percentile of the pixels of both lies between those of each
    assert narrow.sd < both.sd <= wide.sd
    assert wide.object[0] <= both.object[0] < narrow.object[0]
    low, high = both.object
    for run in runs:
        # of all pixels 0.3 % lie outside, of the sd 0.5 %: of one run twice that, and its last one
        assert np.mean((run.mean < low) | (run.mean > high)) <= 2 * 0.003 + 1 / run.mean.size
        assert np.mean(run.sd > both.sd) <= 2 * 0.005 + 1 / run.sd.size


def test_expected_limits_are_those_of_the_measurement_in_photoelectrons(measured_image, asked):
    image = measured_image("zyx")
    limits = expected_limits(image, asked(image, background=2.0))
    low, high = np.percentile((image.data - 100) / 2 - 2.0, (0.1, 99.8))
    assert limits.object == pytest.approx((low, high))
    assert limits.sd == pytest.approx(np.sqrt(high + 2.0 + 1.6**2))


def test_expected_limits_map_back_to_those_of_the_measurement(measured_image, asked):
    image = measured_image()
    request = asked(image, background=2.0)
    found = expected_limits(image, request).of("input", request)
    assert found == pytest.approx(tuple(np.percentile(image.data, (0.1, 99.8))))


def test_variance_has_the_squared_limits_of_the_sd(measured_image, asked):
    assert Limits((0, 1), 3.0).of("variance", asked(measured_image())) == (0.0, 9.0)


def test_maps_with_limits_of_their_own_have_none(measured_image, asked):
    assert Limits((0, 1), 3.0).of("residual", asked(measured_image())) is None
