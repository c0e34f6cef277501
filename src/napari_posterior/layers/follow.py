"""Keeping a viewer as its user left it while layers come and go."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_posterior.image import SAMPLE_AXIS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from napari_posterior.layers.live import LiveRun

__all__ = ["SliderFollower", "kept_selection"]


class SliderFollower:
    """Moves the slider of the samples to the newest one, until the user moves it.

    The user has moved it where it is not at the sample that it was moved to last. The axis must
    be that of samples for every layer: it can be that of a stack beside them.
    """

    def __init__(self) -> None:
        self._live: LiveRun | None = None
        self._followed = 0

    def start(self, live: LiveRun, *, new_axis: bool) -> None:
        """Follow this run from now on; `new_axis` if the slider came with it."""
        self._live = live
        if new_axis:
            self._followed = 0

    def stop(self, live: LiveRun) -> None:
        """Follow this run no more."""
        if self._live is live:
            self._live = None

    def follow(self, viewer: ViewerModel) -> LiveRun | None:
        """Move the slider; return the run whose samples were drawn again by that."""
        live = self._live
        layer = None if live is None else live.layers.get("samples")
        if live is None or layer is None or live.newest is None:
            return None
        axis = viewer.dims.ndim - layer.ndim
        others = (one for one in viewer.layers if one.ndim >= layer.ndim)
        if any(one.axis_labels[-layer.ndim] != SAMPLE_AXIS for one in others):
            return None
        if round(viewer.dims.point[axis]) != self._followed:
            return None
        moved = live.newest != self._followed
        self._followed = live.newest
        if not moved:
            return None
        viewer.dims.set_point(axis, float(live.newest))
        return live if layer.visible else None


@contextmanager
def kept_selection(viewer: ViewerModel) -> Iterator[None]:
    """Select again what was selected: napari selects every layer that is added."""
    selection = viewer.layers.selection
    before, active = set(selection), selection.active
    yield
    there = {layer for layer in before if layer in viewer.layers}
    if set(selection) != there:
        if active in there and len(there) == 1:
            selection.active = active
        else:
            selection.clear()
            selection.update(there)
