"""What a controller needs of the layers of a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.report import Report
    from napari_posterior.runs.run import Run
    from napari_posterior.session.models import RunEntry
    from napari_posterior.session.restore_job import RunInProgress

__all__ = ["LayerSide"]


class LayerSide(Protocol):
    """Shows runs in a viewer. What reads or computes is called in the thread of a job."""

    def prepare_live(self, run: RunInProgress) -> Any:
        """Make what `show_live` needs; in the thread of the job."""
        ...

    def show_live(self, entry: RunEntry, run: RunInProgress, ready: Any) -> None:
        """Show a run that begins."""
        ...

    def add_sample(self, entry: RunEntry, index: int, sample: Any) -> None:
        """Show one more sample, (...) float32."""
        ...

    def add_preview(self, entry: RunEntry, index: int, plane: int, image: Any) -> None:
        """Show what a plane of a sample looks like so far, (H, W) float32."""
        ...

    def gather(self, run: Run) -> Any:
        """Make what `show_run` needs; in the thread of the job, or of another worker."""
        ...

    def show_run(self, entry: RunEntry, run: Run, gathered: Any) -> None:
        """Show a run that has ended and holds samples, also one that is not shown yet."""
        ...

    def drop_live(self, entry: RunEntry) -> None:
        """Take away what was shown of a run that holds nothing."""
        ...

    def remove_run(self, entry: RunEntry) -> bool:
        """Take away all layers of a run whose folder goes; say whether there were any."""
        ...

    def gather_comparison(self, teacher: Run, student: Run, report: Report) -> Any:
        """Make what `show_comparison` needs; in the thread of the job."""
        ...

    def show_comparison(
        self,
        teacher: RunEntry,
        student: RunEntry,
        gathered: Any,
        then: Callable[[], None] | None = None,
        /,
    ) -> None:
        """Show the maps of a comparison; call `then` when all are there, which may be later on."""
        ...

    def gather_corrected(self, teacher: Run, student: Run, found: Any) -> Any:
        """Make the maps that `show_corrected` shows one by one, a tuple; in the thread of the job.

        `found` is what `napari_posterior.correct` returned.
        """
        ...

    def show_corrected(self, one: Any) -> None:
        """Show one of the maps of a corrected estimate."""
        ...

    def refresh(self) -> None:
        """Draw what was added since the last call."""
        ...

    def close(self) -> None:
        """End with the viewer, and touch it no more."""
        ...
