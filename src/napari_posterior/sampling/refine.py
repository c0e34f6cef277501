"""Refinement: a student's sample is re-noised to tau and drawn again by the teacher.

One round leaves the teacher's law as it is, and by the data-processing inequality no other law
goes away from it. New noise is added: draws lose their coupling with the teacher's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from napari_posterior.sampling.corrected_plans import RefinePlan
from napari_posterior.sampling.descent import descend, later
from napari_posterior.sampling.drawing import Calls, check_canvas, watch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.descent import Descent
    from napari_posterior.sampling.drawing import OnEstimate, OnStep
    from napari_posterior.sampling.samplers import SamplerCondition, StudentSampler, TeacherSampler
    from napari_posterior.sampling.solvers import Fresh

__all__ = ["RefinedSampler"]


@dataclass(frozen=True)
class RefinedSampler(RefinePlan):
    """A student's samples, re-noised and drawn again by its teacher.

    Parameters
    ----------
    student : StudentSampler
        Any student.
    teacher : TeacherSampler
        The reference of the same bundle.
    correction : Refine
        How far back, with which kernel, how often.
    """

    student: StudentSampler
    teacher: TeacherSampler

    @cached_property
    def descent(self) -> Descent:
        """The teacher's part of one round, with its network."""
        asked = self.correction
        return descend(self.teacher, asked.tau, asked.steps, kernel=asked.kernel)

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
        """Draw with the student, then re-noise and draw with the teacher; see `Sampler.draw`."""
        check_canvas(z, cond)
        if fresh is None:
            raise ValueError(f"{self.name!r} takes fresh noise on its way; pass fresh")
        calls, path = Calls(self.nfe, on_step), self.teacher.model.path
        see = watch(path, cond, on_estimate)
        clean = self.student.end(z, self.student.jump(cond, on_estimate), calls, fresh=fresh)
        for rounds in range(1, self.correction.times + 1):
            noise = later(fresh, rounds)
            x = path.noise(clean, self.correction.tau, noise(0))
            clean = self.descent(x, cond, calls, fresh=noise, on_data=see)
        return cond.decode(clean)
