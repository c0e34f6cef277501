"""Small tables beside findings: kept in the JSON, shown in the fold, written as CSV."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from napari_posterior.checks.build import build_report
from napari_posterior.checks.detail import Detail, detail_of
from napari_posterior.checks.page.html import render
from napari_posterior.checks.page.html_detail import show_detail
from napari_posterior.checks.page.tables import details_table
from napari_posterior.errors import InputError
from napari_posterior.statistics import FunctionStatistic

WITH_TABLES = {"leading", "support", "alarm"}


@pytest.fixture
def report(fake_run):
    largest = FunctionStatistic(lambda x, context: float(x.max()), "largest", "largest pixel", "")
    rng = np.random.default_rng(0)
    y = np.rint(100 + 2 * rng.poisson(20, (48, 48))).astype(np.float32)
    runs = [
        fake_run(rng.normal(20, 4, (32, 48, 48)).astype(np.float32), y, role=role, seed=seed)
        for seed, role in enumerate(("teacher", "student"))
    ]
    return build_report(*runs, statistics=["mean_intensity", largest])


def test_a_table_survives_the_json(report) -> None:
    found = {one.id: detail_of(one) for one in report.findings if detail_of(one) is not None}
    assert set(found) == WITH_TABLES
    checks = {one["id"]: one for one in json.loads(json.dumps(report.to_dict()))["checks"]}
    for key, table in found.items():
        kept = checks[key]["extra"]["detail"]
        assert tuple(kept["columns"]) == table.columns
        assert [tuple(row) for row in kept["rows"]] == list(table.rows)


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="give 2, one for each column"):
        Detail("sizes", ("name", "value"), (("one", 1.0, 2.0),))


def test_the_table_stands_in_the_fold_of_its_question(report) -> None:
    page = render(report)
    fold = page[page.index("Are all forms of the answer still drawn?") :]
    fold = fold[: fold.index("</article>")]
    assert fold.index("without a verdict") < fold.index("Four tests whether anything differs")
    assert fold.count("<div class='detail'>") == 2
    assert "nearest neighbours" in fold
    assert show_detail(report["mean"]) == ""


def test_what_is_no_verdict_says_so_and_gets_none(report) -> None:
    plain = ("leading", "support", "alarm", "diversity.fine", "diversity.measured",
             "mean_intensity.median", "largest.median")  # fmt: skip
    for key in plain:
        assert report[key].verdict is None, key
    for key in WITH_TABLES - {"leading"}:
        assert "verdict" in detail_of(report[key]).caption


def test_every_number_of_the_tables_is_a_row_of_the_csv(report) -> None:
    rows = list(csv.DictReader(io.StringIO(details_table(report))))
    assert {row["finding"] for row in rows} == WITH_TABLES
    [value] = [
        row["value"]
        for row in rows
        if row["row"].startswith("energy") and row["column"] == "p of no difference"
    ]
    assert float(value) == report["alarm"].p_value
