"""Tables of TrackMate, RS-FISH and plain ones: read into pixels, or refused in one sentence."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_posterior.errors import InputError
from napari_posterior.statistics.adapters import Detections, read_detections

if TYPE_CHECKING:
    from pathlib import Path

# The heads of tables that TrackMate 7 writes for an image in micrometres.
KEYS = (
    "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS,"
    "VISIBILITY,TOTAL_INTENSITY_CH1"
)
HEADINGS = (
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius,Visibility,Sum intensity ch1\n"
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R,Visibility,Sum ch1\n"
    ",,,(quality),({unit}),({unit}),({unit}),(sec),,({unit}),,(counts)\n"
)


def trackmate_row(x: float, y: float, z: float, frame: int, total: object = 12.5) -> str:
    return f"ID7,7,,3.1,{x!r},{y!r},{z!r},{frame}.0,{frame},0.4,1,{total}\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str | bytes, name: str = "spots.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        read_detections(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert ";" in message  # what is wrong; what to do
    return message


@pytest.mark.parametrize("unit", ["micron", "µm", "um", "μm"])
def test_trackmate_positions_in_micrometres_become_rows_and_columns(write, unit: str) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit=unit)}" + trackmate_row(2.2, 1.1, 0.0, 1)
    found = read_detections(write(table), pixel_size=(0.11, 0.22), samples=3)
    assert (found.source, found.unit) == ("TrackMate", "micrometer")
    assert found.counts.tolist() == [0, 1, 0]
    np.testing.assert_allclose(found.positions[1], [[10.0, 10.0]])
    assert found.positions[0].shape == (0, 2)
    assert found.intensity_column == "TOTAL_INTENSITY_CH1"
    assert found.intensities is not None
    assert found.intensities[1].tolist() == [12.5]
    assert found.notes == ()


def test_nanometres_are_told_apart_from_micrometres(write) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='nm')}" + trackmate_row(220.0, 110.0, 0.0, 0)
    found = read_detections(write(table), pixel_size=0.11)
    np.testing.assert_allclose(found.positions[0], [[1.0, 2.0]])


def test_a_micro_sign_of_a_one_byte_encoding_is_understood(write) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='µm')}" + trackmate_row(2.0, 1.0, 0.0, 0, "ø")
    found = read_detections(write(table.encode("cp1252")), pixel_size=0.5)
    assert found.unit == "micrometer"
    assert found.intensities is not None
    assert np.isnan(found.intensities[0]).all()


def test_trackmate_in_pixels_needs_no_pixel_size_and_ignores_one(write) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='pixel')}" + trackmate_row(20.5, 10.25, 0.0, 0)
    for size in (None, 0.11):
        found = read_detections(write(table), pixel_size=size)
        np.testing.assert_array_equal(found.positions[0], [[10.25, 20.5]])


def test_trackmate_in_a_volume_gives_planes_first(write) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='micron')}"
    table += trackmate_row(2.0, 1.0, 0.6, 0) + trackmate_row(1.0, 2.0, 0.0, 0)
    path = write(table)
    found = read_detections(path, pixel_size=(0.3, 0.1, 0.2))
    np.testing.assert_allclose(found.positions[0], [[2.0, 10.0, 10.0], [0.0, 20.0, 5.0]])
    assert "depth, height and width" in refused(path, pixel_size=(0.1, 0.2))


def test_physical_positions_without_a_pixel_size_are_refused(write) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='micron')}" + trackmate_row(2.0, 1.0, 0.0, 0)
    assert "spots.csv gives positions in micrometer" in refused(write(table))
    assert "a unit that it does not name" in refused(
        write(f"{KEYS}\n" + trackmate_row(2.0, 1.0, 0.0, 0))
    )


def test_one_header_row_takes_the_pixel_size_in_its_own_unit(write) -> None:
    found = read_detections(
        write(f"{KEYS}\n" + trackmate_row(2.0, 1.0, 0.0, 0)), pixel_size=(0.5, 0.5)
    )
    np.testing.assert_array_equal(found.positions[0], [[2.0, 4.0]])
    assert found.unit == ""


def test_the_newer_exporter_of_trackmate_is_read_too(write) -> None:
    table = (
        "ID,LABEL,TRACK_ID,TRACK_NAME,TRACK_VISIBLE,POSITION_X,POSITION_Y,POSITION_Z,FRAME\n"
        "ID,Label,Track ID,Track name,Track visibility,X,Y,Z,Frame\n"
        ",,,,,(pixels),(pixels),(pixels),\n"
        "12,ID12,ø,ø,0,3.5,4.5,0.0,2\n"
    )
    found = read_detections(write(table))
    np.testing.assert_array_equal(found.positions[2], [[4.5, 3.5]])
    assert found.intensities is None


def test_units_that_are_no_length_of_microscopy_are_refused(write) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='inch')}" + trackmate_row(2.0, 1.0, 0.0, 0)
    assert "'inch'" in refused(write(table), pixel_size=0.1)


def test_rs_fish_counts_samples_from_one_and_says_that_it_may_miscount(write) -> None:
    path = write("x,y,t,c,intensity\n7.5,3.25,1,1,100.5\n1.0,2.0,2,1,80.0\n")
    found = read_detections(path, samples=2)
    assert (found.source, found.unit) == ("RS-FISH", "pixel")
    np.testing.assert_array_equal(found.positions[0], [[3.25, 7.5]])
    np.testing.assert_array_equal(found.positions[1], [[2.0, 1.0]])
    assert found.intensities is not None
    assert [one.tolist() for one in found.intensities] == [[100.5], [80.0]]
    assert len(found.notes) == 1
    assert "file of its own" in found.notes[0]


def test_rs_fish_in_a_volume_gives_planes_first(write) -> None:
    found = read_detections(write("x,y,z,t,c,intensity\n7.5,3.25,0.0000,1,1,100.5\n"))
    np.testing.assert_array_equal(found.positions[0], [[0.0, 3.25, 7.5]])
    assert found.notes == ()


def test_the_results_window_of_imagej_with_its_row_numbers_is_read(write) -> None:
    found = read_detections(write(" ,x,y,t,c,intensity\n1,7.5,3.25,1,1,100.5\n"))
    np.testing.assert_array_equal(found.positions[0], [[3.25, 7.5]])


def test_detections_in_several_channels_are_refused(write) -> None:
    message = refused(write("x,y,t,c,intensity\n7,3,1,1,1\n7,3,1,2,1\n"))
    assert "channels 1, 2" in message


def test_one_table_for_each_sample(write) -> None:
    head = "x,y,t,c,intensity\n"
    files = [
        write(f"{head}7,3,1,1,9\n6,2,1,1,8\n", "0.csv"),
        None,
        write(head, "2.csv"),
        str(write(f"{head}1,2,1,1,5\n", "3.csv")),
    ]
    found = read_detections(files, samples=4)
    assert found.counts.tolist() == [2, 0, 0, 1]
    np.testing.assert_array_equal(found.positions[3], [[2.0, 1.0]])
    assert found.notes == ()
    assert "4 tables for 5 samples" in refused(files, samples=5)
    assert "no table" in refused([None, None])


def test_a_volume_whose_spots_lie_in_the_first_plane_joins_the_others(write) -> None:
    head = f"{KEYS}\n{HEADINGS.format(unit='pixel')}"
    files = [
        write(head + trackmate_row(1.0, 2.0, 0.0, 0), "0.csv"),
        write(head + trackmate_row(1.0, 2.0, 3.0, 0), "1.csv"),
    ]
    found = read_detections(files)
    assert [one.tolist() for one in found.positions] == [[[0.0, 2.0, 1.0]], [[3.0, 2.0, 1.0]]]


def test_tables_of_several_samples_cannot_be_one_of_several(write) -> None:
    one = write("x,y,t,c,intensity\n7,3,1,1,9\n6,2,2,1,8\n")
    assert "several samples itself" in refused([one, one])


def test_tables_of_different_programs_are_not_mixed(write) -> None:
    files = [write("x,y,t,c,intensity\n7,3,1,1,9\n"), write("y,x\n1,2\n", "other.csv")]
    assert "differ in program" in refused(files)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_plain_tables_with_commas_semicolons_and_tabs(write, mark: str) -> None:
    table = "\ufeffsample,y,x,probability\r\n\r\n1,2.5,3.5,0.9\r\n".replace(",", mark)
    found = read_detections(write(table))
    assert found.counts.tolist() == [0, 1]
    np.testing.assert_array_equal(found.positions[1], [[2.5, 3.5]])


def test_a_plain_table_without_samples_is_one_sample(write) -> None:
    path = write("y,x\n1,2\n3,4\n")
    assert read_detections(path).counts.tolist() == [2]
    assert "which of the 4 samples" in refused(path, samples=4)


def test_a_table_without_rows_needs_the_number_of_samples(write) -> None:
    path = write("sample,y,x\n")
    assert read_detections(path, samples=3).counts.tolist() == [0, 0, 0]
    assert "say how many samples" in refused(path)


def test_a_sample_beyond_the_run_is_refused(write) -> None:
    path = write("sample,y,x\n0,1,2\n7,1,2\n")
    assert "sample 7" in refused(path, samples=7)
    assert read_detections(path, samples=8).counts.sum() == 2


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("nan,2,0", "y in line 3"),
        ("1,inf,0", "x in line 3"),
        ("1e999,2,0", "y in line 3"),
        ("1_0,2,0", "y in line 3"),
        ("__import__('os'),2,0", "y in line 3"),
        ("=1+1,2,0", "y in line 3"),
        ("1,,0", "x in line 3"),
        ("1,2,-1", "numbered from 0"),
        ("1,2,1.5", "whole number"),
        ("1,2,nan", "whole number"),
        ("1,2,1e300", "100000 at most"),
        ("1,2", "2 fields where the header has 3"),
        ("1,2,0,0", "4 fields where the header has 3"),
    ],
)
def test_a_bad_row_is_named_by_its_line(write, row: str, told: str) -> None:
    assert told in refused(write(f"y,x,sample\n1,2,0\n{row}\n"))


def test_time_points_of_rs_fish_below_one_are_refused(write) -> None:
    assert "numbered from 1" in refused(write("x,y,t,c,intensity\n7,3,0,1,9\n"))


def test_words_among_intensities_are_refused_and_gaps_are_not(write) -> None:
    found = read_detections(write("y,x,intensity\n1,2,\n1,2,NaN\n1,2,5\n"))
    assert found.intensities is not None
    np.testing.assert_array_equal(found.intensities[0], [np.nan, np.nan, 5.0])
    assert "intensity in line 2" in refused(write("y,x,intensity\n1,2,bright\n"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n \n\r\n", "is empty"),
        (b"\x00\x01\x02y,x\n", "no table in text form"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no columns that are known"),
        ("y,x\n1,2\n".encode("utf-16"), "no table in text form"),
        (b"y,x" + b"," * 200_000 + b"\n", "no table in text form"),
        (b"a,b,c\n1,2,3\n", "no columns that are known"),
        (b"POSITION_X,POSITION_Y\n1,2\n", "no columns that are known"),
        (b"y,x,x\n1,2,3\n", "'x' twice"),
        (b'y,x,label\n1,2,"' + b"a\n" * 90_000, "field larger than"),
    ],
)
def test_files_that_are_no_spots_tables_are_refused(write, content: bytes, told: str) -> None:
    assert told in refused(write(content))


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "missing.csv")
    assert "cannot be read" in refused(tmp_path)
    assert "cannot be read" in refused("a\0b.csv")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write(b"y,x\n1,2\n")
        file.truncate(3 * 2**30)
    assert "3.0 GiB" in refused(path)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), (1.0,), (1.0, 1.0, 1.0, 1.0), 1e-320])
def test_pixel_sizes_that_are_none_are_refused(write, size: object) -> None:
    table = f"{KEYS}\n{HEADINGS.format(unit='micron')}" + trackmate_row(1e200, 1.0, 0.0, 0)
    assert "pixel" in refused(write(table), pixel_size=size)


@pytest.mark.parametrize("samples", [0, -3, 10**9])
def test_numbers_of_samples_that_are_none_are_refused(write, samples: int) -> None:
    assert "samples is" in refused(write("y,x\n1,2\n"), samples=samples)


coordinate = st.floats(-1e6, 1e6, allow_nan=False)
spots = st.lists(st.tuples(st.integers(0, 5), coordinate, coordinate, coordinate), max_size=12)
many = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def matches(found: Detections, rows: list[tuple[int, ...]], axes: slice, scale: float) -> None:
    for sample in range(6):
        wanted = [one[axes] for one in rows if one[0] == sample]
        wanted_array = np.array(wanted, np.float64).reshape(
            len(wanted), found.positions[0].shape[1]
        )
        np.testing.assert_allclose(found.positions[sample], wanted_array / scale, rtol=1e-12)


@many
@given(rows=spots, volume=st.booleans())
def test_plain_tables_come_back_as_they_were_written(write, rows, volume: bool) -> None:
    head = "sample,z,y,x\n" if volume else "sample,y,x\n"
    lines = [f"{s},{z!r},{y!r},{x!r}\n" if volume else f"{s},{y!r},{x!r}\n" for s, z, y, x in rows]
    found = read_detections(write(head + "".join(lines)), samples=6)
    matches(found, rows, slice(1, 4) if volume else slice(2, 4), 1.0)


@many
@given(rows=spots, headings=st.booleans())
def test_trackmate_tables_come_back_as_they_were_written(write, rows, headings: bool) -> None:
    head = f"{KEYS}\n" + (HEADINGS.format(unit="micron") if headings else "")
    lines = [trackmate_row(x, y, z, s) for s, z, y, x in rows]
    found = read_detections(write(head + "".join(lines)), samples=6, pixel_size=(0.25,) * 3)
    flat = not any(z for _, z, _, _ in rows)
    matches(found, rows, slice(2, 4) if flat else slice(1, 4), 0.25)


@many
@given(rows=spots)
def test_rs_fish_tables_come_back_as_they_were_written(write, rows) -> None:
    lines = [f"{x!r},{y!r},{z!r},{s + 1},1,{s}.5\n" for s, z, y, x in rows]
    found = read_detections(write("x,y,z,t,c,intensity\n" + "".join(lines)), samples=6)
    matches(found, rows, slice(1, 4), 1.0)
    assert found.intensities is not None
    assert all((one == s + 0.5).all() for s, one in enumerate(found.intensities))


fields = st.text(string.digits + ".-+eE,;\t\"'\r\n nafiø()_\0µ", max_size=40)
heads = st.sampled_from(["y,x\n", "x,y,t,c\n", "sample,y,x,intensity\n", f"{KEYS}\n", ""])


@settings(many, max_examples=200)
@given(head=heads, body=fields, junk=st.binary(max_size=60), size=st.sampled_from([None, 0.1]))
def test_junk_is_read_or_refused_and_nothing_else(write, head, body, junk, size) -> None:
    path = write(head.encode() + body.encode() + junk)
    try:
        found = read_detections(path, pixel_size=size)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(one).all() for one in found.positions)


lines = st.lists(
    st.tuples(*[st.sampled_from([*"0 1 2.5 -1 nan inf 1e400 x ø Frame (um)".split(), ""])] * 3)
)


@settings(many, max_examples=150)
@given(rows=lines)
def test_rows_of_odd_fields_are_read_or_refused_and_nothing_else(write, rows) -> None:
    table = "POSITION_X,POSITION_Y,FRAME\n" + "".join(",".join(one) + "\n" for one in rows)
    try:
        found = read_detections(write(table), pixel_size=0.5)
    except InputError:
        return
    assert all(np.isfinite(one).all() for one in found.positions)
