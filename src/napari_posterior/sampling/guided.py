"""Students led by their teacher while they draw: Distillation++, and a form that keeps the law.

After Park et al. 2024 (arXiv 2412.08871): the clean image of a step is re-noised, and the teacher's
estimate of it takes part of its place. An estimate is a mean, so that this loses variance; a draw
of the teacher, taken wholly or not at all, does not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from napari_posterior.sampling.corrected_plans import GuidedPlan
from napari_posterior.sampling.corrections import ROUND
from napari_posterior.sampling.descent import descend, later
from napari_posterior.sampling.drawing import Calls, check_canvas, watch
from napari_posterior.sampling.variance_loss import LEVELS

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.drawing import OnEstimate, OnStep
    from napari_posterior.sampling.model import Conditions
    from napari_posterior.sampling.samplers import SamplerCondition, StudentSampler, TeacherSampler
    from napari_posterior.sampling.solvers import Fresh, Jump

__all__ = ["GuidedSampler", "HasChances"]


@runtime_checkable
class HasChances(Protocol):
    """Fresh noise that also gives one uniform number a sample: ``noise.Stream``."""

    def __call__(self, step: int) -> Tensor:
        """Return the canvases of a step, (K, 1, H, W)."""
        ...

    def chances(self, step: int) -> Tensor:
        """Return numbers between 0 and 1, (K,), the same for every crop."""
        ...


@dataclass(frozen=True)
class GuidedSampler(GuidedPlan):
    """A student of several steps with its teacher beside it in the first ones.

    A step from s to t, not the last, has the clean image D, the student's jump from s to 0, and
    ``x_r = alpha_r D + beta_r eps``. With the kernel ``"mean"`` D moves by ``lam (D_teacher(x_r) -
    D)``: a student that adds new noise goes on from there, and one that follows the teacher adds
    ``(alpha_t - beta_t alpha_s / beta_s)`` times that change to its own state at t, as a DDIM step
    would. With ``"sample"`` a draw of the teacher from x_r takes the place of D with probability
    `lam`, and new noise is added up to t; otherwise the step is the student's own.

    Parameters
    ----------
    student : StudentSampler
        A student of two steps or more.
    teacher : TeacherSampler
        The reference of the same bundle.
    correction : Guided
        How much, how often, at which noise, with which kernel.

    Raises
    ------
    InputError
        If the student takes one step: its last, which is not led.
    """

    student: StudentSampler
    teacher: TeacherSampler

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
        """Draw with the student and its teacher; see :meth:`Sampler.draw`.

        Where nothing is led this is the student's draw. Else `fresh` has to have ``chances`` too
        if the kernel is ``"sample"`` or the noise random: see ``noise.stream``.
        """
        if self.led == 0:
            return self.student.draw(z, cond, on_step, fresh=fresh, on_estimate=on_estimate)
        check_canvas(z, cond)
        if fresh is None:
            raise ValueError(f"{self.name!r} takes fresh noise on its way; pass fresh")
        way = _Way(self, cond, fresh, Calls(self.nfe, on_step), on_estimate)
        x = z
        for i, (s, t) in enumerate(itertools.pairwise(self.student.grid), start=1):
            x = way.led_step(x, i, s, t) if i <= self.led else way.own_step(x, i, s, t)
        return cond.decode(x)


@dataclass
class _Way:
    """One draw of a guided sampler."""

    sampler: GuidedSampler
    cond: SamplerCondition
    fresh: Fresh
    calls: Calls
    on_estimate: OnEstimate | None

    @cached_property
    def jump(self) -> Jump:
        jump = self.sampler.student.jump(self.cond, self.on_estimate)

        def counted(x: Tensor, s: float, t: float) -> Tensor:
            there = jump(x, s, t)
            self.calls()
            return there

        return counted

    def own_step(self, x: Tensor, i: int, s: float, t: float) -> Tensor:
        """Take the student's own step."""
        if not self.sampler.student.renoised:
            return self.jump(x, s, t)
        clean = self.jump(x, s, 0.0)
        return clean if t == 0 else self._noised(clean, i, t)

    def led_step(self, x: Tensor, i: int, s: float, t: float) -> Tensor:
        """Take a step with the teacher."""
        path, asked = self.sampler.teacher.model.path, self.sampler.correction
        there = None if self.sampler.student.renoised else self.jump(x, s, t)
        clean = self.jump(x, s, 0.0)
        noise = later(self.fresh, i)
        level: float | Tensor = t
        if asked.renoise == "random":
            low, high = LEVELS
            level = (low + (high - low) * self._chances(ROUND * i)).to(x)
        x_r = path.noise(clean, _align(level), noise(0))
        if asked.kernel == "mean":
            change = asked.lam * (self._estimate(x_r, level) - clean)
            if there is None:
                return self._noised(clean + change, i, t)
            weight = path.alpha(t) - path.beta(t) * path.alpha(s) / path.beta(s)
            return there + weight * change
        taken = self._chances(ROUND * i + 1).to(x.device) < asked.lam
        drawn = self._noised(self._draws(x_r, level, taken, noise, t), i, t)
        own = self._noised(clean, i, t) if there is None else there
        return torch.where(taken.reshape(-1, 1, 1, 1), drawn, own)

    def _noised(self, clean: Tensor, i: int, t: float) -> Tensor:
        return self.sampler.teacher.model.path.noise(clean, t, self.fresh(i))

    def _estimate(self, x_r: Tensor, level: float | Tensor) -> Tensor:
        """Return the teacher's mean of the clean image given `x_r`."""
        model = self.sampler.teacher.model
        F = model.F(x_r, level, self.cond)
        if self.on_estimate is not None:
            first = level[:1] if isinstance(level, torch.Tensor) else level
            see = watch(model.path, self.cond, self.on_estimate)
            if see is not None:
                see(x_r, float(first), F)
        self.calls()
        return model.path.data_from_F(x_r, _align(level), F)

    def _draws(
        self, x_r: Tensor, level: float | Tensor, taken: Tensor, noise: Fresh, t: float
    ) -> Tensor:
        """Return draws of the teacher from `x_r` for the samples that take one, others as zeros.

        Samples that look from times of their own are drawn one by one; a network call for one of
        several counts as its share, and a draw that no sample takes counts as if it were made.
        """
        sampler = self.sampler
        steps, chosen = sampler.draw_steps(t), taken.nonzero()[:, 0].tolist()
        alone = isinstance(level, torch.Tensor)
        parts = [[k] for k in chosen] if alone else [chosen] * bool(chosen)
        total, shares, made = sampler.nfe_of_look(t), max(1, len(parts)), itertools.count(1)

        def share(done: int, of: int) -> None:
            if next(made) % shares == 0:
                self.calls()

        if not parts:
            for _ in range(total):
                self.calls()
        clean = torch.zeros_like(x_r)
        for part in parts:
            start = float(level[part[0]]) if isinstance(level, torch.Tensor) else level
            way = descend(sampler.teacher, start, steps)

            def some(step: int, part: list[int] = part) -> Tensor:
                return noise(step)[part]

            cond = _Part.of(self.cond, part)
            clean[part] = way(x_r[part], cond, share, fresh=some)
        return clean

    def _chances(self, step: int) -> Tensor:
        if not isinstance(self.fresh, HasChances):
            raise ValueError(
                f"{self.sampler.name!r} takes a random number a sample too; pass noise.stream(...)"
            )
        return self.fresh.chances(step)


@dataclass(frozen=True)
class _Part:
    """What a model reads of a measurement, for some of the samples."""

    maps: Tensor
    vector: Tensor

    @classmethod
    def of(cls, cond: Conditions, part: list[int]) -> _Part:
        return cls(*(one if len(one) == 1 else one[part] for one in (cond.maps, cond.vector)))


def _align(level: float | Tensor) -> float | Tensor:
    return level.reshape(-1, 1, 1, 1) if isinstance(level, torch.Tensor) else level
