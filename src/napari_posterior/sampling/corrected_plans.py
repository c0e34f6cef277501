"""What a corrected draw is made of: times, solvers, network calls, words. No network, no torch.

The samplers that draw extend these plans; a window reads them of two descriptions, so that it can
say what a correction costs, or why it cannot be, before anything is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from napari_posterior.errors import InputError
from napari_posterior.sampling.corrections import HandOver, Refine
from napari_posterior.sampling.drawing import count, describe
from napari_posterior.sampling.grid import below
from napari_posterior.sampling.solvers import get_solver, nfe
from napari_posterior.sampling.variance_loss import LEVELS

if TYPE_CHECKING:
    from napari_posterior.sampling.corrections import Correction, Guided
    from napari_posterior.sampling.samplers import Role

__all__ = [
    "CorrectedPlan",
    "GuidedPlan",
    "HandOverPlan",
    "KnownStudent",
    "KnownTeacher",
    "RefinePlan",
    "Way",
    "plan_corrected",
    "way_below",
]

_SOLVERS = {"ode": "heun", "sde": "dpmpp2m_sde"}


class KnownStudent(Protocol):
    """What is known of a student without its network: a `StudentSampler` or a `SamplerInfo`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def nfe(self) -> int: ...  # noqa: D102
    @property
    def grid(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def renoised(self) -> bool: ...  # noqa: D102
    @property
    def needs_noise(self) -> bool: ...  # noqa: D102


class KnownTeacher(Protocol):
    """What is known of a teacher without its network: a `TeacherSampler` or a `SamplerInfo`."""

    @property
    def solver(self) -> str: ...  # noqa: D102
    @property
    def grid(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def eta(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True)
class Way:
    """A solver on a grid, from a time on the way to the clean image.

    Parameters
    ----------
    solver : str
        A key of ``SOLVERS``.
    grid : tuple of float
        Decreasing times to 0.0.
    eta : float, optional
        Share of renewed noise of the solver ``"sde"``.
    """

    solver: str
    grid: tuple[float, ...]
    eta: float | None = None

    @property
    def nfe(self) -> int:
        """Network evaluations."""
        return nfe(self.solver, len(self.grid) - 1)

    @property
    def needs_noise(self) -> bool:
        """Whether it takes fresh noise on its way."""
        return len(self.grid) > 2 and get_solver(self.solver, self.eta).needs_noise

    @property
    def words(self) -> str:
        """Such as ``"Heun 6 steps"``."""
        return f"{get_solver(self.solver, self.eta).title} {count(len(self.grid) - 1, 'step')}"


def way_below(
    teacher: KnownTeacher,
    tau: float,
    steps: int | None = None,
    *,
    kernel: Literal["own", "ode", "sde"] = "own",
) -> Way:
    """Return a teacher's way from `tau` to the clean image; see `descent.descend`.

    Raises
    ------
    InputError
        If `tau` or `steps` is out of range.
    """
    solver, eta = teacher.solver, teacher.eta
    if kernel != "own" and get_solver(solver, eta).needs_noise != (kernel == "sde"):
        solver, eta = _SOLVERS[kernel], None
    return Way(solver, below(teacher.grid, tau, steps), eta)


class CorrectedPlan(Protocol):
    """What all corrected draws say of themselves."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def nfe(self) -> int: ...  # noqa: D102
    @property
    def needs_noise(self) -> bool: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class HandOverPlan:
    """A student from noise to tau, its teacher's solver from tau to the clean image.

    Parameters
    ----------
    student : KnownStudent
        A flow map; its times above tau are taken, then tau.
    teacher : KnownTeacher
        The reference of the same bundle.
    correction : HandOver
        Where, and with how many steps below.

    Raises
    ------
    InputError
        If the student adds new noise between its steps: it has no flow map to tau.
    """

    student: KnownStudent
    teacher: KnownTeacher
    correction: HandOver

    role: Role = field(default="student", init=False)

    def __post_init__(self) -> None:
        if self.student.renoised:
            raise InputError(
                f"the student {self.student.name!r} goes to clean images only and cannot stop at "
                f"tau {self.correction.tau:g}; use the correction 'refine', or a student that "
                "follows the teacher"
            )

    @property
    def name(self) -> str:
        """Such as ``"lmd-4 + hand-over"``."""
        return f"{self.student.name}-{self.student.steps} + {self.correction.name}"

    @cached_property
    def times(self) -> tuple[float, ...]:
        """Times of the student's part, from 1.0 to tau."""
        tau = self.correction.tau
        return (*(t for t in self.student.grid if t > tau), tau)

    @cached_property
    def way(self) -> Way:
        """The teacher's part."""
        return way_below(self.teacher, self.correction.tau, self.correction.steps)

    @property
    def steps(self) -> int:
        """Grid intervals of both parts."""
        return len(self.times) - 1 + len(self.way.grid) - 1

    @property
    def nfe(self) -> int:
        """Network evaluations per draw, of both networks."""
        return len(self.times) - 1 + self.way.nfe

    @property
    def needs_noise(self) -> bool:
        """Whether the teacher's solver takes fresh noise."""
        return self.way.needs_noise

    @property
    def meaning(self) -> str:
        """What the images are draws of, in one sentence."""
        return self.correction.meaning

    @property
    def description(self) -> str:
        """Such as ``"student, 1 step to 0.3, then teacher Heun 6 steps, ..."``."""
        first = count(len(self.times) - 1, "step")
        how = f"{first} to {self.correction.tau:g}, then teacher {self.way.words}"
        return describe(self.role, how, "", self.nfe)


@dataclass(frozen=True)
class RefinePlan:
    """A student's samples, re-noised and drawn again by its teacher.

    Parameters
    ----------
    student : KnownStudent
        Any student.
    teacher : KnownTeacher
        The reference of the same bundle.
    correction : Refine
        How far back, with which kernel, how often.
    """

    student: KnownStudent
    teacher: KnownTeacher
    correction: Refine

    role: Role = field(default="student", init=False)
    needs_noise: bool = field(default=True, init=False)

    @property
    def name(self) -> str:
        """Such as ``"kd-1 + refine"``."""
        return f"{self.student.name}-{self.student.steps} + {self.correction.name}"

    @cached_property
    def way(self) -> Way:
        """The teacher's part of one round."""
        asked = self.correction
        return way_below(self.teacher, asked.tau, asked.steps, kernel=asked.kernel)

    @property
    def steps(self) -> int:
        """Grid intervals of the student and of all rounds."""
        return self.student.steps + self.correction.times * (len(self.way.grid) - 1)

    @property
    def nfe(self) -> int:
        """Network evaluations per draw, of both networks."""
        return self.student.nfe + self.correction.times * self.way.nfe

    @property
    def meaning(self) -> str:
        """What the images are draws of, in one sentence."""
        return self.correction.meaning

    @property
    def description(self) -> str:
        """Such as ``"student, 1 step, then 1 round from 0.3 of teacher Heun 6 steps, ..."``."""
        asked = self.correction
        rounds = f"{count(asked.times, 'round')} from {asked.tau:g} of teacher {self.way.words}"
        how = f"{count(self.student.steps, 'step')}, then {rounds}"
        return describe(self.role, how, "", self.nfe)


@dataclass(frozen=True)
class GuidedPlan:
    """A student of several steps with its teacher beside it in the first ones.

    Parameters
    ----------
    student : KnownStudent
        A student of two steps or more.
    teacher : KnownTeacher
        The reference of the same bundle.
    correction : Guided
        How much, how often, at which noise, with which kernel.

    Raises
    ------
    InputError
        If the student takes one step: its last, which is not led.
    """

    student: KnownStudent
    teacher: KnownTeacher
    correction: Guided

    role: Role = field(default="student", init=False)

    def __post_init__(self) -> None:
        if self.student.steps < 2:
            raise InputError(
                f"the student {self.student.name!r} takes 1 step and the last one is not led; give "
                "it 2 steps or more, or use the correction 'refine'"
            )

    @property
    def name(self) -> str:
        """Such as ``"lmd-4 + guided"``."""
        return f"{self.student.name}-{self.student.steps} + {self.correction.name}"

    @property
    def steps(self) -> int:
        """Number of grid intervals of the student."""
        return self.student.steps

    @property
    def led(self) -> int:
        """Number of steps in which the teacher takes part."""
        return min(self.correction.k, self.steps - 1) if self.correction.lam > 0 else 0

    @property
    def nfe(self) -> int:
        """Network evaluations per draw, of both networks; at most, with the kernel "sample"."""
        beside = 0 if self.student.renoised else self.led  # the jump to the clean image
        looks = (self.nfe_of_look(t) for t in self.student.grid[1 : self.led + 1])
        return self.student.nfe + beside + sum(looks)

    @property
    def needs_noise(self) -> bool:
        """Whether a draw takes fresh noise on its way."""
        return self.led > 0 or self.student.needs_noise

    @property
    def meaning(self) -> str:
        """What the images are draws of, in one sentence."""
        return self.correction.meaning

    @property
    def description(self) -> str:
        """Such as ``"student, 4 steps, 1 led by the teacher's mean (0.1), ..."``."""
        asked = self.correction
        by = "mean" if asked.kernel == "mean" else "draws"
        how = f"{count(self.steps, 'step')}, {self.led} led by the teacher's {by} ({asked.lam:g})"
        return describe(self.role, how, self.student.label, self.nfe)

    def nfe_of_look(self, t: float) -> int:
        """Return the teacher's network calls in a led step to time `t`."""
        asked = self.correction
        if asked.kernel == "mean":
            return 1
        return way_below(self.teacher, self.level(t), self.draw_steps(t)).nfe

    def level(self, t: float) -> float:
        """Return the time that the teacher looks from in a step to `t`; the latest, if random."""
        return t if self.correction.renoise == "next" else LEVELS[1]

    def draw_steps(self, t: float) -> int:
        """Return the steps of a draw of the teacher; as many from every random time."""
        return len(way_below(self.teacher, self.level(t), self.correction.steps).grid) - 1


def plan_corrected(
    student: KnownStudent, teacher: KnownTeacher, correction: Correction
) -> CorrectedPlan:
    """Return what a draw of a student with a correction is made of.

    Raises
    ------
    InputError
        If the student cannot be corrected so.
    """
    kinds: dict[type, Any] = {HandOver: HandOverPlan, Refine: RefinePlan}
    plan: CorrectedPlan = kinds.get(type(correction), GuidedPlan)(student, teacher, correction)
    return plan
