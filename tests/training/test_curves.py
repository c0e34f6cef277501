from __future__ import annotations

import sys

import numpy as np
import pytest
from skimage.io import imread

from napari_posterior.errors import OutputError
from napari_posterior.training.curves import curve_drawn, draw_curve

WITH = "step,loss,held_out\n100,1.5,1.4\n200,1.2,\n300,1.1,1.15\n"
WITHOUT = "step,loss\n100,1.5\n200,1.2\n"


@pytest.mark.parametrize("text", [WITH, WITHOUT])
def test_a_table_becomes_a_picture_beside_it(tmp_path, text):
    table = tmp_path / "teacher.csv"
    table.write_text(text)
    picture = draw_curve(table)
    assert picture == tmp_path / "teacher.png"
    pixels = imread(picture)[..., :3].astype(int)
    red = (pixels[..., 0] - pixels[..., 2] > 100).any()
    assert red == ("held_out" in text)
    assert (np.abs(pixels - 255).max(-1) > 50).mean() > 0.002


def test_without_rows_there_is_no_picture(tmp_path):
    table = tmp_path / "teacher.csv"
    assert draw_curve(table) is None
    table.write_text("step,loss,held_out\n")
    assert draw_curve(table) is None
    assert list(tmp_path.glob("*.png")) == []


def test_an_interrupted_training_has_its_curve(tmp_path):
    table = tmp_path / "point.csv"
    with pytest.raises(KeyboardInterrupt), curve_drawn(table):
        table.write_text(WITHOUT)
        raise KeyboardInterrupt
    assert (tmp_path / "point.png").exists()


def test_without_matplotlib_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    table = tmp_path / "point.csv"
    table.write_text(WITHOUT)
    with pytest.raises(OutputError, match=r'pip install "napari-posterior\[figures\]"'):
        draw_curve(table)
    told: list[str] = []
    with curve_drawn(table, told.append):
        pass
    assert len(told) == 1
    assert table.read_text() == WITHOUT


def test_no_window_kit_is_started(tmp_path):
    table = tmp_path / "point.csv"
    table.write_text(WITHOUT)
    had = "matplotlib.pyplot" in sys.modules
    draw_curve(table)
    assert ("matplotlib.pyplot" in sys.modules) == had
