"""From the description of a sampler and its network to the sampler that draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.samplers import StudentSampler, TeacherSampler

if TYPE_CHECKING:
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.sampling.model import VelocityNet

__all__ = ["student_of", "teacher_of"]


def student_of(info: SamplerInfo, net: VelocityNet, path: str) -> StudentSampler:
    """Return a student's sampler."""
    model = FlowMap(get_path(path), net)
    return StudentSampler(info.name, model, info.grid, label=info.label, renoised=info.renoised)


def teacher_of(info: SamplerInfo, net: VelocityNet, path: str) -> TeacherSampler:
    """Return a teacher's sampler."""
    model = Teacher(get_path(path), net)
    return TeacherSampler(info.name, model, info.solver, info.grid, label=info.label, eta=info.eta)
