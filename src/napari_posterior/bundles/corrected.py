"""A student of a bundle with a correction by its teacher: what it is, and whether it can be."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.bundles.info import describe, either
from napari_posterior.errors import InputError
from napari_posterior.sampling.corrected_plans import plan_corrected
from napari_posterior.sampling.corrections import Guided, HandOver

if TYPE_CHECKING:
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.bundles.parts import PartFiles
    from napari_posterior.sampling.corrections import Correction

__all__ = ["describe_corrected", "steps_for"]


def steps_for(part: PartFiles, correction: Correction, steps: int | None) -> int | None:
    """Return the student's steps: of a hand-over, where none are asked for, that can stop at tau.

    Raises
    ------
    InputError
        If the sampler is no student, or none of its steps stops at tau or can be led.
    """
    config = part.sampler
    if not isinstance(config, FlowMapConfig):
        raise InputError(
            f"{part.name!r} is no student and has nothing to correct; leave correction out, or "
            "name a student"
        )
    if isinstance(correction, HandOver):
        return _steps_to(part.name, config, correction.tau, steps)
    if isinstance(correction, Guided):
        _check_led(part.name, config, correction, steps)
    return steps


def describe_corrected(
    part: PartFiles,
    teacher: PartFiles,
    correction: Correction,
    *,
    steps: int | None,
    precision: str,
) -> SamplerInfo:
    """Say what a student is with a correction; loads no weights, and no torch.

    Parameters
    ----------
    part, teacher : PartFiles
        The student and its teacher, of one bundle; the teacher is taken as the bundle fixes it.
    correction : HandOver, Refine or Guided
        What is done.
    steps : int or None
        Of the student; None: what its bundle says, or what can stop at tau.
    precision : str
        ``"float32"`` or ``"bfloat16"``.

    Returns
    -------
    SamplerInfo
        That of the student, with the network evaluations of both.

    Raises
    ------
    InputError
        If the sampler is no student or cannot be corrected so, or the precision is unknown.
    """
    taken = steps_for(part, correction, steps)
    student = describe(part, steps=taken, precision=precision)
    reference = describe(teacher, steps=None, precision=precision)
    plan = plan_corrected(student, reference, correction)
    return replace(
        student,
        nfe=plan.nfe,
        description=f"{plan.name}: {plan.description} per sample, {student.precision}",
        needs_noise=plan.needs_noise,
    )


def _steps_to(name: str, config: FlowMapConfig, tau: float, steps: int | None) -> int | None:
    """Return the fewest steps that stop at tau; a student of any step stops everywhere."""
    if config.mode == "renoise" or config.any_steps is not None:
        return steps  # the former is refused with a sentence of its own
    stops = {count: grid[1:-1] for count, grid in config.grids.items()}
    able = sorted(int(count) for count, times in stops.items() if tau in times)
    if steps is None and able:
        return able[0]
    if steps in able:
        return steps
    known = sorted({f"{t:g}" for times in stops.values() for t in times}, key=float)
    if not known:
        raise InputError(
            f"the student {name!r} goes from noise to the clean image only and cannot stop at tau "
            f"{tau:g}; use the correction 'refine', or a student of any number of steps"
        )
    where = f"with {either(tuple(able))} steps" if able else f"at tau {' or '.join(known)}"
    raise InputError(
        f"the student {name!r} cannot stop at tau {tau:g} with these steps; it can {where}"
    )


def _check_led(name: str, config: FlowMapConfig, guided: Guided, steps: int | None) -> None:
    """Refuse to lead a step whose jump to the clean image the student was not trained for."""
    if config.mode == "renoise" or config.any_steps is not None or guided.lam == 0:
        return
    grid = config.grids.get(str(config.default_steps if steps is None else steps), ())
    trained = {pair for times in config.grids.values() for pair in itertools.pairwise(times)}
    if any((s, 0.0) not in trained for s in grid[: min(guided.k, len(grid) - 2)]):
        raise InputError(
            f"the student {name!r} was not trained for the jump to the clean image from all of the "
            f"first {guided.k} steps; use the correction 'refine', or a student of any number of "
            "steps"
        )
