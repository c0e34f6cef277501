"""Puncta of a comparison as points: where they lie, and how they look."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from puncta_pairs import INVENTED, LOST, PLANE, SHARED, make_pair, rank_of, report_of_pair
from shown_images import show

from napari_posterior.layers import KEY, ViewerLayers
from napari_posterior.layers.inspect import grid_of
from napari_posterior.layers.puncta_points import gather_puncta, puncta_layer, show_puncta
from napari_posterior.session.models import RunEntry


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "cyx"])
def test_points_lie_where_the_puncta_are(axes, viewer, tmp_path):
    teacher, student = make_pair(tmp_path, axes=axes, samples=6)
    report = report_of_pair(teacher, student)
    image = show(viewer, teacher.image)

    points = show_puncta(viewer, puncta_layer(report, teacher, student))

    assert points.name == "cell | puncta"
    assert points.axis_labels == image.axis_labels
    assert points.units == image.units
    np.testing.assert_allclose(points.scale, image.scale)
    np.testing.assert_allclose(points.translate, image.translate)
    lead = (PLANE,) * (len(axes) - 2)
    for place in (SHARED, LOST):
        row = points.data[rank_of(report, place)]
        np.testing.assert_allclose(row, (*lead, *place), atol=0.3)
    assert viewer.layers.extent.units is not None
    assert viewer.layers.selection.active is image


def test_plane_is_counted_over_all_axes_before_the_last_two(viewer, tmp_path):
    teacher, student = make_pair(tmp_path, axes="tzyx", samples=6)
    report = report_of_pair(teacher, student)
    data, look, kind = puncta_layer(report, teacher, student)
    assert (kind, data.shape[1]) == ("points", 4)
    assert {tuple(row[:2]) for row in data} == {(0.0, float(PLANE))}
    assert look["axis_labels"] == ("t", "z", "y", "x")


def test_symbols_and_borders_tell_what_became_of_them(viewer, tmp_path):
    teacher, student = make_pair(tmp_path)
    report = report_of_pair(teacher, student)
    points = show_puncta(viewer, gather_puncta(report, teacher, student))

    lost, invented, other = (rank_of(report, place) for place in (LOST, INVENTED, SHARED))
    symbols = [str(one) for one in points.symbol]
    assert (symbols[lost], symbols[invented], symbols[other]) == ("x", "triangle_up", "disc")
    assert points.border_width[lost] > points.border_width[other]
    radius = report.figures.sites.existence.sites.radius[-1]
    assert points.size[other] == pytest.approx(2 * radius)

    table = points.features
    assert table.loc[lost, "p_teacher"] == 1
    assert table.loc[lost, "p_student"] == 0
    assert table.loc[lost, "difference"] == -1
    assert [bool(table.loc[i, "lost"]) for i in (lost, invented)] == [True, False]
    assert [bool(table.loc[i, "invented"]) for i in (lost, invented)] == [False, True]
    assert table.loc[lost, "class"] == "lost"
    assert table.loc[lost, "intensity"] == pytest.approx(60 * 2 * np.pi, rel=0.1)


def test_colour_says_the_probability_and_its_lightness_grows(viewer, tmp_path):
    teacher, student = make_pair(tmp_path)
    points = show_puncta(viewer, puncta_layer(report_of_pair(teacher, student), teacher, student))
    colours = points.border_colormap.map(np.linspace(0, 1, 9))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) > 0).all()
    assert luminance[0] > 0.2  # stands out from black
    certain = points.features["p_teacher"].to_numpy() == 1
    assert certain.any()
    np.testing.assert_allclose(points.border_color[certain, :3], [colours[-1]] * certain.sum())


def test_new_look_replaces_the_points_and_keeps_what_the_user_chose(viewer, tmp_path):
    teacher, student = make_pair(tmp_path)
    report = report_of_pair(teacher, student)
    first = show_puncta(viewer, puncta_layer(report, teacher, student))
    first.visible, first.name = False, "mine"
    top = viewer.add_image(np.zeros((4, 4)))
    second = show_puncta(viewer, puncta_layer(report, teacher, student))
    assert list(viewer.layers) == [second, top]
    assert not second.visible
    assert second.name == "mine"
    assert second.metadata[KEY]["quantity"] == "puncta"


@pytest.mark.parametrize("kept", [1, 3])
def test_new_look_renews_the_layer_in_place_as_if_it_were_made_anew(kept, viewer, tmp_path):
    teacher, student = make_pair(tmp_path)
    layer = puncta_layer(report_of_pair(teacher, student), teacher, student)
    fewer = part_of(layer, np.arange(len(layer[0]) - kept)[::-1])
    for first, second in ((layer, fewer), (fewer, layer)):
        fresh = show_puncta(ViewerModel(), second)
        points = show_puncta(viewer, first)
        points.selected_data = {0}
        removed = []
        viewer.layers.events.removed.connect(removed.append)
        assert show_puncta(viewer, second) is points
        assert not removed
        assert not points.selected_data
        for name in ("data", "size", "border_width", "border_color", "face_color"):
            np.testing.assert_array_equal(getattr(points, name), getattr(fresh, name), name)
        assert [str(one) for one in points.symbol] == [str(one) for one in fresh.symbol]
        assert points.features.equals(fresh.features)
        assert points.border_contrast_limits == (0.0, 1.0)


def part_of(layer, rows):
    """Return the layer with some of its points."""
    data, look, kind = layer
    features = {name: np.asarray(values)[rows] for name, values in look["features"].items()}
    parts = {name: [look[name][i] for i in rows] for name in ("size", "symbol", "border_width")}
    return data[rows], {**look, "features": features, **parts}, kind


def test_in_grid_mode_they_take_no_cell(viewer, tmp_path):
    teacher, student = make_pair(tmp_path)
    grid_of(viewer).enabled = True
    layer = puncta_layer(report_of_pair(teacher, student), teacher, student)
    assert not show_puncta(viewer, layer).visible


def test_comparison_shows_its_puncta(viewer, tmp_path):
    runs = make_pair(tmp_path)
    entries = [
        RunEntry(i, run.request.sampler, run.role, "cell", len(run), folder=run.path, run=run)
        for i, run in enumerate(runs, 1)
    ]
    side = ViewerLayers(viewer)
    for report in (report_of_pair(*runs), report_of_pair(*runs)):
        side.show_comparison(*entries, side.gather_comparison(*runs, report))
    assert [layer.name for layer in viewer.layers].count("cell | puncta") == 1
    assert "intensity" in viewer.layers["cell | puncta"].features


def test_comparison_without_puncta_has_no_points(tmp_path):
    runs = make_pair(tmp_path, samples=4)
    report = report_of_pair(*runs)
    report.figures.sites = None
    assert gather_puncta(report, *runs) is None
    assert puncta_layer(report, *runs) is None
