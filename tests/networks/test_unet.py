from __future__ import annotations

import pytest
import torch

from napari_posterior.errors import ModelError
from napari_posterior.networks.registry import build
from napari_posterior.networks.unet import pixel_norm

SMALL = {"channels": [8, 12, 16], "blocks": 1}


def make_velocity(path: str = "linear"):
    torch.manual_seed(0)
    net = build("velocity-unet-1", {"path": path, **SMALL})
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net.eval().requires_grad_(False)


def call(net, x, s=0.5, t=0.5, maps=None):
    batch = x.shape[0]
    maps = torch.zeros(batch, 4, *x.shape[-2:]) if maps is None else maps
    times = (torch.full((batch,), value) for value in (s, t))
    return net(x, *times, maps, torch.zeros(batch, 4))


@pytest.mark.parametrize("path", ["linear", "vpcosine"])
def test_an_untrained_network_is_the_velocity_of_a_standard_normal(path):
    from napari_posterior.sampling.path import get_path

    net = build("velocity-unet-1", {"path": path, **SMALL})
    x, curve = torch.randn(2, 1, 16, 16), get_path(path)
    for t in (1.0, 0.6, 0.05):
        a, b = float(curve.alpha(t)), float(curve.beta(t))
        data = a / (a * a + b * b) * x
        assert torch.allclose(curve.data_from_F(x, t, call(net, x, t, t)), data, atol=1e-5)


def test_the_output_depends_on_the_receptive_field_only():
    net = make_velocity()
    reach = net.receptive_field
    size = 8 * ((2 * reach + 40) // 8)
    x = torch.randn(1, 1, 16, size)
    changed = x.clone()
    changed[..., 0] += 10
    moved = (call(net, x) - call(net, changed)).abs().amax((0, 1, 2))
    assert moved[0] > 0
    assert (moved[reach:] == 0).all()
    # the reach is not much larger than it has to be
    assert (moved[reach // 2 :] > 0).any()


def test_shifting_the_image_by_the_stride_shifts_the_output():
    net = make_velocity()
    reach = net.receptive_field
    x = torch.randn(1, 1, 16, 8 * ((2 * reach + 64) // 8))
    shifted = x.roll(8, -1)
    inner = slice(reach + 8, -reach - 8)
    a, b = call(net, x).roll(8, -1)[..., inner], call(net, shifted)[..., inner]
    assert torch.allclose(a, b, atol=1e-5)


def test_pixel_norm_looks_at_one_pixel_only():
    x = torch.randn(1, 6, 4, 4)
    assert torch.equal(pixel_norm(x)[..., 1:3, :], pixel_norm(x[..., 1:3, :]))
    assert torch.allclose(pixel_norm(x).square().mean(1), torch.ones(1, 4, 4), atol=1e-2)


def test_a_student_from_a_teacher_is_the_teacher_until_it_learns_the_gap():
    net = build("velocity-unet-1", {"path": "linear", **SMALL})
    for name, parameter in net.named_parameters():
        if "gap.2" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    x = torch.randn(1, 1, 16, 16)
    assert torch.equal(call(net, x, 0.7, 0.7), call(net, x, 0.7, 0.1))


@pytest.mark.parametrize("blocks", [1, 2])
def test_without_gradients_the_output_is_the_same_and_the_inputs_are_left_alone(blocks):
    net = build("velocity-unet-1", {**SMALL, "blocks": blocks})
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, maps = torch.randn(2, 1, 32, 24), torch.randn(2, 4, 32, 24)
    before = x.clone(), maps.clone()
    trained = call(net, x, maps=maps)
    assert trained.requires_grad
    with torch.no_grad():
        drawn = call(net, x, maps=maps)
    assert torch.equal(drawn, trained)
    assert torch.equal(x, before[0])
    assert torch.equal(maps, before[1])


def test_unknown_networks_and_settings_are_refused():
    with pytest.raises(ModelError, match="unknown network 'resnet'"):
        build("resnet", {})
    with pytest.raises(ModelError, match="do not fit"):
        build("point-unet-1", {"layers": 3})
