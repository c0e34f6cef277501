"""Hand-over: the student takes the canvas to a noise level, the teacher goes on from there.

What is transported below tau is not amplified in units of the noise: coarse decisions stay the
student's, fine detail becomes the teacher's. The teacher's noise is kept, so that draws stay
coupled with the teacher's on the same canvas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from napari_posterior.errors import InputError
from napari_posterior.sampling.descent import descend, later
from napari_posterior.sampling.drawing import (
    Calls,
    check_canvas,
    check_noise,
    count,
    describe,
    watch,
)
from napari_posterior.sampling.solvers import walk

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.corrections import HandOver
    from napari_posterior.sampling.descent import Descent
    from napari_posterior.sampling.drawing import OnEstimate, OnStep
    from napari_posterior.sampling.samplers import (
        Role,
        SamplerCondition,
        StudentSampler,
        TeacherSampler,
    )
    from napari_posterior.sampling.solvers import Fresh

__all__ = ["HandOverSampler"]


@dataclass(frozen=True)
class HandOverSampler:
    """A student's flow map from noise to tau, its teacher's solver from tau to the clean image.

    Parameters
    ----------
    student : StudentSampler
        A flow map; its times above tau are taken, then tau.
    teacher : TeacherSampler
        The reference of the same bundle.
    correction : HandOver
        Where, and with how many steps below.

    Raises
    ------
    InputError
        If the student adds new noise between its steps: it has no flow map to tau.
    """

    student: StudentSampler
    teacher: TeacherSampler
    correction: HandOver

    role: Role = field(default="student", init=False)

    def __post_init__(self) -> None:
        if self.student.renoised:
            raise InputError(
                f"the student {self.student.name!r} goes to clean images only and cannot stop at "
                f"tau {self.correction.tau:g}; use correction='refine', or a student that follows "
                "the teacher"
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
    def descent(self) -> Descent:
        """The teacher's part."""
        return descend(self.teacher, self.correction.tau, self.correction.steps)

    @property
    def steps(self) -> int:
        """Grid intervals of both parts."""
        return len(self.times) - 1 + len(self.descent.grid) - 1

    @property
    def nfe(self) -> int:
        """Network evaluations per draw, of both networks."""
        return len(self.times) - 1 + self.descent.nfe

    @property
    def needs_noise(self) -> bool:
        """Whether the teacher's solver takes fresh noise."""
        return self.descent.needs_noise

    @property
    def meaning(self) -> str:
        """What the images are draws of, in one sentence."""
        return self.correction.meaning

    @property
    def description(self) -> str:
        """Such as ``"student, 1 step to 0.3, then teacher Heun 6 steps, ..."``."""
        first = count(len(self.times) - 1, "step")
        how = f"{first} to {self.correction.tau:g}, then teacher {self.descent.words}"
        return describe(self.role, how, "", self.nfe)

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
        """Draw with the student, then the teacher; see :meth:`Sampler.draw`."""
        check_canvas(z, cond)
        check_noise(self, fresh)
        calls = Calls(self.nfe, on_step)
        jump = self.student.jump(cond, on_estimate)
        x = walk(jump, self.times, z, calls, end=self.correction.tau)
        see = watch(self.teacher.model.path, cond, on_estimate)
        noise = None if fresh is None else later(fresh, 1)
        return cond.decode(self.descent(x, cond, calls, fresh=noise, on_data=see))
