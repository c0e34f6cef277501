"""Our solvers and the schedulers of diffusers: one network, one noise, one image."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.sampling.solvers import get_solver, solve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


# diffusers hands its tensors to numpy in a way that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TRAINED = 1000
SHAPE = (2, 1, 12, 10)
"""Two small images."""


class Net(nn.Module):
    """A network that reads state and time, in the dtype it is asked in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 1, 3, padding=1)
        )

    @torch.no_grad()
    def forward(self, x: Tensor, t: float) -> Tensor:
        return self.layers.to(x.dtype)(torch.cat([x, torch.full_like(x, t)], dim=1))


NET = Net()


def times_of(steps: int) -> list[float]:
    """Return the times of evenly spaced training steps, the noisiest just before t = 1."""
    return [(i + 1) / (TRAINED + 1) for i in range(TRAINED - 1, -1, -TRAINED // steps)]


def vp(kind: str, steps: int, **options) -> diffusers.SchedulerMixin:
    """Make a scheduler with the schedule of our variance-preserving path."""
    scheduler = getattr(diffusers, kind)(
        num_train_timesteps=TRAINED,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        **options,
    )
    times = (torch.arange(TRAINED, dtype=torch.float64) + 1) / (TRAINED + 1)
    scheduler.alphas_cumprod = torch.cos(torch.pi / 2 * times) ** 2
    scheduler.set_timesteps(steps)
    return scheduler


def follow(solver: str, path: Path, times: Sequence[float], x: Tensor, fresh, eta=None) -> Tensor:
    """Take the steps of a solver between times that need not begin at 1."""
    step = get_solver(solver, eta).begin(fresh, 0.0 if eta is None else eta)
    for s, t in itertools.pairwise([*times, 0.0]):
        x = step(NET, path, x, s, t)
    return x


def draw_noise(dtype: torch.dtype, count: int) -> Tensor:
    dice = torch.Generator().manual_seed(7)
    return torch.randn(count, *SHAPE, generator=dice, dtype=torch.float64).to(dtype)


def their_draw(scheduler, x: Tensor, step: Callable[[int, Tensor, Tensor], dict]) -> Tensor:
    """Follow their scheduler; `step` gives the options of its i-th call."""
    for i, t in enumerate(scheduler.timesteps):
        output = NET(x, (int(t) + 1) / (TRAINED + 1))
        x = scheduler.step(output, t, x, **step(i, output, x)).prev_sample
    return x


@pytest.mark.parametrize("steps", [4, 8, 25])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_euler_and_the_sde_are_their_ddim_with_the_same_eta(steps: int, eta: float):
    noise = draw_noise(torch.float64, steps + 1)
    scheduler = vp("DDIMScheduler", steps, clip_sample=False)
    theirs = their_draw(
        scheduler, noise[0], lambda i, *_: {"eta": eta, "variance_noise": noise[i + 1]}
    )
    ours = follow("sde", VPCosine(), times_of(steps), noise[0], lambda i: noise[i], eta)
    assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    if eta == 0:
        ours = follow("euler", VPCosine(), times_of(steps), noise[0], lambda i: noise[i])
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [4, 8, 25])
def test_ancestral_sampling_is_their_ddpm(steps: int):
    z = draw_noise(torch.float64, 1)[0]
    scheduler = vp("DDPMScheduler", steps, clip_sample=False)
    dice = torch.Generator().manual_seed(11)
    theirs = their_draw(scheduler, z, lambda *_: {"generator": dice})
    dice = torch.Generator().manual_seed(11)
    fresh = [torch.randn(SHAPE, generator=dice, dtype=torch.float64) for _ in range(steps)]
    ours = follow("ancestral", VPCosine(), times_of(steps), z, lambda i: fresh[i - 1])
    assert torch.allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("steps", [4, 8, 25])
@pytest.mark.parametrize(
    ("solver", "kind"), [("dpmpp2m", "dpmsolver++"), ("dpmpp2m_sde", "sde-dpmsolver++")]
)
def test_2m_and_its_sde_are_their_dpm_solver_multistep(solver: str, kind: str, steps: int):
    noise = draw_noise(torch.float32, steps + 1)
    scheduler = vp("DPMSolverMultistepScheduler", steps, algorithm_type=kind)
    theirs = their_draw(scheduler, noise[0], lambda i, *_: {"variance_noise": noise[i + 1]})
    ours = follow(solver, VPCosine(), times_of(steps), noise[0], lambda i: noise[i])
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [4, 8, 25])
@pytest.mark.parametrize(
    ("solver", "kind"), [("dpmpp2m", "dpmsolver++"), ("dpmpp2m_sde", "sde-dpmsolver++")]
)
def test_on_the_linear_path_2m_is_theirs_from_pure_noise_on(solver: str, kind: str, steps: int):
    noise = draw_noise(torch.float32, steps + 1)
    grid = (1.0, *(0.97 * (1 - i / steps) ** 1.3 for i in range(1, steps)), 0.0)
    scheduler = diffusers.DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", algorithm_type=kind
    )
    scheduler.set_timesteps(steps)
    scheduler.sigmas = torch.tensor(grid, dtype=torch.float32)
    scheduler.set_begin_index(0)
    x = noise[0]
    for i, (t, sigma) in enumerate(zip(scheduler.timesteps, grid, strict=False)):
        x = scheduler.step(NET(x, sigma), t, x, variance_noise=noise[i + 1]).prev_sample
    ours = solve(NET, LinearFlow(), solver, grid, noise[0], fresh=lambda i: noise[i])
    assert torch.allclose(ours, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [4, 8, 25])
def test_on_the_linear_path_euler_is_their_flow_matching_euler(steps: int):
    z = draw_noise(torch.float32, 1)[0]
    grid = (1.0, *((1 - i / steps) ** 1.5 for i in range(1, steps)), 0.0)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=list(grid[:-1]))
    x = z
    for t, sigma in zip(scheduler.timesteps, grid, strict=False):
        x = scheduler.step(NET(x, sigma), t, x).prev_sample
    ours = solve(NET, LinearFlow(), "euler", grid, z)
    assert torch.allclose(ours, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [4, 8, 25])
def test_on_the_linear_path_heun_is_their_flow_matching_heun(steps: int):
    z = draw_noise(torch.float32, 1)[0]
    scheduler = diffusers.FlowMatchHeunDiscreteScheduler(num_train_timesteps=TRAINED)
    scheduler.set_timesteps(steps)
    grid = (*map(float, np.linspace(1.0, 1 / TRAINED, steps)), 0.0)
    x = z
    for t in scheduler.timesteps:
        x = scheduler.step(NET(x, float(t) / TRAINED), t, x).prev_sample
    ours = solve(NET, LinearFlow(), "heun", grid, z)
    assert torch.allclose(ours, x, rtol=1e-5, atol=1e-5)
