from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from napari_posterior.physics.scenes import Dice
from napari_posterior.training.batches import MARGIN, TrainingRange
from napari_posterior.training.own.store import DataWriter
from napari_posterior.training.own.streams import ImageScenes, OwnData, open_data

TRAINED = TrainingRange(peak=(20.0, 200.0), psf_sigma=(1.4, 1.6), read_noise=(1.5, 1.5))


def make_data(folder, files=5, *, kind="images", size=96):
    """Write planes of one value each, so that a crop tells which file it is of."""
    writer = DataWriter(folder)
    for number in range(files):
        plane = np.full((1, size, size), 1.0 + number)
        writer.add(f"{number}.tif", plane, 10 * plane if kind == "pairs" else None)
    return writer.finish(kind, TRAINED)


def stream_of(data: OwnData, **changed):
    usual = {"seed": 3, "batch": 6, "stream": 0, "size": 48, "device": "cpu", "trained": TRAINED}
    return data.stream(**(usual | changed))


def equal(one, other) -> bool:
    return all(torch.equal(value, vars(other)[name]) for name, value in vars(one).items())


@pytest.mark.parametrize("kind", ["images", "pairs"])
def test_a_batch_is_a_pure_function_of_seed_stream_and_step(tmp_path, kind):
    data, _ = make_data(tmp_path, kind=kind)
    one = stream_of(data)
    later = one.batch_at(7)
    one.batch_at(300)
    assert equal(one.batch_at(7), later)
    for other in (
        stream_of(data).batch_at(8),
        stream_of(data, stream=1).batch_at(7),
        stream_of(data, seed=4).batch_at(7),
    ):
        assert not equal(other, later)


@pytest.mark.parametrize("kind", ["images", "pairs"])
def test_another_process_gets_the_same_batches_and_no_pixels(tmp_path, kind):
    data, _ = make_data(tmp_path, kind=kind)
    stream = stream_of(data)
    before = stream.batch_at(5)
    sent = pickle.dumps((stream, data))
    assert len(sent) < 4000
    again, data_again = pickle.loads(sent)
    assert equal(again.batch_at(5), before)
    assert equal(stream_of(data_again).batch_at(5), before)
    assert equal(stream_of(open_data(tmp_path)).batch_at(5), before)


@pytest.mark.parametrize(("files", "aside"), [(4, {2}), (5, {2}), (20, {5, 15}), (31, {5, 15, 25})])
def test_one_file_in_ten_is_held_out(tmp_path, files, aside):
    data, told = make_data(tmp_path, files, kind="pairs", size=64)
    assert all(f"{number}.tif" in told for number in aside)
    for held_out in (True, False):
        stream = stream_of(data, batch=200, held_out=held_out)
        seen = {int(value) - 1 for value in stream.batch_at(0).x[:, 0, 0, 0]}
        assert seen == (aside if held_out else set(range(files)) - aside)


def test_of_few_files_the_bottom_rows_are_held_out(tmp_path):
    writer = DataWriter(tmp_path)
    rows = np.arange(400.0)[None, :, None] * np.ones((2, 1, 80))
    writer.add("a.tif", rows, rows)
    data, told = writer.finish("pairs", TRAINED)
    assert "bottom rows" in told
    upper = stream_of(data, batch=200).batch_at(0).x
    lower = stream_of(data, batch=200, held_out=True).batch_at(0).x
    assert upper.max() <= 319
    assert (lower.min(), lower.max()) == (320, 399)


def test_scenes_are_pixels_of_the_images_with_an_even_floor(tmp_path):
    make_data(tmp_path)
    scenes = ImageScenes(str(tmp_path)).draw(200, 48 + 2 * MARGIN, Dice.seeded(0))
    assert scenes.shape == (200, 1, 48 + 2 * MARGIN, 48 + 2 * MARGIN)
    assert (scenes.flatten(1).amax(1) == scenes.flatten(1).amin(1)).all()
    floor = scenes[:, 0, 0, 0] % 1.0
    assert floor.max() <= 0.3
    assert 0.02 < floor.mean() < 0.15


def test_a_scene_at_the_edge_goes_on_as_in_a_mirror(tmp_path):
    plane = np.random.default_rng(0).random((1, 64, 64)).astype(np.float32)
    writer = DataWriter(tmp_path)
    for number in range(4):
        writer.add(f"{number}.tif", plane)
    writer.finish("images", TRAINED)
    scene = ImageScenes(str(tmp_path)).draw(1, 64 + 2 * MARGIN, Dice.seeded(0))[0, 0].numpy()
    padded = np.pad(plane[0], MARGIN, mode="reflect")
    assert np.ptp(scene - padded) < 1e-6


def test_images_are_measured_by_the_camera_that_is_given_at_random_photon_levels(tmp_path):
    data, _ = make_data(tmp_path, 4)
    stream = stream_of(data, batch=64)
    x = torch.cat([stream.batch_at(step).x for step in range(8)])
    level = x.flatten(1).mean(1)
    assert level.max() / level.min() > 20
    batch = stream.batch_at(0)
    assert batch.acquisition[:, 0].tolist() == pytest.approx([1.5] * 64)
    assert (batch.acquisition[:, 1] >= 1.4).all()
    z = (batch.electrons - batch.x - batch.acquisition[:, 2, None, None, None]) / (
        batch.x + batch.acquisition[:, 2, None, None, None] + 1.5**2
    ).sqrt()
    assert z.std() == pytest.approx(1.0, abs=0.02)


def test_both_images_of_a_pair_are_cropped_and_turned_alike(tmp_path):
    rng = np.random.default_rng(0)
    writer = DataWriter(tmp_path)
    for number in range(4):
        clean = rng.random((2, 80, 90)) * 50
        writer.add(f"{number}.tif", clean, 2 * clean + 1)
    data, _ = writer.finish("pairs", TRAINED)
    stream = stream_of(data)
    turns = set()
    for step in range(40):
        batch = stream.batch_at(step)
        assert torch.allclose(batch.electrons, 2 * batch.x + 1)
        planes = np.load(tmp_path / "00000-clean.npy")
        turns |= {find_turn(crop[0].numpy(), planes) for crop in batch.x}
    assert turns >= set(range(8))


def find_turn(crop, planes):
    """Return which of the eight orientations a crop is in; None if it is of another file."""
    for turn in range(8):
        turned = np.rot90(crop.T if turn >= 4 else crop, turn)
        for plane in planes:
            for row, column in np.argwhere(plane == turned[0, 0]):
                there = plane[row : row + 48, column : column + 48]
                if there.shape == turned.shape and (there == turned).all():
                    return turn
    return None
