"""A short probe finds which calls pay on a device, and is remembered in the user's cache."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_posterior.bundles import speed as module
from napari_posterior.bundles.speed import (
    SPEED_FILE,
    Rate,
    Speed,
    device_key,
    measure,
    recall,
    remember,
    usual,
)


class Clock:
    """Seconds that only network calls take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Net:
    """Takes `fixed` seconds a call and `each` seconds a pixel; `slow` of a large call."""

    def __init__(self, clock: Clock, each: float, fixed: float = 0.0, limit: int = 2**40) -> None:
        self.clock, self.each, self.fixed, self.limit = clock, each, fixed, limit
        self.pixels: list[int] = []

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        pixels = x.numel()
        self.pixels.append(pixels)
        factor = 2 if pixels > self.limit else 1
        self.clock.now += self.fixed + factor * self.each * pixels
        assert (maps.shape[1], vector.shape) == (2, (x.shape[0], 3))
        return torch.cat([x, maps], dim=1).sum(1, keepdim=True)


def probe(single: Net, half: Net, clock: Clock) -> Speed:
    nets = {"float32": single, "bfloat16": half}
    return measure(nets, device="cpu", maps=2, vector=3, clock=clock)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def known() -> Speed:
    return Speed(
        float32=Rate(pixels=65536, seconds=7e-7, bytes=316),
        bfloat16=Rate(pixels=262144, seconds=4e-7, bytes=178),
    )


def test_the_smallest_call_that_is_about_as_fast_as_a_larger_one_is_found():
    clock = Clock()
    found = probe(Net(clock, 1e-8), Net(clock, 1e-8, fixed=0.01), clock)
    assert found.float32.pixels == 2**16
    assert found.float32.seconds == pytest.approx(1e-8)
    assert found.bfloat16.pixels == 2**20


def test_a_call_that_outgrows_the_cache_is_not_taken():
    clock = Clock()
    single = Net(clock, 1e-8, fixed=2e-4, limit=2**18)
    found = probe(single, Net(clock, 1e-8), clock)
    assert found.float32.pixels == 2**18
    assert max(single.pixels) == 2**20


def test_a_slow_device_is_not_tried_with_larger_calls():
    clock = Clock()
    single = Net(clock, 1e-4, fixed=5.0)
    probe(single, Net(clock, 1e-8), clock)
    assert max(single.pixels) == 2**16


def test_the_memory_of_a_pixel_is_counted():
    clock = Clock()
    found = probe(Net(clock, 1e-8), Net(clock, 1e-8), clock)
    # state and two maps beside each other, and their sum: 4 float32
    assert found.float32.bytes == pytest.approx(16, rel=0.01)


@pytest.mark.parametrize(("half", "pays"), [(0.5, True), (0.8, True), (0.9, False), (3.0, False)])
def test_bfloat16_pays_where_it_is_a_fifth_faster(half: float, pays: bool):
    clock = Clock()
    found = probe(Net(clock, 1e-8), Net(clock, half * 1e-8), clock)
    assert found.bfloat16_pays is pays
    assert found.rate("bfloat16").seconds == pytest.approx(half * 1e-8)


def test_nothing_is_said_of_bfloat16_where_nothing_was_measured():
    assert not usual("cpu").bfloat16_pays


def test_a_measurement_is_remembered_beside_those_of_other_devices(cache, known):
    assert recall("a laptop") is None
    remember("a laptop", known)
    remember("a server", usual("cuda"))
    assert recall("a laptop") == known
    assert recall("a server") == usual("cuda")
    assert sorted(path.name for path in cache.iterdir()) == [SPEED_FILE]


@pytest.mark.parametrize("text", ["", "[]", "{broken", '{"a laptop": {"float32": 1}}', "null"])
def test_a_damaged_file_is_measured_anew_and_replaced(cache, known, text: str):
    cache.mkdir()
    (cache / SPEED_FILE).write_text(text)
    assert recall("a laptop") is None
    remember("a laptop", known)
    assert recall("a laptop") == known


def test_a_cache_that_cannot_be_written_is_done_without(cache, known):
    cache.write_text("a file where the folder should be")
    remember("a laptop", known)
    assert recall("a laptop") is None


def test_devices_threads_and_networks_are_told_apart(monkeypatch):
    first = device_key("cpu", "a network")
    assert device_key("cpu", "a network") == first != device_key("cpu", "another")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 977)
    assert device_key("cpu", "a network") != first


def test_a_probe_waits_for_the_device(monkeypatch):
    waited = []
    monkeypatch.setattr(module, "_wait", waited.append)
    clock = Clock()
    probe(Net(clock, 1e-8), Net(clock, 1e-8), clock)
    assert set(waited) == {"cpu"}
    assert len(waited) >= 16
