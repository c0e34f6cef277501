"""The dock *Compare*: runs are chosen and watched, compared, and read about in words."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyqtgraph
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QWidget,
)

from napari_posterior import api
from napari_posterior.checks.experiments.experiment import ExperimentResult
from napari_posterior.checks.finding import QUESTIONS, Finding
from napari_posterior.checks.measure import SampleValues
from napari_posterior.checks.verdicts.evidence import TEvidence
from napari_posterior.errors import InputError
from napari_posterior.layers import quantity_of
from napari_posterior.session.models import ImageChoice, RunEntry
from napari_posterior.widgets.compare import CompareDock
from napari_posterior.widgets.finding_table import FindingTable
from napari_posterior.widgets.parts import Words
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.session import session
from napari_posterior.widgets.statistic_picker import StatisticPicker
from napari_posterior.widgets.theme import palette_of
from napari_posterior.widgets.verdict_strip import VerdictStrip

pytestmark = pytest.mark.gui

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}


class FakePlot:
    """Notes what it is asked to show; a plot of another library would look like this."""

    def __init__(self, name):
        self.widget = QWidget()
        self.shown = []
        self.palettes = []

    def show(self, pair):
        self.shown.append(pair)

    def set_palette(self, palette):
        self.palettes.append(palette)

    def csv(self):
        return ""

    def export_csv(self, path):
        return path


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def plots():
    return {}


@pytest.fixture
def open_dock(viewer, qtbot, plots, alone):
    def open_it(make=None, *, width=380, height=620):
        def note(name):
            plots[name] = (make or HistogramPlot)(name)
            return plots[name]

        dock = CompareDock(viewer, make_plot=note)
        alone(dock)
        dock.resize(width, height)
        dock.show()
        return dock

    return open_it


@pytest.fixture
def pair(viewer, measured_image, stored_run):
    """A run of the teacher and one of a student, opened from disk and on the list."""
    image = measured_image("yx")
    controller = session(viewer).controller
    return tuple(
        controller.add_run(stored_run(image, **fields))
        for fields in ({"seed": 1}, {"seed": 1, "spread": 2.0, **STUDENT})
    )


def values_of(counts, residuals=(1.0, 1.1)):
    return (
        SampleValues("puncta_count", "puncta count", "puncta", np.array(counts, float)),
        SampleValues(
            "likelihood", "likelihood residual", "reduced chi-squared", np.array(residuals), 1.0
        ),
    )


def press(dock, name):
    button = dock.findChild(QAbstractButton, name)
    assert button.isEnabled()
    button.click()


def said(dock, name):
    return dock.findChild(Words, name).said


def words_of(dock):
    return "\n".join(
        label.text().replace("\u200b", "") for label in dock.findChildren(QLabel) if shown(label)
    )


def shown(widget):
    return widget.isVisible()


def strip_of(dock):
    return dock.findChild(VerdictStrip, "verdicts")


def verdicts(dock):
    return {row.question: row.verdict for row in strip_of(dock).rows}


@pytest.fixture
def compare(viewer, qtbot):
    def run(dock):
        state = session(viewer).state.compare
        press(dock, "compare")
        qtbot.waitUntil(lambda: state.state == "done", timeout=60_000)
        qtbot.waitUntil(dock.findChild(QAbstractButton, "compare").isEnabled)  # the dock knows
        assert shown(strip_of(dock))
        return state.report

    return run


def test_an_empty_dock_says_what_it_is_for_and_does_the_next_thing(open_dock, viewer, qtbot):
    dock = open_dock()
    assert "Seven questions, each with a verdict" in words_of(dock)
    assert not shown(dock.findChild(QComboBox, "teacher_run"))
    button = dock.findChild(QPushButton, "begin")
    assert button.text().replace("&", "") == "Open a sample image"
    press(dock, "begin")
    assert "puncta" in [layer.name for layer in viewer.layers]
    qtbot.waitUntil(lambda: button.text().replace("&", "") == "Run teacher and student")


def test_make_runs_teacher_and_student_or_says_why_not(open_dock, viewer, qtbot, monkeypatch):
    controller = session(viewer).controller
    controller.state.restore.image = ImageChoice("cell", 1, (8, 8), "YX", read=lambda: None)
    asked = []
    monkeypatch.setattr(controller, "run_pair", lambda: asked.append("pair"))
    dock = open_dock()
    press(dock, "begin")
    assert asked == ["pair"]

    def refuse():
        raise InputError("choose an image to restore")

    monkeypatch.setattr(controller, "run_pair", refuse)
    press(dock, "begin")
    assert said(dock, "refusal") == "Choose an image to restore."


def test_pickers_list_the_runs_that_fit_and_keep_in_step(open_dock, viewer, pair, qtbot):
    state = session(viewer).state
    state.runs.append(RunEntry(9, "mse", "point", pair[0].image_key, 1))
    dock = open_dock()
    teacher, student = (dock.findChild(QComboBox, f"{role}_run") for role in ("teacher", "student"))
    texts = [[one.itemText(i) for i in range(one.count())] for one in (teacher, student)]
    assert texts == [["#1 teacher-4, K = 5"], ["#2 kd-1, K = 5"]]
    assert teacher.currentText() == "#1 teacher-4, K = 5"
    assert student.currentText() == "#2 kd-1, K = 5"

    late = RunEntry(10, "teacher-8", "teacher", pair[0].image_key, 16, state="running")
    state.runs.append(late)
    state.compare.teacher = late
    qtbot.waitUntil(lambda: teacher.currentText() == "#10 teacher-8 (running)")

    teacher.setCurrentIndex(teacher.findText("#1 teacher-4, K = 5"))
    teacher.activated.emit(teacher.currentIndex())
    assert state.compare.teacher is pair[0]
    state.compare.student = None
    qtbot.waitUntil(lambda: student.currentIndex() == -1)


def test_runs_of_two_images_are_refused_in_words(
    open_dock, viewer, pair, measured_image, stored_run, qtbot
):
    dock = open_dock()
    assert dock.findChild(QPushButton, "compare").isEnabled()
    other = measured_image("yx", name="other")
    other = replace(other, data=other.data + 1)
    added = session(viewer).controller.add_run(stored_run(other, **STUDENT))
    assert added.title == "#3 kd-1, other, K = 5"  # one of another image says so
    qtbot.waitUntil(
        lambda: said(dock, "said") == "The runs are of two images or regions; choose two of one."
    )
    assert not dock.findChild(QPushButton, "compare").isEnabled()


def test_histograms_grow_while_samples_are_drawn(open_dock, pair, plots, qtbot):
    dock = open_dock()
    assert not dock.findChildren(pyqtgraph.PlotWidget, "live_puncta_count_drawing_plot")
    for counts in ([3, 4], [3, 4, 4, 6]):
        pair[0].measured = values_of(counts)
        qtbot.waitUntil(lambda: "live_puncta_count_drawing" in plots)
        plot = plots["live_puncta_count_drawing"]
        expected = 100 * np.bincount(counts)[3:] / len(counts)
        qtbot.waitUntil(lambda: len(plot.drawn("teacher")[1]) == len(expected))  # noqa: B023
        np.testing.assert_allclose(plot.drawn("teacher")[1], expected)
    assert plot.legend["teacher"].startswith("#1 teacher-4: K = 4, mean ▼ 4.25")
    assert plot.legend["student"] == "#2 student kd-1: no sample yet"
    residuals = plots["live_likelihood_drawing"]
    assert residuals.legend["mark"] == "expected of a draw from the posterior: 1.00"


def test_a_stream_of_samples_is_drawn_ten_times_a_second_at_most(open_dock, pair, plots, qtbot):
    open_dock(FakePlot)
    pair[0].measured = values_of([1])
    qtbot.waitUntil(lambda: "live_puncta_count_drawing" in plots)
    plot = plots["live_puncta_count_drawing"]
    before = len(plot.shown)
    for count in range(200):
        pair[0].measured = values_of([1, count])
    qtbot.waitUntil(lambda: plot.shown[-1].teacher.values[-1] == 199)
    assert len(plot.shown) - before <= 2


def test_a_hidden_dock_draws_nothing_until_it_is_shown(open_dock, pair, plots, qtbot):
    dock = open_dock(FakePlot)
    pair[0].measured = values_of([1])
    qtbot.waitUntil(lambda: "live_puncta_count_drawing" in plots)
    plot = plots["live_puncta_count_drawing"]
    before = len(plot.shown)
    dock.hide()
    pair[0].measured = values_of([1, 2])
    qtbot.wait(250)
    assert len(plot.shown) == before
    dock.show()
    assert list(plot.shown[-1].teacher.values) == [1, 2]


def test_a_new_theme_changes_the_pens(open_dock, viewer, pair, plots, qtbot):
    open_dock()
    pair[0].measured = values_of([1, 2])
    qtbot.waitUntil(lambda: "live_puncta_count_drawing" in plots)
    for theme in ("light", "dark"):
        viewer.theme = theme
        pens = plots["live_puncta_count_drawing"].pens()
        assert pens["teacher"].color().name() == palette_of(viewer).teacher
        assert pens["student"].color().name() == palette_of(viewer).student


def test_seven_verdicts_in_words_and_a_headline(open_dock, pair, qtbot, compare):
    dock = open_dock()
    report = compare(dock)
    rows = strip_of(dock).rows
    assert [row.question for row in rows] == list(QUESTIONS)
    for row in rows:
        assert row.verdict in ("not asked", *(one.verdict for one in report.findings))
        assert row.lead is None or row.verdict == row.lead.verdict
    assert dock.findChild(QLabel, "headline").text() == report.overall.headline
    assert said(dock, "scope") == report.scope
    told = "\n".join(row.spoken for row in rows)
    for word in ("validated", "identical", "true", "safe"):
        assert not re.search(rf"\b{word}\b", told + words_of(dock), re.IGNORECASE)


def test_what_belongs_to_the_whole_is_folded_away(open_dock, pair, qtbot, compare):
    dock = open_dock()
    report = compare(dock)
    footer = dock.findChild(Words, "footer")
    assert not shown(footer)
    dock.findChild(QPushButton, "about_fold").click()
    assert shown(footer)
    told = words_of(dock)
    assert report.footer in told
    assert "97.6 % interval" in told or "Intervals of 97.6 %" in told
    for warning in report.warnings:
        assert warning in told


def test_all_verdicts_are_seen_at_once(make_napari_viewer_proxy, viewer, pair, qtbot, compare):
    dock = CompareDock(viewer)
    viewer.window.add_dock_widget(dock, name="Compare", area="right")
    viewer.window.resize(1280, 720)
    viewer.window.show()
    compare(dock)
    strip, area = strip_of(dock), dock.findChild(QScrollArea)
    assert area.verticalScrollBar().value() == 0

    def is_seen():
        bottom = strip.mapTo(area.viewport(), strip.rect().bottomLeft()).y()
        assert bottom <= area.viewport().height()

    qtbot.waitUntil(is_seen)


def test_a_row_that_is_selected_shows_its_plot_and_sentence(open_dock, pair, plots, compare):
    dock = open_dock()
    report = compare(dock)
    strip = strip_of(dock)
    for question, plot in (
        ("likelihood", "plot_likelihood_drawing_plot"),
        ("variance", "plot_interval_drawing_plot"),
        ("task", "plot_threshold_drawing_histogram_plot"),
    ):
        strip.choose(question)
        assert strip.current.question == question
        visible = [
            one.objectName() for one in dock.findChildren(pyqtgraph.PlotWidget) if shown(one)
        ]
        assert visible[0] == plot
        assert said(dock, "sentence").startswith(strip.current.lead.sentence)
    counted = report.figures.values[0]
    drawn = next(one for one in dock.findChildren(pyqtgraph.PlotWidget) if shown(one))
    assert drawn.objectName() == "plot_threshold_drawing_histogram_plot"
    assert f"K = {len(counted.student)}" in words_of(dock)


def test_the_arrow_keys_go_from_verdict_to_verdict(open_dock, pair, qtbot, compare):
    dock = open_dock()
    compare(dock)
    strip = strip_of(dock)
    strip.choose("mean")
    strip.setFocus()
    qtbot.keyClick(strip, Qt.Key.Key_Down)
    assert strip.current.question == "variance"
    assert said(dock, "sentence").startswith(strip.current.lead.sentence)
    item = strip.currentItem()
    assert item.data(Qt.ItemDataRole.AccessibleTextRole) == strip.current.spoken
    after = strip.nextInFocusChain()
    while not (
        shown(after) and after.isEnabled() and after.focusPolicy() & Qt.FocusPolicy.TabFocus
    ):
        after = after.nextInFocusChain()
    assert after.objectName() in ("next_look", "save_report")


def test_every_plot_of_a_question_can_be_chosen(open_dock, pair, compare):
    dock = open_dock()
    compare(dock)
    picker = dock.findChild(QComboBox, "plot_picker")
    for question, expected in (
        ("variance", {"interval", "spectrum"}),
        ("task", {"puncta_count", "interval"}),
        ("diversity", {"modes_of_variation", "samples_in_two_dimensions", "interval"}),
    ):
        strip_of(dock).choose(question)
        keys = [picker.itemData(i) for i in range(picker.count())]
        assert expected <= set(keys)
        for place in range(picker.count()):
            picker.setCurrentIndex(place)
            picker.activated.emit(place)
            visible = [one for one in dock.findChildren(pyqtgraph.PlotWidget) if shown(one)]
            assert visible


def test_another_pair_of_runs_hides_the_verdicts_of_the_last(
    open_dock, viewer, pair, qtbot, compare
):
    dock = open_dock()
    compare(dock)
    state = session(viewer).state
    state.compare.student = None
    qtbot.waitUntil(lambda: not shown(strip_of(dock)))
    state.compare.student = pair[1]
    qtbot.waitUntil(lambda: shown(strip_of(dock)))


def test_the_map_of_an_answer_is_shown_and_hidden(open_dock, viewer, pair, qtbot, compare):
    dock = open_dock()
    compare(dock)
    layer = next(layer for layer in viewer.layers if quantity_of(layer) == "sd ratio")
    button = dock.findChild(QPushButton, "show_map")
    assert not shown(button)  # puncta counts have no map
    strip_of(dock).choose("variance")
    layer.visible = False
    assert button.text().replace("&", "") == "Show map of the sd ratio"
    press(dock, "show_map")
    assert layer.visible
    assert button.text().replace("&", "") == "Hide map of the sd ratio"
    press(dock, "show_map")
    assert not layer.visible
    viewer.layers.remove(layer.name)
    assert not button.isEnabled()


def test_a_map_of_the_report_is_made_when_it_is_asked_for(open_dock, viewer, pair, qtbot, compare):
    dock = open_dock()
    report = compare(dock)
    strip_of(dock).choose("mean")
    there = lambda: [one for one in viewer.layers if quantity_of(one) == "map mean_difference"]  # noqa: E731
    assert not there()
    press(dock, "show_map")
    qtbot.waitUntil(lambda: len(there()) == 1)
    [layer] = there()
    known = next(one for one in report.figures.maps if one.name == "mean_difference")
    np.testing.assert_array_equal(layer.data, known.values)
    np.testing.assert_allclose(layer.scale, pair[0].run.geometry.scale[-2:])
    press(dock, "show_map")
    assert not layer.visible
    with pytest.raises(InputError, match="no map of 'task'"):
        session(viewer).maps.show("task")


def test_a_question_brings_its_statistics(open_dock, viewer, pair, qtbot):
    dock, state = open_dock(), session(viewer).state.compare
    picker = dock.findChild(QComboBox, "question")
    picker.setCurrentIndex(picker.findData("intensity"))
    picker.activated.emit(picker.currentIndex())
    assert (state.question, state.statistics) == ("intensity", ("mean_intensity",))


def field_of(dock, key, end="high"):
    return dock.findChild(QDoubleSpinBox, f"tolerance_{key}_{end}")


def test_a_limit_that_is_edited_decides(open_dock, viewer, pair, qtbot, compare):
    dock, state = open_dock(), session(viewer).state.compare
    fold = dock.findChild(QPushButton, "tolerances_fold")
    assert fold.text().endswith("Tolerances: defaults")
    fold.click()
    qtbot.waitUntil(lambda: field_of(dock, "mean") is not None)
    assert field_of(dock, "mean").value() == 0.2
    assert "Set it before you look" in said(dock, "tolerance_said")
    field_of(dock, "mean").setValue(9.0)
    qtbot.waitUntil(lambda: "1 set by you" in fold.text())
    report = compare(dock)
    assert report["mean"].judgement.limits.high == 9.0
    assert report["mean"].judgement.origin == "user"
    qtbot.waitUntil(lambda: "post hoc" in said(dock, "tolerance_said"))

    press(dock, "tolerance_mean_default")
    assert "mean" not in state.tolerances
    qtbot.waitUntil(lambda: said(dock, "said").startswith("Settings were changed since"))
    changed = compare(dock)
    assert changed["mean"].judgement.limits.high == 0.2
    assert changed["mean"].judgement.origin == "post hoc"


def test_a_limit_that_cannot_be_is_refused_in_words(open_dock, viewer, pair, qtbot):
    dock, state = open_dock(), session(viewer).state.compare
    dock.findChild(QPushButton, "tolerances_fold").click()
    qtbot.waitUntil(lambda: field_of(dock, "variance", "low") is not None)
    field_of(dock, "variance", "low").setValue(1.1)
    assert "leaves out 1" in said(dock, "tolerance_refused")
    assert state.tolerances == {}
    assert field_of(dock, "variance", "low").value() == 0.8


def test_a_known_object_is_found_among_the_layers(open_dock, viewer, pair, qtbot, compare):
    image = pair[0].run.request.image
    truth = np.full(image.shape, 5.0, np.float32)
    place = {"scale": image.scale, "translate": image.translate, "units": image.geometry.units}
    other = viewer.add_image(truth, name="other", **place)
    told = {"napari_posterior": {"sample": image.name, "truth": True}}
    known = viewer.add_image(truth, name="object", metadata=told, **place)
    dock, state = open_dock(), session(viewer).state.compare
    assert state.truth.name == known.name
    picker = dock.findChild(QComboBox, "truth_layer")
    report = compare(dock)
    assert "coverage.90" in {one.id for one in report.findings}
    assert verdicts(dock)["calibration"] != "not asked"
    picker.setCurrentIndex(0)
    picker.activated.emit(0)
    assert state.truth is None
    viewer.layers.remove(other.name)
    assert state.truth is None


def test_regions_of_a_layer_have_verdicts_of_their_own(open_dock, viewer, pair, qtbot, compare):
    image = pair[0].run.request.image
    labels = np.zeros(image.shape, int)
    labels[:12] = 1
    viewer.add_labels(
        labels, name="parts", scale=image.scale, translate=image.translate,
        units=image.geometry.units,
    )  # fmt: skip
    dock, state = open_dock(), session(viewer).state.compare
    picker = dock.findChild(QComboBox, "region_layer")
    picker.setCurrentIndex(1)
    picker.activated.emit(1)
    assert state.regions.name == "parts"
    report = compare(dock)
    assert [one.id for one in report.findings if one.id.startswith("puncta_count@")]
    table = dock.findChild(FindingTable, "statistics_table")
    assert any(one.region for one in table.findings)
    qtbot.waitUntil(lambda: said(dock, "said") == "", timeout=10_000)

    parts = viewer.layers["parts"]
    parts.paint((20, 5), 2)
    told = "parts was edited since: the verdicts are on what it was before; compare again."
    qtbot.waitUntil(lambda: said(dock, "said") == told, timeout=10_000)
    parts.undo()
    qtbot.waitUntil(lambda: said(dock, "said") == "", timeout=10_000)
    parts.translate = np.add(parts.translate, 1)
    qtbot.waitUntil(lambda: said(dock, "said") == told, timeout=10_000)
    viewer.layers.remove("parts")
    assert state.regions is None


def test_more_samples_are_drawn_for_the_next_look(open_dock, viewer, pair, qtbot, compare):
    controller, asked = session(viewer).controller, []

    def draw_more(entry, samples):
        asked.append((entry, samples))
        entry.run, entry.state = None, "waiting"
        return entry

    controller.comparing._look._draw_more = draw_more
    dock = open_dock()
    compare(dock)
    button = dock.findChild(QPushButton, "next_look")
    assert button.text().replace("&", "") == "Next look at K = 16"
    runs = [one.run for one in pair]
    press(dock, "next_look")
    assert asked == [(pair[0], 16), (pair[1], 16)]
    qtbot.waitUntil(lambda: "K = 16" in said(dock, "said"))
    assert shown(dock.findChild(QPushButton, "stop"))
    for entry, run in zip(pair, runs, strict=True):
        entry.run, entry.state = run, "failed"
    state = controller.state.compare
    qtbot.waitUntil(lambda: state.awaited is None)
    qtbot.waitUntil(lambda: "were not drawn" in said(dock, "failed"))


def test_an_experiment_is_offered_with_its_time_and_judged_with_the_rest(
    open_dock, viewer, pair, qtbot, compare, monkeypatch
):
    from napari_posterior.api import experiments

    dock = open_dock()
    compare(dock)
    strip_of(dock).choose("dependence")
    assert verdicts(dock)["dependence"] == "not asked"
    button = dock.findChild(QPushButton, "run_experiment")
    assert button.text().startswith("Run the dependence check")
    done = []

    def check(*runs, on_step, token, device, **options):
        on_step(1, 4)
        done.append((runs, device))
        return ExperimentResult(SimpleNamespace(name="dependence"), (dependence(),))

    monkeypatch.setattr(experiments, "check_dependence", check)
    state = session(viewer).state.compare
    press(dock, "run_experiment")
    qtbot.waitUntil(lambda: bool(state.experiments) and state.state == "done", timeout=60_000)
    assert done == [((pair[0].run, pair[1].run), "auto")]
    qtbot.waitUntil(lambda: verdicts(dock)["dependence"] == "preserved")


def dependence():
    evidence = TEvidence(1.0, 0.01, 30)
    return Finding(
        id="dependence", title="dependence on the measurement", estimand="", unit="",
        estimate=1.0, interval=(0.97, 1.03), level=0.976, method="", n_teacher=32, n_student=32,
        coupled=True, sentence="It follows.", no_difference=1.0, question="dependence",
        kind="dependence", evidence=evidence, counted="restorations",
    )  # fmt: skip


def test_help_is_put_away_for_good(open_dock, viewer, qtbot):
    dock = open_dock()
    lines = dock.findChild(QWidget, "help_compare")
    assert shown(lines)
    press(dock, "help_away")
    assert not shown(lines)
    again = open_dock()
    assert not shown(again.findChild(QWidget, "help_compare"))
    session(viewer).remembered.reset()
    qtbot.waitUntil(lambda: shown(lines), timeout=10_000)
    session(viewer).remembered.dismiss("compare")  # as in another dock
    qtbot.waitUntil(lambda: not shown(lines), timeout=10_000)


def test_a_comparison_is_declared_from_the_console(viewer, pair, qtbot):
    ours = session(viewer)
    job = ours.compare(
        *pair, question="puncta", tolerances={"puncta_count": "20 %"}, looks=(16, 64)
    )
    report = job.result(60)
    assert report.plan["looks"] == [16, 64]
    assert report.plan["tolerances"]["preset"] == "puncta"
    assert report["puncta_count"].judgement.limits.words.startswith("±20 %")
    assert (ours.state.compare.question, ours.state.compare.looks) == ("puncta", (16, 64))
    qtbot.waitUntil(lambda: ours.state.compare.report is report)
    with pytest.raises(InputError, match="no question 'colour'"):
        ours.compare(*pair, question="colour")
    with pytest.raises(InputError, match="nothing called 'puncts'"):
        ours.compare(*pair, tolerances={"puncts": 0.1})
    assert ours.state.compare.question == "puncta"


def test_what_is_measured_is_ticked_in_a_list(open_dock, viewer, pair, qtbot, compare):
    dock, state = open_dock(), session(viewer).state.compare
    qtbot.waitUntil(lambda: len(state.offered) > 3)
    picker = dock.findChild(StatisticPicker, "statistics")
    qtbot.waitUntil(lambda: picker.text() == "puncta count" and len(picker.menu().actions()) > 3)
    ticks = {action.text(): action for action in picker.menu().actions()}
    compare(dock)
    ticks["Mean intensity"].trigger()
    assert state.statistics == ("puncta_count", "mean_intensity")
    assert picker.text() == "puncta count, mean intensity"
    qtbot.waitUntil(lambda: said(dock, "said").startswith("Settings were changed since"))
    report = compare(dock)
    assert {"puncta_count", "mean_intensity"} <= {one.id for one in report.findings}
    table = dock.findChild(FindingTable, "statistics_table")
    told = {one.id for one in table.findings}
    assert {"puncta_count", "mean_intensity", "mean_intensity.spread"} <= told


def test_a_statistic_defined_in_the_console_is_in_the_list(
    open_dock, viewer, pair, qtbot, monkeypatch
):
    from napari_posterior.statistics import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    dock, state = open_dock(), session(viewer).state.compare
    picker = dock.findChild(StatisticPicker, "statistics")
    qtbot.waitUntil(lambda: bool(picker.menu().actions()))
    registry.statistic(title="bright area", unit="px²")(bright_area)
    picker.menu().aboutToShow.emit()
    assert "Bright area" in [action.text() for action in picker.menu().actions()]
    assert state.statistics == ("puncta_count",)


def bright_area(x, context):
    return float((x > 50).sum())


def test_the_last_statistic_cannot_be_taken_away(open_dock, viewer, pair, qtbot):
    dock, state = open_dock(), session(viewer).state.compare
    picker = dock.findChild(StatisticPicker, "statistics")
    qtbot.waitUntil(lambda: bool(picker.menu().actions()))
    [only] = [action for action in picker.menu().actions() if action.isChecked()]
    only.trigger()
    assert only.isChecked()
    assert state.statistics == ("puncta_count",)


def test_a_statistic_with_parameters_stays_when_others_are_ticked(open_dock, viewer, pair, qtbot):
    dock, state = open_dock(), session(viewer).state.compare
    picker = dock.findChild(StatisticPicker, "statistics")
    state.statistics = ("filament_length(threshold_factor=2.0)",)
    qtbot.waitUntil(lambda: picker.text().startswith("filament length"))
    next(one for one in picker.menu().actions() if one.text() == "Total intensity").trigger()
    assert state.statistics == ("filament_length(threshold_factor=2.0)", "total_intensity")


@pytest.fixture
def gate(monkeypatch):
    """Holds a comparison at its first sample until the gate is opened, or it is cancelled."""
    opened = threading.Event()
    compare_now = api.compare

    def held(*runs, on_step, **options):
        while not opened.wait(0.01):
            on_step(1, 10)
        return compare_now(*runs, on_step=on_step, **options)

    monkeypatch.setattr(api, "compare", held)
    yield opened
    opened.set()


def test_a_dock_deleted_while_runs_are_compared_leaves_the_comparison_alone(
    open_dock, viewer, pair, qtbot, gate
):
    state = session(viewer).state.compare
    dock = open_dock()
    press(dock, "compare")
    qtbot.waitUntil(lambda: state.state == "running")
    gone = []
    dock.destroyed.connect(lambda: gone.append(True))  # PySide6 cannot wait for this signal
    dock.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    viewer.theme = "light"
    again = open_dock()
    assert said(again, "said").startswith("1 of 10 samples measured")
    gate.set()
    qtbot.waitUntil(lambda: state.state == "done", timeout=60_000)
    qtbot.waitUntil(lambda: again.findChild(Words, "scope") is not None)
    assert said(again, "scope") == state.report.scope


def test_a_comparison_tells_how_far_it_is_and_can_be_cancelled(
    open_dock, viewer, pair, qtbot, gate
):
    dock = open_dock()
    bar = dock.findChild(QProgressBar, "progress")
    assert not shown(bar)
    press(dock, "compare")
    qtbot.waitUntil(lambda: said(dock, "said").startswith("1 of 10 samples measured"))
    assert shown(bar)
    assert bar.value() == 10
    assert not dock.findChild(QPushButton, "compare").isEnabled()
    press(dock, "stop")
    qtbot.waitUntil(dock.findChild(QPushButton, "compare").isEnabled)
    assert session(viewer).state.compare.state == "cancelled"
    assert not shown(bar)


def test_a_comparison_that_fails_says_why(open_dock, pair, qtbot, monkeypatch):
    def fail(*runs, **options):
        raise InputError("the runs were drawn by two models; compare runs of one")

    monkeypatch.setattr(api, "compare", fail)
    dock = open_dock()
    press(dock, "compare")
    qtbot.waitUntil(
        lambda: said(dock, "failed") == "the runs were drawn by two models; compare runs of one"
    )
    assert dock.findChild(QPushButton, "compare").isEnabled()


def test_the_report_is_saved_beside_what_is_there(
    open_dock, pair, qtbot, compare, tmp_path, monkeypatch
):
    dock = open_dock()
    compare(dock)
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    for name in ("cell, kd with teacher", "cell, kd with teacher 2"):
        press(dock, "save_report")
        page = folder / name / "report.html"
        qtbot.waitUntil(lambda: said(dock, "saved") == f"Saved as {page}.", timeout=30_000)  # noqa: B023
        assert page.with_name("report.json").is_file()
        assert page.is_file()
    assert shown(dock.findChild(QPushButton, "open_report"))


def test_a_report_that_cannot_be_saved_says_why(
    open_dock, pair, qtbot, compare, tmp_path, monkeypatch
):
    dock = open_dock()
    compare(dock)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "file"))
    press(dock, "save_report")
    qtbot.waitUntil(lambda: "cannot be written" in said(dock, "saved"), timeout=30_000)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [340, 420])
def test_no_text_is_clipped(make_napari_viewer_proxy, pair, viewer, qtbot, compare, theme, width):
    viewer.theme = theme
    dock = CompareDock(viewer)
    docked = viewer.window.add_dock_widget(dock, name="Compare", area="right")
    viewer.window.resize(1280, 720)
    docked.setFixedWidth(width)
    viewer.window.show()
    assert shown(dock.findChild(QWidget, "help_compare"))

    def fits():
        assert clipped(dock) == []

    qtbot.waitUntil(fits)
    compare(dock)
    area = dock.findChild(QScrollArea)
    for fold in ("tolerances_fold", "about_fold"):
        dock.findChild(QPushButton, fold).click()
    for question in ("mean", "task", "calibration"):
        strip_of(dock).choose(question)
        qtbot.waitUntil(fits)
        assert area.widget().width() <= area.viewport().width()


def clipped(dock):
    """Texts that do not fit their place."""
    found = []
    for widget in [*dock.findChildren(QLabel), *dock.findChildren(QAbstractButton)]:
        if not widget.isVisible() or not widget.text():
            continue
        if isinstance(widget, QLabel) and widget.wordWrap():
            fits = widget.height() >= widget.heightForWidth(widget.width())
        else:
            hint = widget.sizeHint()
            fits = widget.width() >= hint.width() and widget.height() >= hint.height()
        if not fits:
            found.append(widget.text())
    return found
