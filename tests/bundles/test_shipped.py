"""The model in the wheel: whole, small, and as good as its card says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_posterior as npo
from napari_posterior.bundles.selftest import check_selftest
from napari_posterior.checks.known.truth import attainable
from napari_posterior.cli.demo import read_sample
from napari_posterior.image import load_image
from napari_posterior.physics.scenes import KINDS


@pytest.fixture(scope="module")
def fluo2d():
    return npo.load_model("fluo2d")


@pytest.fixture(scope="module")
def crop():
    sample = read_sample("puncta")
    options = {"camera": sample.camera, "psf": sample.psf, "device": "cpu", "progress": False}
    return load_image(sample.image).data[64:144, 64:136], options


def test_the_model_offers_teacher_students_and_mse_in_under_20_mb(fluo2d):
    assert fluo2d.names == ("teacher", "kd", "kd-euler", "cd", "lmd", "pd", "mse")
    told = {name: fluo2d.info(name) for name in fluo2d.names[1:-1]}
    assert {name: info.nfe for name, info in told.items()} == {
        "kd": 1, "kd-euler": 1, "cd": 4, "lmd": 4, "pd": 4
    }  # fmt: skip
    assert [name for name, info in told.items() if info.needs_noise] == ["cd"]
    assert [fluo2d.info("lmd", steps=n).nfe for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert sum(file.stat().st_size for file in fluo2d.folder.rglob("*")) < 20e6


def test_this_machine_draws_what_the_bundle_expects(fluo2d):
    assert check_selftest(fluo2d).passed


def test_the_reference_is_certified_and_the_card_says_how_students_were_taught(fluo2d):
    assert "certified: up to" in fluo2d.info("teacher").description
    methods = fluo2d.card.training.methods
    assert set(methods) == {"kd", "kd-euler", "cd", "lmd", "pd"}
    assert "the naive recipe" in methods["kd-euler"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_shows_a_calibrated_teacher_for_every_kind_of_scene(fluo2d, kind):
    table = fluo2d.card.evaluation["calibration"][kind]
    assert table["scenes"] >= 200
    teacher = table["teacher"]
    for level in (0.5, 0.8, 0.9):
        _, exact = attainable(table["samples"], level)
        assert teacher["coverage"][f"{level:.0%}"] == pytest.approx(exact, abs=0.05)
    assert 0.9 <= teacher["spread_over_error"] <= 1.1
    assert abs(table["psnr_db"]["difference"]) <= 0.2


def test_the_card_shows_the_one_step_student_beside_the_teacher_against_itself(fluo2d):
    table = fluo2d.card.evaluation["students"]
    assert table["samples"] >= 64
    _, low, high = table["runs"]["teacher, other noise"]["variance"]
    assert low <= 1 <= high
    _, _, high = table["runs"]["kd, 1 step"]["variance"]
    assert high < 1


def test_the_card_tells_of_every_student_at_every_step_count_from_shared_noise(fluo2d):
    table = fluo2d.card.evaluation["students_held_out"]
    assert table["scenes"] >= 200
    assert table["samples"] >= 16
    rows = {f"{n}, {s} step{'s' * (s > 1)}" for n in ("cd", "lmd") for s in (1, 2, 3, 4)}
    rows |= {"kd, 1 step", "kd-euler, 1 step", "pd, 4 steps"}
    bands = {"all", "0_to_0.05", "0.05_to_0.1", "0.1_to_0.2", "0.2_to_0.71"}
    for figure in ("variance_ratio", "mean_gap_in_sd", "noise_correlation"):
        assert set(table[figure]) == rows
        for row in table[figure].values():
            assert set(row) == bands
            assert all(low <= value <= high for value, low, high in row.values())
    assert set(table["puncta_count"]) == rows
    # new noise between steps loosens the coupling; the naive recipe loses half of the spread
    along = [table["noise_correlation"][f"cd, {n} step{'s' * (n > 1)}"]["all"] for n in (1, 2, 4)]
    assert along[0][1] > along[1][2] > along[1][1] > along[2][2]
    assert table["variance_ratio"]["kd-euler, 1 step"]["all"][2] < 0.6


def test_what_was_measured_of_students_is_in_the_readme_of_the_bundle(fluo2d):
    readme = (fluo2d.folder / "README.md").read_text(encoding="utf-8")
    for figure in ("variance ratio", "mean gap in sd", "noise correlation", "puncta count"):
        assert f"| {figure}, lmd, 4 steps |" in readme


def test_students_follow_the_teacher_from_the_same_noise(fluo2d, crop):
    image, options = crop
    teacher = npo.restore(image, model=fluo2d, sampler="teacher", steps=8, samples=3, **options)
    mse = npo.restore(image, model=fluo2d, sampler="mse", **options).mean
    for name in ("kd", "pd", "lmd"):
        student = npo.restore(image, model=fluo2d, sampler=name, samples=3, **options)
        a, b = (np.asarray(run.samples) - mse for run in (teacher, student))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.8
        other = np.corrcoef(a.ravel(), np.roll(b, 1, axis=0).ravel())[0, 1]
        assert other < 0.6


def test_batch_does_not_change_a_sample(fluo2d, crop):
    image, options = crop
    one, many = (
        np.asarray(
            npo.restore(image, model=fluo2d, sampler="kd", samples=3, batch=n, **options).samples
        )
        for n in (1, 3)
    )
    # runs are stored with 12 bits of mantissa, so a last digit may round either way
    assert np.allclose(one, many, rtol=2**-12, atol=1e-4)


def test_tiles_do_not_change_a_network_call(fluo2d):
    torch.manual_seed(0)
    size = 256
    whole, tiled = (fluo2d.sampler("kd", tile=tile).model.net for tile in (None, 64))
    x, maps = torch.randn(1, 1, 32, size), torch.randn(1, 4, 32, size)
    times = torch.ones(1), torch.zeros(1)
    with torch.no_grad():
        a, b = (net(x, *times, maps, torch.zeros(1, 4)) for net in (whole, tiled))
    assert torch.allclose(a, b, atol=1e-5)
