"""What a reader of a report's page could take wrongly: repeats, units, colours and codes."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from report_samples import make_report

from napari_posterior.checks.finding import rounded
from napari_posterior.checks.maps import MapImage
from napari_posterior.checks.page.html import render
from napari_posterior.checks.page.html_where import layer_maps, scale_of
from napari_posterior.checks.page.pictures import Scale
from napari_posterior.checks.verdicts.evidence import TEvidence
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Limits
from napari_posterior.checks.verdicts.verdict import NOT_ENOUGH, judge


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def ratio_map(values) -> MapImage:
    return MapImage("tile_ratio", "ratio", np.array(values, np.float32), "log2", "Log; blank where")


@pytest.fixture(scope="module")
def kept() -> str:
    return words_of(render(make_report("preserved", side=48)))


def test_an_answer_that_the_headline_gives_in_full_is_not_given_twice(kept) -> None:
    assert kept.count("mean gap, variance ratio, puncta count and likelihood residual") == 1


def test_an_answer_of_several_verdicts_names_them_all() -> None:
    report = make_report("not preserved", side=48)
    assert report.overall.preserved_for
    assert report.overall.sentence in words_of(render(report))


def test_shares_are_written_in_percent_as_their_limits_are(kept) -> None:
    assert "Puncta lost: 1.20 % of puncta (97.6 % interval 0.28 to 2.12)" in kept
    assert "0.012 share of puncta" not in kept


def test_an_interval_over_many_places_says_so(kept) -> None:
    assert re.search(r"\(all tiles, 97\.6 % intervals [\d.]+ to [\d.]+\)", kept)
    assert re.search(r"\(all sizes, 97\.6 % intervals [\d.]+ to [\d.]+\)", kept)


def test_a_finding_that_is_not_testable_says_so_once() -> None:
    page = words_of(render(make_report("untestable", side=48)))
    assert "not testable" in page
    assert "untestable" not in page


@pytest.mark.parametrize("kind", ["preserved", "not preserved", "open"])
def test_probabilities_near_one_are_written_alike(kind: str) -> None:
    page = words_of(render(make_report(kind, side=48)))
    assert not re.search(r"(within|beyond) (1|1\.0|1\.000)(?![\d.])", page)


def test_a_wide_limit_is_remarked_on_only_where_it_was_passed() -> None:
    report = make_report("not preserved", side=48)
    lost = report["puncta_count"]
    assert lost.verdict == "not preserved"
    assert not any("nearly everything passes" in note for note in lost.notes)


@pytest.mark.parametrize("values", [[[-1.4, -0.2]], [[0.1, 0.3]], [[-0.5, 0.5]]])
def test_ratios_have_the_colours_of_differences_though_all_are_on_one_side(values) -> None:
    scale = scale_of(ratio_map(values))
    assert scale.colours == "diverging"
    assert scale.low == -scale.high
    assert scale.high >= 1


def test_codes_are_written_whole_beside_their_colours() -> None:
    misses = np.array([[0, 1], [2, 3]], np.float32)
    scale = scale_of(MapImage("misses", "missed", misses, "", "Codes."))
    assert scale.ticks() == ("0", "1, 2", "3")
    assert Scale(0.0, 3.0, "viridis", "").ticks() == ("0.0", "1.5", "3.0")


def test_pixels_without_a_value_are_called_what_they_look_like() -> None:
    (layer,) = layer_maps([ratio_map([[-1.0, np.nan]])])
    assert "grey where" in layer.words


def test_numbers_have_four_digits_unless_their_interval_is_narrower() -> None:
    assert rounded(0.131289, (0.130337, 0.132225)) == ("0.1313", "0.1303 to 0.1322")
    assert rounded(1.0000012, (1.000001, 1.0000014)) == ("1.0000012", "1.0000010 to 1.0000014")


def test_an_estimate_as_near_to_the_limit_as_the_reference_may_be_off_says_why() -> None:
    """Its interval is clear of the limit, and the verdict is still open."""
    limits, value = Limits(0.8, 1.25, "0.8 to 1.25"), 0.787
    evidence = TEvidence(value, 0.001, 250, log=True)
    args = (value, (0.785, 0.789), limits)
    words = {"evidence": evidence, "counts": (256, 256), "looks": Looks(), "no_difference": 1.0}
    found = judge(*args, bias=0.0175, **words)
    assert found.verdict == NOT_ENOUGH
    assert "nearer to the limit than the reference may be off (1.8 %)" in found.sentence
    assert len(found.sentence.split()) <= 40
    assert judge(*args, **words).verdict == "not preserved"


def test_only_shares_and_differences_have_a_sign() -> None:
    report = make_report("preserved", side=48)
    plain = replace(report["likelihood"], id="resolution", title="detail", estimate=3.1)
    page = words_of(render(replace(report, findings=(*report.findings, plain))))
    assert "3.10000" in page
    assert "+3.10000" not in page
