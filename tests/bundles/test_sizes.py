"""Tiles and batches fit into memory, and are no larger than pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_posterior.bundles.sizes import Sizes, choose_batch, choose_tile
from napari_posterior.bundles.speed import Rate, usual

GIB = 2**30


def sizes(free: float = 16 * GIB, *, pixels: int = 2**18, device: str = "cpu") -> Sizes:
    return Sizes(Rate(pixels=pixels, seconds=1e-6, bytes=320), int(free), device)


def test_a_plane_that_fits_is_not_cut():
    assert choose_tile(sizes(), (1024, 1024), halo=96) is None
    assert choose_tile(sizes(), (1000, 1600), halo=96) is None


def test_a_large_plane_is_cut_on_a_cpu_though_memory_is_free():
    # 512 MiB a call: 1295 px with two halos
    assert choose_tile(sizes(), (2048, 2048), halo=96) == 1088


def test_a_gpu_takes_the_whole_plane_that_a_cpu_cuts():
    assert choose_tile(sizes(80 * GIB, device="cuda"), (8192, 8192), halo=96) is None
    assert choose_tile(sizes(4 * GIB, device="cuda"), (8192, 8192), halo=96) == 2368


@given(free=st.integers(2**20, 2**40), side=st.integers(8, 20000), halo=st.integers(0, 128))
def test_a_window_fits_into_half_of_the_free_memory_or_is_the_smallest(free, side, halo):
    tile = choose_tile(sizes(free), (side, side), halo=halo)
    window = side if tile is None else tile + 2 * halo
    assert window**2 * 320 <= free / 2 or tile == 128


@pytest.mark.parametrize(
    ("shape", "samples", "batch"),
    [
        ((512, 512), 8, 1),
        ((256, 256), 64, 4),
        ((64, 64), 64, 16),
        ((64, 64), 8, 2),
        ((64, 64), 1, 1),
    ],
)
def test_as_many_samples_as_pay_are_drawn_together_and_some_are_kept_when_cancelled(
    shape: tuple[int, int], samples: int, batch: int
):
    assert choose_batch(sizes(), shape, tile=None, samples=samples, planes=1) == batch


def test_a_batch_fits_into_memory():
    little = sizes(10 * 320 * 64**2, device="cuda")
    assert choose_batch(little, (64, 64), tile=None, samples=1000, planes=1) == 5


def test_unfinished_samples_of_many_planes_are_held_in_bounded_memory():
    assert choose_batch(sizes(), (64, 64), tile=None, samples=64, planes=2**15) == 2


def test_tiles_are_drawn_of_as_many_samples_as_pay():
    large = sizes(80 * GIB, pixels=2**23, device="cuda")
    assert choose_batch(large, (4096, 4096), tile=1024, samples=64, planes=1) == 8


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_what_is_usual_gives_sizes_on_every_device(device: str):
    found = Sizes(usual(device).rate("float32"), 8 * GIB, device)
    assert choose_tile(found, (512, 512), halo=96) is None
    assert choose_batch(found, (128, 128), tile=None, samples=64, planes=1) == 16
