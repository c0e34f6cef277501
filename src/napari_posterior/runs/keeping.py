"""Samples on their way to the sink: at once, or in a thread of its own while others are drawn."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from napari_posterior.runs.events import SampleDone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from napari_posterior.runs.sink import RunSink

__all__ = ["Keeper"]


class Keeper:
    """Hands samples to a sink, in order, and tells when each is kept.

    Where the network runs on a GPU it need not wait for the disk: samples are written in a thread,
    and at most those of two batches are held. On a CPU the two would only take turns.

    Parameters
    ----------
    sink : RunSink
        Keeps the samples.
    report : callable
        Gets a `SampleDone` for each, always in the thread that calls the methods here.
    behind : bool
        Whether to write in a thread.
    """

    def __init__(
        self, sink: RunSink, report: Callable[[SampleDone], None], *, behind: bool
    ) -> None:
        self._sink = sink
        self._report = report
        self._pool = ThreadPoolExecutor(1, "napari-posterior writing") if behind else None
        self._waiting: deque[tuple[int, Future[Path | np.ndarray]]] = deque()

    def put(self, indices: tuple[int, ...], samples: np.ndarray) -> None:
        """Keep the samples of a batch, (K, ...); waits for those of the batch before.

        Raises
        ------
        OutputError
            If a sample cannot be kept: of this batch, or of the one before.
        """
        if self._pool is None:
            for index, sample in zip(indices, samples, strict=True):
                self._report(SampleDone(index, self._sink.write_sample(index, sample)))
            return
        self.wait()
        for index, sample in zip(indices, samples, strict=True):
            self._waiting.append((index, self._pool.submit(self._sink.write_sample, index, sample)))

    def tell(self) -> None:
        """Report what was kept meanwhile; waits for nothing."""
        while self._waiting and self._waiting[0][1].done():
            self._tell_first()

    def wait(self) -> None:
        """Wait until everything is kept, and report it; the sink is then used by nobody here."""
        while self._waiting:
            self._tell_first()

    def close(self) -> None:
        """Wait as `wait` does, and end the thread."""
        try:
            self.wait()
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)

    def _tell_first(self) -> None:
        index, written = self._waiting.popleft()
        try:
            data = written.result()
        except Exception:
            # what waits behind it would fail in the same way
            for _, other in self._waiting:
                other.cancel()
            self._waiting.clear()
            raise
        self._report(SampleDone(index, data))
