"""Begin a run: image and model looked at, weights loaded, the folder made; nothing drawn yet."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_posterior.api.prepare import prepare
from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.catalogue import entries, find_model
from napari_posterior.errors import PosteriorError
from napari_posterior.image import as_image, check_image
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.provenance import collect_provenance
from napari_posterior.runs.record import read_record
from napari_posterior.runs.request import check_samples, check_seed
from napari_posterior.runs.store import RunWriter

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from napari_posterior.api.settings import Settings
    from napari_posterior.image import Image
    from napari_posterior.runs.run import Run
    from napari_posterior.runs.runner import PreparedJob

__all__ = ["Begun", "begin", "open_written"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Begun:
    """A run that can be drawn.

    Attributes
    ----------
    job : PreparedJob
        What the runner draws.
    image : Image
        What is restored.
    writer : RunWriter
        Where the samples go.
    warnings : tuple of str
        What the user should know before it is drawn; kept with the run already.
    """

    job: PreparedJob
    image: Image
    writer: RunWriter
    warnings: tuple[str, ...]


def begin(
    image: Any,
    model: str | os.PathLike[str] | Bundle,
    settings: Settings,
    *,
    out: Path | None = None,
    resume: Path | None = None,
    overwrite: bool = False,
    token: CancelToken | None = None,
) -> Begun:
    """Do what comes before the first sample.

    Parameters
    ----------
    image, model, settings, out, resume, overwrite
        As in :func:`napari_posterior.restore`.
    token : CancelToken, optional
        Looked at between the parts, so that nothing is left on disk by a run that was cancelled
        before it began.

    Returns
    -------
    Begun

    Raises
    ------
    PosteriorError
        As `napari_posterior.restore` does.
    RunCancelledError
        If the token was cancelled.
    """
    token = token or CancelToken()
    if settings.samples is not None:
        check_samples(settings.samples)
    check_seed(settings.seed)
    measured = as_image(image)
    check_image(measured)
    token.raise_if_cancelled()
    bundle = model if isinstance(model, Bundle) else open_bundle(find_model(model))
    token.raise_if_cancelled()
    if resume is not None and settings.precision == "auto":
        # what is fastest now may be another one than when the run was begun
        settings = replace(settings, precision=read_record(resume).request.precision)
    prepared = prepare(measured, bundle, settings, model=_name(bundle))
    token.raise_if_cancelled()
    request = prepared.job.request
    if resume is not None:
        writer = RunWriter.resume(resume, request)
    else:
        writer = RunWriter.create(
            out,
            request,
            measured,
            provenance=collect_provenance(request, weights_hash=prepared.weights),
            solver_bias=prepared.solver_bias,
            overwrite=overwrite,
        )
        # A resumed run holds the sentences of its beginning.
        for message in prepared.warnings:
            writer.warn(message)
    return Begun(prepared.job, measured, writer, prepared.warnings)


def open_written(writer: RunWriter) -> Run | None:
    """Open what was written; None where that cannot be opened any more."""
    try:
        return writer.open()
    except PosteriorError:
        _LOG.debug("what was drawn before the failure cannot be opened", exc_info=True)
        return None


def _name(bundle: Bundle) -> str:
    """Return the name by which the bundle is found again: its own, or its folder."""
    folder = bundle.folder.absolute()
    known = (entry for entry in entries() if entry.folder.absolute() == folder)
    return next((entry.name for entry in known), str(folder))
