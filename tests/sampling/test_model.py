"""Teacher and flow map: how a network is called."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from napari_posterior.errors import ModelError
from napari_posterior.sampling.grid import make_grid
from napari_posterior.sampling.model import PREDICTIONS, FlowMap, Teacher
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.sampling.solvers import solve
from napari_posterior.toys import GaussianPosterior

COND = SimpleNamespace(maps=torch.ones(1, 3, 4, 5), vector=torch.arange(2.0)[None])


class Recorder:
    """Returns the first time minus twice the second; keeps what it was given."""

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        self.s, self.t, self.shapes = s, t, (maps.shape, vector.shape)
        return (s - 2 * t)[:, None, None, None] * torch.ones_like(x)


@pytest.mark.parametrize(
    "time",
    [0.3, torch.tensor(0.3), torch.tensor([0.3]), torch.full((2, 1, 1, 1), 0.3)],
    ids=["float", "scalar", "one", "batch"],
)
def test_a_teacher_is_called_with_two_equal_times_for_every_state(time: float | Tensor):
    net = Recorder()
    F = Teacher(VPCosine(), net).F(torch.zeros(2, 1, 4, 5), time, COND)
    assert torch.equal(net.s, torch.full((2,), 0.3))
    assert torch.equal(net.t, net.s)
    assert torch.allclose(F, torch.full((2, 1, 4, 5), -0.3))


def test_one_condition_is_seen_by_every_state_of_the_batch_without_a_copy():
    net = Recorder()
    Teacher(VPCosine(), net).F(torch.zeros(6, 1, 4, 5), 0.5, COND)
    assert net.shapes == ((6, 3, 4, 5), (6, 2))


def test_a_flow_map_jumps_with_its_network_between_the_two_times():
    x = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    net = Recorder()
    there = FlowMap(VPCosine(), net).jump(x, 0.8, 0.1, COND)
    assert torch.equal(net.s, torch.full((2,), 0.8))
    assert torch.equal(net.t, torch.full((2,), 0.1))
    assert torch.allclose(there, VPCosine().jump(x, 0.8, 0.1, torch.full_like(x, 0.6)))


def test_a_flow_map_takes_its_own_times_for_every_state():
    x = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    model = FlowMap(VPCosine(), Recorder())
    together = model.jump(x, torch.tensor([0.9, 0.6]), torch.tensor([0.2, 0.0]), COND)
    for i, (s, t) in enumerate([(0.9, 0.2), (0.6, 0.0)]):
        assert torch.allclose(together[i : i + 1], model.jump(x[i : i + 1], s, t, COND), atol=1e-6)


def test_a_flow_map_to_the_same_time_stays_whatever_its_network_says():
    x = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(FlowMap(VPCosine(), Recorder()).jump(x, 0.4, 0.4, COND), x, atol=1e-6)


DOUBLE = torch.float64
TOY = GaussianPosterior(
    mean=torch.tensor([0.7, -1.0, 2.0, 0.0], dtype=DOUBLE),
    variances=torch.tensor([1.0, 0.25, 0.1, 0.5], dtype=DOUBLE),
    directions=torch.eye(4, dtype=DOUBLE),
)
EMPTY = SimpleNamespace(
    maps=torch.zeros(1, 0, 2, 2, dtype=DOUBLE), vector=torch.zeros(1, 0, dtype=DOUBLE)
)
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


def predict(kind: str, path: Path):
    """Return a network that predicts the exact quantity `kind` of a Gaussian posterior."""

    def net(x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        flat, s = x.flatten(1), s[:, None]
        data = TOY.data(path, flat, s)
        eps = -path.beta(s) * TOY.score(path, flat, s)
        known = {
            "F": lambda: TOY.velocity(path, flat, s),
            "x0": lambda: data,
            "eps": lambda: eps,
            "v": lambda: path.alpha(s) * eps - path.beta(s) * data,
            "velocity": lambda: path.dalpha(s) * data + path.dbeta(s) * eps,
            "score": lambda: TOY.score(path, flat, s),
        }
        return known[kind]().reshape(x.shape)

    return net


@both_paths
@pytest.mark.parametrize("kind", sorted(PREDICTIONS))
@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
def test_every_prediction_is_adapted_to_the_normalised_velocity(path: Path, kind: str, t: float):
    x = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    teacher = Teacher(path, predict(kind, path), prediction=kind)
    wanted = TOY.velocity(path, x.flatten(1), t).reshape(x.shape)
    assert torch.allclose(teacher.F(x, t, EMPTY), wanted, atol=1e-9)
    times = torch.tensor([t, 0.3, 0.6], dtype=DOUBLE)
    several = teacher.F(x, times, EMPTY)
    assert torch.allclose(several[:1], wanted[:1], atol=1e-9)


@both_paths
@pytest.mark.parametrize("kind", sorted(PREDICTIONS))
def test_a_draw_from_pure_noise_works_with_every_prediction(path: Path, kind: str):
    x = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    teacher = Teacher(path, predict(kind, path), prediction=kind)
    grid = make_grid("logsnr", 48, path)
    end = solve(lambda x, t: teacher.F(x, t, EMPTY), path, "dpmpp2m", grid, x)
    exact = TOY.flow(path, x.flatten(1), 1.0, 0.0).reshape(x.shape)
    blind = kind in ("eps", "score")
    assert torch.allclose(end, exact, atol=0.05 if blind else 0.02)


def test_an_unknown_prediction_is_refused_with_the_known_ones():
    with pytest.raises(ModelError, match="use one of F, x0, eps, v, velocity, score"):
        Teacher(VPCosine(), Recorder(), prediction="mean")
