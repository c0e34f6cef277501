"""Comparisons in folders and of several images, on runs made without a network."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1, "seed": 7}


@pytest.fixture
def pair(stored_run: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """Make teacher and student runs of one law, of so many samples each."""

    def make(samples: int = 16, **changes: Any) -> tuple[Any, Any]:
        return (
            stored_run(samples=samples, **changes),
            stored_run(samples=samples, **{**STUDENT, **changes}),
        )

    return make


def test_a_folder_keeps_the_plan_and_the_report(pair: Callable[..., Any], tmp_path: Path) -> None:
    told = tmp_path / "told"
    report = npo.compare(*pair(), tolerances={"mean": 0.5}, out=told)
    plan = json.loads((told / "plan.json").read_text())
    assert (told / "report.html").is_file()
    assert [one["look"] for one in plan["ledger"]] == [16]
    assert plan["ledger"][0]["verdicts"] == {one.id: one.verdict for one in report.findings}
    assert plan["pair"]["student"]["sampler"] == "kd"
    written = json.loads((told / "report.json").read_text())
    assert written["plan"]["tolerances"] == plan["tolerances"]
    assert str(tmp_path) not in (told / "plan.json").read_text()


def test_what_was_decided_stands_until_there_are_more_samples(
    pair: Callable[..., Any], tmp_path: Path
) -> None:
    runs = pair(16)
    first = npo.compare(*runs, out=tmp_path / "told")
    second = npo.compare(*runs, out=tmp_path / "told")
    for one, again in zip(first.findings, second.findings, strict=True):
        assert again.verdict == one.verdict
    assert any("the next decision is at 32 samples" in one for one in second.warnings)
    assert first["variance"].judgement.reason != "between looks"
    assert second["variance"].judgement.reason == "between looks"


def test_a_folder_may_keep_the_plan_alone(pair: Callable[..., Any], tmp_path: Path) -> None:
    npo.compare(*pair(4), out=tmp_path / "told", write=False)
    assert [one.name for one in (tmp_path / "told").iterdir()] == ["plan.json"]


def test_without_a_folder_nothing_is_remembered(
    pair: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = pair(16)
    before = sorted(tmp_path.iterdir())
    npo.compare(*runs, tolerances={"mean": 0.5})
    report = npo.compare(*runs, tolerances={"mean": 0.1})
    assert report["mean"].judgement.origin == "user"
    assert report.plan["kept"] is False
    assert sorted(tmp_path.iterdir()) == before


def test_a_question_brings_its_statistics_and_what_is_required(pair: Callable[..., Any]) -> None:
    report = npo.compare(*pair(4), tolerances="intensity")
    assert report.plan["statistics"] == ["mean_intensity"]
    required = {one.id for one in report.findings if one.required}
    assert {"mean", "variance", "mean_intensity"} <= required


def test_runs_that_do_not_belong_together_leave_no_folder(
    pair: Callable[..., Any], stored_run: Callable[..., Any], tmp_path: Path
) -> None:
    teacher, _ = pair(4)
    other = stored_run(samples=4, **{**STUDENT, "seed": 8, "camera": npo.Camera(3.0, 100.0, 1.6)})
    with pytest.raises(InputError, match="differ in their camera"):
        npo.compare(teacher, other, out=tmp_path / "told")
    assert not (tmp_path / "told").exists()


def test_an_unknown_statistic_leaves_no_folder(pair: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no statistic 'joy'"):
        npo.compare(*pair(4), statistics=["joy"], out=tmp_path / "told")
    assert not (tmp_path / "told").exists()


def test_stopping_a_comparison_takes_no_look(pair: Callable[..., Any], tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StoppedError

    runs = pair(16)
    with pytest.raises(StoppedError):
        npo.compare(*runs, out=tmp_path / "told", on_step=stop)
    assert json.loads((tmp_path / "told" / "plan.json").read_text())["ledger"] == []
    report = npo.compare(*runs, tolerances={"mean": 0.5}, out=tmp_path / "told")
    assert report["mean"].judgement.origin == "user"


# ------------------------------------------------------------------------------- several images


@pytest.fixture
def images(
    pair: Callable[..., Any], measured_image: Callable[..., Any]
) -> Callable[[int], list[tuple[Any, Any]]]:
    """Make pairs of runs of so many images, all of one name but the last."""

    def make(count: int) -> list[tuple[Any, Any]]:
        found = []
        for index in range(count):
            image = measured_image(name=f"cell_{index}")
            data = np.roll(image.data, index, axis=1)
            found.append(pair(16, image=dataclasses.replace(image, data=data)))
        return found

    return make


def test_several_images_are_compared_each_in_its_folder(
    images: Callable[[int], Any], tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    found = npo.compare_images(
        images(2), out=tmp_path / "all", on_step=lambda *step: steps.append(step)
    )
    assert found.images == ("cell_0", "cell_1")
    assert found["variance"].verdict == "not testable"
    told = json.loads((tmp_path / "all" / "images.json").read_text())
    assert told["n_images"] == 2
    for name in ("cell_0", "cell_1"):
        assert (tmp_path / "all" / name / "plan.json").is_file()
    assert (tmp_path / "all" / "images.csv").read_text().startswith("finding,image,estimate")
    assert set(steps) == {(0, 2), (1, 2)}


def test_reports_and_pairs_of_runs_may_be_given_together(images: Callable[[int], Any]) -> None:
    first, second = images(2)
    found = npo.compare_images([npo.compare(*first), second])
    assert [one.image for one in found["mean"].images] == ["cell_0", "cell_1"]


def test_one_image_is_not_taken_for_two(images: Callable[[int], Any]) -> None:
    (only,) = images(1)
    with pytest.raises(InputError, match="cell_0 is there twice"):
        npo.compare_images([npo.compare(*only)] * 2)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("variance=0.8..1.25", {"variance": (0.8, 1.25)}),
        ("sites.lost=..0.05", {"sites.lost": (None, 0.05)}),
        ("mean = 0.3", {"mean": 0.3}),
        ("puncta_count=20%", {"puncta_count": "20%"}),
        ("puncta_count=0.5sd", {"puncta_count": "0.5sd"}),
    ],
)
def test_tolerances_are_read_as_they_are_written(given: str, read: dict[str, Any]) -> None:
    from napari_posterior.checks.verdicts.tolerances import Tolerances
    from napari_posterior.cli.compare import read_tolerances

    assert read_tolerances([given]) == read
    Tolerances.choose(read, statistics=("puncta_count",))
