from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_posterior.errors import InputError
from napari_posterior.training.own.folder import list_images, match_names, read_image

NAMES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from([".tif", ".png", ".npy"])).map("".join),
    unique=True,
    max_size=8,
)


@given(noisy=NAMES, clean=NAMES)
def test_every_name_is_in_one_pair_or_told_to_be_left_out(noisy, clean):
    pairs, alone = match_names(noisy, clean)
    assert all(Path(a).stem == Path(b).stem for a, b in pairs)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    for names, side in ((noisy, 0), (clean, 1)):
        paired = {pair[side] for pair in pairs}
        assert paired <= set(names)
        assert all(name in paired or any(name in told for told in alone) for name in names)


def test_names_without_a_partner_are_told_one_by_one():
    pairs, alone = match_names(["a.tif", "b.tif", "d.tif", "d.png"], ["a.png", "c.tif", "d.tif"])
    assert pairs == [("a.tif", "a.png")]
    assert alone == [
        "b.tif has no clean image of that name and is left out.",
        "c.tif has no noisy image of that name and is left out.",
        "d.png and d.tif and d.tif have one name, so which are a pair is not clear; leave one "
        "each.",
    ]


def test_a_folder_lists_its_images_by_name_and_nothing_else(tmp_path):
    for name in ("b.TIF", "a.npy", "c.png", "notes.txt", "x.jpg", ".hidden.tif"):
        (tmp_path / name).touch()
    (tmp_path / "d.tif").mkdir()
    assert [file.name for file in list_images(tmp_path)] == ["a.npy", "b.TIF", "c.png"]


@pytest.mark.parametrize("make", [lambda p: p / "none", lambda p: p])
def test_a_folder_without_images_is_refused(tmp_path, make):
    with pytest.raises(InputError, match=r"give (the|a) folder"):
        list_images(make(tmp_path))


RNG = np.random.default_rng(0)
NOISE = RNG.poisson(20.0, (80, 80)).astype(np.float32)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (NOISE[:40, :], "planes of 40 x 80"),
        (np.full((80, 80), 3.0, np.float32), "is constant"),
        (np.where(NOISE > 30, np.nan, NOISE), "NaN"),
        (np.minimum(NOISE, 25.0), "is saturated"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_by_name(tmp_path, data, told):
    tifffile.imwrite(tmp_path / "cell7.tif", data)
    with pytest.raises(InputError, match=told) as refusal:
        read_image(tmp_path / "cell7.tif")
    assert "cell7" in str(refusal.value)


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path):
    (tmp_path / "cell7.tif").write_text("not an image")
    with pytest.raises(InputError, match="cell7"):
        read_image(tmp_path / "cell7.tif")
