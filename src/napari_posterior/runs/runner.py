"""Draw the samples of a run: typed events, cancel within one network call, out of memory survived.

`run_sampling` works in the calling thread and reports through a callback; `sample_events` is the
same run as an iterator. Neither lets an exception out: the last event says how the run ended.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_posterior.errors import RunError
from napari_posterior.runs.cancel import CancelToken, RunCancelledError
from napari_posterior.runs.clock import Clock
from napari_posterior.runs.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Started,
    StepDone,
    Warned,
)
from napari_posterior.runs.faults import explain, is_out_of_memory
from napari_posterior.runs.keeping import Keeper
from napari_posterior.runs.preview import Previews, to_numpy
from napari_posterior.runs.pump import stream_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from napari_posterior.runs.events import TerminalEvent
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.sink import EndState, RunSink
    from napari_posterior.runs.solver import ImageCheckRecord, SolverCheck
    from napari_posterior.sampling.samplers import Sampler, SamplerCondition

__all__ = ["Canvas", "Fallback", "PreparedJob", "run_sampling", "sample_events"]

_LOG = logging.getLogger(__name__)


class Canvas(Protocol):
    """Gives the noise of samples, keyed by (seed, sample, step, plane, pixel)."""

    def __call__(self, samples: Sequence[int], plane: int, *, step: int = 0) -> Tensor:
        """Return the canvases of some samples of one plane, (K, 1, Hp, Wp).

        They start from those of step 0; a sampler that takes fresh noise asks for later ones.
        """

    def chances(self, samples: Sequence[int], plane: int, *, step: int) -> Tensor:
        """Return a uniform number for each of some samples of one plane, (K,)."""


@dataclass(frozen=True)
class _Fresh:
    """The noise of some samples of one plane, by step."""

    canvas: Canvas
    samples: tuple[int, ...]
    plane: int

    def __call__(self, step: int) -> Tensor:
        return self.canvas(self.samples, self.plane, step=step)

    def chances(self, step: int) -> Tensor:
        return self.canvas.chances(self.samples, self.plane, step=step)


@dataclass(frozen=True)
class Fallback:
    """What to try when even one sample at a time does not fit into memory.

    Parameters
    ----------
    doing : str
        What is tried, as it follows "trying again": ``"with tiles of 256 px"``, ``"on the CPU"``.
    prepare : callable
        Makes the job that replaces the present one; it draws the same request.
    """

    doing: str
    prepare: Callable[[], PreparedJob]


@dataclass(frozen=True)
class PreparedJob:
    """A request with everything loaded that is needed to draw.

    Parameters
    ----------
    request : RestoreRequest
        What is asked for; `request.image` gives the shape of a sample.
    conditions : sequence of Condition
        One for each plane.
    sampler : Sampler
        Draws photoelectrons from noise and a condition.
    canvas : Canvas
        Gives the noise; keyed by sample and plane, so that batches do not matter.
    fallbacks : tuple of Fallback
        Tried in order when memory runs out at one sample at a time.
    check : SolverCheck or None
        A look at the solver on this image, taken before the first sample of a run.
    """

    request: RestoreRequest
    conditions: Sequence[SamplerCondition]
    sampler: Sampler
    canvas: Canvas
    fallbacks: tuple[Fallback, ...] = ()
    check: SolverCheck | None = None


def run_sampling(
    job: PreparedJob,
    *,
    sink: RunSink,
    token: CancelToken | None = None,
    on_event: Callable[[Event], None] | None = None,
    previews: bool = False,
) -> TerminalEvent:
    """Draw the samples that the sink lacks, in this thread.

    Parameters
    ----------
    job : PreparedJob
        Request, conditions, sampler and noise.
    sink : RunSink
        Keeps the samples.
    token : CancelToken, optional
        Looked at after every network call.
    on_event : callable, optional
        Gets every event, in this thread.
    previews : bool
        Also tell what the sample in hand looks like, at most five times a second.

    Returns
    -------
    Finished, Cancelled or Failed
        The last event. Nothing is raised: Ctrl-C gives `Cancelled`, any fault gives `Failed`, and
        the samples drawn before are kept.
    """
    drawing = _Drawing(job, sink, token or CancelToken(), on_event or _ignore, previews=previews)
    fault: Exception | None = None
    state: EndState = "failed"
    message = ""
    try:
        drawing.draw_missing()
        state = "finished"
    except (RunCancelledError, KeyboardInterrupt):
        state = "cancelled"
    except Exception as error:
        _LOG.debug("sampling failed", exc_info=True)
        fault, message = error, explain(error)
    kept = _kept(sink)
    try:
        sink.finish(state, message)
    except KeyboardInterrupt:
        state = "cancelled"
    except Exception as error:
        _LOG.debug("the run could not be closed", exc_info=True)
        if fault is None:
            state, fault, message = "failed", error, explain(error)
    end: TerminalEvent = Finished(kept)
    if state == "cancelled":
        end = Cancelled(kept)
    elif state == "failed":
        end = Failed(message, kept, fault)
    try:
        drawing.report(end)
    except (Exception, KeyboardInterrupt):
        _LOG.warning("the end of a run could not be reported", exc_info=True)
    return end


def sample_events(
    job: PreparedJob, *, sink: RunSink, token: CancelToken | None = None
) -> Iterator[Event]:
    """Draw the samples that the sink lacks, as an iterator of events that ends with a terminal one.

    The run works in a thread of its own, so that progress arrives while the network computes.
    Closing the iterator, or Ctrl-C while it waits, cancels the run within one network call.

    Parameters
    ----------
    job, sink, token
        As in `run_sampling`.

    Yields
    ------
    Event
        `Started` first; `Finished`, `Cancelled` or `Failed` last. Nothing is raised.
    """
    token = token or CancelToken()

    def work(report: Callable[[Event], None]) -> None:
        run_sampling(job, sink=sink, token=token, on_event=report)

    return stream_events(work, token)


class _Drawing:
    """The state of one run: what is left to draw, how fast it goes, how many at a time."""

    def __init__(
        self,
        job: PreparedJob,
        sink: RunSink,
        token: CancelToken,
        report: Callable[[Event], None],
        *,
        previews: bool,
    ) -> None:
        self.job = job
        self.sink = sink
        self.token = token
        self.report = report
        self.previews = Previews(report) if previews else None

    def draw_missing(self) -> None:
        request = self.job.request
        done = self.sink.completed
        left = deque(index for index in range(request.samples) if index not in done)
        planes = request.image.n_planes
        self.report(Started(request.samples, len(left), planes, request.nfe))
        calls = len(left) * planes * max(1, self.job.sampler.nfe)
        check = None if done else self.job.check
        if check is None or self.sink.image_check is not None:
            self.clock = Clock(calls)
        else:
            self.clock = Clock((1 + check.share) * calls)
            self._check_solver(check, check.share * calls)
        self.keeper = Keeper(self.sink, self.report, behind=request.device != "cpu")
        try:
            self._draw_all(left)
        finally:
            self.keeper.close()

    def _check_solver(self, check: SolverCheck, cost: float) -> None:
        """Look at the solver on this image; no fault of this ends a run, which can do without."""

        def on_step(call: int, calls: int) -> None:
            self.clock.tick(cost / calls)
            self.report(
                StepDone((), check.plane, call, calls, self.clock.fraction, self.clock.left)
            )
            self.token.raise_if_cancelled()

        found: ImageCheckRecord | None = None
        try:
            found = check.look(on_step)
        except RunCancelledError:
            raise
        except Exception:
            _LOG.debug("the solver is not checked on this image", exc_info=True)
        # the calls for a part of a plane do not tell how long those for whole planes will take
        self.clock.go_on_from(cost)
        if found is None:
            _free_device_memory()
            return
        self.sink.keep_check(found)
        if found.warning is not None:
            self._warn(found.warning)

    def _draw_all(self, left: deque[int]) -> None:
        batch = self.job.request.batch
        while left:
            self.token.raise_if_cancelled()
            chosen = tuple(left)[:batch]
            before = self.clock.done
            shortage = ""
            stack = None
            try:
                stack = self._draw(chosen)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                shortage = str(error) or type(error).__name__
            # only out of the except block are the frames, and the memory they hold, let go
            if stack is None:
                self.keeper.wait()
                self.clock.go_on_from(before)
                batch = self._make_room(len(chosen), shortage)
                continue
            for _ in chosen:
                left.popleft()
            self.keeper.put(chosen, stack)

    def _draw(self, chosen: tuple[int, ...]) -> np.ndarray:
        """Draw all planes of some samples, (K, *shape of the image) float32."""
        image = self.job.request.image
        stack = np.empty((len(chosen), image.n_planes, *image.shape[-2:]), np.float32)
        for plane, condition in enumerate(self.job.conditions):

            def on_step(call: int, calls: int, plane: int = plane) -> None:
                self.clock.tick(len(chosen))
                self.keeper.tell()
                self.report(
                    StepDone(chosen, plane, call, calls, self.clock.fraction, self.clock.left)
                )
                if call < calls or plane < image.n_planes - 1:  # a sample that is drawn is kept
                    self.token.raise_if_cancelled()

            noise = self.job.canvas(chosen, plane)
            options = self._options(chosen, plane)
            stack[:, plane] = to_numpy(self.job.sampler.draw(noise, condition, on_step, **options))
        for index, sample in zip(chosen, stack, strict=True):
            if not np.isfinite(sample).all():
                raise RunError(
                    f"sample {index} came out with NaN or infinite pixels; use float32 precision "
                    "and check camera and PSF"
                )
        return stack.reshape(len(chosen), *image.shape)

    def _options(self, chosen: tuple[int, ...], plane: int) -> dict[str, Any]:
        """Choose what a sampler gets beside noise, condition and `on_step`: only what is used."""
        options: dict[str, Any] = {}
        sampler = self.job.sampler
        if sampler.needs_noise:
            options["fresh"] = _Fresh(self.job.canvas, chosen, plane)
        if self.previews is not None:
            last = plane == self.job.request.image.n_planes - 1
            skip = sampler.nfe if last else None
            options["on_estimate"] = self.previews.watch(chosen[0], plane, skip=skip)
        return options

    def _make_room(self, tried: int, shortage: str) -> int:
        """Halve the batch or fall back; say so; return the batch to go on with."""
        _free_device_memory()
        if tried > 1:
            self._warn(f"out of memory with {tried} samples at a time; going on with {tried // 2}")
            return tried // 2
        while self.job.fallbacks:
            first, *others = self.job.fallbacks
            self._warn(f"out of memory with one sample at a time; trying again {first.doing}")
            try:
                self.job = replace(first.prepare(), fallbacks=tuple(others))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self.job = replace(self.job, fallbacks=tuple(others))
            else:
                return 1
        raise RunError(
            f"one sample at a time does not fit into memory ({shortage}); crop the image, give "
            "a smaller tile or use the CPU"
        )

    def _warn(self, message: str) -> None:
        self.sink.warn(message)
        self.report(Warned(message))


def _ignore(event: Event) -> None:
    """Take an event that nobody waits for."""


def _kept(sink: RunSink) -> int:
    try:
        return len(sink.completed)
    except Exception:
        _LOG.debug("the samples kept cannot be counted", exc_info=True)
        return 0


def _free_device_memory() -> None:
    torch = sys.modules.get("torch")  # never loaded here: without torch there is nothing to free
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
