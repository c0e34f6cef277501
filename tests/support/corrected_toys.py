"""Students and teachers whose laws are known, for tests of what corrects one by the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_posterior.sampling.grid import uniform
from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.noise import Stream, stream
from napari_posterior.sampling.samplers import StudentSampler, TeacherSampler
from napari_posterior.toys import (
    GaussianPosterior,
    MixturePosterior,
    exact_student,
    exact_teacher,
)

SIDE = 16
PIXELS = SIDE**2
DOUBLE = torch.float64


@dataclass(frozen=True)
class Bare:
    """A condition that leaves states as they are."""

    maps: Tensor
    vector: Tensor

    def decode(self, r: Tensor) -> Tensor:
        return r[:, 0]


class ConvNet(nn.Module):
    """A velocity that looks two pixels far, reads everything and counts its calls."""

    reach = 2

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Conv2d(2, 1, 5, padding=2)
        self.calls = 0

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        self.calls += 1
        scale = (1 + s + 0.5 * (s - t) + vector.sum(1))[:, None, None, None]
        return torch.tanh(self.layer(torch.cat([x, maps], dim=1))) * scale


def bare(height: int = SIDE, width: int = SIDE, maps: int = 0) -> Bare:
    rng = torch.Generator().manual_seed(3)
    return Bare(torch.randn(1, maps, height, width, generator=rng), torch.zeros(1, 0))


def gaussian(mean: float = 0.0, variance: float = 1.0) -> GaussianPosterior:
    """Independent pixels with one mean and one variance."""
    return GaussianPosterior(
        mean=torch.full((PIXELS,), mean, dtype=DOUBLE),
        variances=torch.full((PIXELS,), variance, dtype=DOUBLE),
        directions=torch.eye(PIXELS, dtype=DOUBLE),
    )


def mixture(weight: float = 0.4, variance: float = 0.05) -> MixturePosterior:
    """Independent pixels with modes at -1 and 1."""
    both = torch.tensor([weight, 1 - weight], dtype=DOUBLE)
    means = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    return MixturePosterior(
        weights=both.expand(PIXELS, 2),
        means=means.expand(PIXELS, 2),
        variances=torch.full((PIXELS, 2), variance, dtype=DOUBLE),
    )


def teacher(toy, path, *, steps: int = 200, solver: str = "heun") -> TeacherSampler:
    return TeacherSampler(
        "teacher", Teacher(path, exact_teacher(toy, path)), solver, uniform(steps)
    )


def student(toy, path, grid=(1.0, 0.0), *, renoised: bool = False) -> StudentSampler:
    return StudentSampler("kd", FlowMap(path, exact_student(toy, path)), grid, renoised=renoised)


def noise(count: int, *, first: int = 0, shape=(SIDE, SIDE), seed: int = 5, **place) -> Stream:
    return stream(range(first, first + count), shape, seed=seed, **place)


def canvases(fresh: Stream | Quick) -> Tensor:
    """Canvases to start from, in double precision as the toys are."""
    return fresh(0).double()


@dataclass(frozen=True)
class Quick:
    """Noise of many samples at once, where it need not be that of each sample alone."""

    count: int
    seed: int = 5

    def __call__(self, step: int) -> Tensor:
        return torch.randn(self.count, 1, SIDE, SIDE, generator=self._of(step), dtype=DOUBLE)

    def chances(self, step: int) -> Tensor:
        return torch.rand(self.count, generator=self._of(step + 2**20), dtype=DOUBLE)

    def _of(self, step: int) -> torch.Generator:
        # the generator takes 32 bits of a seed
        return torch.Generator().manual_seed(2**21 * self.seed + step)


def net_pair(path, grid=(1.0, 0.6, 0.3, 0.0), *, solver: str = "heun", tile=None, **options):
    """A student and a teacher with random networks, and the networks."""
    from napari_posterior.sampling.tiling import tiled

    nets = ConvNet(0), ConvNet(1)
    own, other = (tiled(net, tile=tile, halo=8, stride=8) for net in nets)
    return (
        StudentSampler("flow", FlowMap(path, own), grid, **options),
        TeacherSampler("teacher", Teacher(path, other), solver, uniform(5)),
        nets,
    )
