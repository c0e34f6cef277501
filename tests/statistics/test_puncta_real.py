"""Puncta in measured images: particles at known places, and the overlays that people look at."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_posterior.physics.widths import estimate_psf_sigma
from napari_posterior.statistics.measured_puncta import detect_in_measurement

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def script(repository):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repository / "docs")
        yield importlib.import_module("make_detection_figures")
        sys.modules.pop("make_detection_figures", None)


@pytest.mark.parametrize("frame", range(5))
def test_the_45_stuck_particles_are_found_in_every_frame(real_data, frame: int) -> None:
    image = tifffile.imread(real_data / "trackpy_stuck_5frames.tif")[frame]
    table = np.loadtxt(real_data / "trackpy_stuck_reference_spots.csv", delimiter=",", skiprows=1)
    places = table[:, :2]
    assert len(places) == 45
    sigma = estimate_psf_sigma(image.astype(np.float64)).sigma
    found = detect_in_measurement(image, sigma=sigma)
    near = np.linalg.norm(found.positions[:, None] - places, axis=-1) <= 2
    assert near.any(0).mean() >= 0.97
    assert near.any(1).mean() >= 0.97
    assert np.median(found.widths) == pytest.approx(sigma, rel=0.1)


def test_condensates_of_the_stack_lie_where_its_planes_show_them(real_data) -> None:
    stack = tifffile.imread(real_data / "punctatools_nuclear_condensates.tif")[:, 1]
    found = detect_in_measurement(stack, sigma=(1.3, 1.15, 1.15))
    middle = found.positions[np.abs(found.positions[:, 0] - 2) < 1]
    assert len(middle) > 40
    flat = detect_in_measurement(stack[2], sigma=1.15).positions
    near = np.linalg.norm(middle[:, None, 1:] - flat, axis=-1).min(1) < 2
    assert near.mean() > 0.8
    # the nucleus is a sixth of the plane
    nucleus = stack.max(0) > 130
    assert nucleus.mean() < 0.2
    pixels = np.rint(found.positions[:, 1:]).astype(int)
    assert nucleus[tuple(pixels.T)].mean() > 0.85


def test_overlays_of_the_measured_images_are_drawn(
    script, real_data, tmp_path, monkeypatch, capsys
) -> None:
    words = ["make_detection_figures.py", "--data", str(real_data), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(script, "CASES", [case for case in script.CASES if case.name != "h2ax"])
    script.main()
    for case in script.CASES:
        picture = tmp_path / f"detected-{case.name}.png"
        assert picture.stat().st_size < script.LARGEST
        with Image.open(picture) as image:
            rgb = np.asarray(image.convert("RGB")).astype(int)
        half = rgb.shape[1] // 2
        red = (rgb[..., 0] - rgb[..., 2] > 60).sum((0,))
        assert red[:half].sum() == 0
        assert red[half:].sum() > 100
        assert case.source in " ".join((tmp_path / "detected.md").read_text().split())


def test_images_that_are_not_there_are_left_out(script, tmp_path, monkeypatch, capsys) -> None:
    words = ["make_detection_figures.py", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", words)
    script.main()
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(script.CASES)
    assert all("is left out" in line for line in told)
    assert not list((tmp_path / "out").iterdir())
