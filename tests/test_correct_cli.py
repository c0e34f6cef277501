from __future__ import annotations

import shutil

import numpy as np
import pytest
from following_bundle import CallClock, make_following_parts

from napari_posterior.api import open_run
from napari_posterior.api.saved_corrections import open_corrections

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}


def test_two_runs_are_corrected_told_and_kept(stored_run, command, tmp_path):
    teacher, student = stored_run(samples=6), stored_run(samples=20, **STUDENT)
    asked = ("correct", teacher.path, student.path, "--statistic", "total_intensity")
    ended = command(*asked, "--out", tmp_path / "cell")
    assert ended.code == 0
    assert "On this image, the mean of total_intensity under the teacher (4 steps) is" in ended.out
    assert "By size of detail the correlation goes from" in ended.out
    folder = tmp_path / "cell.corrected.zarr"
    assert f"The corrections are in {folder}." in ended.out
    assert open_corrections(folder)["mean"].pairs == 6
    again = command(*asked, "--out", tmp_path / "cell")
    assert again.code == 2 and "--overwrite" in again.sentence
    assert command(*asked, "--out", tmp_path / "cell", "--overwrite").code == 0


def test_runs_that_are_no_pair_end_in_a_sentence(stored_run, command):
    teacher, student = stored_run(samples=6), stored_run(samples=7, **STUDENT)
    ended = command("correct", teacher.path, student.path)
    assert ended.code == 2 and "more of the student" in ended.sentence


@pytest.fixture
def image(measured, tmp_path):
    np.save(tmp_path / "spot.npy", measured)
    return tmp_path / "spot.npy"


def test_image_is_restored_and_corrected_by_its_plan(
    image, command, tiny_writer, tmp_path, monkeypatch
):
    clock = CallClock(monkeypatch)
    monkeypatch.setattr("napari_posterior.cli.restore_corrected.Lines", lambda label: clock)
    model = tiny_writer(tmp_path / "tiny", parts=make_following_parts())
    asked = ("restore-corrected", image, "-m", model, "--student", "kd", "--se", 2.5)
    camera = ("--gain", 2, "--offset", 100, "--read-noise", 1.6, "--psf-sigma", 1.6)
    ended = command(*asked, *camera, "--device", "cpu", "--out", tmp_path / "spot")
    assert ended.code == 0, ended.err
    plan, found = ended.out.index("The teacher alone:"), ended.out.index("On this image, the mean")
    assert plan < found and " e-." in ended.out
    runs = [open_run(tmp_path / f"spot-{name}.posterior.zarr") for name in ("teacher", "kd")]
    assert len(runs[0]) < len(runs[1])
    kept = open_corrections(tmp_path / "spot.corrected.zarr")
    assert kept.teacher.path == runs[0].path
    shutil.rmtree(tmp_path / "spot.corrected.zarr")
    taken = command(*asked, *camera, "--device", "cpu", "--out", tmp_path / "spot")
    assert taken.code == 2 and "exists already" in taken.sentence


def test_goal_is_asked_for(image, command, tiny_writer, tmp_path):
    model = tiny_writer(tmp_path / "tiny")
    ended = command("restore-corrected", image, "-m", model, "--student", "kd")
    assert ended.code == 2 and "either seconds" in ended.sentence
