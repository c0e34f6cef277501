"""Hand-over: the student takes the canvas to a noise level, the teacher goes on from there.

What is transported below tau is not amplified in units of the noise: coarse decisions stay the
student's, fine detail becomes the teacher's. The teacher's noise is kept, so that draws stay
coupled with the teacher's on the same canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from napari_posterior.sampling.corrected_plans import HandOverPlan
from napari_posterior.sampling.descent import descend, later
from napari_posterior.sampling.drawing import Calls, check_canvas, check_noise, watch
from napari_posterior.sampling.solvers import walk

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.descent import Descent
    from napari_posterior.sampling.drawing import OnEstimate, OnStep
    from napari_posterior.sampling.samplers import SamplerCondition, StudentSampler, TeacherSampler
    from napari_posterior.sampling.solvers import Fresh

__all__ = ["HandOverSampler"]


@dataclass(frozen=True)
class HandOverSampler(HandOverPlan):
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

    @cached_property
    def descent(self) -> Descent:
        """The teacher's part, with its network."""
        return descend(self.teacher, self.correction.tau, self.correction.steps)

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
