from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from quick_certify import QUICK

import napari_posterior as npo
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.write import Part
from napari_posterior.errors import InputError, ModelError, OutputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.training.own.budget import seconds_of_a_step
from napari_posterior.training.own.clean import CleanFolder
from napari_posterior.training.own.pairs import PairFolders
from napari_posterior.training.own.train import train_own
from napari_posterior.training.plan import TrainingPlan

CAMERA = Camera(gain=2.0, offset=100.0, read_noise=1.5)
TINY = TrainingPlan(
    batch=4,
    size=32,
    channels=(8, 12, 16),
    blocks=1,
    processes=1,
    autocast=False,
    certify=QUICK,
)


def train_tiny(out, images, **options):
    return train_own(out, images, **({"plan": TINY, "start": "scratch", "steps": 3} | options))


def test_a_folder_of_clean_images_becomes_a_model_that_restores_and_keeps_their_names(
    tmp_path, clean_folder
):
    told: list[str] = []
    images = CleanFolder(clean_folder, CAMERA, Psf(1.5), peak=(10.0, 80.0))
    folder = train_tiny(tmp_path / "mine", images, licence="CC0-1.0", note=told.append)
    bundle = npo.load_model(folder)
    card = bundle.card
    names = ["cell0.tif", "cell1.tif", "cell2.tif", "cell3.tif", "stack.npy"]
    assert card.training.own.names_sha256 == hashlib.sha256("\n".join(names).encode()).hexdigest()
    assert (card.training.own.kind, card.training.own.files) == ("images", 5)
    assert (card.license, card.training.start, card.training.kinds) == ("CC0-1.0", None, ())
    assert card.training_range.peak == (10.0, 80.0)
    assert card.training_range.psf_sigma[0] < 1.5 < card.training_range.psf_sigma[1]
    assert card.evaluation["own_images"]["sample_crps"]["after"] > 0
    assert "Clean images: 5 files" in (folder / "README.md").read_text()
    assert "CC0-1.0" in (folder / "LICENSE").read_text()
    assert any("Held out of training" in text and "cell2.tif" in text for text in told)
    assert {file.name for file in (tmp_path / "mine.training").glob("*.png")} == {
        "mse.png",
        "point.png",
        "teacher.png",
    }
    for file in folder.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert str(tmp_path).encode() not in content
        assert b"cell0" not in content
    image = np.random.default_rng(0).poisson(150.0, (40, 48)).astype(np.uint16)
    run = npo.restore(image, model=folder, samples=2, camera=CAMERA, psf=Psf(1.5), device="cpu")
    assert np.isfinite(np.asarray(run.samples)).all()


@pytest.mark.parametrize("kind", ["images", "pairs"])
def test_an_interrupted_training_goes_on_to_the_same_weights(
    tmp_path, clean_folder, pair_folders, kind
):
    images = {
        "images": CleanFolder(clean_folder, CAMERA, Psf(1.5)),
        "pairs": PairFolders(*pair_folders, CAMERA),
    }[kind]
    whole = open_bundle(train_tiny(tmp_path / "whole", images))

    def stop(progress):
        if progress.name == "teacher":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path / "part", images, report=stop)
    assert (tmp_path / "part.training" / "teacher.png").exists()
    again: list[str] = []
    resumed = open_bundle(train_tiny(tmp_path / "part", images, note=again.append))
    assert resumed.weights_hash == whole.weights_hash
    # the images are not read again
    assert not any("Held out" in text for text in again)
    card = resumed.card
    assert card.training.own.kind == kind
    if kind == "pairs":
        assert card.training_range.psf_sigma == (1.0, 1.0)
        assert card.training_range.read_noise == (1.5, 1.5)
        assert any("target resolution is that of the clean images" in t for t in card.known_limits)


def begin_tiny(out, images, **options):
    """Train until the first report, and return the steps there were to be."""
    steps = []

    def stop(progress):
        steps.append(progress.steps)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tiny(out, images, report=stop, **options)
    return steps[0]


def test_steps_are_found_from_the_minutes_once(tmp_path, clean_folder, monkeypatch):
    monkeypatch.setattr("napari_posterior.training.own.train.seconds_of_a_step", lambda _: 0.1)
    images = CleanFolder(clean_folder, CAMERA, Psf(1.5))
    told: list[str] = []
    options = {"steps": None, "note": told.append}
    assert begin_tiny(tmp_path / "mine", images, minutes=0.05, **options) == 30
    assert "A step of both networks takes 0.10 s here: 30 steps in 0.05 minutes." in told
    assert any("30 steps are few" in text for text in told)
    monkeypatch.setattr("napari_posterior.training.own.train.seconds_of_a_step", lambda _: 5.0)
    assert begin_tiny(tmp_path / "mine", images, minutes=9.0, **options) == 30


def test_a_step_is_timed_without_leaving_anything(tmp_path, clean_folder):
    data = CleanFolder(clean_folder, CAMERA, Psf(1.5)).prepare(tmp_path / "data", lambda _: None)
    before = sorted(tmp_path.rglob("*"))
    assert 0 < seconds_of_a_step(replace(TINY, data=data, trained=data.trained)) < 10
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_training_goes_on_from_the_weights_of_a_model(tmp_path, clean_folder):
    images = CleanFolder(clean_folder, CAMERA, Psf(1.5))
    first = train_tiny(tmp_path / "first", images)
    plan = replace(TINY, channels=(48, 72, 96), blocks=2)
    second = open_bundle(train_tiny(tmp_path / "second", images, start=str(first), plan=plan))
    assert second.card.training.start.startswith("first 0.1.0 (weights ")
    assert set(second.card.evaluation["own_images"]["sample_crps"]) == {"before", "after"}
    weights = [read_teacher(folder) for folder in (first, tmp_path / "second")]
    apart = max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0])
    assert 0 < apart < 0.02


def read_teacher(folder):
    from napari_posterior.training.files import read_part

    part = read_part(open_bundle(folder), "teacher")
    assert isinstance(part, Part)
    return part.state_dict


def test_a_model_with_other_networks_cannot_be_gone_on_from(tmp_path, clean_folder, tiny_model):
    with pytest.raises(ModelError, match="--from scratch"):
        train_tiny(tmp_path / "mine", CleanFolder(clean_folder, CAMERA, Psf(1.5)), start=tiny_model)


def test_a_folder_of_another_training_is_refused(tmp_path, clean_folder):
    work = tmp_path / "work"
    begin_tiny(tmp_path / "mine", CleanFolder(clean_folder, CAMERA, Psf(1.5)), work=work)
    with pytest.raises(InputError, match="other images or with other settings"):
        train_tiny(tmp_path / "other", CleanFolder(clean_folder, CAMERA, Psf(2.0)), work=work)
    with pytest.raises(InputError, match="holds a training of 3 steps"):
        train_tiny(
            tmp_path / "other", CleanFolder(clean_folder, CAMERA, Psf(1.5)), work=work, steps=5
        )
    tifffile.imwrite(clean_folder / "new.tif", np.eye(100, dtype=np.float32))
    with pytest.raises(InputError, match="other images or with other settings"):
        train_tiny(tmp_path / "other", CleanFolder(clean_folder, CAMERA, Psf(1.5)), work=work)


def test_what_can_be_refused_is_refused_before_images_are_read(tmp_path, clean_folder):
    images = CleanFolder(clean_folder, CAMERA, Psf(1.5))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    for name, told in (("there", "exists"), ("two words", "cannot be the name of a model")):
        with pytest.raises(OutputError, match=told):
            train_tiny(tmp_path / name, images)
    (tmp_path / "kept.training").mkdir()
    (tmp_path / "kept.training" / "point.pt").touch()
    with pytest.raises(InputError, match="holds another training"):
        train_tiny(tmp_path / "kept", images)
    assert json.dumps(images.settings())


@pytest.mark.realdata
def test_real_averages_and_captures_are_taken(tmp_path, real_data):
    for side in ("noisy", "clean"):
        (tmp_path / side).mkdir()
    raw = tifffile.imread(real_data / "fmd_confocal_mouse_nuclei_raw4.tif")
    tifffile.imwrite(tmp_path / "noisy" / "a.tif", raw, photometric="minisblack")
    average = tifffile.imread(real_data / "fmd_confocal_mouse_nuclei_avg50.tif")
    tifffile.imwrite(tmp_path / "clean" / "a.png.tif", average)
    (tmp_path / "clean" / "a.png.tif").rename(tmp_path / "clean" / "a.tiff")
    told: list[str] = []
    pairs = PairFolders(tmp_path / "noisy", tmp_path / "clean")
    data = pairs.prepare(tmp_path / "pairs", told.append)
    assert data.record.files == 1
    assert 20 < data.trained.peak[1] < 60
    stream = data.stream(
        seed=0, batch=32, stream=0, size=64, device="cpu", trained=data.trained, held_out=True
    )
    batch = stream.batch_at(0)
    z = (batch.electrons - batch.x) / (batch.x.clip(0) + batch.acquisition[0, 0] ** 2).sqrt()
    assert float(z.std()) == pytest.approx(1.0, abs=0.1)
    told.clear()
    camera = Camera(gain=4.8, offset=7.5, read_noise=0.9)
    CleanFolder(tmp_path / "noisy", camera, Psf()).prepare(tmp_path / "images", told.append)
    assert any("noisy themselves" in text for text in told)
