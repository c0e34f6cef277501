from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr

import napari_posterior as npo
from napari_posterior.correction.records import arrays_of
from napari_posterior.errors import InputError, OutputError, RunError

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}
FLOW = {"sampler": "flow", "role": "student", "steps": 2, "nfe": 2}


@pytest.fixture
def corrections(stored_run):
    teacher = stored_run(samples=8)
    student = stored_run(samples=40, spread=2.5, **STUDENT)
    return npo.correct(teacher, student, ["total_intensity", "puncta"])


def test_detail_is_told_band_by_band(corrections):
    bands = corrections.bands
    assert bands.r.shape == (len(bands.edges) - 1,) and (bands.r > 0.999).all()
    inside = np.pi * bands.edges[-1] ** 2  # share of white noise that is coarser than the last edge
    assert bands.variance.value.sum() == pytest.approx(9.0 * inside, rel=0.1)
    assert bands.variance.pairs == 7  # contrasts: one fewer than pairs


def test_maps_for_display_are_those_of_the_estimates(corrections):
    assert np.array_equal(corrections.mean, corrections["mean"].value)
    assert np.array_equal(corrections.se, corrections["mean"].se)
    raw = corrections["variance"].value
    assert np.array_equal(corrections.sd, np.sqrt(np.maximum(raw, 0)))
    assert np.median(corrections.correlation) > 0.99
    assert corrections.teacher.role == "teacher" and corrections.student.role == "student"


def test_stacks_are_corrected_plane_by_plane(stored_run):
    teacher = stored_run(samples=5, axes="zyx")
    found = npo.correct(teacher, stored_run(samples=12, axes="zyx", spread=2.0, **STUDENT))
    assert found.mean.shape == (4, 24, 32)
    inside = np.pi * found.bands.edges[-1] ** 2
    assert found.bands.variance.value.sum() == pytest.approx(9.0 * inside, rel=0.1)


def test_whole_numbers_have_a_distribution_that_rises_at_each_of_them(corrections):
    found = corrections.distributions["puncta"]
    assert (np.diff(found.grid) == 1).all() and found.raw.students == 32
    assert found.cdf[0] == 0 and found.cdf[-1] == 1 and (np.diff(found.cdf) >= 0).all()
    total = float(np.sum(found.masses[:-1] * found.grid))
    assert total == pytest.approx(float(corrections["puncta"].value), abs=0.5)


def test_students_that_choose_the_grid_of_a_number_are_left_out_of_its_distribution(corrections):
    found = corrections.distributions["total_intensity"]
    assert found.raw.students == 24 and corrections["total_intensity"].students == 32
    low, (first, last) = found.grid[0], found.quantile(0.5)[1]
    assert low < first <= last < found.grid[-1]


def test_each_punctum_has_its_probability_under_the_teacher(corrections):
    sites = corrections.sites["puncta"]
    spot = np.flatnonzero(np.hypot(*(sites.positions[:, 1:] - (10, 18)).T) < 3)
    assert sites.probability.value[spot[0]] > 0.9
    assert len(sites) == len(sites.to_frame()) and (sites.found_in <= 48).all()
    assert "probability" in " ".join(corrections.told())


def test_what_is_saved_is_what_is_opened(corrections, tmp_path):
    folder = corrections.save(tmp_path / "cell")
    assert folder.name == "cell.corrected.zarr"
    opened = npo.open_corrections(tmp_path / "cell")
    assert list(opened) == list(corrections)
    for name, one in corrections.items():
        again, about = arrays_of(opened[name]), opened[name].about
        assert about == one.about and opened[name].pairs == one.pairs
        for key, array in arrays_of(one).items():
            assert np.array_equal(array, again[key], equal_nan=True), (name, key)
    assert np.array_equal(opened.bands.r, corrections.bands.r)
    assert opened.told() == corrections.told()
    assert opened.geometry == corrections.geometry and opened.sources == corrections.sources
    assert opened.teacher.path == corrections.teacher.path


def test_other_programs_find_images_in_the_folder(corrections, tmp_path):
    folder = corrections.save(tmp_path / "cell")
    for name in ("mean", "sd", "variance", "se", "correlation"):
        group = zarr.open_group(str(folder / name), mode="r")
        assert group.attrs["ome"]["version"] == "0.5"
        assert np.isfinite(group["0"][...]).all()
    assert np.allclose(zarr.open_group(str(folder / "sd"), mode="r")["0"][...], corrections.sd)


def test_runs_that_became_others_are_not_taken_for_those_that_were_corrected(
    corrections, tmp_path, stored_run
):
    folder = corrections.save(tmp_path / "cell")
    shutil.rmtree(corrections.student.path)
    stored_run(samples=40, background=1.0, **STUDENT)
    opened = npo.open_corrections(folder)
    assert opened.student is None and opened.teacher is not None


@pytest.mark.parametrize("harm", ["cut", "map", "newer", "gone"])
def test_damaged_corrections_end_in_one_sentence(corrections, tmp_path, harm):
    folder = corrections.save(tmp_path / "cell")
    record = folder / "corrected.json"
    if harm == "cut":
        record.write_text(record.read_text()[:500])
    elif harm == "map":
        shutil.rmtree(folder / "estimates" / "variance" / "se")
    elif harm == "newer":
        record.write_text(json.dumps({**json.loads(record.read_text()), "schema_version": 9}))
    else:
        shutil.rmtree(folder)
    with pytest.raises(RunError) as told:
        npo.open_corrections(folder)
    assert "\n" not in str(told.value) and str(told.value).startswith(str(folder))


def test_nothing_is_overwritten_unasked(corrections, tmp_path):
    folder = corrections.save(tmp_path / "cell")
    with pytest.raises(OutputError, match="overwrite"):
        corrections.save(folder)
    assert corrections.save(folder, overwrite=True) == folder
    (tmp_path / "notes.corrected.zarr").mkdir()
    with pytest.raises(OutputError, match="left alone"):
        corrections.save(tmp_path / "notes", overwrite=True)


def test_levels_are_summed_on_noise_of_their_own(stored_run):
    coarse = stored_run(samples=30, spread=2.0, **STUDENT)
    middle = stored_run(samples=14, spread=2.7, **FLOW)
    fine = stored_run(samples=6)
    seen = []
    found = npo.correct_levels(
        [coarse.path, middle, fine], ["total_intensity"], on_sample=lambda: seen.append(1)
    )
    assert found["mean"].counts == (16, 8, 6) and len(seen) == 30
    assert found["mean"].names == ("kd, 1 step", "flow, 2 steps", "teacher, 4 steps")
    truth = (fine.input.astype(np.float32) - 100) / 2
    error = float(np.mean((found["mean"].value - truth) ** 2))
    assert error < 0.3 * float(np.mean((fine.mean - truth) ** 2))
    assert np.mean(found["variance"].value) == pytest.approx(9.0, rel=0.2)
    assert all(np.median(r) > 0.99 for r in found.correlations)
    assert "teacher, 4 steps less flow, 2 steps" in " ".join(found.told())


def test_levels_that_do_not_nest_are_refused(stored_run):
    fine = stored_run(samples=6)
    with pytest.raises(InputError, match="besides"):
        npo.correct_levels([stored_run(samples=7, **STUDENT), fine])
    with pytest.raises(InputError, match="lacks samples"):
        npo.correct_levels([stored_run(samples=4, **FLOW), fine])
    with pytest.raises(InputError, match="with seed 0"):
        npo.correct_levels([stored_run(samples=20, seed=1, **STUDENT), fine])
