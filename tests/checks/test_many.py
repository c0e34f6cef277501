"""Several images: the image is the unit, and the verdict is on where the next one lies."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_posterior.checks.finding import Finding
from napari_posterior.checks.images.effects import measure_effect
from napari_posterior.checks.images.many import combine
from napari_posterior.checks.report import Report
from napari_posterior.checks.solver import OpenBand, SolverTrust
from napari_posterior.checks.source import Description
from napari_posterior.checks.verdicts.evidence import GapEvidence, TEvidence
from napari_posterior.checks.verdicts.judging import NOTHING_REQUIRED, Settled, settle
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Tolerances
from napari_posterior.errors import InputError

LOOKS = Looks()


def finding(key, evidence, *, kind, unit="", no_difference=0.0, extra=None, reach=None):
    value = math.sqrt(max(evidence.square, 0)) if isinstance(evidence, GapEvidence) else None
    value = evidence.value if value is None else value
    half = 0.1 if reach is None else reach
    return Finding(
        id=key, title=key.replace("_", " "), estimand="", unit=unit, estimate=value,
        interval=(value - half, value + half), level=LOOKS.level, method="", n_teacher=64,
        n_student=64, coupled=False, sentence="", question="task", kind=kind, evidence=evidence,
        no_difference=no_difference, extra=extra or {},
    )  # fmt: skip


def ratio(value, se=0.02, key="variance"):
    return finding(key, TEvidence(value, se, 126, True), kind=key, no_difference=1.0)


def count(relative, mean, se=0.01):
    evidence = TEvidence(relative * mean, se * mean, 126)
    extra = {"teacher_mean": mean, "teacher_sd": 0.1 * mean}
    return finding("puncta_count", evidence, kind="statistic", unit="puncta", extra=extra)


def report(name, *findings, given=None, solver=None, post_hoc=(), **changes):
    tolerances = Tolerances.choose(given, statistics=("puncta_count",))
    settled = settle(
        findings,
        tolerances,
        LOOKS,
        solver=solver or SolverTrust(),
        settled=Settled(post_hoc=frozenset(post_hoc)),
    )
    described = [
        Description(
            role=role, sampler=sampler, samples=64, steps=steps, bundle_hash="b" * 64,
            image_name=name, image_sha256=name * 8,
        )
        for role, sampler, steps in (("teacher", "teacher", 18), ("student", "kd", 1))
    ]  # fmt: skip
    made = Report(
        findings=settled, figures=SimpleNamespace(), teacher=described[0], student=described[1],
        level=LOOKS.level, coupled=False, rho=None, scope="", plan={"tolerances": given},
    )  # fmt: skip
    return replace(made, **changes)


def reports(make, images, seed=0):
    generator = np.random.default_rng(seed)
    return [report(f"cell_{i}", *make(generator)) for i in range(images)]


def test_ratios_are_pooled_on_their_logarithms():
    found = combine(reports(lambda g: [ratio(math.exp(g.normal(0.05, 0.03)))], 8))["variance"]
    assert found.verdict == "preserved"
    assert found.mean == pytest.approx(math.exp(found.pooled.mean))
    assert 1.0 < found.mean < 1.1
    low, high = found.prediction
    assert 0.8 < low < found.interval[0] < found.mean < found.interval[1] < high < 1.25
    assert found.mean**2 == pytest.approx(math.prod(found.interval))
    assert "on the next image like these" in found.sentence
    assert found.verdict_sentence.startswith("Preserved on images like these")


def test_the_verdict_is_on_the_next_image_and_not_on_the_mean():
    """Every other image is off: the mean is well within the limits, the next image is not."""
    values = [0.75, 1.35] * 8
    found = combine([report(f"cell_{i}", ratio(v)) for i, v in enumerate(values)])["variance"]
    assert 0.8 < found.interval[0] < found.interval[1] < 1.25
    assert found.prediction[0] < 0.8 < 1.25 < found.prediction[1]
    assert (found.verdict, found.preserved) == ("not enough samples", 0)
    assert found.failing_bound == 1.0


def test_a_student_that_is_always_off_is_not_preserved():
    found = combine(reports(lambda g: [ratio(0.5 * math.exp(g.normal(0, 0.03)))], 6))
    assert found["variance"].verdict == found.verdict == "not preserved"
    assert found.headline == "Not preserved on images like these: variance."


def test_gaps_are_pooled_as_squares():
    still, unit = 1e-4, 4.0
    images = [
        report(
            f"cell_{i}",
            finding("mean", GapEvidence(square, still, 1e-3, unit), kind="mean", unit="SD"),
        )
        for i, square in enumerate((-0.002, 0.004, 0.01, 0.003, -0.001, 0.006))
    ]
    found = combine(images)["mean"]
    assert found.mean == pytest.approx(math.sqrt(found.pooled.mean))
    assert found.mean == pytest.approx(math.sqrt(np.mean([-2, 4, 10, 3, -1, 6]) / 4000), rel=0.2)
    assert found.interval[0] == 0.0
    assert (found.verdict, found.scale.high) == ("preserved", 0.2)


def test_counts_of_images_of_any_richness_are_shares_of_the_teachers_mean():
    means = (20.0, 300.0, 80.0, 45.0, 150.0, 60.0)
    generator = np.random.default_rng(4)
    images = [
        report(f"cell_{i}", count(generator.normal(0.02, 0.005), mean))
        for i, mean in enumerate(means)
    ]
    found = combine(images)["puncta_count"]
    assert found.scale.unit == "of the teacher's mean"
    assert found.mean == pytest.approx(0.02, abs=0.01)
    assert (found.scale.low, found.scale.high) == pytest.approx((-0.1, 0.1))
    assert found.verdict == "preserved"
    assert "% of the teacher's mean" in found.sentence


def test_a_unit_is_written_once_and_a_share_in_percent_never_below_0():
    generator = np.random.default_rng(6)
    lost = [
        finding(
            "sites.lost", TEvidence(value, 0.002, 126), kind="sites.lost", unit="share of puncta"
        )
        for value in np.abs(generator.normal(0.0, 0.02, 6))
    ]
    found = combine([report(f"cell_{i}", one) for i, one in enumerate(lost)])["sites.lost"]
    assert found.prediction[0] < 0
    assert found.sentence.count("% of puncta") == 3
    assert "share of puncta" not in found.sentence
    assert "like these 0 to " in found.sentence


def test_what_no_image_can_tell_is_no_failure():
    unknown = replace(ratio(1.0), untestable="the camera is not known")
    found = combine([report(f"cell_{i}", unknown) for i in range(6)])["variance"]
    assert found.verdict == "not testable"
    assert "may fail" not in found.verdict_sentence
    assert "not testable on any of 6 images" in found.sentence


def test_limits_of_several_kinds_are_pooled_in_units_of_the_limit():
    """Where the mean is below the spread a share of it becomes half a spread: limits differ."""
    rich = [report(f"rich_{i}", count(0.02, 100.0 + i)) for i in range(4)]
    poor_extra = {"teacher_mean": 0.5, "teacher_sd": 2.0}
    evidence = TEvidence(0.2, 0.05, 100)
    poor = finding("puncta_count", evidence, kind="statistic", unit="puncta", extra=poor_extra)
    found = combine([*rich, report("poor", poor)])["puncta_count"]
    assert found.scale.unit == "times your limit"
    assert found.mean == pytest.approx(0.2, abs=0.02)


def test_a_verdict_leaves_room_for_the_bias_of_the_reference():
    biased = SolverTrust(left_open=(OpenBand(0.0, 0.5, 0.15),), certified=True, reference=True)
    assert biased.remaining == pytest.approx(0.15)

    def images(solver):
        values = np.exp(np.random.default_rng(5).normal(math.log(1.12), 0.01, 8))
        return [report(f"cell_{i}", ratio(v), solver=solver) for i, v in enumerate(values)]

    assert combine(images(None))["variance"].verdict == "preserved"
    found = combine(images(biased))["variance"]
    assert found.verdict == "not enough samples"
    assert "left for the bias of the reference" in found.verdict_sentence


@pytest.mark.parametrize(("images", "bound"), [(2, "78 %"), (3, "63 %"), (4, "53 %")])
def test_a_few_images_are_listed_with_a_bound(images, bound):
    found = combine(reports(lambda g: [ratio(1.0)], images))
    variance = found["variance"]
    assert (variance.verdict, variance.pooled, variance.mean) == ("not testable", None, None)
    assert variance.preserved == images
    assert f"up to {bound} of images like these may fail (95 % bound)" in variance.verdict_sentence
    assert found.verdict == "not testable"


def test_an_image_without_an_error_is_listed_and_not_averaged():
    collapsed = finding("variance", TEvidence(0.0, 0.0, math.inf), kind="variance")
    images = [report(f"cell_{i}", ratio(1.0)) for i in range(5)]
    found = combine([*images, report("dead", collapsed)])["variance"]
    assert (found.verdict, found.scale) == ("not testable", None)
    assert "5 of 6 images" in found.sentence
    assert measure_effect(collapsed) is None


def test_all_that_is_required_decides_together():
    def both(g):
        return [ratio(math.exp(g.normal(0, 0.02))), count(g.normal(0, 0.005), 100.0)]

    assert combine(reports(both, 6)).headline == (
        "Preserved on images like these for: variance, puncta count."
    )

    def one_off(g):
        return [ratio(math.exp(g.normal(0, 0.02))), count(g.normal(-0.3, 0.005), 100.0)]

    found = combine(reports(one_off, 6))
    assert found.headline == "Not preserved on images like these: puncta count."


def test_the_order_of_images_does_not_matter():
    made = reports(lambda g: [ratio(math.exp(g.normal(0, 0.1)))], 7)
    assert combine(made)["variance"].prediction == pytest.approx(
        combine(made[::-1])["variance"].prediction
    )


def test_what_was_changed_after_a_look_and_doubtful_references_are_told():
    doubted = replace(NOTHING_REQUIRED, questionable=("The reference is off.",))
    made = [
        report("cell_0", ratio(1.0), post_hoc=("variance",)),
        report("cell_1", ratio(1.0), overall=doubted),
    ]
    found = combine(made)
    assert found["variance"].post_hoc
    told = " ".join(found.notes)
    assert "post hoc" in told
    assert "On 1 of 2 images the reference itself is questionable" in told
    assert "drawn at random" in told


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (report("cell_0", ratio(1.0)), "the image cell_0 is there twice"),
        (report("cell_1", ratio(1.0), given="puncta"), "different tolerances"),
        (
            report("cell_1", ratio(1.0), student=Description("student", "lmd", 64, steps=1)),
            "different students",
        ),
    ],
)
def test_reports_that_do_not_belong_together_are_refused(second, said):
    with pytest.raises(InputError, match=said):
        combine([report("cell_0", ratio(1.0)), second])


def test_one_image_speaks_for_no_other():
    with pytest.raises(InputError, match="two images or more"):
        combine([report("cell_0", ratio(1.0))])


def test_files_hold_every_image_and_their_mean(tmp_path):
    found = combine(reports(lambda g: [ratio(math.exp(g.normal(0, 0.05)))], 5))
    told = json.loads(found.to_json(tmp_path / "a" / "images.json").read_text())
    assert told["schema"] == "napari-posterior/images/1"
    assert told["overall"]["scope"] == "images like these"
    assert told["footer"].startswith("Compared with the teacher model, not with reality.")
    (check,) = told["checks"]
    assert [one["image"] for one in check["images"]] == [f"cell_{i}" for i in range(5)]
    assert check["prediction"] == pytest.approx(found["variance"].prediction)
    with found.to_csv(tmp_path / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows][-1] == "all"
    assert float(rows[-1]["prediction_high"]) == pytest.approx(found["variance"].prediction[1])
    assert len(rows) == 6


def test_no_sentence_promises_too_much():
    found = combine(reports(lambda g: [ratio(1.0), count(0.0, 100.0)], 5))
    text = json.dumps(found.to_dict()).lower()
    for word in ("validated", "identical", '"true"', "safe"):
        assert word not in text
    assert all("on images like these" in one.verdict_sentence for one in found.findings)
