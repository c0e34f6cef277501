"""What a session understands of those who type: names, layers, files, jobs and runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_posterior.errors import InputError
from napari_posterior.layers.thread import unwrapped

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from napari_posterior.session.compare_job import CompareJob
    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry

__all__ = ["compare_runs", "find_image", "find_layer", "find_run"]


def find_image(viewer: Any, image: Any, *, axes: Mapping[Hashable, str] | None = None) -> Any:
    """Turn what a user gave into what a job can read in its own thread.

    Parameters
    ----------
    viewer : napari viewer
        Where layers are looked for.
    image : str, napari layer, array, path or None
        The name of a layer comes before a file of that name; None is the layer that is selected.
    axes : mapping of Hashable to str, optional
        Axes that the user gave, by the `unique_id` of layers.

    Returns
    -------
    ImageChoice, array or path
        The choice is of a layer.

    Raises
    ------
    InputError
        If there is no such image, or it cannot be restored.
    """
    from napari.layers import Layer

    from napari_posterior.layers.choices import image_choice

    if image is None:
        image = viewer.layers.selection.active
        if image is None:
            raise InputError("no layer is selected; select an image layer, or give its name")
    elif isinstance(image, str):
        image = _named(viewer, image)
    image = unwrapped(image)
    if not isinstance(image, Layer):
        return image
    choice = image_choice(image, axes=(axes or {}).get(image.unique_id))
    if choice.problem:
        raise InputError(choice.problem)
    return choice


def find_layer(viewer: Any, layer: Any) -> Any:
    """Return a layer by its name; a layer is returned as it is.

    Raises
    ------
    InputError
        If there is none of that name; the message lists those there are.
    """
    if not isinstance(layer, str):
        return layer
    if layer not in viewer.layers:
        names = ", ".join(one.name for one in viewer.layers) or "none"
        raise InputError(f"there is no layer called {layer!r}; the layers are: {names}")
    return viewer.layers[layer]


def compare_runs(controller: Controller, teacher: Any, student: Any) -> CompareJob:
    """Ask for a comparison of two runs; None stands for the one that is chosen.

    Raises
    ------
    InputError
        If the two cannot be compared.
    RunError
        If they are being compared, or the session is closed.
    """
    chosen = controller.state.compare
    entries = [None if one is None else find_run(controller, one) for one in (teacher, student)]
    first, second = entries
    if first is not None:
        chosen.teacher = first
    if second is not None:
        chosen.student = second
    return controller.compare()


def find_run(controller: Controller, run: Any) -> RunEntry:
    """Find a run on the list of a session; a run that is not there is put there.

    Parameters
    ----------
    controller : Controller
        Of the session.
    run : RestoreJob, Run, RunEntry or path
        What is looked for.

    Raises
    ------
    InputError
        If it is none of these, or a job of another viewer.
    RunError
        If there is no run in that folder.
    """
    if isinstance(run, str | os.PathLike):
        from napari_posterior.api import open_run

        run = open_run(run)
    entries = controller.state.runs
    path = getattr(run, "path", None)
    for entry in entries:
        same_run = entry.run is not None and (run is entry.run or path == entry.run.path)
        if run is entry or run is entry.job or same_run:
            return entry
    if path is None:
        raise InputError("this is no run of this viewer; give a job, a run or the folder of one")
    return controller.add_run(run)


def _named(viewer: Any, name: str) -> Any:
    if name in viewer.layers:
        return viewer.layers[name]
    path = Path(name).expanduser()
    if path.exists():
        return path
    names = ", ".join(layer.name for layer in viewer.layers) or "none"
    raise InputError(f"there is no layer and no file called {name!r}; the layers are: {names}")
