"""A restoration as a job."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.runs.cancel import RunCancelledError
from napari_posterior.runs.events import Cancelled, Failed, Finished, Preview, SampleDone, Warned
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from pathlib import Path

    from napari_posterior.api.begin import Begun
    from napari_posterior.api.settings import Settings
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.image import Image
    from napari_posterior.runs.events import Event, TerminalEvent
    from napari_posterior.runs.request import RestoreRequest, Role
    from napari_posterior.runs.run import Run
    from napari_posterior.runs.sink import EndState, RunSink
    from napari_posterior.runs.solver import ImageCheckRecord
    from napari_posterior.session.watch import SampleValues, Watch
    from napari_posterior.statistics import Statistic

__all__ = ["RestoreJob", "RunInProgress"]

_LOG = logging.getLogger(__name__)

_SHARED_CAMERA = (
    "The camera is the one that was estimated for the teacher's run of this pair: "
    "{camera.words}; that run tells how."
)


@dataclass(frozen=True)
class RunInProgress:
    """A run that is being drawn: what is known of it before its first sample.

    Attributes
    ----------
    path : Path
        Its folder.
    request : RestoreRequest
        What was asked for, with camera, steps and device settled.
    image : Image
        What is restored.
    drawn : tuple of int
        Indices of the samples that are there already, of a run that is gone on with.
    """

    path: Path
    request: RestoreRequest
    image: Image
    drawn: tuple[int, ...] = ()

    @property
    def role(self) -> Role:
        """``"teacher"``, ``"student"`` or ``"point"``."""
        return self.request.role


class RestoreJob(ThreadedJob["Run"]):
    """Draw the samples of a run; the result is the `Run`.

    Image and model are read, and the weights loaded, in the thread of the job. Every
    `SampleDone` carries the sample itself, (...) float32, so that nobody has to read it from disk.

    Parameters
    ----------
    image : Image, ndarray, path, layer or callable
        As in :func:`napari_posterior.restore`; a callable is called in the thread of the job and
        returns one of these. A napari layer is better captured by a callable before: its
        attributes would be read in the thread of the job.
    model : str, path or Bundle
        As in :func:`napari_posterior.restore`.
    settings : Settings
        What is asked for.
    out, resume, overwrite
        As in :func:`napari_posterior.restore`; folders are taken as they are.
    owner : Run, optional
        The run that is gone on with, kept as long as the result: its folder may be temporary.
    title : str, optional
        For a list of jobs.
    key : Hashable, optional
        Equal for jobs that would draw the same; by default made of all the arguments.
    partner : RestoreJob, optional
        A job on the same image that has begun before this one does: its camera is taken where
        none is given, so that it is estimated once.
    statistics : sequence of str or Statistic
        Measured on every sample while others are drawn; none by default, and never on a point
        estimate.
    before, after : callable, optional
        Make what a window will show of the run, in the thread of the job: `before` gets the run
        that begins and fills `ready`, `after` the run that holds samples and fills `gathered`.
    preview_every : float, optional
        Least time in seconds between two previews of a sample that is being drawn; None for none.
        They are for a window, and so only where there is `before`.

    Attributes
    ----------
    ready, gathered : object
        What `before` and `after` returned; None until then.
    """

    doing = "sampling"
    preparing = "loading the model"

    def __init__(
        self,
        image: Any,
        model: str | os.PathLike[str] | Bundle,
        settings: Settings,
        *,
        out: Path | None = None,
        resume: Path | None = None,
        overwrite: bool = False,
        owner: Run | None = None,
        title: str | None = None,
        key: Hashable = None,
        partner: RestoreJob | None = None,
        statistics: Sequence[str | Statistic] = (),
        before: Callable[[RunInProgress], Any] | None = None,
        after: Callable[[Run], Any] | None = None,
        preview_every: float | None = 0.0,
    ) -> None:
        if key is None:
            key = (_identity(image), str(model), settings, out, resume)
        super().__init__(title or f"restore by {settings.sampler}", lane=settings.device, key=key)
        self.settings = settings
        self._image = image
        self._model = model
        self._out, self._resume, self._overwrite = out, resume, overwrite
        self._owner = owner
        self._live: RunInProgress | None = None
        self._run: Run | None = None
        self._partner, self._statistics = partner, tuple(statistics)
        self._watch: Watch | None = None
        self._measured: tuple[SampleValues, ...] = ()
        self._before, self._after = before, after
        self._preview_every, self._next_preview = preview_every, 0.0
        self.ready: Any = None
        self.gathered: Any = None

    @property
    def live(self) -> RunInProgress | None:
        """The run while it is drawn; there from the first event on."""
        return self._live

    @property
    def run(self) -> Run | None:
        """What was drawn, however the job ended; None before, and where nothing can be opened."""
        return self._run

    @property
    def measured(self) -> tuple[SampleValues, ...]:
        """What was measured on the samples so far; a snapshot that can be read from any thread."""
        watch = self._watch
        return self._measured if watch is None else watch.values

    def _partial(self) -> Run | None:
        return self._run

    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        from napari_posterior.api.begin import open_written
        from napari_posterior.runs.runner import run_sampling
        from napari_posterior.session.threads import leave_a_core_free, share_the_interpreter

        self._token.raise_if_cancelled()
        with leave_a_core_free(), share_the_interpreter():
            try:
                begun = self._begin()
            except RunCancelledError:
                return Cancelled(0)
            writer = begun.writer
            drawn = tuple(sorted(writer.completed))
            self._live = RunInProgress(writer.path, begun.job.request, begun.image, drawn)
            if self._before is not None:
                self.ready = self._before(self._live)
            for message in begun.warnings:
                report(Warned(message))
            with self._watching(self._live, report) as watch:

                def tell(event: Event) -> None:
                    if isinstance(event, Finished | Cancelled | Failed):
                        return
                    if watch is not None and isinstance(event, SampleDone):
                        watch.add(event.index)
                    if not isinstance(event, Preview) or self._is_time_to_show():
                        report(event)

                sink = _Showing(begun.writer)
                # previews are for a window, which has something to do before the first sample
                end = run_sampling(
                    begun.job,
                    sink=sink,
                    token=self._token,
                    on_event=tell,
                    previews=self._before is not None and self._preview_every is not None,
                )
                if watch is not None and watch.behind:
                    self._say("measuring the last samples")
        run = open_written(begun.writer)
        if run is not None and self._owner is not None:
            run.keep(self._owner)
        if run is not None and len(run):
            self._look_ahead(run, report)
        # The end is told only when the run is there for those who hear of it.
        self._run = run
        self._outcome = run
        return end

    def _is_time_to_show(self) -> bool:
        """Whether the last preview is long enough ago."""
        now = time.monotonic()
        if now < self._next_preview:
            return False
        self._next_preview = now + (self._preview_every or 0.0)
        return True

    def _begin(self) -> Begun:
        """Read image and model, and make the folder of the run."""
        from napari_posterior.api.begin import begin

        source = self._image
        image = source() if callable(source) and not hasattr(source, "data") else source
        settings = self._with_camera_of_partner()
        begun = begin(
            image,
            self._model,
            settings,
            out=self._out,
            resume=self._resume,
            overwrite=self._overwrite,
            token=self._token,
        )
        if settings is not self.settings:
            message = _SHARED_CAMERA.format(camera=begun.job.request.camera)
            begun.writer.warn(message)
            begun = replace(begun, warnings=(message, *begun.warnings))
        return begun

    def _with_camera_of_partner(self) -> Settings:
        """Return the settings with the camera that was estimated for the partner.

        Where the image did not tell the gain, the partner drew blind and said why; then this job
        estimates too, finds the same, and says the same.
        """
        partner, self._partner = self._partner, None
        live = None if partner is None else partner.live
        if live is None or self.settings.camera is not None or live.request.blind:
            return self.settings
        return replace(self.settings, camera=live.request.camera)

    @contextmanager
    def _watching(
        self, live: RunInProgress, report: Callable[[Event], None]
    ) -> Iterator[Watch | None]:
        """Measure samples as they come; where that cannot be, the run goes on without."""
        from napari_posterior.runs.run import Run
        from napari_posterior.session.watch import Watch, warning_of

        def warn(message: str) -> None:
            report(Warned(message))

        if self._statistics and live.role != "point":
            try:
                watch = Watch(Run(live.path), self._statistics, token=self._token, warn=warn)
                watch.start()
            except Exception as error:
                _LOG.debug("samples cannot be measured", exc_info=True)
                warn(warning_of(error))
            else:
                self._watch = watch
        try:
            yield self._watch
        finally:
            if self._watch is not None:
                self._watch.finish()
                # The numbers stay; what they were measured with is large.
                self._measured, self._watch = self._watch.values, None

    def _look_ahead(self, run: Run, report: Callable[[Event], None]) -> None:
        """Read and compute what a window shows, so that the window need not; the run keeps it."""
        try:
            for name in ("mean", "sd", "input"):
                getattr(run, name)
            if self._after is not None:
                self.gathered = self._after(run)
        except Exception as error:
            _LOG.exception("a run cannot be shown")
            report(Warned(f"The run is in {run.path}, but cannot be shown: {error}"))


class _Showing:
    """Passes samples on to a sink and gives them, not their folders, to those who watch."""

    def __init__(self, sink: RunSink) -> None:
        self._sink = sink

    @property
    def completed(self) -> frozenset[int]:
        return self._sink.completed

    def write_sample(self, index: int, sample: np.ndarray) -> np.ndarray:
        self._sink.write_sample(index, sample)
        return sample.copy()  # a row of a batch would keep the whole batch in memory

    def warn(self, message: str) -> None:
        self._sink.warn(message)

    @property
    def image_check(self) -> ImageCheckRecord | None:
        return self._sink.image_check

    def keep_check(self, check: ImageCheckRecord) -> None:
        self._sink.keep_check(check)

    def finish(self, state: EndState, message: str = "") -> None:
        self._sink.finish(state, message)


def _identity(image: Any) -> Hashable:
    """Return what tells one image from another without reading its pixels."""
    data = getattr(image, "data", image)
    if isinstance(data, np.ndarray):
        where = data.__array_interface__["data"][0]
        return where, data.shape, data.strides, str(data.dtype)
    return image if isinstance(image, str) else id(image)
