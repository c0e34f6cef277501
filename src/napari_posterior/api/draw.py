"""Draw a prepared job into a run on disk, in this thread, with progress and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_posterior.api.begin import begin, open_written
from napari_posterior.api.failure import RunFailedError
from napari_posterior.api.progress import progress_bar
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Failed, Warned
from napari_posterior.runs.runner import run_sampling

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from napari_posterior.api.settings import Settings
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run

__all__ = ["draw"]


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
    begun = begin(image, model, settings, out=out, resume=resume, overwrite=overwrite)
    token = token or CancelToken()
    with progress_bar(begun.job.request, shown=progress) as show, _stopped_by_ctrl_c(token):

        def tell(event: Event) -> None:
            show(event)
            if on_event is not None:
                on_event(event)

        for message in begun.warnings:
            tell(Warned(message))
        end = run_sampling(begun.job, sink=begun.writer, token=token, on_event=tell)
    if isinstance(end, Failed):
        run = open_written(begun.writer)
        raise RunFailedError(end.message, kept=end.kept, run=run) from end.exception
    return begun.writer.open()


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
