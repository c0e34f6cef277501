"""Reports of fake runs: findings, refusals, JSON and the page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from wording import forbidden_in

from napari_posterior.checks import build_report, write_report
from napari_posterior.checks.report import FOOTER
from napari_posterior.errors import InputError, OutputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import FunctionStatistic, Objects, statistic

INSIDE = {"mean": 0.0, "variance": 1.0, "puncta_count": 0.0, "likelihood": 0.0}


class Page(HTMLParser):
    """Collects text, captions and pictures; complains about tags that do not match."""

    VOID = ("meta", "img", "line", "rect", "path", "circle", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open, self.words, self.captions, self.pictures = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "figcaption":
            self.captions.append("")
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag == "path":
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)
        if "figcaption" in self.open:
            self.captions[-1] += data


def read(page: str) -> Page:
    parser = Page()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture
def report(two_runs):
    return build_report(*two_runs, statistics=["puncta_count", "mean_intensity"])


def test_runs_of_one_law_are_compatible_with_no_difference(report) -> None:
    for key, value in INSIDE.items():
        low, high = report[key].interval
        assert low <= value <= high, key
    assert not report.coupled
    assert (report["mean"].n_teacher, report["mean"].n_student) == (16, 24)


def test_every_finding_that_is_judged_has_an_interval_at_the_level_of_the_looks(report) -> None:
    judged = [one for one in report.findings if one.verdict not in (None, "not testable")]
    assert {"mean", "variance", "spectrum", "puncta_count", "likelihood"} <= {f.id for f in judged}
    for finding in judged:
        low, high = finding.interval
        assert low is None or low <= finding.estimate + 1e-9
        assert high is None or finding.estimate <= high + 1e-9
        assert finding.level == pytest.approx(1 - 2 * 0.0122)
        assert "on this image" in finding.judgement.sentence
    for finding in report.findings:
        assert finding.question
        assert not forbidden_in(finding.sentence + finding.title + finding.estimand)


def test_planted_changes_are_found(fake_run, draw, scene) -> None:
    _, y = scene
    teacher = fake_run(draw(16, 1), y, role="teacher", sampler="teacher", seed=1)
    student = fake_run(draw(16, 2, scale=0.7, shift=1.0), y, seed=2)
    found = build_report(teacher, student, statistics=["mean_intensity"])
    assert found["variance"].estimate == pytest.approx(0.49, rel=0.05)
    assert found["variance"].interval[1] < 0.6
    assert found["mean_intensity"].estimate == pytest.approx(1.0, abs=0.05)
    assert found["mean"].interval[0] > 0.1
    assert found["mean"].extra["photoelectrons_per_px"][0] == pytest.approx(1.0, abs=0.1)


def test_swapping_the_runs_flips_signs(two_runs) -> None:
    teacher, student = two_runs
    teacher.request.role = "student"
    forth = build_report(teacher, student)
    back = build_report(student, teacher)
    for key in ("puncta_count", "likelihood"):
        assert forth[key].estimate == pytest.approx(-back[key].estimate)
    assert forth["variance"].estimate == pytest.approx(1 / back["variance"].estimate)


def test_one_seed_means_pairs_and_narrower_intervals(fake_run, draw, scene) -> None:
    _, y = scene
    teacher = fake_run(draw(16, 1), y, role="teacher", sampler="teacher", seed=7)
    samples = draw(16, 1, scale=0.9)
    paired = build_report(teacher, fake_run(samples, y, seed=7))
    alone = build_report(teacher, fake_run(samples, y, seed=8))
    assert paired.coupled
    assert paired.rho == pytest.approx(1.0, abs=0.01)
    assert paired["variance"].coupled
    widths = [r["variance"].interval[1] - r["variance"].interval[0] for r in (paired, alone)]
    assert widths[0] < 0.3 * widths[1]


def test_pairs_are_matched_by_the_number_of_the_sample(fake_run, draw, scene) -> None:
    _, y = scene

    class Numbered(np.ndarray):
        indices = ()

    whole = draw(12, 1)
    part = whole[[2, 3, 5, 7, 8]].view(Numbered)
    part.indices = (2, 3, 5, 7, 8)
    teacher = fake_run(whole, y, role="teacher", sampler="teacher", seed=7)
    found = build_report(teacher, fake_run(part, y, seed=7))
    assert found.rho == pytest.approx(1.0, abs=1e-6)
    assert found["mean"].n_teacher == found["mean"].n_student == 5
    assert any("partner" in text for text in found.warnings)


def test_a_run_against_itself_shows_no_difference(two_runs) -> None:
    teacher, _ = two_runs
    found = build_report(teacher, teacher)
    # the gap is the root of a difference of float32 products, which round by their eps
    rounding = float(np.sqrt(np.finfo(np.float32).eps))
    for key, value in INSIDE.items():
        assert found[key].interval == pytest.approx((value, value), abs=rounding)
    assert any("same samples" in text for text in found.warnings)


def test_half_precision_samples_give_the_same_numbers(two_runs, fake_run, scene) -> None:
    teacher, student = two_runs
    whole = build_report(teacher, student)
    half = [fake_run(run.samples.astype(np.float16), scene[1], **vars_of(run)) for run in two_runs]
    found = build_report(*half)
    assert found["variance"].estimate == pytest.approx(whole["variance"].estimate, rel=1e-4)
    assert found["likelihood"].estimate == pytest.approx(whole["likelihood"].estimate, abs=1e-4)


def vars_of(run) -> dict:
    return {key: value for key, value in vars(run.request).items() if key != "image"}


def test_bands_do_not_change_the_findings(two_runs, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_report(*two_runs, truth=np.full((64, 64), 8.0))
    monkeypatch.setattr("napari_posterior.checks.reading._BAND_BYTES", 1)
    bands = build_report(*two_runs, truth=np.full((64, 64), 8.0))
    for a, b in zip(whole.findings, bands.findings, strict=True):
        assert a.estimate == pytest.approx(b.estimate, rel=1e-4, abs=1e-4)
    np.testing.assert_array_equal(whole.figures.teacher.mean, bands.figures.teacher.mean)


def test_planes_of_a_stack_are_compared_together(fake_run, draw, scene) -> None:
    _, y = scene
    stack = np.stack([y, y])
    runs = []
    for seed, role in ((1, "teacher"), (3, "student")):
        samples = np.stack([draw(8, seed), draw(8, seed + 1)], axis=1)
        runs.append(fake_run(samples, stack, role=role, sampler=role, seed=seed))
    found = build_report(*runs, truth=np.stack([scene[0]] * 2))
    single = build_report(
        fake_run(draw(8, 1), y, role="teacher", sampler="teacher", seed=1),
        fake_run(draw(8, 3), y, seed=3),
    )
    assert found["puncta_count"].extra["teacher_mean"] == pytest.approx(
        2 * single["puncta_count"].extra["teacher_mean"], rel=0.2
    )
    assert found["likelihood"].extra["teacher_mean"] == pytest.approx(
        single["likelihood"].extra["teacher_mean"], rel=0.1
    )
    assert found.figures.planes == 2


def test_a_known_object_adds_coverage_and_spread(two_runs, scene) -> None:
    found = build_report(*two_runs, truth=scene[0])
    assert 0.8 < found["coverage.90"].extra["nominal"] < 0.95
    assert found["coverage.50"].n_teacher == found["coverage.50"].n_student == 16
    # the fake samples are centred on the object itself, so they hold it more often than not
    assert found["coverage.90"].extra["teacher"] > 0.9
    assert found["spread_skill.student"].estimate > 1


def test_a_known_object_is_counted_like_the_samples(two_runs, scene) -> None:
    found = build_report(*two_runs, truth=scene[0])
    counted = found["puncta_count.known"]
    assert counted.extra["known"] == 5  # the bright ones; those that come and go are not in it
    assert counted.extra["teacher_crps"] > 0
    puncta = found["puncta.known"]
    assert puncta.extra["missed"] == 0
    assert puncta.interval[0] < 0 < puncta.interval[1]
    assert "fair Brier score" in puncta.sentence


def test_a_statistic_of_several_numbers_makes_several_findings(two_runs) -> None:
    @statistic(name="ends", unit="photoelectrons/px")
    def ends(x, context):
        return {"low": float(x.min()), "high": float(x.max())}

    found = build_report(*two_runs, statistics=[ends])
    assert found["ends.low"].unit == found["ends.high"].unit == "photoelectrons/px"
    with pytest.raises(InputError, match=r"mean, mean.somewhere, variance"):
        found["ends"]


def test_a_number_without_a_value_in_some_samples_is_compared_where_it_has_one(two_runs) -> None:
    report = build_report(*two_runs, statistics=[sometimes_bright])
    undefined = report["sometimes_bright.mean_height.undefined"]
    assert "is not defined in" in undefined.sentence
    [values] = [one for one in report.figures.values if one.id == "sometimes_bright.mean_height"]
    assert np.isfinite(values.teacher).all()
    assert 4 <= len(values.teacher) < two_runs[0].samples.shape[0]
    assert {one.id for one in report.findings} >= {"sometimes_bright.mean_height"}


def sometimes(x, context):
    """Find the brightest pixel of those samples whose first pixel is above their mean corner."""
    there = x[0, 0] > x[:2, :2].mean()
    rows, columns = np.nonzero((x == x.max()) & there)
    centres = np.stack([rows, columns], axis=1).astype(float)
    return Objects(centres, {"height": x[rows, columns]}, {"height": "photoelectrons/px"})


sometimes_bright = FunctionStatistic(sometimes, "sometimes_bright", "bright pixel", "pixels")


def test_what_needs_whole_stacks_is_told_to_be_not_testable(two_runs) -> None:
    report = build_report(*two_runs, statistics=["puncta_count", "puncta_count_3d"])
    assert any("puncta count in 3-D is not testable" in one for one in report.warnings)
    assert not any(one.id.startswith("puncta_count_3d") for one in report.findings)


def test_a_known_object_that_does_not_fit_is_refused_before_a_sample_is_read(two_runs) -> None:
    steps = []
    with pytest.raises(InputError, match="shape"):
        build_report(*two_runs, truth=np.ones((3, 3)), on_step=lambda *step: steps.append(step))
    assert steps == []


def test_a_statistic_with_chance_in_it_is_told(two_runs) -> None:
    generator = np.random.default_rng(0)
    noisy = FunctionStatistic(lambda x, context: generator.normal(), "noisy", "noisy", "")
    report = build_report(*two_runs, statistics=[noisy])
    assert any("fix the seed" in warning for warning in report.warnings)


def test_progress_counts_samples(two_runs) -> None:
    steps = []
    build_report(*two_runs, on_step=lambda done, total: steps.append((done, total)))
    assert set(steps[: steps.index((1, 40))]) == {(0, 40)}
    assert steps[-40:] == [(i + 1, 40) for i in range(40)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": {"sha256": "c" * 64}}, "image"),
        ({"image": {"translate": (0.0, 8.0)}}, "crop"),
        ({"image": {"scale": (0.1, 0.1)}}, "pixel size"),
        ({"camera": Camera(gain=2.1, offset=100.0, read_noise=1.5)}, "camera"),
        ({"psf": Psf(1.7)}, "PSF"),
        ({"background": 1.0}, "background"),
        ({"bundle_hash": "c" * 64}, "bundle"),
        ({"precision": "bfloat16"}, "precision"),
        ({"role": "point"}, "point estimate"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(
    two_runs, fake_run, draw, scene, change, words
) -> None:
    student = fake_run(draw(8, 2), scene[1], **change)
    with pytest.raises(InputError, match=words):
        build_report(two_runs[0], student)


def test_too_few_samples_and_other_sizes_are_refused(two_runs, fake_run, draw, scene) -> None:
    teacher, _ = two_runs
    with pytest.raises(InputError, match="at least 4"):
        build_report(teacher, fake_run(draw(3, 2), scene[1]))
    with pytest.raises(InputError, match="one crop"):
        build_report(teacher, fake_run(draw(8, 2)[:, :32], scene[1][:32]))
    with pytest.raises(InputError, match="shape"):
        build_report(*two_runs, truth=np.ones((3, 3)))
    with pytest.raises(InputError, match="no statistic"):
        build_report(*two_runs, statistics=["cells"])


def test_samples_that_are_not_finite_are_refused(two_runs, fake_run, draw, scene) -> None:
    samples = draw(8, 2)
    samples[3, 4, 5] = np.nan
    with pytest.raises(InputError, match="NaN"):
        build_report(two_runs[0], fake_run(samples, scene[1], seed=3))


def test_json_is_strict_and_complete(report, tmp_path) -> None:
    def refuse(constant: str):
        raise AssertionError(constant)

    text = report.to_json(tmp_path / "report.json").read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=refuse)
    assert found["schema"] == "napari-posterior/report/1"
    assert found["footer"] == FOOTER
    assert [check["id"] for check in found["checks"]] == [f.id for f in report.findings]
    verdicts = {"preserved", "not preserved", "not enough samples", "not testable", None}
    assert {check["verdict"] for check in found["checks"]} <= verdicts
    assert found["overall"]["verdict"] in verdicts
    assert found["plan"]["looks"] == [16, 32, 64, 128, 256]
    assert len(found["values"]["puncta_count"]["student"]) == 24
    assert found["teacher"]["seed"] == 1
    assert not forbidden_in(" ".join(check["sentence"] for check in found["checks"]))


def test_the_page_holds_every_picture_and_caption(report, tmp_path) -> None:
    from napari_posterior.checks.page.html_where import layer_maps

    text = report.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    page = read(text)
    captions = " | ".join(page.captions)
    for words in (
        "Input, the measurement, grey levels",
        "Mean of 16 samples, teacher",
        "Mean of 24 samples, student kd",
        "Standard deviation of samples, teacher",
        "Standard deviation of samples, student kd",
        "log2 of the variance ratio",
        *(f"Sample {i}, {name}" for i in (1, 2, 3) for name in ("teacher", "student kd")),
        "Puncta count of every sample",
        "Likelihood residual of every sample",
    ):
        assert words in captions
    where = [*layer_maps(report.figures.maps), report.figures.sites]
    forms = report.figures.forms
    examples = (*forms.teacher, *forms.student, forms.far_teacher, forms.far_student)
    assert len(page.pictures) == 12 + len(where) + sum(map(len, examples))
    assert all(p["src"].startswith("data:image/png;base64,") for p in page.pictures)
    assert all(p["alt"] for p in page.pictures)
    words = " ".join(page.words)
    assert FOOTER in words
    assert "photoelectrons/px" in words
    assert "µm" in words
    assert all(finding.sentence in words for finding in report.findings if finding.question)
    assert not forbidden_in(words)
    assert not re.search(r"(href|src)=[\"'](?!data:)", text)


def test_names_from_outside_are_escaped(fake_run, draw, scene, two_runs) -> None:
    name = "<script>alert(1)</script>"
    runs = [
        fake_run(draw(5, seed), scene[1], seed=seed, sampler=name, image={"name": name})
        for seed in (1, 2)
    ]
    from napari_posterior.checks.page.html import render

    assert "<script" not in render(build_report(*runs))


def test_large_images_make_a_small_page(fake_run) -> None:
    generator = np.random.default_rng(0)
    y = generator.normal(120, 9, (560, 640)).astype(np.float32)
    runs = [
        fake_run(generator.normal(10, 3, (4, *y.shape)).astype(np.float32), y, seed=seed)
        for seed in (1, 2)
    ]
    from napari_posterior.checks.page.html import render

    page = render(build_report(*runs, statistics=[]))
    assert len(page) < 5_000_000
    assert "a detail of 256 × 256 pixels" in " ".join(read(page).words)


def test_an_image_without_a_pixel_size_has_no_scale_bar(fake_run, draw, scene) -> None:
    plain = {"scale": (1.0, 1.0), "units": ("pixel", "pixel")}
    runs = [fake_run(draw(4, seed), scene[1], seed=seed, image=plain) for seed in (1, 2)]
    from napari_posterior.checks.page.html import render

    report = build_report(*runs, statistics=[])
    assert report.figures.pixel_size is None
    assert "class='bar'" not in render(report)


def test_the_folder_holds_page_numbers_and_figures(report, tmp_path) -> None:
    from PIL import Image

    page = write_report(report, tmp_path / "out")
    assert page == tmp_path / "out" / "report.html"
    assert (tmp_path / "out" / "report.json").exists()
    for name in ("input", "means", "standard_deviations", "variance_ratio", "samples"):
        with Image.open(tmp_path / "out" / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 300
    for name in ("puncta_count", "likelihood"):
        chart = (tmp_path / "out" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert chart.startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_a_folder_that_cannot_be_made_is_one_sentence(report, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(report, tmp_path / "file" / "out")
