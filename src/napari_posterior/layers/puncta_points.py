"""The puncta of a comparison as points: how probable each is, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.utils.colormaps import Colormap

from napari_posterior.layers.follow import kept_selection
from napari_posterior.layers.inspect import grid_of
from napari_posterior.layers.names import KEY, metadata_of, quantity_of
from napari_posterior.layers.out import place
from napari_posterior.layers.thread import in_main_thread
from napari_posterior.session.pixels import NamedRun
from napari_posterior.session.puncta_light import mean_light

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Points

    from napari_posterior.checks.counted.site_changes import SiteTable
    from napari_posterior.checks.report import Report
    from napari_posterior.layers.out import LayerData
    from napari_posterior.runs.run import Run

__all__ = ["PUNCTA", "gather_puncta", "puncta_layer", "show_puncta"]

PUNCTA: Final = "puncta"
"""What such a layer says that it shows."""

_SYMBOLS: Final = {"shared": "disc", "undecidable": "disc", "lost": "x", "invented": "triangle_up"}
_BORDERS: Final = {"shared": 0.1, "undecidable": 0.1, "lost": 0.14, "invented": 0.2}
_SIZES: Final = {"shared": 1.0, "undecidable": 1.0, "lost": 1.7, "invented": 1.6}
_LEAST: Final = 6  # px of the canvas

# From blue to yellow as viridis, so that the colour-blind can read it, and lighter: its darkest
# colour stands out from a black image. Lightness says the value.
_ANCHORS: Final = ("7a7fe6", "5c9bdc", "48b4c4", "63c79a", "9ed76b", "fde725")


def puncta_layer(
    report: Report, teacher: Run, student: Run, *, light: np.ndarray | None = None
) -> LayerData | None:
    """Return the puncta of a comparison as a layer of points; None where none were counted.

    A ring around each, as wide as a site reaches, coloured by the probability under the teacher; a
    cross instead for one that the student lost, a triangle for one that it invented, both with a
    thick border. All numbers are in the table of features, by which napari can colour too.

    Parameters
    ----------
    report : Report
        With the puncta.
    teacher, student : Run
        The runs that it compares.
    light : ndarray, (n,), optional
        Mean light of each listed punctum in photoelectrons.

    Returns
    -------
    (data, attributes, "points") or None
        Positions in pixels along all axes of the image, (n, d) float64.
    """
    table = report.figures.sites
    if table is None or not len(table):
        return None
    image = teacher.request.image
    radius = float(np.mean(table.existence.sites.radius[-2:]))
    classes = table.classes
    look = {
        "name": f"{image.name} | {PUNCTA}",
        **place(teacher.geometry),
        "features": _features(table, light),
        "size": [2 * radius * _SIZES[str(one)] for one in classes],
        "canvas_size_limits": (_LEAST, 10000),
        "symbol": [_SYMBOLS[str(one)] for one in classes],
        "face_color": "transparent",
        "border_color": "p_teacher",
        "border_colormap": Colormap(
            [(*(int(one[i : i + 2], 16) / 255 for i in (0, 2, 4)), 1.0) for one in _ANCHORS],
            name="posterior probability",
        ),
        "border_contrast_limits": (0.0, 1.0),
        "border_width": [_BORDERS[str(one)] for one in classes],
        "border_width_is_relative": True,
        "metadata": _metadata(report, teacher, student),
    }
    return _positions(table, image.shape[:-2]), look, "points"


def show_puncta(viewer: ViewerModel, layer: LayerData) -> Points:
    """Show the puncta of a comparison in place of those of an earlier look at the image.

    The layer stays as visible as it was; a new one is hidden in grid mode, where it would be given
    a cell of its own. What is selected stays so.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Where to.
    layer : LayerData
        From `puncta_layer`.
    """
    in_main_thread("puncta are shown")
    data, look, _ = layer
    with kept_selection(viewer):
        visible, at = not grid_of(viewer).enabled, None
        there = [one for one in viewer.layers if _shows_the_same(one, look)]
        if len(there) == 1 and _lies_alike(there[0], data, look):
            return _renew(there[0], data, look)
        for old in there:
            visible, at = old.visible, viewer.layers.index(old)
            look = {**look, "name": old.name}
            viewer.layers.remove(old)
        added = viewer.add_points(data, **look, visible=visible)
        if at is not None and viewer.layers.index(added) != at:
            viewer.layers.move(viewer.layers.index(added), at)
    return added


def _lies_alike(layer: Points, data: np.ndarray, look: dict[str, Any]) -> bool:
    """Say whether points can be renewed: napari takes 0.2 s to take a layer away and add it."""
    return (
        layer.ndim == data.shape[1]
        and np.array_equal(layer.scale, look["scale"])
        and np.array_equal(layer.translate, look["translate"])
        and tuple(map(str, layer.units)) == tuple(map(str, look["units"]))
    )


def _renew(layer: Points, data: np.ndarray, look: dict[str, Any]) -> Points:
    """Show other points in a layer; colours follow the features by which they are chosen."""
    layer.selected_data = set()
    layer.data = data
    layer.features = look["features"]
    for name in ("size", "symbol", "border_width"):
        setattr(layer, name, look[name])
    layer.metadata = {**layer.metadata, **look["metadata"]}
    return layer


def gather_puncta(report: Report, teacher: Run, student: Run) -> LayerData | None:
    """Make the layer with the mean light of each punctum, which reads samples: on a worker.

    Raises
    ------
    RunError
        If a run is damaged.
    """
    if report.figures.sites is None:
        return None
    named = NamedRun("teacher", teacher), NamedRun("student", student)
    return puncta_layer(report, teacher, student, light=mean_light(report, *named))


def _positions(table: SiteTable, lead: tuple[int, ...]) -> np.ndarray:
    """Return positions along all axes of the image: planes are counted over those before y, x."""
    positions = table.positions
    if not lead:
        return np.asarray(positions[:, 1:])
    planes = np.round(positions[:, 0]).astype(int)
    before = np.stack(np.unravel_index(planes, lead), axis=1)
    return np.concatenate([before.astype(np.float64), positions[:, 1:]], axis=1)


def _features(table: SiteTable, light: np.ndarray | None) -> dict[str, Any]:
    """Return the table beside the points, a row for each, in the order of the inspector."""
    existence, order = table.existence, table.order
    columns = {
        "punctum": order + 1,
        "p_teacher": table.teacher_probability,
        "p_student": table.student_probability,
        "difference": existence.difference[order],
        "class": table.classes.astype(str),
        "lost": table.classes == "lost",
        "invented": table.classes == "invented",
    }
    if light is not None:
        columns["intensity"] = light
    return columns


def _metadata(report: Report, teacher: Run, student: Run) -> dict[str, Any]:
    told = metadata_of(
        student.request, "puncta", path=student.path, samples=len(student), state=student.state
    )
    told[KEY]["teacher"] = metadata_of(teacher.request, "puncta", path=teacher.path)[KEY]
    table = report.figures.sites
    assert table is not None
    told[KEY] |= {
        "tolerance": table.existence.tolerance,
        "radius": table.existence.sites.radius[-1],
        "intensity_unit": "photoelectrons",
    }
    return told


def _shows_the_same(layer: Any, look: dict[str, Any]) -> bool:
    if quantity_of(layer) != PUNCTA:
        return False
    return bool(layer.metadata[KEY].get("image_sha256") == look["metadata"][KEY]["image_sha256"])
