"""Whether a layer is still what it was: drawn shapes, painted labels, data, place."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.layers.thread import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer

__all__ = ["Mark", "edits_of"]

_EVENTS: Final = (
    "data", "set_data", "paint", "labels_update", "scale", "translate", "rotate", "shear",
    "affine", "units",
)  # fmt: skip
_MOST_PIXELS: Final = 2**25


def edits_of(layer: Layer) -> Iterator[Any]:
    """Return the events of a layer after which it may be another one; some tell of less."""
    layer = unwrapped(layer)
    return (layer.events[name] for name in _EVENTS if name in layer.events.emitters)


class Mark:
    """Tells one content of a layer from another; for the main thread.

    It listens to the layer and works its mark out anew only where something may have changed, so
    that it can be asked often, and an edit that is undone counts as none.

    Parameters
    ----------
    layer : napari layer
        Of shapes or labels with all their content; of any other, and of labels that are too large
        or not in memory, which data it has.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = unwrapped(layer)
        self._mark = b""
        self._data: Any = None
        for event in edits_of(layer):
            event.connect(self._on_edit)

    def __call__(self) -> bytes:
        """Return what is equal for equal content at the same place."""
        if not self._mark:
            self._mark = self._work_out()
        return self._mark

    def _on_edit(self, *_: object) -> None:
        self._mark = b""

    def _work_out(self) -> bytes:
        from napari.layers import Labels, Shapes

        layer, told = self._layer, hashlib.blake2b(digest_size=16)
        told.update(np.asarray(layer.data_to_world(np.zeros(layer.ndim))).tobytes())
        for step in np.eye(layer.ndim):
            told.update(np.asarray(layer.data_to_world(step)).tobytes())
        told.update(str(layer.units).encode())
        if isinstance(layer, Shapes):
            for kind, corners in zip(layer.shape_type, layer.data, strict=True):
                told.update(kind.encode())
                told.update(np.asarray(corners, np.float64).tobytes())
            return told.digest()
        data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
        if isinstance(layer, Labels) and isinstance(data, np.ndarray) and data.size <= _MOST_PIXELS:
            told.update(np.ascontiguousarray(data).data)
        else:
            self._data = layer.data  # held, so that no other data has its id
            told.update(str(id(layer.data)).encode())
        return told.digest()
