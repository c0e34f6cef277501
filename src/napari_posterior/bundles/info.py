"""What a sampler of a bundle is with given settings: checked before any weights are loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_posterior.bundles.card import FlowMapConfig, PointConfig, SolverConfig
from napari_posterior.bundles.parts import grid_options, student_grid, teacher_grid
from napari_posterior.errors import InputError
from napari_posterior.sampling.grid import grid_label
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.solvers import get_solver, nfe

if TYPE_CHECKING:
    from napari_posterior.bundles.parts import PartFiles

__all__ = ["MAX_STEPS", "PRECISIONS", "SamplerInfo", "describe", "either"]

MAX_STEPS = 512
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class SamplerInfo:
    """What a sampler is, with the settings that it would run with.

    Attributes
    ----------
    name : str
        Name in the bundle.
    role : str
        ``"teacher"``, ``"student"`` or ``"point"``.
    steps : int
        Grid intervals.
    nfe : int
        Network evaluations per sample.
    solver : str
        Solver of a teacher; ``"jump"`` or ``"renoise"`` for a student; ``"none"`` for a point
        estimate.
    grid : tuple of float
        Times from 1 to 0; empty for a point estimate.
    label : str
        Name of the grid with its options; empty where it has none.
    precision : str
        ``"float32"`` or ``"bfloat16"``.
    reference : bool
        Whether this is the teacher exactly as its bundle fixes it.
    weights : str
        SHA-256 of the weights file.
    description : str
        One phrase for people.
    needs_noise : bool
        Whether a draw takes fresh noise on its way; if so, draws of teacher and student on the
        same canvas are not coupled.
    eta : float or None
        Share of renewed noise of the solver ``"sde"``.
    """

    name: str
    role: Literal["teacher", "student", "point"]
    steps: int
    nfe: int
    solver: str
    grid: tuple[float, ...]
    label: str
    precision: str
    reference: bool
    weights: str
    description: str
    needs_noise: bool = False
    eta: float | None = None

    @property
    def renoised(self) -> bool:
        """Whether a student jumps to clean images and adds new noise between its steps."""
        return self.solver == "renoise"


def describe(part: PartFiles, *, steps: int | None, precision: str) -> SamplerInfo:
    """Say what a sampler is with these settings.

    Parameters
    ----------
    part : PartFiles
        The part of the bundle.
    steps : int or None
        Grid intervals; None: what the bundle says.
    precision : str
        ``"float32"`` or ``"bfloat16"``.

    Raises
    ------
    InputError
        If the sampler cannot take these steps, or the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is unknown; use {' or '.join(PRECISIONS)}")
    if isinstance(part.sampler, PointConfig):
        return _describe_point(part, steps, precision)
    if isinstance(part.sampler, FlowMapConfig):
        return _describe_student(part, part.sampler, steps, precision)
    return _describe_teacher(part, part.sampler, steps, precision)


def _describe_teacher(
    part: PartFiles, config: SolverConfig, steps: int | None, precision: str
) -> SamplerInfo:
    count = config.steps if steps is None else steps
    if not 1 <= count <= MAX_STEPS:
        raise InputError(f"the teacher takes 1 to {MAX_STEPS} steps, not {count}")
    reference = count == config.steps and precision == config.precision
    solver = config.solver if config.eta is None else f"{config.solver}({config.eta:g})"
    calls, label = nfe(config.solver, count), grid_label(config.grid, **grid_options(config))
    certificate = config.certificate if reference else None
    told = "" if certificate is None else f", {certificate.words}"
    return SamplerInfo(
        name=part.name,
        role="teacher",
        steps=count,
        nfe=calls,
        solver=config.solver,
        grid=teacher_grid(config, count, get_path(part.path)),
        label=label,
        precision=precision,
        reference=reference,
        weights=part.weights.sha256,
        description=(
            f"{'reference' if reference else 'teacher, not the reference'}: {solver}, "
            f"{count} steps on {label}, {calls} network evaluations per sample, {precision}{told}"
        ),
        needs_noise=count > 1 and get_solver(config.solver, config.eta).needs_noise,
        eta=config.eta,
    )


def _describe_point(part: PartFiles, steps: int | None, precision: str) -> SamplerInfo:
    if steps is not None:
        raise InputError(f"{part.name!r} is a point estimate and takes no steps; leave steps out")
    return SamplerInfo(
        name=part.name,
        role="point",
        steps=1,
        nfe=1,
        solver="none",
        grid=(),
        label="",
        precision=precision,
        reference=False,
        weights=part.weights.sha256,
        description="point estimate: one image, not a draw",
    )


def _describe_student(
    part: PartFiles, config: FlowMapConfig, steps: int | None, precision: str
) -> SamplerInfo:
    count = config.default_steps if steps is None else steps
    if config.any_steps is not None and not 1 <= count <= MAX_STEPS:
        raise InputError(f"the student {part.name!r} takes 1 to {MAX_STEPS} steps, not {count}")
    grid = student_grid(config, count, get_path(part.path))
    if grid is None:
        raise InputError(
            f"the student {part.name!r} was not trained for {count} steps; "
            f"give {either(config.step_counts)}, or none for the default"
        )
    renoised = config.mode == "renoise"
    between = " with new noise between" if renoised and count > 1 else ""
    unit = (
        "step, 1 network evaluation"
        if count == 1
        else f"steps{between}, {count} network evaluations"
    )
    return SamplerInfo(
        name=part.name,
        role="student",
        steps=count,
        nfe=count,
        solver="renoise" if renoised else "jump",
        grid=grid,
        label="",
        precision=precision,
        reference=False,
        weights=part.weights.sha256,
        description=f"student {part.name!r}: {count} {unit} per sample, {precision}",
        needs_noise=renoised and count > 1,
    )


def either(counts: tuple[int, ...]) -> str:
    """Say which numbers there are to choose from: ``"1, 2 or 4"``."""
    return " or ".join(filter(None, (", ".join(map(str, counts[:-1])), str(counts[-1]))))
