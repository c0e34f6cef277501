"""Draw a prepared job into a run on disk, in this thread, with progress and Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_posterior.api.failure import RunFailedError
from napari_posterior.api.prepare import prepare
from napari_posterior.api.progress import progress_bar
from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.catalogue import entries, find_model
from napari_posterior.errors import PosteriorError
from napari_posterior.image import as_image, check_image
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Failed, Warned
from napari_posterior.runs.provenance import collect_provenance
from napari_posterior.runs.request import check_samples, check_seed
from napari_posterior.runs.runner import run_sampling
from napari_posterior.runs.store import RunWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from napari_posterior.api.prepare import Settings
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run

__all__ = ["draw"]

_LOG = logging.getLogger(__name__)


def draw(
    image: Any,
    model: str | os.PathLike[str] | Bundle,
    settings: Settings,
    *,
    out: Path | None,
    resume: Path | None,
    overwrite: bool,
    progress: bool,
    on_event: Callable[[Event], None] | None,
    token: CancelToken | None,
) -> Run:
    """Do what :func:`napari_posterior.restore` promises.

    Raises
    ------
    PosteriorError
        As listed there.
    """
    if settings.samples is not None:
        check_samples(settings.samples)
    check_seed(settings.seed)
    measured = as_image(image)
    check_image(measured)
    if isinstance(model, Bundle):
        bundle = model
    else:
        bundle = open_bundle(find_model(model))
    prepared = prepare(measured, bundle, settings, model=_name(bundle))
    request = prepared.job.request
    if resume is not None:
        writer = RunWriter.resume(resume, request)
    else:
        writer = RunWriter.create(
            out,
            request,
            measured,
            provenance=collect_provenance(request, weights_hash=prepared.weights),
            overwrite=overwrite,
        )
    token = token or CancelToken()
    with progress_bar(request, shown=progress) as show, _stopped_by_ctrl_c(token):

        def tell(event: Event) -> None:
            show(event)
            if on_event is not None:
                on_event(event)

        for message in prepared.warnings:
            # A resumed run holds the sentences of its beginning.
            if resume is None:
                writer.warn(message)
            tell(Warned(message))
        end = run_sampling(prepared.job, sink=writer, token=token, on_event=tell)
    if isinstance(end, Failed):
        raise RunFailedError(end.message, kept=end.kept, run=_open(writer)) from end.exception
    return writer.open()


def _name(bundle: Bundle) -> str:
    """Return the name by which the bundle is found again: its own, or its folder."""
    folder = bundle.folder.absolute()
    known = (entry for entry in entries() if entry.folder.absolute() == folder)
    return next((entry.name for entry in known), str(folder))


def _open(writer: RunWriter) -> Run | None:
    try:
        return writer.open()
    except PosteriorError:
        _LOG.debug("what was drawn before the failure cannot be opened", exc_info=True)
        return None


@contextmanager
def _stopped_by_ctrl_c(token: CancelToken) -> Iterator[None]:
    """Let the first Ctrl-C cancel the run after the present network call, and a second one at once.

    Only in the main thread, and only where nobody else has taken the signal.
    """
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if token.cancelled:
            signal.default_int_handler(number, frame)
        token.cancel()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
