"""The folder of a report: tables, maps and figures as files."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest
from report_samples import make_report

from napari_posterior.checks.page.write import write_report
from napari_posterior.errors import InputError, OutputError
from napari_posterior.image import load_image


@pytest.fixture(scope="module")
def report():
    return make_report("not preserved", side=48)


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    return write_report(report, tmp_path_factory.mktemp("report")).parent


def rows_of(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_finding_is_a_row_with_its_verdict_and_tolerance(report, folder) -> None:
    rows = rows_of(folder / "findings.csv")
    assert [row["id"] for row in rows] == [one.id for one in report.findings]
    variance = next(row for row in rows if row["id"] == "variance")
    assert float(variance["estimate"]) == report["variance"].estimate
    assert float(variance["ci_low"]) == report["variance"].interval[0]
    assert variance["verdict"] == "not preserved"
    assert (variance["tolerance_low"], variance["tolerance_high"]) == ("0.75", "1.33")
    assert variance["tolerance_origin"] == "user"
    assert next(row for row in rows if row["id"] == "alarm")["verdict"] == ""


def test_each_number_of_each_sample_is_a_row(report, folder) -> None:
    rows = rows_of(folder / "values.csv")
    assert list(rows[0]) == ["sample", "run", "statistic", "unit", "value"]
    counts = [
        float(row["value"])
        for row in rows
        if row["run"] == "student" and row["statistic"] == "puncta_count"
    ]
    np.testing.assert_array_equal(counts, report.figures.values[0].student)
    assert [row["sample"] for row in rows[:64]] == [str(i) for i in range(64)]


def test_each_punctum_is_a_row(report, folder) -> None:
    rows = rows_of(folder / "sites.csv")
    assert len(rows) == len(report.figures.sites)
    assert {"lost", "invented"} <= {row["class"] for row in rows}


def test_maps_keep_values_pixel_size_and_position(report, folder) -> None:
    import tifffile

    for found in report.figures.maps:
        path = folder / "maps" / f"{found.name}.tif"
        image = load_image(path)
        np.testing.assert_array_equal(image.data, found.values)
        assert image.data.dtype == np.float32
        assert image.geometry.scale == pytest.approx((0.08, 0.08))
        assert image.geometry.units == ("micrometer", "micrometer")
    with tifffile.TiffFile(path) as tif:
        assert 'PositionX="2.4"' in tif.ome_metadata
        assert found.words in tif.ome_metadata


def test_a_map_without_a_pixel_size_is_in_pixels(tmp_path) -> None:
    from dataclasses import replace

    plain = make_report(side=32)
    figures = replace(plain.figures, pixel_size=None, unit="pixel")
    folder = write_report(replace(plain, figures=figures), tmp_path, formats=()).parent
    assert load_image(folder / "maps" / "tile_ratio.tif").geometry.units == ("pixel", "pixel")
    assert not (folder / "figures").exists()


def test_charts_are_written_as_pdf_where_asked(report, tmp_path) -> None:
    write_report(report, tmp_path / "a", formats=("pdf",))
    write_report(report, tmp_path / "b", formats=("pdf",))
    found = sorted(path.name for path in (tmp_path / "a" / "figures").iterdir())
    assert len(found) == 8
    assert all(name.endswith(".pdf") for name in found)
    for name in found:
        content = (tmp_path / "a" / "figures" / name).read_bytes()
        assert content.startswith(b"%PDF")
        assert content == (tmp_path / "b" / "figures" / name).read_bytes()


def test_formats_that_cannot_be_written_are_refused_in_a_sentence(
    report, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="choose from png, svg, pdf"):
        write_report(report, tmp_path, formats=("gif",))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OutputError, match=r"napari-posterior\[figures\]"):
        write_report(report, tmp_path, formats=("pdf",))
