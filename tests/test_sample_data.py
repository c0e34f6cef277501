from __future__ import annotations

import importlib.util
import sys

import npe2
import numpy as np
import pytest
import tifffile
import torch

from napari_posterior.commands import sample_data_layers
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.psf import Psf

SAMPLES = ("puncta", "filaments", "membranes", "nuclei")


@pytest.fixture(scope="module")
def script(repository):
    spec = importlib.util.spec_from_file_location(
        "make_sample_data", repository / "docs" / "make_sample_data.py"
    )
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look it up there
        spec.loader.exec_module(module)
        yield module


@pytest.mark.parametrize("name", SAMPLES)
def test_measurement_is_what_the_forward_model_says_of_the_truth(name):
    (y, attributes, _), (x, _, _) = sample_data_layers(name)
    numbers = attributes["metadata"]["napari_posterior"]
    camera = Camera(numbers["gain"], numbers["offset"], numbers["read_noise"])
    forward = ForwardModel(camera, Psf(numbers["psf_sigma"]), numbers["background"])

    expected = forward.mean(torch.from_numpy(x)).numpy()
    spread = np.sqrt(expected + camera.read_noise**2 + 1 / (12 * camera.gain**2))
    residual = (camera.to_electrons(y.astype(float)) - expected) / spread

    assert abs(residual.mean()) < 5 / 256
    assert residual.var() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("name", SAMPLES)
def test_layers_state_photoelectrons_and_grey_levels_in_their_own_types(name):
    (y, _, kind), (x, _, _) = sample_data_layers(name)

    assert kind == "image"
    assert (y.dtype, x.dtype) == (np.uint16, np.float32)
    assert y.shape == x.shape


def test_unknown_sample_is_refused_with_the_names_at_hand():
    with pytest.raises(InputError, match="filaments, membranes, nuclei, puncta"):
        sample_data_layers("nothing")


def test_script_writes_the_shipped_pixels_again(script, tmp_path):
    script.main(tmp_path)

    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(path.name for path in script.FOLDER.glob("*.tif"))
    for name in written:
        again, shipped = tifffile.imread(tmp_path / name), tifffile.imread(script.FOLDER / name)
        # processors sum floats in different order: a rare grey level may round the other way
        assert np.mean(~np.isclose(again, shipped, rtol=1e-3, atol=1e-3)) < 1e-3


def test_manifest_offers_the_samples_that_are_tested(repository):
    manifest = npe2.PluginManifest.from_file(
        repository / "src" / "napari_posterior" / "napari.yaml"
    )
    assert {sample.key for sample in manifest.contributions.sample_data} == set(SAMPLES)
