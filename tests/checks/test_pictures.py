"""Pictures, limits, scale bars, charts and numbers in words."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from report_samples import make_report

from napari_posterior.checks.finding import Finding, as_json, number, rounded
from napari_posterior.checks.page.chart import Axis, Chart, Dots, Line
from napari_posterior.checks.page.charts import distribution, plot_report
from napari_posterior.checks.page.pictures import (
    COLOURS,
    Overlay,
    Panel,
    Scale,
    composite,
    encode_png,
    encode_textured,
    nice_length,
    shared_limits,
    shrink,
    symmetric_limits,
)
from napari_posterior.checks.page.strip import strip
from napari_posterior.checks.page.svg import draw, standalone
from napari_posterior.checks.report import Values
from napari_posterior.checks.solver import SolverTrust
from napari_posterior.checks.verdicts.judging import settle
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Tolerances


def colours_of(image, scale):
    picture = Image.open(io.BytesIO(encode_png(np.asarray(image, float), scale)))
    return np.asarray(picture.convert("RGB"))


def test_limits_get_the_end_colours_and_blanks_are_grey() -> None:
    found = colours_of([[0, 10, 99, -5, np.nan]], Scale(0, 10, "grey", "ADU"))
    assert found[0].tolist() == [[0] * 3, [255] * 3, [255] * 3, [0] * 3, [128] * 3]


def test_zero_is_neutral_on_the_diverging_scale() -> None:
    low, middle, high = colours_of([[-2, 0, 2]], Scale(-2, 2, "diverging", ""))[0].astype(int)
    assert np.ptp(middle) <= 3
    assert low[2] > low[0] + 60
    assert high[0] > high[2] + 60


@pytest.mark.parametrize("name", ["grey", "magma", "viridis"])
def test_sequential_scales_grow_lighter(name: str) -> None:
    palette = Scale(0, 1, name, "").palette()[:255].astype(float)
    assert (np.diff(palette @ [0.2126, 0.7152, 0.0722]) > -0.6).all()
    assert set(COLOURS) >= {name}


def test_limits_hold_both_images_and_never_collapse() -> None:
    low, high = shared_limits([np.zeros((9, 9)), np.full((9, 9), 5.0)])
    assert (low, high) == (0.0, 5.0)
    low, high = shared_limits([np.full((9, 9), 3.0)])
    assert high > low
    assert symmetric_limits(np.full((4, 4), np.nan)) == (-1.0, 1.0)
    assert symmetric_limits(np.full((4, 4), -3.0)) == (-3.0, 3.0)


def test_shrink_keeps_every_nth_pixel() -> None:
    image = np.arange(100.0).reshape(10, 10)
    small, step = shrink(image, 4)
    assert step == 3
    np.testing.assert_array_equal(small, image[::3, ::3])


@pytest.mark.parametrize(
    ("width", "size", "unit", "label"),
    [
        (512, 0.08, "micrometer", "5 µm"),
        (256, 0.325, "micrometer", "10 µm"),
        (300, 65.0, "nanometer", "2000 nm"),
        (100, 0.01, "micrometer", "0.2 µm"),
    ],
)
def test_scale_bar_is_round_and_near_a_fifth(width, size, unit, label) -> None:
    share, words = nice_length(width, size, unit)
    assert words == label
    assert 0.08 < share <= 0.2001


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        ([3, 4, 4, 5], [2, 4, 4, 9, 3]),
        ([100, 180, 260], [90, 400]),
        ([7, 7, 7], [7, 7]),
        ([0.91, 0.95], [0.9, 1.02, 1.4]),
        ([-0.5, 0.5], [0.0, 0.0]),
    ],
)
def test_charts_are_well_formed(teacher, student) -> None:
    values = Values("h", "a < b", "px", np.array(teacher), np.array(student))
    chart = draw(distribution(values, names=("teacher", "k & d")))
    root = ET.fromstring(standalone(chart, about="a < b & c"))
    assert root.tag.endswith("svg")
    shapes = {node.get("class") for node in root.iter()}
    assert {"teacher", "student"} <= shapes
    assert "nan" not in ET.tostring(root, "unicode").lower()


def test_what_is_expected_is_marked() -> None:
    values = Values("c", "chi", "", np.array([1.1, 1.2]), np.array([1.3, 1.2]), 1.0, 0.02)
    chart = draw(distribution(values, names=("teacher", "kd")))
    assert 'class="zone-mark"' in chart
    assert "1.00 expected" in chart


def test_every_chart_of_a_report_is_well_formed_and_stays_on_its_sheet() -> None:
    charts = plot_report(make_report(side=48), names=("teacher", "kd"))
    assert {chart.name for chart in charts} == {
        "puncta_count", "likelihood", "spectrum", "threshold_curve", "modes_of_variation",
        "samples_in_two_dimensions", "coverage", "ranks",
    }  # fmt: skip
    for chart in charts:
        root = ET.fromstring(draw(chart))
        places = [float(node.get("cx")) for node in root.iter() if node.get("cx")]
        assert all(40 < x < 600 for x in places), chart.name
        assert "nan" not in draw(chart), chart.name


def test_marks_lie_where_the_axes_say() -> None:
    dots = Dots("teacher", [1.0, 10.0, 100.0], [0.0, 0.5, 1.0], [0, 0.4, 0.9], [0.1, 0.6, 1.0])
    chart = Chart("c", "c", "", Axis("x", 1, 100, log=True), Axis("y", 0, 1), (dots,))
    nodes = [one for one in ET.fromstring(draw(chart)).iter() if one.get("class") == "fill-teacher"]
    x, y = ([float(one.get(key)) for one in nodes] for key in ("cx", "cy"))
    assert x[1] == pytest.approx((x[0] + x[2]) / 2, abs=0.1)
    assert y[1] == pytest.approx((y[0] + y[2]) / 2, abs=0.1)
    assert x[0] < x[2]
    assert y[0] > y[2]


def test_a_line_that_leaves_the_axes_ends_beside_them() -> None:
    line = Line("student", [0.0, 1.0], [0.5, 1e9])
    drawn = draw(Chart("c", "c", "", Axis("x", 0, 1), Axis("y", 0, 1), (line,)))
    path = shapes_of(drawn)["line-student"].get("d")
    assert float(path.split()[-1]) > 30


def finding(value, interval, *, ratio=True, kind="", distance=False) -> Finding:
    one = Finding(
        kind or "h", "h", "h", "", value, interval, 0.9, "t", 64, 64, False, "",
        no_difference=float(ratio), kind=kind, distance=distance,
    )  # fmt: skip
    return settle([one], Tolerances(), Looks(), solver=SolverTrust())[0]


def test_strips_are_left_out_where_there_is_no_interval() -> None:
    assert strip(finding(None, (None, None))) == ""
    assert strip(finding(0.0, (0.0, 0.0))) == ""
    ET.fromstring(strip(finding(1.2, (0.9, 1.6))))
    ET.fromstring(strip(finding(0.0, (0.0, 0.0), ratio=False)))


def shapes_of(drawn: str) -> dict[str, ET.Element]:
    return {one.get("class"): one for one in ET.fromstring(drawn).iter()}


@pytest.mark.parametrize(
    ("value", "interval", "inside"),
    [(1.0, (0.9, 1.1), True), (0.5, (0.45, 0.55), False), (1.6, (1.5, 1.7), False)],
)
def test_the_estimate_lies_in_the_shaded_tolerance_if_it_is_within(value, interval, inside) -> None:
    shapes = shapes_of(strip(finding(value, interval, kind="variance"), labels=True))
    band, dot = shapes["band-limit"], float(shapes["dot"].get("cx"))
    left = float(band.get("x"))
    assert (left < dot < left + float(band.get("width"))) == inside


def test_the_tolerance_of_a_distance_begins_at_no_difference() -> None:
    one = finding(0.1, (0.0, 0.15), ratio=False, kind="mean", distance=True)
    shapes = shapes_of(strip(one))
    assert f"M{float(shapes['band-limit'].get('x')):.1f} " in shapes["none"].get("d")


def test_an_open_end_of_an_interval_is_an_arrow_at_the_edge() -> None:
    assert "tip" in shapes_of(strip(finding(1.2, (0.9, None))))
    assert "tip" not in shapes_of(strip(finding(1.2, (0.9, 1.6))))


def test_hatching_dots_and_outlines_lie_where_the_codes_say() -> None:
    codes = np.repeat([[0.0, 1.0, 2.0]], 3, axis=0).repeat(32, 0).repeat(32, 1)
    flat = np.zeros(codes.shape)
    scale = Scale(-1, 1, "diverging", "")
    drawn = encode_textured(flat, Overlay(codes), scale, side=96)
    changed = (np.asarray(Image.open(io.BytesIO(drawn))) != colours_of(flat, scale)).any(axis=2)
    shares = [changed[codes == code].mean() for code in (0, 1, 2)]
    assert shares[0] == 0
    assert shares[1] > 2 * shares[2] > 0
    outlined = encode_textured(flat, Overlay(outlined=codes), scale, side=96)
    changed = (np.asarray(Image.open(io.BytesIO(outlined))) != colours_of(flat, scale)).any(axis=2)
    assert changed[:, 32].all()
    assert not changed[:, 40:56].any()
    assert not changed[codes != 1].any()


def test_notes_are_written_below_a_picture_and_kept_in_its_file() -> None:
    panel = Panel("p", np.zeros((8, 8)), Scale(0, 1, "grey", "ADU"))
    plain, noted = (
        Image.open(io.BytesIO(composite([[panel]], side=128, notes=notes)))
        for notes in ((), ("Preserved on this image: ±10 %, " + 20 * "word ",))
    )
    assert noted.size[0] == plain.size[0]
    assert noted.size[1] > plain.size[1] + 60  # it takes several lines
    assert noted.info["Description"].startswith("Preserved on this image: ±10 %")
    assert "Description" not in plain.info


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.01234, "0.0123"), (-3.14159, "−3.14"), (1234.5, "1234"), (0.0, "0"), (None, "unbounded")],
)
def test_numbers_have_three_digits_and_a_minus_sign(value, words) -> None:
    assert number(value) == words


def test_estimates_have_the_digits_that_their_interval_deserves() -> None:
    assert rounded(0.0938, (-0.407, 0.597), sign=True) == ("+0.09", "−0.41 to +0.60")
    assert rounded(0.6964, (0.645, 0.7519)) == ("0.696", "0.645 to 0.752")
    assert rounded(431.2, (371.0, 491.0)) == ("431", "371 to 491")
    assert rounded(None, (None, None)) == ("–", "–")


def test_json_values_have_no_nan() -> None:
    found = as_json({"a": np.float64("nan"), "b": (np.int64(3), np.array([1.0, np.inf]))})
    assert found == {"a": None, "b": [3, [1.0, None]]}


def test_a_tick_that_rounds_to_zero_has_no_sign() -> None:
    assert Scale(-0.004, 49.0, "magma", "photoelectrons/px").ticks()[0] == "0"
