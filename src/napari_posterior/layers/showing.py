"""Bring layers of one kind to the eye, and put the other results aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_posterior.errors import InputError
from napari_posterior.layers.names import quantity_of
from napari_posterior.layers.thread import in_main_thread, unwrapped

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["show_quantity"]


def show_quantity(viewer: Any, quantity: str, *, instead: str) -> list[Layer]:
    """Show the result layers of one quantity; other results are hidden, the user's layers are not.

    Parameters
    ----------
    viewer : napari viewer or its proxy
        Where they are.
    quantity : str
        ``"sd"``, ``"sd ratio"``, ``"samples"``, ...
    instead : str
        What to do where there are none, for the message.

    Returns
    -------
    list of Layer
        Those that are shown now; the last one is selected.

    Raises
    ------
    InputError
        If there are none.
    """
    in_main_thread("layers are shown")
    layers = list(unwrapped(viewer).layers)
    wanted = [layer for layer in layers if quantity_of(layer) == quantity]
    if not wanted:
        raise InputError(f"no layer shows the {quantity} of a run; {instead}")
    for layer in layers:
        if quantity_of(layer) not in (None, "input"):
            layer.visible = layer in wanted
    viewer.layers.selection.active = wanted[-1]
    return wanted
