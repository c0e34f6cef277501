"""The public functions: list and load models, restore an image, compare two runs, open a run.

Importing this module brings in neither torch, Qt nor napari; a function brings in what it needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_posterior.api.comparing import compare, compare_images
from napari_posterior.api.folder_names import folder_named
from napari_posterior.errors import InputError, RunError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.card import ModelCard
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.runs.cancel import CancelToken
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run
    from napari_posterior.sampling.corrections import Correction

__all__ = ["compare", "compare_images", "list_models", "load_model", "open_run", "restore"]


def list_models() -> list[ModelCard]:
    """List the models that come with the package or lie in the user's cache.

    Returns
    -------
    list of ModelCard
        What each model says of itself; no weights are read and torch is not imported.
    """
    from napari_posterior.bundles.catalogue import list_models as read_cards

    return read_cards()


def load_model(model: str | os.PathLike[str]) -> Bundle:
    """Open a model after comparing all its files with their checksums.

    Parameters
    ----------
    model : str or path
        A name of :func:`list_models`, or the folder of a bundle.

    Returns
    -------
    Bundle
        To be given to :func:`restore` as often as wanted; it keeps its networks in memory.

    Raises
    ------
    ModelError
        If the model is unknown or damaged.
    """
    from napari_posterior.bundles.bundle import open_bundle
    from napari_posterior.bundles.catalogue import find_model

    return open_bundle(find_model(model))


def restore(
    image: Any,
    *,
    model: str | os.PathLike[str] | Bundle = "fluo2d",
    sampler: str = "teacher",
    steps: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    camera: Camera | None = None,
    psf: Psf | None = None,
    background: float = 0.0,
    blind: bool | None = None,
    device: str = "auto",
    precision: str = "float32",
    tile: int | str | None = "auto",
    batch: int | str = "auto",
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    correction: Correction | str | None = None,
    progress: bool = True,
    on_event: Callable[[Event], None] | None = None,
    token: CancelToken | None = None,
) -> Run:
    """Draw samples of the object behind an image.

    Ctrl-C, or cancelling `token`, acts within one network call; the samples drawn so far are kept
    in the run that is returned.

    Parameters
    ----------
    image : ndarray, napari Image layer, path or Image
        Grey levels in ADU, of 2 to 5 axes ending with y and x.
    model : str, path or Bundle
        A name of :func:`list_models`, the folder of a bundle, or an opened one.
    sampler : str
        ``"teacher"``, the name of a student, or ``"mse"`` for the point estimate.
    steps : int, optional
        Grid intervals; by default those that the model states. A teacher with other steps is not
        the reference, and the run says so.
    samples : int, optional
        How many samples; 16 by default, 1 for a point estimate.
    seed : int
        Of the noise; the same seed gives the same samples, and teacher and student the same noise.
    camera : Camera, optional
        Gain, offset and read noise; estimated from the image if not given, and the run says so.
    psf : Psf, optional
        Point spread function in pixels; if not given it is that of the restored image (1 px), so
        that the image is denoised only, and the run says so.
    background : float
        Camera-side constant in photoelectrons per pixel.
    blind : bool, optional
        Tell the networks nothing of camera and PSF; by default only where the camera was to be
        estimated and could not be.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision : str
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where a short probe shows that it
        pays on this device. Runs that are compared need the same.
    tile : int, "auto" or None
        Side in pixels of the tiles of a network call; None for whole planes. Tiles change a sample
        by rounding only.
    batch : int or "auto"
        Samples drawn together.
    out : path, optional
        Folder of the run, ``NAME.posterior.zarr`` (the ending is added); a temporary folder that
        lives as long as the run by default.
    resume : path, optional
        Folder of a run of the same request that was cut short; only what is missing is drawn.
    overwrite : bool
        Replace the run that is in `out`.
    correction : HandOver, Refine, Guided or str, optional
        How the teacher corrects a student's samples: ``"hand-over"``, ``"refine"`` or
        ``"guided"``, with options as in ``"hand-over:tau=0.3,steps=6"``, or one of these classes.
        The run stays the student's, and says which law its images are drawn from.
    progress : bool
        Show a progress bar where the standard error stream is a terminal.
    on_event : callable, optional
        Gets every event of the run, in this thread.
    token : CancelToken, optional
        Cancels the run from another thread.

    Returns
    -------
    Run
        What was drawn; ``run.warnings`` says what to keep in mind.

    Raises
    ------
    InputError
        If the image or a number cannot be used.
    ModelError
        If the model or sampler is unknown or damaged.
    OutputError
        If the folder of the run exists or cannot be written.
    RunError
        If the run fails; what was drawn before is in its ``run``.
    """
    from napari_posterior.api.draw import draw
    from napari_posterior.api.settings import Settings
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.sampling.corrections import read_correction

    if resume is not None and out is not None:
        raise InputError("give either out, for a new run, or resume, for one that was cut short")
    if resume is not None and overwrite:
        raise InputError("give either overwrite, to start anew, or resume, to go on; not both")
    if psf is not None and not isinstance(psf, Psf):
        raise InputError(f"psf is {psf!r}; give Psf(sigma=...) with sigma in pixels")
    if camera is not None and not isinstance(camera, Camera):
        raise InputError(f"camera is {camera!r}; give Camera(gain=..., offset=..., read_noise=...)")
    settings = Settings(
        sampler=sampler,
        steps=steps,
        samples=samples,
        seed=seed,
        camera=camera,
        psf=psf,
        background=background,
        blind=blind,
        device=device,
        precision=precision,
        tile=tile,
        batch=batch,
        correction=read_correction(correction),
    )
    return draw(
        image,
        model,
        settings,
        out=None if out is None else run_folder(out),
        resume=None if resume is None else run_folder(resume),
        overwrite=overwrite,
        progress=progress,
        on_event=on_event,
        token=token,
    )


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a run on disk, also one that was cut short.

    Parameters
    ----------
    path : path
        Its folder; the ending ``.posterior.zarr`` may be left out.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If there is no such run, or it is damaged.
    """
    from napari_posterior.runs.store import open_run as open_folder

    folder = Path(path).expanduser()
    if not str(path):
        raise RunError("the name of the run is empty; give a folder NAME.posterior.zarr")
    return open_folder(folder if folder.exists() else run_folder(folder))


def run_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder of a run of this name: the ending is added where it is missing.

    Raises
    ------
    InputError
        If the name is empty.
    """
    from napari_posterior.runs.store import SUFFIX

    return folder_named(path, SUFFIX, what="a run")
