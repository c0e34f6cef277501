"""Two stacks of samples beside each other, with one slider and one contrast."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_posterior.layers.inspect import grid_of
from napari_posterior.layers.thread import unwrapped

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

__all__ = ["SideBySide"]


@dataclass(frozen=True)
class _Before:
    """How a viewer was before two runs were shown side by side."""

    grid: tuple[bool, int, tuple[int, int]]
    camera: tuple[Any, float]
    visible: tuple[tuple[Any, bool], ...]  # layers held weakly


class SideBySide:
    """Lays two layers out in napari's grid, and puts everything back as it was.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(unwrapped(viewer))
        self._before: _Before | None = None
        self._linked: list[Any] = []

    def lay_out(self, teacher: ImageLayer, student: ImageLayer) -> None:
        """Show these two layers and no other, the teacher on the left."""
        from napari.experimental import link_layers

        viewer = self._viewer()
        if viewer is None:
            return
        grid, camera = grid_of(viewer), _camera_of(viewer)
        self._before = _Before(
            (grid.enabled, grid.stride, tuple(grid.shape)),
            (camera.center, camera.zoom),
            tuple((weakref.ref(one), bool(one.visible)) for one in viewer.layers),
        )
        for layer in viewer.layers:
            layer.visible = layer in (teacher, student)
        student.contrast_limits = teacher.contrast_limits
        link_layers([teacher, student], ("contrast_limits",))
        self._linked = [weakref.ref(teacher), weakref.ref(student)]
        grid.shape = (1, 2)
        grid.stride = 1
        grid.enabled = True
        columns = [_column(viewer, layer) for layer in (teacher, student)]
        if columns[0] > columns[1]:
            grid.stride = -1
        viewer.reset_view()  # each has half of the canvas

    def put_back(self) -> None:
        """Show all layers, the grid and the view as they were before."""
        self.unlink()
        viewer = self._viewer()
        before, self._before = self._before, None
        if before is None or viewer is None:
            return
        grid = grid_of(viewer)
        grid.enabled, grid.stride, grid.shape = before.grid
        for known, visible in before.visible:
            layer = known()
            if layer is not None and layer in viewer.layers:
                layer.visible = visible
        camera = _camera_of(viewer)
        camera.center, camera.zoom = before.camera

    def unlink(self) -> None:
        """Let each layer have its own contrast again."""
        from napari.experimental import unlink_layers

        layers = [one() for one in self._linked]
        self._linked = []
        if len(layers) == 2 and None not in layers:
            unlink_layers(layers, ("contrast_limits",))


def _camera_of(viewer: ViewerModel) -> Any:
    return getattr(viewer, "scene", viewer).camera  # napari 0.8 has no scene


def _column(viewer: ViewerModel, layer: ImageLayer) -> int:
    """Return the column of the grid that a layer is shown in."""
    layers = viewer.layers
    return int(grid_of(viewer).position(layers.index(layer), layers)[1])
