"""The script that draws "teacher, student, truth": one picture a kind, pixels where they belong."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from PIL import Image

from napari_posterior.physics.scenes import KINDS

SIZE, SAMPLES = 32, 3


@pytest.fixture(scope="module")
def script(repository):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repository / "docs")
        yield importlib.import_module("make_family_figures")
        for name in ("make_family_figures", "make_sample_data"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def pictures(script, tiny_bundle, tmp_path_factory):
    """Folder with what the command wrote for the tiny bundle."""
    out = tmp_path_factory.mktemp("figures") / "images"
    words = [tiny_bundle, "--out", out, "--samples", SAMPLES, "--size", SIZE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make_family_figures.py", *map(str, words)])
        script.main()
    return out


@pytest.fixture(scope="module")
def family(script, tiny_bundle):
    bundle = script.npo.load_model(tiny_bundle)
    return script.restore_family(bundle, "filaments", size=SIZE, samples=SAMPLES)


def panel_of(script, picture, row, column):
    """Cut one panel out of a picture and undo its magnification."""
    band = script.HEADING + script.HEADER + script.PANEL + script.BETWEEN
    top = script.MARGIN + row * band + script.HEADING + script.HEADER
    left = script.MARGIN + column * (script.PANEL + script.GAP)
    pixels = np.asarray(picture.convert("RGB"))
    zoom = script.PANEL // SIZE
    return pixels[top : top + script.PANEL, left : left + script.PANEL][::zoom, ::zoom]


def test_every_kind_gets_a_small_picture(pictures):
    assert {path.name for path in pictures.iterdir()} == {f"family-{kind}.png" for kind in KINDS}
    assert max(path.stat().st_size for path in pictures.iterdir()) < 150_000


@pytest.mark.parametrize(
    ("row", "column", "shown"), [(0, 1, "truth"), (1, 0, "teacher"), (1, 1, "kd")]
)
def test_panels_show_the_images_pixel_by_pixel_on_one_grey_scale(
    script, pictures, family, row, column, shown
):
    image = family.truth if shown == "truth" else family.runs[shown].samples[0]
    white = np.quantile(family.truth, 0.998)
    expected = 255 * np.clip(image / white, 0, 1)

    with Image.open(pictures / "family-filaments.png") as picture:
        panel = panel_of(script, picture, row, column).astype(float)

    # matplotlib rounds down to one of 256 levels, the palette to the next one it has
    assert np.abs(panel - expected[..., None]).max() < 2 + 128 / (script.GREYS[0] - 1)


def test_a_picture_that_grows_too_large_gets_fewer_colours(script, family, tmp_path, monkeypatch):
    figure = script.draw_family(family)
    script.write_picture(figure, tmp_path / "full.png")
    monkeypatch.setattr(script, "LARGEST", (tmp_path / "full.png").stat().st_size)
    script.write_picture(figure, tmp_path / "fewer.png")
    counts = []
    for name in ("full", "fewer"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            counts.append(len(picture.getpalette()) // 3)
    assert counts[1] < counts[0]
    assert (tmp_path / "fewer.png").stat().st_size < script.LARGEST


def test_samples_side_by_side_are_of_one_measurement_and_one_noise(family):
    requests = [run.request for run in family.runs.values()]
    assert {request.seed for request in requests} == {0}
    assert len({request.image.sha256 for request in requests}) == 1


def test_headers_say_what_a_sample_costs_and_what_variance_is_left(script, family):
    assert [(panel.name, panel.detail) for panel in script.one_sample_each(family)] == [
        ("teacher", "5 network calls"),
        ("kd", "1 step"),
        ("flow", "2 steps"),
    ]
    teacher, kd, _ = script.spreads(family)
    assert teacher.detail == "variance 1"
    ratio = (kd.image**2).sum() / (teacher.image**2).sum()
    assert float(kd.detail.removeprefix("variance ")) == pytest.approx(ratio, abs=0.006)


def test_draws_that_forget_their_noise_are_told(script, family):
    info = family.infos["flow"]
    assert script.cost(info) == "2 steps"
    renoised = type(info)(**{**vars(info), "needs_noise": True})
    assert script.cost(renoised) == "2 steps, new noise"
