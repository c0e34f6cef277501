from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_posterior.errors import InputError
from napari_posterior.sampling.noise import canvas, normal, philox4x32, stream

# published known answers of philox4x32-10 (Random123, kat_vectors)
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_known_answers(counter, key, expected):
    words = philox4x32([torch.tensor([word]) for word in counter], key)
    assert tuple(int(word) for word in words) == expected


@given(
    top=st.integers(0, 40),
    left=st.integers(0, 40),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=40, deadline=None)
def test_canvas_of_a_crop_is_the_crop_of_the_canvas(top, left, height, width, seed):
    whole = normal((80, 80), seed=seed, sample=3, plane=1)
    crop = normal((height, width), seed=seed, sample=3, plane=1, origin=(top, left))
    assert torch.equal(crop, whole[top : top + height, left : left + width])


def test_a_sample_does_not_depend_on_the_batch_it_is_drawn_in():
    together = canvas([0, 1, 2, 3], (16, 17), seed=5)
    alone = torch.cat([canvas([k], (16, 17), seed=5) for k in (3, 1)])
    assert together.shape == (4, 1, 16, 17)
    assert torch.equal(together[[3, 1]], alone)


@pytest.mark.parametrize("change", [{"seed": 1}, {"sample": 1}, {"step": 1}, {"plane": 1}])
def test_every_key_gives_other_noise(change):
    keys = {"seed": 0, "sample": 0, "step": 0, "plane": 0}
    a, b = normal((64, 64), **keys), normal((64, 64), **(keys | change))
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_noise_is_standard_normal_and_white():
    z = normal((1024, 1024), seed=7, sample=0).double()
    n = z.numel()
    assert abs(z.mean()) < 4 / n**0.5
    assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
    for shift, axis in ((1, 0), (1, 1), (2, 1), (4, 1)):
        assert abs((z * z.roll(shift, axis)).mean()) < 4 / n**0.5


def test_keys_out_of_range_are_refused():
    with pytest.raises(InputError, match="seed -1"):
        normal((4, 4), seed=-1, sample=0)
    with pytest.raises(InputError, match="65536"):
        normal((4, 4), seed=0, sample=0, plane=2**16)


def test_a_stream_gives_the_canvas_of_every_step_for_any_batch_order_and_crop():
    fresh = stream((4, 9), (7, 10), seed=3, plane=2)
    later, first = fresh(5), fresh(0)
    assert torch.equal(first, canvas((4, 9), (7, 10), seed=3, plane=2))
    assert torch.equal(later, canvas((4, 9), (7, 10), seed=3, plane=2, step=5))
    assert torch.equal(stream((9,), (7, 10), seed=3, plane=2)(5), later[1:])
    assert torch.equal(fresh(5), later)
    crop = stream((4, 9), (3, 4), seed=3, plane=2, origin=(2, 5))
    assert torch.equal(crop(5), later[..., 2:5, 5:9])
    assert abs(float(torch.corrcoef(torch.stack([first.flatten(), later.flatten()]))[0, 1])) < 0.3


def test_a_sample_has_one_chance_a_step_whatever_crop_and_batch_it_is_drawn_in():
    whole = stream(range(4), (16, 16), seed=3, plane=2)
    part = stream([2], (8, 4), seed=3, plane=2, origin=(8, 4))
    assert part.chances(7)[0] == whole.chances(7)[2]
    for other in (
        stream([2], (8, 4), seed=4, plane=2),
        stream([2], (8, 4), seed=3, plane=1),
        stream([1], (8, 4), seed=3, plane=2),
    ):
        assert other.chances(7)[0] != part.chances(7)[0]
    assert part.chances(8)[0] != part.chances(7)[0]


def test_chances_are_uniform_and_independent_from_step_to_step():
    many = stream(range(20_000), (1, 1), seed=0)
    first, second = many.chances(1), many.chances(2)
    assert 0 < float(first.min())
    assert float(first.max()) < 1
    even = (torch.arange(20_000) + 0.5) / 20_000
    assert float((first.sort().values - even).abs().max()) < 1.63 / math.sqrt(20_000)
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 4 / math.sqrt(20_000)
