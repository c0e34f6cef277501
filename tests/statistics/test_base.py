"""Registering, finding and computing statistics."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import (
    Statistic,
    evaluate,
    get_statistic,
    list_statistics,
    make_context,
    statistic,
)


@pytest.fixture
def context():
    return make_context(Measurement(np.full((16, 16), 10.0), Camera(), Psf(1.2)))


def test_the_shipped_statistics_are_known() -> None:
    assert {"puncta_count", "total_intensity", "mean_intensity"} <= set(list_statistics())
    assert isinstance(get_statistic("puncta_count"), Statistic)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"puncta_count.*total_intensity"):
        get_statistic("spots")


def test_a_function_becomes_a_statistic_and_stays_a_function(context) -> None:
    @statistic(name="brightest_pixel", unit="photoelectrons/px")
    def brightest(x, context):
        return float(x.max())

    image = np.zeros((16, 16))
    image[3, 4] = 7.0
    assert get_statistic("brightest_pixel").compute(image, context) == 7.0
    assert brightest(image, context) == 7.0
    assert get_statistic(brightest) is brightest


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(InputError, match="exists"):

        @statistic(name="puncta_count")
        def other(x, context):
            return 0.0


def test_planes_are_summed_or_averaged(context) -> None:
    planes = [np.full((16, 16), 1.0), np.full((16, 16), 3.0)]
    contexts = [context, context]
    assert evaluate(get_statistic("total_intensity"), planes, contexts) == {"": 1024.0}
    assert evaluate(get_statistic("mean_intensity"), planes, contexts) == {"": 2.0}


def test_a_statistic_may_give_several_numbers(context) -> None:
    @statistic(name="extremes")
    def extremes(x, context):
        return {"low": float(x.min()), "high": float(x.max())}

    assert evaluate(extremes, [np.arange(4.0).reshape(2, 2)], [context]) == {"low": 0, "high": 3}


def test_a_value_that_is_not_finite_is_refused(context) -> None:
    @statistic(name="broken")
    def broken(x, context):
        return float("nan")

    with pytest.raises(InputError, match="broken"):
        evaluate(broken, [np.zeros((4, 4))], [context])
