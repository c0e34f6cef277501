"""The layers of one run while it is drawn."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.layers.follow import kept_selection
from napari_posterior.layers.names import KEY, choose_label
from napari_posterior.layers.out import add_layers, attributes
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.runs.stack import SampleStack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_posterior.image import Geometry
    from napari_posterior.layers.limits import Limits
    from napari_posterior.layers.names import Quantity
    from napari_posterior.layers.out import LayerData
    from napari_posterior.runs.request import RestoreRequest

__all__ = ["MEMORY_LIMIT", "GrowingStack", "LiveRun", "begun_stack", "empty_stack"]

MEMORY_LIMIT: Final = 2**30
"""Bytes up to which the samples of a run that is drawn are held in memory."""


class GrowingStack(SampleStack):
    """The samples of a run that is being written, NaN where they are not drawn yet.

    Parameters
    ----------
    folder : Path
        The run.
    samples : int
        How many samples it will hold.
    geometry : Geometry
        Of one sample.
    image_shape : tuple of int
        Of one sample.
    """

    def __init__(
        self, folder: Path, samples: int, geometry: Geometry, image_shape: tuple[int, ...]
    ) -> None:
        super().__init__(folder, tuple(range(samples)), geometry, image_shape)
        self._drawn: set[int] = set()
        self._preview: tuple[int, int, np.ndarray] | None = None

    def mark(self, index: int) -> None:
        """Say that a sample is on disk."""
        self._drawn.add(index)

    def preview(self, index: int, plane: int, image: np.ndarray | None) -> None:
        """Give one plane of a sample that is not drawn yet; None for nothing any more."""
        self._preview = None if image is None else (index, plane, image)

    def _read(self, position: int, rest: Sequence[Any]) -> np.ndarray:
        if position in self._drawn:
            return super()._read(position, rest)
        if self._preview is not None:
            index, plane, image = self._preview
            if (position, plane) == (index, self._plane_of(rest[:-2])):
                return np.array(image[tuple(rest[-2:])])
        blank = np.broadcast_to(np.float32(np.nan), self.shape[1:])
        return np.array(blank[tuple(rest)])

    def _plane_of(self, lead: Sequence[Any]) -> int | None:
        """Return the plane that is asked for; None where it is more than one."""
        plane = 0
        for part, size in zip(lead, self.shape[1:-2], strict=True):
            if not isinstance(part, int | np.integer):
                return None
            plane = plane * size + int(part) % size
        return plane


def empty_stack(request: RestoreRequest, folder: Path | None = None) -> np.ndarray | GrowingStack:
    """Make the stack that a run will fill, NaN all over.

    Takes a moment where it is large, so a worker should do it.

    Parameters
    ----------
    request : RestoreRequest
        What is drawn.
    folder : Path, optional
        Of the run; with it, a stack beyond `MEMORY_LIMIT` stays on disk.
    """
    image = request.image
    shape = (request.samples, *image.shape)
    if folder is None or 4 * math.prod(shape) <= MEMORY_LIMIT:
        try:
            return np.full(shape, np.nan, np.float32)
        except MemoryError:
            if folder is None:
                raise
    return GrowingStack(folder, request.samples, image.geometry, image.shape)


def begun_stack(
    request: RestoreRequest, folder: Path, drawn: Sequence[int]
) -> np.ndarray | GrowingStack:
    """Make the stack of a run, with the samples that it holds already: a worker should do it.

    Parameters
    ----------
    request : RestoreRequest
        What is drawn.
    folder : Path
        Of the run.
    drawn : sequence of int
        Indices of the samples in it.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    stack = empty_stack(request, folder)
    there = SampleStack(folder, tuple(drawn), request.image.geometry, request.image.shape)
    for position, index in enumerate(drawn):
        if isinstance(stack, np.ndarray):
            stack[index] = there[position]
        else:
            stack.mark(index)
    return stack


class LiveRun:
    """Owns the layers of one run in a viewer, and fills them as samples arrive.

    The sample stack is made at once and in full size. Up to `MEMORY_LIMIT` it is held in memory,
    so that looking at it never waits for the disk; a larger one is read from the run's folder.
    Nothing is drawn again before `refresh`, so that the caller decides how often that is. A layer
    that the user deletes stays away. To be used in the main thread only.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Where the layers go.
    request : RestoreRequest
        What is drawn.
    limits : Limits
        Contrast limits to begin with, such as `expected_limits` or those of the teacher.
    label : str, optional
        What the run is called in layer names; chosen by `choose_label` by default.
    folder : Path, optional
        Of the run.
    stack : ndarray or GrowingStack, optional
        From `begun_stack`; by default an empty one, made here.
    drawn : iterable of int
        Indices of the samples that `stack` holds.
    layers : mapping of str to napari Image layer
        By what they show, where the run has been shown before: they are gone on with.

    Raises
    ------
    WrongThreadError
        By every method, if it is called off the main thread.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        request: RestoreRequest,
        *,
        limits: Limits,
        label: str | None = None,
        folder: Path | None = None,
        stack: np.ndarray | GrowingStack | None = None,
        drawn: Iterable[int] = (),
        layers: Mapping[str, ImageLayer] | None = None,
    ) -> None:
        in_main_thread("the layers of a run are made")
        self._viewer = weakref.ref(unwrapped(viewer))
        self._request = request
        self._label = label or choose_label(viewer.layers, request)
        self._layers: dict[str, ImageLayer] = dict(layers or {})
        self._drawn: set[int] = set(drawn)
        self._newest: int | None = None
        self._preview: int | None = None
        self._stale: set[str] = set()
        self._unthumbed = False
        self._stack = empty_stack(request, folder) if stack is None else stack
        first: Quantity = "point estimate" if request.role == "point" else "samples"
        data = self._stack[0] if request.role == "point" else self._stack
        look = attributes(request, first, limits, label=self._label, path=folder)
        if (there := self._layers.get(first)) is None:
            self._insert(first, (data, look, "image"))
        else:
            self._update(there, data, look)

    @property
    def label(self) -> str:
        """What the run is called in layer names."""
        return self._label

    @property
    def request(self) -> RestoreRequest:
        """What is drawn."""
        return self._request

    @property
    def layers(self) -> dict[str, ImageLayer]:
        """The layers that are still in the viewer, by what they show; none once it is gone."""
        viewer = self._viewer()
        there = [] if viewer is None else list(viewer.layers)
        return {quantity: layer for quantity, layer in self._layers.items() if layer in there}

    @property
    def newest(self) -> int | None:
        """Index of the sample that was filled in last; None before the first one."""
        return self._newest

    def add_sample(self, index: int, sample: np.ndarray) -> None:
        """Fill in one sample; it is seen after the next `refresh`.

        Parameters
        ----------
        index : int
            Which, from 0.
        sample : ndarray
            Of the shape of the image, photoelectrons per pixel.
        """
        in_main_thread("a sample is filled in")
        if isinstance(self._stack, np.ndarray):
            self._stack[index] = sample
        else:
            self._stack.mark(index)
        self._drawn.add(index)
        self._newest = index
        if self._preview == index:
            self._preview = None
        self._stale.update(("samples", "point estimate"))
        self._unthumbed = True

    def add_preview(self, index: int, plane: int, image: np.ndarray) -> None:
        """Fill in what one plane of a sample looks like so far; the sample will replace it.

        Parameters
        ----------
        index, plane : int
            Which, from 0; of a sample that is there already nothing is changed.
        image : ndarray, (H, W)
            Photoelectrons per pixel.
        """
        in_main_thread("a preview is filled in")
        if index in self._drawn:
            return
        if self._preview != index:
            self.drop_preview()
        self._preview = index
        if isinstance(self._stack, np.ndarray):
            self._stack[index].reshape(-1, *image.shape)[plane] = image
        else:
            self._stack.preview(index, plane, image)
        self._stale.add("samples")

    def drop_preview(self) -> None:
        """Take away what no sample will replace, as after a run that was stopped."""
        in_main_thread("a preview is taken away")
        index, self._preview = self._preview, None
        if index is None:
            return
        if isinstance(self._stack, np.ndarray):
            self._stack[index] = np.nan
        else:
            self._stack.preview(index, 0, None)
        self._stale.add("samples")

    def refresh(self, *, drawn: bool = False) -> bool:
        """Draw again what was filled in since the last call; say whether there was anything.

        Parameters
        ----------
        drawn : bool
            It has been drawn already, as where a slider was moved.
        """
        in_main_thread("layers are refreshed")
        stale, self._stale = self._stale, set()
        if drawn:
            self._unthumbed = False
            return False
        layers = [layer for quantity, layer in self.layers.items() if quantity in stale]
        # a new thumbnail has the whole list of layers painted: not for every preview
        thumbnail, self._unthumbed = self._unthumbed, False
        for layer in layers:
            layer.refresh(thumbnail=thumbnail, highlight=False, extent=False)
        return bool(layers)

    def finish(self, layers: Sequence[LayerData]) -> list[ImageLayer]:
        """Take over the finished run.

        Parameters
        ----------
        layers : sequence of LayerData
            From `run_layers`, called on a worker since it reads from disk, with the limits to
            show. What they show and is there already is updated; what the user deleted stays away.

        Returns
        -------
        list of napari Image layers
            All layers of the run, the samples last.
        """
        in_main_thread("a run is finished")
        viewer = self._viewer()
        self.drop_preview()
        if viewer is None:
            return []
        with kept_selection(viewer):
            self._take_over(layers)
        self._stale.clear()
        return list(self.layers.values())

    def set_limits(self, limits: Limits) -> None:
        """Show the layers with other contrast limits."""
        in_main_thread("contrast limits are changed")
        for quantity, layer in self.layers.items():
            chosen = limits.of(quantity, self._request)
            if chosen is not None:
                layer.contrast_limits = chosen

    def remove(self) -> None:
        """Take the layers out of the viewer, as after a run that drew nothing."""
        in_main_thread("layers are removed")
        viewer = self._viewer()
        if viewer is None:
            return
        for layer in self.layers.values():
            viewer.layers.remove(layer)

    def _take_over(self, layers: Sequence[LayerData]) -> None:
        for data, look, _ in layers:
            quantity = str(look["metadata"][KEY]["quantity"])
            if quantity not in self._layers:
                self._insert(quantity, (data, look, "image"))
            elif (layer := self.layers.get(quantity)) is not None:
                self._update(layer, self._final(quantity, data), look)

    def _final(self, quantity: str, data: Any) -> Any:
        """Return the samples that are held in memory where they are all there; else `data`."""
        if quantity != "samples" or not isinstance(self._stack, np.ndarray):
            return data
        indices = getattr(data, "indices", ())
        if not indices or set(indices) != self._drawn:
            return data
        if len(indices) == len(self._stack):
            return self._stack
        first = tuple(indices) == tuple(range(len(indices)))
        # a view where that will do: a copy of many samples would take a while
        return self._stack[: len(indices)] if first else self._stack[list(indices)]

    def _insert(self, quantity: str, layer: LayerData) -> None:
        """Add a layer, below the samples so that what is looked at stays in sight."""
        viewer = self._viewer()
        if viewer is None:
            return
        [added] = add_layers(viewer, [layer])
        self._layers[quantity] = added
        top = self.layers.get("samples")
        if top is not None and quantity != "samples":
            layers = viewer.layers
            layers.move(layers.index(added), layers.index(top))

    def _update(self, layer: ImageLayer, data: Any, look: dict[str, Any]) -> None:
        if layer.data is not data:
            layer.data = data
        layer.contrast_limits = look["contrast_limits"]
        layer.metadata = {**layer.metadata, **look["metadata"]}
        layer.refresh(extent=False)
