"""Measuring the samples of a run, from the console and from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_posterior as npo
from napari_posterior.errors import InputError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.runs.run import Run

COLUMNS = ["run", "sampler", "sample", "statistic", "region", "value", "unit"]


@pytest.fixture
def run(stored_run: Callable[..., Run]) -> Run:
    return stored_run(samples=5)


@pytest.fixture
def halves(run: Run) -> dict[str, np.ndarray]:
    left = np.zeros(run.request.image.shape, bool)
    left[:, :10] = True
    return {"left": left, "right": ~left}


def test_every_sample_has_a_row_with_its_number(run: Run) -> None:
    table = npo.measure(run, "total_intensity")
    assert list(table.columns) == COLUMNS
    assert table["sample"].tolist() == list(run.samples.indices)
    expected = [np.asarray(x, np.float64).sum() for x in run.samples[:]]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-6)
    assert set(table["unit"]) == {"photoelectrons"}


def test_regions_add_up_to_the_whole(run: Run, halves: dict[str, np.ndarray]) -> None:
    whole = npo.measure(run, "total_intensity")["value"]
    parts = npo.measure(run, ["total_intensity"], regions=halves)
    sums = parts.groupby("sample")["value"].sum()
    np.testing.assert_allclose(sums, whole, rtol=1e-6)
    assert set(parts["region"]) == {"left", "right"}


def test_labels_are_regions(run: Run, halves: dict[str, np.ndarray]) -> None:
    labels = np.where(halves["left"], 3, 8)
    table = npo.measure(run, "mean_intensity", regions=labels)
    assert table["region"].tolist()[:2] == ["label 3", "label 8"]


def test_planes_of_a_stack_are_measured_together(stored_run: Callable[..., Run]) -> None:
    run = stored_run(axes="zyx", samples=2)
    table = npo.measure(run, "total_intensity")
    expected = [np.asarray(x, np.float64).sum() for x in run.samples[:]]
    np.testing.assert_allclose(table["value"], expected, rtol=1e-6)


def test_a_run_that_was_cut_short_is_measured_as_far_as_it_came(
    stored_run: Callable[..., Run],
) -> None:
    assert len(npo.measure(stored_run(samples=5, kept=3, state="interrupted"))) == 3


def test_a_threshold_that_is_raised_leaves_fewer_puncta(run: Run) -> None:
    names = ["puncta_count", "puncta_count(threshold_factor=3.0)"]
    table = npo.measure(run, names)
    counts = table.groupby("statistic")["value"].sum()
    assert counts[names[1]] <= counts[names[0]]
    assert set(table["statistic"]) == set(names)


def test_objects_are_as_many_as_were_counted(run: Run) -> None:
    listed = npo.measure_objects(run, "puncta")
    counted = npo.measure(run, "puncta_count")["value"].sum()
    assert len(listed) == counted
    assert {"run", "sample", "row [px]", "column [px]"} <= set(listed.columns)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"statistics": "no_such"}, "choose from"),
        ({"regions": np.ones((3, 3), int)}, "3 x 3"),
        ({"regions": 7}, "regions are an array"),
        ({"regions": "no_such_file.tif"}, "does not exist"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(
    run: Run, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        npo.measure(run, **options)


def test_a_run_that_is_not_there_is_told_of() -> None:
    with pytest.raises(RunError):
        npo.measure("no_such_run")


def test_the_command_writes_a_table_and_tells_mean_and_spread(
    command: Callable[..., Any], run: Run, tmp_path: Any
) -> None:
    out = tmp_path / "t.csv"
    done = command("measure", run.path, "--statistic", "total_intensity", "-o", out)
    assert done.code == 0, done.err
    values = pd.read_csv(out)["value"]
    assert len(values) == 5
    assert f"{values.mean():.4g} ± {values.std():.4g} photoelectrons" in done.out
    assert "mean ± SD of 5 samples" in done.out
    again = command("measure", run.path, "-o", out)
    assert (again.code, "--overwrite" in again.err) == (2, True)


def test_the_command_takes_several_runs_and_labels(
    command: Callable[..., Any], run: Run, halves: dict[str, np.ndarray], tmp_path: Any
) -> None:
    tifffile.imwrite(tmp_path / "labels.tif", np.where(halves["left"], 1, 2).astype(np.uint8))
    out, labels = tmp_path / "t.csv", tmp_path / "labels.tif"
    done = command("measure", run.path, run.path, "--regions", labels, "-o", out)
    assert done.code == 0, done.err
    assert len(pd.read_csv(out)) == 2 * 5 * 2


def test_the_command_lists_objects(command: Callable[..., Any], run: Run, tmp_path: Any) -> None:
    out = tmp_path / "objects.csv"
    done = command("measure", run.path, "--objects", "-o", out)
    assert done.code == 0, done.err
    assert f"{len(pd.read_csv(out))} objects" in done.out


def test_the_command_lists_what_can_be_measured(command: Callable[..., Any]) -> None:
    done = command("statistics")
    assert done.code == 0
    assert "puncta_count: puncta count, puncta" in done.out
    assert "    threshold_factor = 1.0" in done.out


def test_two_runs_of_one_law_share_their_puncta(stored_run: Callable[..., Run]) -> None:
    runs = [stored_run(samples=12, seed=seed) for seed in (0, 1)]
    found = npo.compare_puncta(*runs)
    assert len(found.existence) >= 1
    assert found.changes.lost.lower == 0
    assert found.changes.lost.cross_fit < 1
    assert {"teacher low", "class"} <= set(found.to_frame().columns)
    assert len(found.sentences) == 3


def test_puncta_of_two_images_are_not_compared(stored_run: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match="two images"):
        npo.compare_puncta(stored_run(samples=2), stored_run(axes="zyx", samples=2, seed=1))


def test_the_command_tells_what_was_lost_and_writes_a_table(
    command: Callable[..., Any], stored_run: Callable[..., Run], tmp_path: Any
) -> None:
    runs = [stored_run(samples=12, seed=seed).path for seed in (0, 1)]
    done = command("sites", *runs, "-o", tmp_path / "sites.csv")
    assert done.code == 0, done.err
    assert "Lost by the student:" in done.out
    assert len(pd.read_csv(tmp_path / "sites.csv")) >= 1


def test_channels_that_hold_the_same_lie_in_the_same_places(
    stored_run: Callable[..., Run], command: Callable[..., Any], tmp_path: Any
) -> None:
    run = stored_run(axes="cyx", samples=4)
    table = npo.colocalise(run).set_index("statistic")
    assert {"pearson", "manders_1", "manders_2", "neighbours_excess"} <= set(table.index)
    assert table.loc["pearson", "value"] > 0.5  # both hold the spot of the stored runs
    assert table.loc["pearson", "se"] < 0.1
    assert "independently" in table.attrs["assumption"]
    done = command("colocalise", run.path, "-o", tmp_path / "c.csv")
    assert (done.code, "pearson" in done.out, (tmp_path / "c.csv").exists()) == (0, True, True)


@pytest.mark.parametrize(
    ("axes", "channels", "told"),
    [("yx", (0, 1), "no channels"), ("cyx", (0, 0), "two of"), ("cyx", (0, 9), "two of")],
)
def test_channels_that_are_not_there_are_told_of(
    stored_run: Callable[..., Run], axes: str, channels: tuple[int, int], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        npo.colocalise(stored_run(axes=axes, samples=2), channels=channels)
