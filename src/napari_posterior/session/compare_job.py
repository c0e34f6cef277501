"""A comparison of two runs as a job of low priority."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_posterior.api.progress import time_left
from napari_posterior.errors import PosteriorError
from napari_posterior.runs.events import Failed, Finished, Started, StepDone, Warned
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path

    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.checks.page.chart import Chart
    from napari_posterior.checks.report import Report
    from napari_posterior.checks.verdicts.tolerances import Tolerances
    from napari_posterior.runs.events import Event, TerminalEvent
    from napari_posterior.runs.run import Run
    from napari_posterior.session.comparison_choices import Declared
    from napari_posterior.statistics import Statistic

__all__ = ["ANALYSIS", "CompareJob"]

ANALYSIS = "analysis"
"""The lane of all that computes with samples and draws none."""


class CompareJob(ThreadedJob["Report"]):
    """Compare two runs; the result is the `Report`.

    Parameters
    ----------
    teacher, student : Run or path
        As in :func:`napari_posterior.compare`; a folder is opened in the thread of the job, with
        the samples that it holds by then.
    statistics : sequence of str or Statistic
        Computed on every sample.
    tolerances : Tolerances, optional
        By default those of the folder.
    looks : tuple of int, optional
        From how many samples on it decides.
    truth : array-like, path or callable, optional
        The known object, or what returns it; called in the thread of the job.
    regions : optional
        As of :func:`napari_posterior.compare`, or what returns them.
    experiments : sequence of ExperimentResult
        What was found with new measurements.
    declared : Declared, optional
        What `tolerances`, `truth` and `regions` were made of, for those who show the report.
    names : tuple of str
        What teacher and student are called in charts.
    keep : callable, optional
        Returns the folder that keeps the tolerances and the looks that were taken; called in the
        thread of the job.
    after : callable, optional
        Makes what a window will show of the report, in the thread of the job; fills `gathered`.

    Attributes
    ----------
    gathered : object
        What `after` returned; None until then.
    charts : tuple of Chart
        Of the report.
    costs : dict
        What experiments on these runs would cost, a sentence each, by their name.
    """

    doing = "the comparison"
    preparing = "opening the runs"

    def __init__(
        self,
        teacher: Run | str | os.PathLike[str],
        student: Run | str | os.PathLike[str],
        *,
        statistics: Sequence[str | Statistic] = ("puncta_count",),
        tolerances: Tolerances | None = None,
        looks: tuple[int, ...] | None = None,
        truth: Any = None,
        regions: Any = None,
        experiments: Sequence[ExperimentResult] = (),
        declared: Declared | None = None,
        names: tuple[str, str] = ("teacher", "student"),
        keep: Callable[[], Path] | None = None,
        title: str = "compare",
        after: Callable[[Report], Any] | None = None,
    ) -> None:
        measured = tuple(one if isinstance(one, str) else one.name for one in statistics)
        key: Hashable = (
            "compare",
            _place(teacher),
            _place(student),
            measured,
            None if tolerances is None else repr(tolerances),
            None if declared is None else (declared.truth, declared.regions, declared.marks),
            None if truth is None or declared is not None else id(truth),
            tuple(one.experiment.name for one in experiments),
        )
        super().__init__(title, lane=ANALYSIS, key=key)
        self._runs = teacher, student
        self.statistics, self.declared = measured, declared
        self._names = names
        self._options: dict[str, Any] = {
            "statistics": tuple(statistics),
            "tolerances": tolerances,
            "looks": looks,
            "experiments": tuple(experiments),
        }
        self._truth, self._regions = truth, regions
        self.charts: tuple[Chart, ...] = ()
        self.costs: dict[str, str] = {}
        self._keep = keep
        self._after = after
        self.gathered: Any = None

    @property
    def report(self) -> Report | None:
        """The result; None before, and where there is none."""
        return self._outcome

    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        from napari_posterior.api import compare
        from napari_posterior.checks.page.charts import plot_report
        from napari_posterior.session.threads import yield_to_others

        yield_to_others()
        self._token.raise_if_cancelled()
        start = time.monotonic()
        total = 0

        def on_step(done: int, samples: int) -> None:
            nonlocal total
            if not total:
                total = samples
                report(Started(samples, samples, 1, 0))
            self._token.raise_if_cancelled()
            if not done:
                return  # pixels are being read
            self._count(done)
            left = (time.monotonic() - start) / done * (samples - done)
            report(StepDone((), 0, done, samples, done / samples, left))

        found = compare(
            *self._runs,
            **self._options,
            truth=_read(self._truth),
            regions=_read(self._regions),
            out=None if self._keep is None else self._keep(),
            write=False,
            on_step=on_step,
        )
        self._token.raise_if_cancelled()
        self.charts = plot_report(found, names=self._names)
        self.costs = _costs(*self._runs)
        if self._after is not None:
            self.gathered = self._after(found)
        for message in found.warnings:
            report(Warned(message))
        self._outcome = found
        return Finished(total)

    def _describe_running(self, done: int, total: int, seconds_left: float | None) -> str:
        return ", ".join(
            filter(None, (f"{done} of {total} samples measured", time_left(seconds_left)))
        )

    def _describe_end(self, end: TerminalEvent, seconds: float) -> str:
        if isinstance(end, Failed):
            return end.message
        return f"compared in {seconds:.1f} s" if isinstance(end, Finished) else "cancelled"


def _place(run: Run | str | os.PathLike[str]) -> Hashable:
    return str(getattr(run, "path", run))


def _read(given: Any) -> Any:
    """Read what was held back for this thread."""
    return given() if callable(given) else given


def _costs(
    teacher: Run | str | os.PathLike[str], student: Run | str | os.PathLike[str]
) -> dict[str, str]:
    """Say what each experiment would cost; one that cannot be done is left out."""
    from napari_posterior.api.experiments import estimate_cost
    from napari_posterior.session.experiment_job import EXPERIMENTS

    found: dict[str, str] = {}
    for name in EXPERIMENTS.values():
        with suppress(PosteriorError):
            found[name] = estimate_cost(name, teacher, student)
    return found
