"""Teacher and flow map: how a network is called."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.path import VPCosine

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
