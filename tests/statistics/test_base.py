"""What statistics are made of: functions, parameters, objects."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import pytest

from napari_posterior.errors import InputError, NotTestableError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import (
    Objects,
    Parameter,
    Region,
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


def test_every_shipped_statistic_measures_an_empty_plane(context) -> None:
    for name in set(list_statistics()) - {"spotiflow_count"}:  # an optional extra
        found = get_statistic(name)
        if found.volume:
            with pytest.raises(NotTestableError, match="not testable"):
                evaluate(found, [np.zeros((16, 16), np.float32)], [context])
            assert found.measure(np.zeros((4, 16, 16), np.float32), context) == 0
        elif name == "filament_length_um":
            with pytest.raises(InputError, match="pixel size"):
                evaluate(found, [np.zeros((16, 16), np.float32)], [context])
        else:
            assert evaluate(found, [np.zeros((16, 16), np.float32)], [context])


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"puncta_count.*total_intensity"):
        get_statistic("spots")


def test_a_function_becomes_a_statistic_and_stays_a_function(context) -> None:
    @statistic(name="brightest_pixel", unit="photoelectrons/px")
    def brightest(x, context):
        return float(x.max())

    image = np.zeros((16, 16))
    image[3, 4] = 7.0
    assert get_statistic("brightest_pixel").measure(image, context) == 7.0
    assert brightest(image, context) == 7.0
    assert get_statistic(brightest) is brightest


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(InputError, match="exists"):

        @statistic(name="puncta_count")
        def other(x, context):
            return 0.0


def test_a_name_that_could_not_be_written_with_parameters_is_refused() -> None:
    with pytest.raises(InputError, match="underscores"):
        statistic(name="bright (pixels)")(lambda x, context: 0.0)


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


@statistic(name="bright_share", title="bright share", regions=True)
def bright_share(
    x,
    context,
    *,
    above: Annotated[float, Parameter(unit="photoelectrons/px", minimum=0, doc="Level.")] = 1.0,
    invert: bool = False,
):
    bright = (x > above) ^ invert
    return float(np.mean(bright if context.region is None else bright[context.region]))


def test_parameters_are_read_from_the_function_with_unit_range_and_default() -> None:
    above, invert = bright_share.parameters
    assert (above.name, above.default, above.unit) == ("above", 1.0, "photoelectrons/px")
    assert (above.minimum, above.doc) == (0, "Level.")
    assert (invert.name, invert.default, invert.unit) == ("invert", False, "")


def test_parameters_are_set_by_name_and_told_in_name_and_title(context) -> None:
    x = np.arange(16.0).reshape(4, 4)
    chosen = get_statistic("bright_share(above=7, invert=True)")
    assert chosen.name == "bright_share(above=7.0, invert=True)"
    assert chosen.title == "bright share (above 7.0 photoelectrons/px, invert True)"
    assert evaluate(chosen, [x], [context]) == {"": 0.5}
    assert get_statistic(chosen.name) == chosen


def test_a_parameter_at_its_default_leaves_no_trace_in_the_name() -> None:
    assert get_statistic("bright_share(above=1.0)") == bright_share


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bright_share(above=-1)", "0 at least"),
        ("bright_share(above='high')", "is no float"),
        ("bright_share(invert=1)", "is no bool"),
        ("bright_share(below=1)", "above, invert"),
        ("bright_share(1)", "cannot be read"),
        ("bright_share(above=)", "cannot be read"),
        ("bright_share(**{'above': 1})", "cannot be read"),
        ("bright_share(above=__import__('os').getcwd())", "cannot be read"),
        ("no_such_thing(a=1)", "no statistic"),
    ],
)
def test_a_wrong_parameter_is_told_of_in_a_sentence(text, told) -> None:
    with pytest.raises(InputError, match=told):
        get_statistic(text)


def test_a_region_is_measured_alone(context) -> None:
    x = np.zeros((16, 16))
    x[:4] = 5.0
    upper = np.zeros((16, 16), bool)
    upper[:8] = True
    found = evaluate(bright_share, [x], [context], region=Region("upper", upper))
    assert found == {"": 0.5}


def test_a_statistic_that_knows_no_regions_is_refused_for_one(context) -> None:
    @statistic(name="ignores_regions")
    def ignores(x, context):
        return 0.0

    region = Region("all", np.ones((16, 16), bool))
    with pytest.raises(InputError, match="regions=True"):
        evaluate(ignores, [np.zeros((16, 16))], [context], region=region)


@statistic(name="bright_pixels")
def bright_pixels(x, context):
    rows, columns = np.nonzero(x > 0)
    return Objects(
        np.stack([rows, columns], axis=1).astype(float),
        {"height": x[rows, columns]},
        {"height": "photoelectrons/px"},
    )


def test_objects_give_their_number_and_the_means_of_their_columns(context) -> None:
    planes = [np.zeros((8, 8)), np.zeros((8, 8))]
    planes[0][2, 3], planes[0][5, 5], planes[1][1, 1] = 1.0, 2.0, 6.0
    found = evaluate(bright_pixels, planes, [context, context])
    assert found == {"": 3.0, "mean_height": 3.0}


def test_the_mean_of_no_objects_is_not_defined(context) -> None:
    found = evaluate(bright_pixels, [np.zeros((8, 8))], [context])
    assert found[""] == 0
    assert math.isnan(found["mean_height"])


def test_objects_need_a_number_each_and_a_unit() -> None:
    with pytest.raises(InputError, match="one number"):
        Objects(np.zeros((3, 2)), {"height": np.zeros(2)}, {"height": "px"})
    with pytest.raises(InputError, match="unit"):
        Objects(np.zeros((3, 2)), {"height": np.zeros(3)})
    assert len(Objects(np.zeros((3, 2)), {"h": np.arange(3)}, {"h": ""}).take(np.array([2]))) == 1
