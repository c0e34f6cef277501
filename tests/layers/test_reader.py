from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_posterior.commands import get_run_reader
from napari_posterior.errors import RunError
from napari_posterior.layers import KEY, get_reader, read_run


def test_only_folders_with_the_name_of_a_run_are_read(tmp_path, stored_run):
    run = stored_run()
    (tmp_path / "file.posterior.zarr").write_text("")
    (tmp_path / "other.zarr").mkdir()

    assert get_reader(run.path) is read_run
    assert get_reader(f"{run.path}/") is read_run
    assert get_run_reader(str(run.path)) is read_run
    assert get_reader(tmp_path / "file.posterior.zarr") is None
    assert get_reader(tmp_path / "other.zarr") is None
    assert get_reader(tmp_path / "missing.posterior.zarr") is None
    assert get_reader([str(run.path)]) is None


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "cyx"])
def test_stored_run_comes_back_with_its_place_and_labels(axes, measured_image, stored_run):
    image = measured_image(axes)
    run = stored_run(image)

    layers = {look["name"]: (data, look) for data, look, _ in read_run(run.path)}

    assert list(layers) == [
        "cell",
        "cell | teacher variance",
        "cell | teacher sd",
        "cell | teacher mean",
        "cell | teacher samples",
    ]
    data, look = layers["cell"]
    np.testing.assert_array_equal(data, image.data)
    assert look["scale"] == image.geometry.scale
    assert look["units"] == image.geometry.units
    assert look["translate"] == image.geometry.translate
    assert look["axis_labels"] == tuple(axes)
    data, look = layers["cell | teacher samples"]
    assert data.shape == (5, *image.data.shape)
    assert look["axis_labels"] == ("sample", *axes)
    assert look["units"] == ("pixel", *image.geometry.units)
    np.testing.assert_array_equal(np.asarray(data), run.samples[:])


def test_run_that_was_cut_short_opens_with_the_samples_it_holds(stored_run):
    run = stored_run(kept=3, state="running")
    layers = {look["name"]: (data, look) for data, look, _ in read_run(run.path)}
    data, look = layers["cell | teacher samples"]
    assert len(data) == 3
    assert look["metadata"][KEY]["state"] == "interrupted"
    np.testing.assert_allclose(
        layers["cell | teacher mean"][0], np.asarray(data).mean(0), rtol=1e-5
    )


def no_record(path):
    (path / "run.json").unlink()


def half_a_record(path):
    (path / "run.json").write_text((path / "run.json").read_text()[:200])


def no_input(path):
    shutil.rmtree(path / "input")


def no_mean(path):
    shutil.rmtree(path / "mean")


def broken_mean(path):
    (path / "mean" / "0" / "zarr.json").write_text("{")


def broken_sample(path):
    (path / "samples" / "0000" / "0" / "zarr.json").write_text("{")


def broken_chunk(path):
    for file in (path / "mean" / "0" / "c").rglob("*"):
        if file.is_file():
            file.write_bytes(b"no blosc")


@pytest.mark.parametrize(
    "damage",
    [no_record, half_a_record, no_input, no_mean, broken_mean, broken_sample, broken_chunk],
)
def test_damaged_run_is_refused_in_one_sentence(damage, stored_run):
    run = stored_run()
    damage(run.path)
    with pytest.raises(RunError) as refused:
        read_run(run.path)
    message = str(refused.value)
    assert run.path.name in message
    assert "\n" not in message
    assert len(message) < len(str(run.path)) + 140


def test_run_without_samples_says_so(stored_run):
    with pytest.raises(RunError, match="holds no samples"):
        read_run(stored_run(kept=0, state="cancelled").path)
