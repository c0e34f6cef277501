"""Runs on disk opened by napari: File > Open, drag and drop, ``viewer.open``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_posterior.layers.out import run_layers
from napari_posterior.runs.damage import prove_readable, telling_damage
from napari_posterior.runs.store import SUFFIX, open_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.layers.out import LayerData

__all__ = ["get_reader", "read_run"]


def get_reader(path: Any) -> Callable[[str], list[LayerData]] | None:
    """Return the reader of a folder ``NAME.posterior.zarr``; None for anything else.

    napari offers every folder to every reader, so the name decides. A folder of that name is
    taken even where it is damaged: then the reader can say so.
    """
    if not isinstance(path, str | os.PathLike):
        return None  # several paths as one stack: runs are opened one by one
    folder = Path(path)
    return read_run if folder.name.endswith(SUFFIX) and folder.is_dir() else None


def read_run(path: str | os.PathLike[str]) -> list[LayerData]:
    """Open a run as layers: measurement, variance, sd, mean and samples.

    Parameters
    ----------
    path : path
        A folder ``NAME.posterior.zarr``; one that was cut short opens with the samples it holds.

    Returns
    -------
    list of (data, attributes, "image")
        With scale, units, position and axis labels of the image. The samples are read from disk
        as they are looked at.

    Raises
    ------
    RunError
        One sentence, if the run holds no sample or is damaged.
    """
    with telling_damage(path):
        run = open_run(path)
        if len(run):
            prove_readable(run)
        return run_layers(run, with_input=True)
