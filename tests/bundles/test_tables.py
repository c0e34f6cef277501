"""The measured figures of a card as a reader sees them."""

from __future__ import annotations

from napari_posterior.bundles.tables import figure_tables


def test_rows_of_the_same_columns_share_a_head() -> None:
    ratio = {"coverage": {"50%": 0.4861}, "ratio": [0.9, 0.8, 1.0], "interval": [1, 2]}
    lines = figure_tables({"quality": {"puncta": {"teacher": ratio}, "haze": {"teacher": ratio}}})
    assert lines == [
        "### quality",
        "",
        "|  | coverage 50% | ratio | interval |",
        "|---|---|---|---|",
        "| puncta, teacher | 0.4861 | 0.9 (0.8 to 1) | 1 to 2 |",
        "| haze, teacher | 0.4861 | 0.9 (0.8 to 1) | 1 to 2 |",
        "",
    ]


def test_other_columns_make_another_table() -> None:
    lines = figure_tables(
        {"runs": {"a": {"nfe": 1}, "b": {"nfe": 2, "seconds_a_sample": 0.123456}}}
    )
    assert lines[2:5] == ["|  | nfe |", "|---|---|", "| a | 1 |"]
    assert lines[6:9] == ["|  | nfe | seconds a sample |", "|---|---|---|", "| b | 2 | 0.1235 |"]


def test_numbers_without_a_row_of_their_own_have_no_empty_column() -> None:
    lines = figure_tables({"own": {"crops": 8, "known": True, "error": {"after": 0.5}}})
    assert lines[2:5] == ["| crops | known |", "|---|---|", "| 8 | yes |"]
    assert lines[6:9] == ["|  | after |", "|---|---|", "| error | 0.5 |"]


def test_texts_are_bullets() -> None:
    assert figure_tables({"notes": ["One.", "Two."]}) == ["### notes", "", "- One.", "- Two.", ""]
