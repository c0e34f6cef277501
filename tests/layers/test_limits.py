from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.layers import Limits, expected_limits, shared_by


def test_limits_of_several_runs_hold_all_of_them(stored_run):
    narrow, wide = stored_run(spread=1.0, sampler="kd", role="student"), stored_run(spread=4.0)
    both = shared_by([narrow, wide])
    alone = shared_by([narrow]), shared_by([wide])
    assert alone[0].sd < both.sd <= alone[1].sd * 1.05
    assert both.object[0] == pytest.approx(min(one.object[0] for one in alone), rel=0.3)


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
