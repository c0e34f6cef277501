"""Numbers of the samples of a run while others are drawn: those that a report will give."""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from napari_posterior.checks.measure import SampleMeter, SampleValues
from napari_posterior.checks.source import describe
from napari_posterior.runs.faults import explain
from napari_posterior.runs.stack import SampleStack
from napari_posterior.session.threads import yield_to_others

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from napari_posterior.checks.measure import MeasuredSample
    from napari_posterior.runs.cancel import CancelToken
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic

__all__ = ["SampleValues", "Watch", "warning_of"]

_LOG = logging.getLogger(__name__)


class Watch:
    """Measures the samples of a run in a thread of low priority.

    Thresholds are fixed from the measurement when the watch is made, before a sample is drawn. It
    keeps the numbers of samples only and reads a sample back from the run's folder when its turn
    comes: who draws never waits, and one sample at a time is held, however late the watch is.

    Parameters
    ----------
    run : Run
        The run as it begins; samples that a resumed run holds are measured first.
    statistics : sequence of str or Statistic
        Computed on every sample, beside the likelihood residual.
    token : CancelToken
        When it is cancelled, the watch ends after the sample in hand.
    warn : callable
        Gets one sentence where measuring fails; called in the thread of the watch, which ends.

    Raises
    ------
    PosteriorError
        If a statistic is unknown, or the measurement cannot be used.
    """

    def __init__(
        self,
        run: Run,
        statistics: Sequence[str | Statistic],
        *,
        token: CancelToken,
        warn: Callable[[str], None],
    ) -> None:
        described = describe(run)
        record = run.request.image
        self._meter = SampleMeter(
            [run.measurement(plane) for plane in range(record.n_planes)],
            statistics,
            pixel_size=described.pixel_size,
            unit=described.unit,
        )
        self._folder, self._geometry, self._shape = run.path, record.geometry, record.shape
        self._token, self._warn = token, warn
        self._todo: SimpleQueue[int | None] = SimpleQueue()
        self._measured: dict[int, MeasuredSample] = {}
        self._values: tuple[SampleValues, ...] = ()
        self._thread = threading.Thread(
            target=self._work, name="napari-posterior measuring", daemon=True
        )
        for index in run.samples.indices:
            self.add(index)

    @property
    def values(self) -> tuple[SampleValues, ...]:
        """What was measured so far, in the order of the samples; a snapshot for any thread."""
        return self._values

    @property
    def behind(self) -> bool:
        """Whether samples wait to be measured."""
        return self._thread.is_alive() and not self._todo.empty()

    def add(self, index: int) -> None:
        """Ask for a sample to be measured that is on disk; returns at once."""
        self._todo.put(index)

    def start(self) -> None:
        """Begin to measure."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all that was added is measured, or the token is cancelled; the thread ends."""
        self._todo.put(None)
        self._thread.join()

    def _work(self) -> None:
        """Measure until there is nothing more to come; nothing escapes."""
        try:
            yield_to_others()
            while (index := self._todo.get()) is not None and not self._token.cancelled:
                self._measured[index] = self._meter.measure(self._read(index))
                rows = [self._measured[one] for one in sorted(self._measured)]
                self._values = self._meter.values(rows)
        except BaseException as error:  # a thread has nobody above it who could be told
            _LOG.debug("a sample could not be measured", exc_info=True)
            self._warn(warning_of(error))

    def _read(self, index: int) -> list[np.ndarray]:
        sample = SampleStack(self._folder, (index,), self._geometry, self._shape)[0]
        return list(sample.reshape(-1, *self._shape[-2:]))


def warning_of(error: BaseException) -> str:
    """Say in one sentence why there are no numbers of the samples yet."""
    told = explain(error, "measuring").rstrip(".")
    return f"Samples are not measured while they are drawn: {told}."
