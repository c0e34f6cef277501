"""Lets go of the networks that opened bundles keep in memory."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from napari_posterior.bundles.bundle import Bundle
from napari_posterior.bundles.memory import give_back

__all__ = ["Unloaded", "unload_models"]


@dataclass(frozen=True)
class Unloaded:
    """What came of it.

    Attributes
    ----------
    models : tuple of str
        Names of the models that had networks in memory.
    network_bytes : int
        What these took, on all devices.
    device_bytes : int
        What torch gave back of GPUs, those networks included.
    """

    models: tuple[str, ...]
    network_bytes: int
    device_bytes: int


def unload_models() -> Unloaded:
    """Unload every bundle of this process, and give back what torch keeps of GPUs.

    A run opens its bundle and lets it go at its end. What stays is a bundle that somebody opened,
    as in a console, and gave to runs: it keeps its networks for the next one. Nobody else holds a
    list of them, so the garbage collector is asked.
    """
    names, total = [], 0
    for bundle in [one for one in gc.get_objects() if type(one) is Bundle]:
        if given := bundle.unload():
            names.append(bundle.card.name)
            total += given
    return Unloaded(tuple(sorted(set(names))), total, give_back())
