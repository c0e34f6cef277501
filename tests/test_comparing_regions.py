"""Comparisons in regions: declared with the plan, judged beside the whole image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import napari_posterior as npo
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1, "seed": 7}


@pytest.fixture
def runs(stored_run: Callable[..., Any]) -> tuple[Any, Any]:
    return stored_run(samples=16), stored_run(samples=16, **STUDENT)


@pytest.fixture
def left(runs: tuple[Any, Any]) -> np.ndarray:
    mask = np.zeros(runs[0].request.image.shape[-2:], bool)
    mask[:, : mask.shape[1] // 2] = True
    return mask


def planned(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return found


def test_a_statistic_is_judged_on_the_whole_image_and_in_each_region(
    runs: tuple[Any, Any], left: np.ndarray
) -> None:
    report = npo.compare(
        *runs, statistics=["total_intensity"], regions={"left": left, "right": ~left}
    )
    whole, *parts = (report[f"total_intensity{place}"] for place in ("", "@left", "@right"))
    assert sum(part.estimate for part in parts) == pytest.approx(whole.estimate)
    assert [part.region for part in parts] == ["left", "right"]
    assert all(part.required and part.judgement is not None for part in parts)
    assert "in left" in parts[0].sentence


def test_the_limit_of_the_whole_image_holds_in_a_region_that_has_none_of_its_own(
    runs: tuple[Any, Any], left: np.ndarray
) -> None:
    limits = {
        "total_intensity": "30 %",
        "total_intensity.spread": (0.5, 2.0),
        "total_intensity@right": "5 %",
    }
    report = npo.compare(
        *runs,
        statistics=["total_intensity"],
        tolerances=limits,
        regions={"left": left, "right": ~left},
    )
    words = {
        place: report[f"total_intensity@{place}"].judgement.limits.words
        for place in ("left", "left.spread", "right", "right.spread")
    }
    assert words["left"].startswith("±30 % of the teacher's mean")
    assert words["right"].startswith("±5 % of the teacher's mean")
    assert words["left.spread"] == words["right.spread"] == "0.5 to 2"
    assert report["total_intensity@left"].judgement.origin == "user"


def test_regions_are_kept_with_the_plan_and_measured_again(
    runs: tuple[Any, Any], left: np.ndarray, tmp_path: Path
) -> None:
    first = npo.compare(*runs, regions={"left": left}, out=tmp_path)
    again = npo.compare(*runs, out=tmp_path)
    assert [one["name"] for one in planned(tmp_path)["regions"]] == ["left"]
    assert planned(tmp_path)["restarts"] == 0
    key = "puncta_count@left"
    assert again[key].estimate == first[key].estimate
    assert again[key].judgement.origin != "post hoc"
    assert "pixels" not in json.dumps(again.plan["regions"])


def test_a_region_that_is_added_after_a_look_is_post_hoc(
    runs: tuple[Any, Any], left: np.ndarray, tmp_path: Path
) -> None:
    npo.compare(*runs, out=tmp_path)
    report = npo.compare(*runs, regions={"left": left}, out=tmp_path)
    assert report["puncta_count@left"].judgement.origin == "post hoc"
    assert report["puncta_count"].judgement.origin != "post hoc"
    assert planned(tmp_path)["restarts"] == 1
    assert "puncta_count@left" in planned(tmp_path)["ledger"][-1]["post_hoc"]
    told = "The region left was drawn after 16 samples were looked at"
    assert any(told in one for one in report.warnings)


def test_a_region_that_is_moved_after_a_look_is_another_one(
    runs: tuple[Any, Any], left: np.ndarray, tmp_path: Path
) -> None:
    npo.compare(*runs, regions={"cell": left}, out=tmp_path)
    report = npo.compare(*runs, regions={"cell": ~left}, out=tmp_path)
    moved = report["puncta_count@cell"].judgement
    assert (moved.origin, moved.reason != "between looks") == ("post hoc", True)
    back = npo.compare(*runs, regions={"cell": left}, out=tmp_path)
    assert back["puncta_count@cell"].judgement.origin != "post hoc"


def test_a_region_cannot_be_dropped_without_a_word(
    runs: tuple[Any, Any], left: np.ndarray, tmp_path: Path
) -> None:
    npo.compare(*runs, regions={"left": left}, out=tmp_path)
    report = npo.compare(*runs, regions={"right": ~left}, out=tmp_path)
    assert any("The region left was left out after 16 samples" in one for one in report.warnings)
    assert report.overall.verdict != "preserved"
    assert "puncta_count@left" in report.overall.open


def test_damaged_pixels_of_a_region_are_found(
    runs: tuple[Any, Any], left: np.ndarray, tmp_path: Path
) -> None:
    npo.compare(*runs, regions={"left": left}, out=tmp_path)
    plan = planned(tmp_path)
    other = npo.compare(*runs, regions={"left": ~left}, out=tmp_path / "other").plan
    plan["regions"][0]["sha256"] = other["regions"][0]["sha256"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match="damaged"):
        npo.compare(*runs, out=tmp_path)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"cell": np.ones((3, 3), bool)}, "3 x 3"),
        ({"cell": "no_such_file.tif"}, "does not exist"),
        ({"cell": "no_such_file.csv"}, "cannot be read"),
        (7, "regions are an array"),
    ],
)
def test_regions_that_do_not_fit_leave_no_folder(
    runs: tuple[Any, Any], tmp_path: Path, given: Any, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        npo.compare(*runs, regions=given, out=tmp_path / "told")
    assert not (tmp_path / "told").exists()


def test_a_statistic_that_takes_no_regions_is_refused_before_samples_are_read(
    runs: tuple[Any, Any], left: np.ndarray, tmp_path: Path
) -> None:
    from napari_posterior.statistics import FunctionStatistic

    def brightest(x: np.ndarray, context: Any) -> float:
        return float(x.max())

    whole = FunctionStatistic(brightest, "brightest", "brightest pixel", "", "mean")
    with pytest.raises(InputError, match="brightest does not take regions"):
        npo.compare(*runs, statistics=[whole], regions={"left": left}, out=tmp_path / "told")
    assert not (tmp_path / "told").exists()


# ------------------------------------------------------------------------------------ from files

SHAPES = """index,shape-type,vertex-index,axis-0,axis-1
0,rectangle,0,1.5,1.5
0,rectangle,1,1.5,7.5
0,rectangle,2,4.5,7.5
0,rectangle,3,4.5,1.5
1,path,0,0,0
1,path,1,9,9
"""
ELLIPSE = """2,ellipse,0,10,10
2,ellipse,1,10,20
2,ellipse,2,20,20
2,ellipse,3,20,10
"""


def test_shapes_that_napari_saved_are_regions(tmp_path: Path) -> None:
    from napari_posterior.api.regions import read_regions

    file = tmp_path / "cells.csv"
    file.write_text(SHAPES)
    [box] = read_regions(file, (24, 24), name="cell")
    expected = np.zeros((24, 24), bool)
    expected[2:5, 2:8] = True
    assert box.name == "cell"
    np.testing.assert_array_equal(box.mask, expected)
    file.write_text(SHAPES + ELLIPSE)
    box, disc = read_regions(file, (24, 24))
    assert (box.name, disc.name) == ("cells 1", "cells 3")
    assert disc.mask.sum() == pytest.approx(np.pi * 25, rel=0.1)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", SHAPES.replace("1.5", "x"), SHAPES[:44]])
def test_a_table_without_shapes_is_refused(tmp_path: Path, text: str) -> None:
    from napari_posterior.api.regions import read_regions

    file = tmp_path / "cells.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=r"no table of shapes|no shape with an inside"):
        read_regions(file, (24, 24))


def test_a_mask_is_one_region_and_labels_are_several(tmp_path: Path) -> None:
    from napari_posterior.api.regions import read_regions

    labels = np.zeros((32, 32), np.uint8)
    labels[:4], labels[20:] = 3, 7
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    tifffile.imwrite(tmp_path / "mask.tif", (255 * (labels == 7)).astype(np.uint8))
    named = read_regions(tmp_path / "labels.tif", (32, 32), name="cell")
    assert [one.name for one in named] == ["cell 3", "cell 7"]
    plain = read_regions(tmp_path / "labels.tif", (32, 32))
    assert [one.name for one in plain] == ["label 3", "label 7"]
    [mask] = read_regions(tmp_path / "mask.tif", (32, 32), name="cell")
    assert mask.name == "cell"
    np.testing.assert_array_equal(mask.mask, labels == 7)
