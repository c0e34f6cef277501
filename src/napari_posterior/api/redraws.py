"""Restore the simulated measurements of an experiment, as two runs were drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.checks.experiments.experiment import Experiment, Redraw
    from napari_posterior.runs.cancel import CancelToken
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run

__all__ = ["Restored", "run_experiment"]

_ROLES: Final[tuple[Literal["teacher", "student"], ...]] = ("teacher", "student")


@dataclass(frozen=True, eq=False)
class Restored:
    """One simulated measurement with its restorations.

    Parameters
    ----------
    redraw : Redraw
        The object and its measurement.
    teacher, student : ndarray, (K, ...)
        Samples, float32, photoelectrons per pixel.
    """

    redraw: Redraw
    teacher: np.ndarray
    student: np.ndarray


def run_experiment(
    experiment: Experiment,
    teacher_run: Run,
    student_run: Run,
    *,
    device: str = "auto",
    on_step: Callable[[int, int], None] | None = None,
    token: CancelToken | None = None,
) -> Iterator[Restored]:
    """Restore the measurements of an experiment with the samplers of two runs, one by one.

    Samples stay in memory and are let go with what is yielded.

    Parameters
    ----------
    experiment : Experiment
        What to simulate.
    teacher_run, student_run : Run
        Whose model, sampler, steps, camera, PSF, background, conditioning and precision are used.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    on_step : callable, optional
        Called after every network call with the number of restorations done and that of all; what
        it raises ends the experiment.
    token : CancelToken, optional
        Ends it from another thread.

    Yields
    ------
    Restored

    Raises
    ------
    InputError
        If the model of a run is another one now.
    RunError
        If a restoration fails.
    RunCancelledError
        If the token was cancelled.
    """
    from napari_posterior.runs.cancel import CancelToken

    token = token or CancelToken()
    model = _open_model(teacher_run, student_run)
    total = experiment.restorations
    done = 0
    for index in range(len(experiment)):
        token.raise_if_cancelled()
        redraw = experiment.redraw(index)
        drawn = []
        for role, run, count in zip(
            _ROLES, (teacher_run, student_run), experiment.samples, strict=True
        ):

            def tell(fraction: float, done: int = done, count: int = count) -> None:
                if on_step is not None:
                    on_step(done + int(fraction * count), total)

            seed = experiment.noise_seed(index, role)
            drawn.append(
                _restore(
                    run, model, redraw.y, count, seed=seed, device=device, token=token, tell=tell
                )
            )
            done += count
        yield Restored(redraw, drawn[0], drawn[1])
    if on_step is not None:
        on_step(total, total)


def _restore(
    run: Run,
    model: Bundle,
    y: np.ndarray,
    samples: int,
    *,
    seed: int,
    device: str,
    token: CancelToken,
    tell: Callable[[float], None],
) -> np.ndarray:
    """Draw samples of a measurement as those of a run were drawn, (K, ...) float32."""
    from napari_posterior.api.failure import RunFailedError
    from napari_posterior.api.prepare import prepare
    from napari_posterior.api.settings import Settings
    from napari_posterior.runs.events import Cancelled, Failed, StepDone
    from napari_posterior.runs.runner import run_sampling
    from napari_posterior.runs.sink import MemorySink

    request = run.request
    settings = Settings(
        sampler=request.sampler,
        steps=request.steps,
        samples=samples,
        seed=seed,
        camera=request.camera,
        psf=request.psf,
        background=request.background,
        blind=request.blind,
        device=device,
        precision=request.precision,
        correction=request.correction,
    )
    image = replace(run.image, data=y)
    # the solver was looked at when the run was drawn
    job = replace(prepare(image, model, settings, model=request.model).job, check=None)
    sink = MemorySink()
    raised: list[BaseException] = []

    def on_event(event: Event) -> None:
        if isinstance(event, StepDone) and not raised:
            try:
                tell(event.fraction)
            except BaseException as error:
                raised.append(error)
                raise

    end = run_sampling(job, sink=sink, token=token, on_event=on_event)
    if raised:  # not a fault of the restoration
        raise raised[0]
    if isinstance(end, Failed):
        raise RunFailedError(end.message, kept=end.kept) from end.exception
    if isinstance(end, Cancelled):
        token.raise_if_cancelled()
        raise KeyboardInterrupt
    return np.stack([sink.samples[index] for index in range(samples)])


def _open_model(*runs: Run) -> Bundle:
    from napari_posterior.api import load_model

    model = load_model(runs[0].request.model)
    for run in runs:
        if model.weights_hash != run.request.bundle_hash:
            raise InputError(
                f"the model {run.request.model!r} is another one now than when {run.path.name} was "
                "drawn; restore the image again with both samplers"
            )
    return model
