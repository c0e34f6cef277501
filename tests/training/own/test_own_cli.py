"""``napari-posterior train`` on the user's own images: which options go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.data import SimulatedData
from napari_posterior.training.own.clean import CleanFolder
from napari_posterior.training.own.pairs import PairFolders
from napari_posterior.training.own.store import DataWriter

CAMERA = ("--gain", 2, "--offset", 100, "--read-noise", 1.5)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What training was asked for, instead of training."""
    calls: list[tuple[Any, ...]] = []

    def take(out: Path, images: Any, **options: Any) -> Path:
        calls.append((out, images, options))
        options["note"]("Something to know.")
        return out

    monkeypatch.setattr("napari_posterior.training.own.train.train_own", take)
    return calls


def test_clean_images_are_trained_on_with_their_microscope(command, trained):
    done = command(
        *("train", "--out", "mine", "--images", "folder", "--psf", 1.5, *CAMERA),
        *("--peak", 3, 90, "--minutes", 7, "--from", "scratch", "--licence", "CC0", "--seed", 4),
    )
    assert done.code == 0, done.err
    ((out, images, options),) = trained
    camera = Camera(gain=2, offset=100, read_noise=1.5)
    assert (out, images) == (Path("mine"), CleanFolder(Path("folder"), camera, Psf(1.5), (3, 90)))
    assert (options["minutes"], options["start"], options["licence"]) == (7, "scratch", "CC0")
    assert (options["plan"].seed, options["plan"].processes) == (4, 2)
    assert "note: Something to know." in done.err
    assert "restore with --model mine" in done.out


def test_pairs_need_nothing_but_their_folders(command, trained):
    done = command("train", "--out", "mine", "--pairs", "noisy", "clean", "--steps", 9)
    assert done.code == 0, done.err
    ((_, images, options),) = trained
    assert images == PairFolders(Path("noisy"), Path("clean"))
    assert options["steps"] == 9
    assert "minutes" not in options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--images", "a"), "--images needs the microscope"),
        (("--images", "a", "--psf", 1.5), "--images needs the microscope"),
        (("--images", "a", "--psf", 1.5, "--gain", 2), "a camera needs"),
        (("--images", "a", "--psf", 0.5, *CAMERA), "PSF sigma"),
        (("--images", "a", "--psf", 1.5, *CAMERA, "--peak", 9, 3), "photon levels"),
        (("--images", "a", "--pairs", "b", "c"), "not both"),
        (("--pairs", "b", "c", "--peak", 1, 2), "--peak goes with --images"),
        (("--psf", 1.5), "--psf goes with --images or --pairs"),
        (CAMERA, "the camera goes with --images or --pairs"),
        (("--from", "scratch"), "--from goes with --images or --pairs"),
        (("--minutes", 3), "--minutes goes with --images or --pairs"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_sentence(command, trained, options, told):
    done = command("train", "--out", "mine", *options)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err
    assert trained == []


def test_a_folder_that_is_not_there_is_refused(command):
    done = command("train", "--out", "mine", "--images", "none", "--psf", 1.5, *CAMERA)
    assert (done.code, done.out) == (2, "")
    assert "none is not a folder" in done.err
    assert not Path("mine.training").exists()


def test_students_learn_from_the_images_of_their_teacher(command, tmp_path, monkeypatch):
    plane = np.random.default_rng(0).random((1, 64, 64))
    writer = DataWriter(Path("mine.training") / "data")
    for number in range(4):
        writer.add(f"{number}.tif", plane)
    data, _ = writer.finish("images", TrainingRange())
    asked: list[Any] = []

    def take(bundle: Path, *, plan: Any, **options: Any) -> Path:
        asked.append(plan.data)
        return bundle

    monkeypatch.setattr("napari_posterior.training.distill.distill", take)
    for bundle in ("mine", "other"):
        assert command("distill", bundle).code == 0
    assert asked == [data, SimulatedData()]
