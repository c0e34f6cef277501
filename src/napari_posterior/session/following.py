"""From the events of a run to what is shown of it: the list of runs, and its layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_posterior.runs.events import (
    Cancelled,
    Failed,
    Finished,
    Preview,
    SampleDone,
    Started,
    StepDone,
    Warned,
)
from napari_posterior.session.progress import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run
    from napari_posterior.session.cost import Rates
    from napari_posterior.session.layer_side import LayerSide
    from napari_posterior.session.models import RunEntry, SessionState
    from napari_posterior.session.restore_job import RestoreJob

__all__ = ["RunFollower"]


class RunFollower:
    """Takes what runs tell into the state, and to the layers.

    Parameters
    ----------
    state : SessionState
        With the list of runs.
    layers : LayerSide or None
        Shows runs.
    rates : Rates
        Learns what runs take.
    on_end : callable
        Called when a run has ended, before that is told in the list.
    """

    def __init__(
        self,
        state: SessionState,
        *,
        layers: LayerSide | None,
        rates: Rates,
        on_end: Callable[[], None],
    ) -> None:
        self._state = state
        self._layers = layers
        self._rates = rates
        self._on_end = on_end
        self._shown: set[RunEntry] = set()

    @property
    def hooks(self) -> dict[str, Any]:
        """Arguments of the `RestoreJob` of a run that will be followed."""
        restore = self._state.restore
        hooks: dict[str, Any] = {"statistics": self._state.compare.statistics}
        hooks["preview_every"] = restore.preview_seconds if restore.live_preview else None
        if self._layers is not None:
            hooks |= {"before": self._layers.prepare_live, "after": self._layers.gather}
        return hooks

    def let_go(self) -> None:
        """Show nothing any more."""
        self._layers = None

    def follow(self, entry: RunEntry, event: Event) -> None:
        """Take one event of a run."""
        job, layers = entry.job, self._layers
        if job is None:
            return
        if not isinstance(event, StepDone | Preview):  # these come often, and `refresh` is for them
            _look_at(entry, job)
        if job.live is not None and entry.folder is None:
            entry.folder = job.live.path
        if isinstance(event, Warned):
            entry.warnings = (*entry.warnings, event.message)
        elif isinstance(event, Started):
            self._begin(entry, job, event)
        elif isinstance(event, SampleDone):
            if layers is not None and entry in self._shown:
                layers.add_sample(entry, event.index, event.data)
        elif isinstance(event, Preview):
            if layers is not None and entry in self._shown:
                layers.add_preview(entry, event.index, event.plane, event.image)
        elif isinstance(event, Finished | Cancelled | Failed):
            entry.message = event.message if isinstance(event, Failed) else ""
            entry.measured = job.measured
            try:
                self._end(entry, job)
            finally:
                # Last, so that who sees the end finds the run, its layers and all that follows.
                entry.progress, entry.state = job.progress, job.state

    def refresh(self) -> None:
        """Take over how far the runs are, and what was measured on their samples."""
        for entry in self._state.runs:
            if entry.job is not None and entry.state not in ENDED:
                _look_at(entry, entry.job)
                entry.measured = entry.job.measured

    def offer(self, entry: RunEntry) -> None:
        """Choose a run for the comparison, if it is on the list and can be compared."""
        if entry not in self._state.runs:
            return
        if entry.role == "teacher":
            self._state.compare.teacher = entry
        elif entry.role == "student":
            self._state.compare.student = entry

    def _begin(self, entry: RunEntry, job: RestoreJob, event: Started) -> None:
        entry.samples = event.samples
        if job.live is None:
            return
        if entry.image_key is None:
            entry.image_key = job.live.request.image.sha256
        self.offer(entry)
        if self._layers is not None:
            self._shown.add(entry)
            self._layers.show_live(entry, job.live, job.ready)

    def _end(self, entry: RunEntry, job: RestoreJob) -> None:
        run, layers = job.run, self._layers
        entry.run = run
        shown = entry in self._shown
        self._shown.discard(entry)
        if run is not None and len(run):
            self._learn(job, run)
            self.offer(entry)
        else:
            self._withdraw(entry)
        self._on_end()
        if layers is None:
            return
        if run is not None and len(run):
            layers.show_run(entry, run, job.gathered)
        elif shown:
            layers.drop_live(entry)

    def _withdraw(self, entry: RunEntry) -> None:
        """Take a run that holds nothing out of the comparison; the newest other one comes in."""
        compare = self._state.compare
        others = [
            one
            for one in self._state.runs
            if one is not entry and one.role == entry.role and one.run is not None and len(one.run)
        ]
        newest = others[-1] if others else None
        if compare.teacher is entry:
            compare.teacher = newest
        if compare.student is entry:
            compare.student = newest

    def _learn(self, job: RestoreJob, run: Run) -> None:
        """Keep what the run took, for the next estimate of the cost."""
        request = run.request
        if request.role == "point":
            return
        done = float(len(run) * request.nfe * math.prod(request.image.shape))
        for device in {job.settings.device, request.device}:
            self._rates.learn(
                request.model, device, request.precision, pixel_calls=done, seconds=run.seconds
            )


def _look_at(entry: RunEntry, job: RestoreJob) -> None:
    """Take over how far a job is; its end waits for the event that tells of it."""
    if job.state not in ENDED:
        entry.state, entry.progress = job.state, job.progress
