"""Samplers: named ways of drawing x given y, from one noise canvas to photoelectrons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import torch

from napari_posterior.errors import InputError
from napari_posterior.sampling.drawing import check_canvas, check_noise, count, describe, watch
from napari_posterior.sampling.grid import check_grid
from napari_posterior.sampling.model import Conditions
from napari_posterior.sampling.solvers import get_solver, nfe, renoise, solve, walk

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.drawing import OnEstimate, OnStep
    from napari_posterior.sampling.model import FlowMap, Teacher
    from napari_posterior.sampling.solvers import Fresh, Jump, OnCall

    Role = Literal["teacher", "student", "point"]

__all__ = ["PointSampler", "Sampler", "SamplerCondition", "StudentSampler", "TeacherSampler"]


class SamplerCondition(Conditions, Protocol):
    """What a sampler reads of a measurement: a ``Condition``."""

    def decode(self, r: Tensor) -> Tensor:
        """Return photoelectrons (K, H, W) of states (K, 1, Hp, Wp) in network units."""
        ...


class Sampler(Protocol):
    """A named way of drawing x given y."""

    @property
    def name(self) -> str:
        """Name by which the user asks for it."""
        ...

    @property
    def role(self) -> Role:
        """What its images are: draws of the teacher, of a student, or one point estimate."""
        ...

    @property
    def steps(self) -> int:
        """Number of grid intervals."""
        ...

    @property
    def nfe(self) -> int:
        """Network evaluations per draw."""
        ...

    @property
    def description(self) -> str:
        """Words for a report: role, solver, steps, grid, network evaluations."""
        ...

    @property
    def needs_noise(self) -> bool:
        """Whether :meth:`draw` takes fresh noise on its way, beside the canvases it starts from."""
        ...

    def draw(
        self,
        z: Tensor,
        cond: SamplerCondition,
        on_step: OnStep | None = None,
        *,
        fresh: Fresh | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> Tensor:
        """Turn noise canvases into draws.

        Parameters
        ----------
        z : Tensor, (K, 1, Hp, Wp)
            Noise canvases of the K draws, of the size of ``cond.maps``.
        cond : SamplerCondition
            The prepared measurement.
        on_step : callable, optional
            Called as ``on_step(done, total)`` after every network call, ``total`` being `nfe`; an
            exception it raises ends the draw before the next call.
        fresh : callable, optional
            ``fresh(i)`` is the noise, (K, 1, Hp, Wp), that joins at the `i`-th time of the grid,
            ``1 <= i < steps``; the canvases are its step 0. Needed where `needs_noise`.
        on_estimate : callable, optional
            Called after every network call and before `on_step` with a function that returns the
            current estimate of the clean image of the first draw, (H, W) photoelectrons per pixel.
            The estimate costs something only where that function is called, which must be then.

        Returns
        -------
        Tensor, (K, H, W)
            Photoelectrons per pixel. Never clipped.

        Raises
        ------
        ValueError
            If the canvases do not fit the condition, or `fresh` is missing where it is needed.
        """
        ...


@dataclass(frozen=True)
class TeacherSampler:
    """The teacher with a solver and a grid.

    Parameters
    ----------
    name : str
        Name by which the user asks for it.
    model : Teacher
        Path and network.
    solver : str
        A key of ``SOLVERS``.
    grid : tuple of float
        Decreasing times from 1.0 to 0.0.
    label : str
        Words for the grid, such as ``"power_late(0.6)"``.
    eta : float, optional
        Share of renewed noise, from 0 to 1, of the solver ``"sde"``.

    Raises
    ------
    ModelError
        If the solver is unknown, `eta` does not fit it, or the grid does not decrease from 1 to 0.
    """

    name: str
    model: Teacher
    solver: str
    grid: tuple[float, ...]
    label: str = field(default="", kw_only=True)
    eta: float | None = field(default=None, kw_only=True)

    role: Role = field(default="teacher", init=False)

    def __post_init__(self) -> None:
        check_grid(self.grid)
        get_solver(self.solver, self.eta)

    @property
    def steps(self) -> int:
        """Number of grid intervals."""
        return len(self.grid) - 1

    @property
    def nfe(self) -> int:
        """Network evaluations per draw."""
        return nfe(self.solver, self.steps)

    @property
    def needs_noise(self) -> bool:
        """Whether a draw takes fresh noise on its way."""
        return self.steps > 1 and get_solver(self.solver, self.eta).needs_noise

    @property
    def description(self) -> str:
        """Such as ``"teacher, Heun 16 steps, grid power_late(0.6), 31 network evaluations"``."""
        share = "" if self.eta is None else f"({self.eta:g})"
        title = get_solver(self.solver, self.eta).title
        solver = f"{title}{share} {count(self.steps, 'step')}"
        return describe(self.role, solver, self.label, self.nfe)

    @torch.no_grad()
    def draw(
        self,
        z: Tensor,
        cond: SamplerCondition,
        on_step: OnStep | None = None,
        *,
        fresh: Fresh | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> Tensor:
        """Draw by solving the probability-flow ODE or its SDE; see :meth:`Sampler.draw`."""
        check_canvas(z, cond)
        check_noise(self, fresh)
        model = self.model

        def velocity(x: Tensor, t: float) -> Tensor:
            return model.F(x, t, cond)

        end = solve(
            velocity,
            model.path,
            self.solver,
            self.grid,
            z,
            on_step,
            watch(model.path, cond, on_estimate),
            fresh=fresh,
            eta=self.eta,
        )
        return cond.decode(end)


@dataclass(frozen=True)
class StudentSampler:
    """A flow map along a grid, one network call a step, with or without new noise between.

    Parameters
    ----------
    name : str
        Name by which the user asks for it.
    model : FlowMap
        Path and network.
    grid : tuple of float
        Decreasing times from 1.0 to 0.0.
    label : str
        Words for the grid; empty for a student of one step.
    renoised : bool
        Jump to a clean image at every step and add new noise up to the next time, as consistency
        models do, instead of following the flow map. Draws then lose their coupling with the
        teacher's on the same canvas.

    Raises
    ------
    ModelError
        If the grid does not decrease from 1 to 0.
    """

    name: str
    model: FlowMap
    grid: tuple[float, ...]
    label: str = field(default="", kw_only=True)
    renoised: bool = field(default=False, kw_only=True)

    role: Role = field(default="student", init=False)

    def __post_init__(self) -> None:
        check_grid(self.grid)

    @property
    def steps(self) -> int:
        """Number of grid intervals."""
        return len(self.grid) - 1

    @property
    def nfe(self) -> int:
        """Network evaluations per draw."""
        return self.steps

    @property
    def needs_noise(self) -> bool:
        """Whether a draw takes fresh noise on its way."""
        return self.renoised and self.steps > 1

    @property
    def description(self) -> str:
        """Such as ``"student, 1 step, 1 network evaluation"``."""
        between = " with new noise between" if self.needs_noise else ""
        return describe(self.role, count(self.steps, "step") + between, self.label, self.nfe)

    @torch.no_grad()
    def draw(
        self,
        z: Tensor,
        cond: SamplerCondition,
        on_step: OnStep | None = None,
        *,
        fresh: Fresh | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> Tensor:
        """Draw by following the flow map, or by re-noising; see :meth:`Sampler.draw`."""
        check_canvas(z, cond)
        check_noise(self, fresh)
        return cond.decode(self.end(z, self.jump(cond, on_estimate), on_step, fresh=fresh))

    def end(
        self, z: Tensor, jump: Jump, on_call: OnCall | None = None, *, fresh: Fresh | None = None
    ) -> Tensor:
        """Return the clean states, (K, 1, Hp, Wp) in network units, that :meth:`draw` decodes."""
        if self.renoised and fresh is not None:
            return renoise(jump, self.model.path, self.grid, z, fresh, on_call)
        return walk(jump, self.grid, z, on_call)

    def jump(self, cond: SamplerCondition, on_estimate: OnEstimate | None = None) -> Jump:
        """Return the flow map of a prepared measurement, ``jump(x, s, t)``, without gradients."""
        model, see = self.model, watch(self.model.path, cond, on_estimate)

        @torch.no_grad()
        def jump(x: Tensor, s: float, t: float) -> Tensor:
            F = model.F(x, s, t, cond)
            if see is not None:
                see(x, s, F)
            return model.path.jump(x, s, t, F)

        return jump


@dataclass(frozen=True)
class PointSampler:
    """A point estimate: one image, not a draw.

    Parameters
    ----------
    name : str
        Name by which the user asks for it.
    model : FlowMap, optional
        A network whose data estimate at time 1, without noise, is the residual's mean. None: the
        centre of the condition is the estimate.
    """

    name: str
    model: FlowMap | None = None

    role: Role = field(default="point", init=False)
    steps: int = field(default=1, init=False)
    nfe: int = field(default=1, init=False)
    needs_noise: bool = field(default=False, init=False)

    @property
    def description(self) -> str:
        """Say that this is a point estimate, and what it cost."""
        return "point estimate, not a draw, 1 network evaluation"

    @torch.no_grad()
    def draw(
        self,
        z: Tensor,
        cond: SamplerCondition,
        on_step: OnStep | None = None,
        *,
        fresh: Fresh | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> Tensor:
        """Return the estimate, (1, H, W); the noise is ignored; see :meth:`Sampler.draw`.

        That of the centre was made when the measurement was prepared, and is reported here.

        Raises
        ------
        InputError
            If more than one image is asked for.
        """
        if z.shape[0] != 1:
            raise InputError(
                f"{self.name!r} is a point estimate and has one image, not {z.shape[0]} draws; "
                "ask for samples=1"
            )
        check_canvas(z, cond)
        residual = torch.zeros_like(z)
        if self.model is not None:
            F = self.model.F(residual, 1.0, 1.0, cond)
            residual = self.model.path.data_from_F(residual, 1.0, F)
        image = cond.decode(residual)
        if on_estimate is not None:
            on_estimate(lambda: image[0])
        if on_step is not None:
            on_step(1, 1)
        return image
