"""The dock *Compare*: runs are chosen and watched, compared, and read about in words."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import numpy as np
import pyqtgraph
import pytest
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QWidget,
)

from napari_posterior import api
from napari_posterior.checks.measure import SampleValues
from napari_posterior.errors import InputError
from napari_posterior.layers import quantity_of
from napari_posterior.session.models import ImageChoice, RunEntry
from napari_posterior.widgets.compare import CompareDock
from napari_posterior.widgets.parts import Words
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.session import session
from napari_posterior.widgets.statistic_picker import StatisticPicker
from napari_posterior.widgets.theme import palette_of

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
def open_dock(viewer, qtbot, plots):
    def open_it(make=None, *, width=380, height=620):
        def note(name):
            plots[name] = (make or HistogramPlot)(name)
            return plots[name]

        dock = CompareDock(viewer, make_plot=note)
        qtbot.addWidget(dock)
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


@pytest.fixture
def compare(viewer, qtbot):
    def run(dock):
        state = session(viewer).state.compare
        press(dock, "compare")
        qtbot.waitUntil(lambda: state.state == "done", timeout=60_000)
        qtbot.waitUntil(lambda: dock.findChild(QRadioButton, "finding_mean") is not None)
        return state.report

    return run


def test_an_empty_dock_says_what_it_is_for_and_does_the_next_thing(open_dock, viewer, qtbot):
    dock = open_dock()
    assert "Compare the samples of a student with those of its teacher" in words_of(dock)
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
    assert texts == [["#1 teacher, K = 5"], ["#2 kd, K = 5"]]
    assert (teacher.currentText(), student.currentText()) == ("#1 teacher, K = 5", "#2 kd, K = 5")

    late = RunEntry(10, "teacher-8", "teacher", pair[0].image_key, 16, state="running")
    state.runs.append(late)
    state.compare.teacher = late
    qtbot.waitUntil(lambda: teacher.currentText() == "#10 teacher-8 (running)")

    teacher.setCurrentIndex(teacher.findText("#1 teacher, K = 5"))
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
    session(viewer).controller.add_run(stored_run(other, **STUDENT))
    qtbot.waitUntil(
        lambda: said(dock, "said") == "The runs are of two images or regions; choose two of one."
    )
    assert not dock.findChild(QPushButton, "compare").isEnabled()


def test_histograms_grow_while_samples_are_drawn(open_dock, pair, plots, qtbot):
    dock = open_dock()
    assert not dock.findChildren(pyqtgraph.PlotWidget, "plot_puncta_count_drawing_plot")
    for counts in ([3, 4], [3, 4, 4, 6]):
        pair[0].measured = values_of(counts)
        qtbot.waitUntil(lambda: "plot_puncta_count_drawing" in plots)
        plot = plots["plot_puncta_count_drawing"]
        expected = 100 * np.bincount(counts)[3:] / len(counts)
        qtbot.waitUntil(lambda: len(plot.drawn("teacher")[1]) == len(expected))  # noqa: B023
        np.testing.assert_allclose(plot.drawn("teacher")[1], expected)
    assert plot.legend["teacher"].startswith("#1 teacher: K = 4, mean ▼ 4.25")
    assert plot.legend["student"] == "#2 student kd: no sample yet"
    residuals = plots["plot_likelihood_drawing"]
    assert residuals.legend["mark"] == "expected of a draw from the posterior: 1.00"


def test_a_stream_of_samples_is_drawn_ten_times_a_second_at_most(open_dock, pair, plots, qtbot):
    open_dock(FakePlot)
    pair[0].measured = values_of([1])
    qtbot.waitUntil(lambda: "plot_puncta_count_drawing" in plots)
    plot = plots["plot_puncta_count_drawing"]
    before = len(plot.shown)
    for count in range(200):
        pair[0].measured = values_of([1, count])
    qtbot.waitUntil(lambda: plot.shown[-1].teacher.values[-1] == 199)
    assert len(plot.shown) - before <= 2


def test_a_hidden_dock_draws_nothing_until_it_is_shown(open_dock, pair, plots, qtbot):
    dock = open_dock(FakePlot)
    pair[0].measured = values_of([1])
    qtbot.waitUntil(lambda: "plot_puncta_count_drawing" in plots)
    plot = plots["plot_puncta_count_drawing"]
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
    qtbot.waitUntil(lambda: "plot_puncta_count_drawing" in plots)
    for theme in ("light", "dark"):
        viewer.theme = theme
        pens = plots["plot_puncta_count_drawing"].pens()
        assert pens["teacher"].color().name() == palette_of(viewer).teacher
        assert pens["student"].color().name() == palette_of(viewer).student


def test_findings_have_verdicts_and_intervals_in_words(open_dock, pair, plots, qtbot, compare):
    dock = open_dock()
    report = compare(dock)
    judged = [one for one in report.findings if one.judgement is not None]
    assert len(judged) > 8
    for finding in judged:
        assert said(dock, f"sentence_{finding.id}") == finding.sentence
        assert said(dock, f"verdict_{finding.id}") == finding.judgement.sentence
    told = words_of(dock)
    assert "97.6 % interval" in told
    assert said(dock, "headline") == report.overall.headline
    assert said(dock, "scope") == report.scope
    assert said(dock, "footer") == report.footer
    for warning in report.warnings:
        assert warning in told
    for word in ("validated", "identical", "true", "safe"):
        assert not re.search(rf"\b{word}\b", told, re.IGNORECASE)

    counted = report.figures.values[0]
    plot = plots["plot_puncta_count_drawing"]
    assert plot.legend["student"].startswith(f"#2 student kd: K = {len(counted.student)}")
    edges, heights = plot.drawn("teacher")
    np.testing.assert_allclose(
        heights, 100 * np.histogram(counted.teacher, edges)[0] / len(counted.teacher)
    )


def test_the_chosen_finding_shows_its_plot(open_dock, pair, qtbot, compare):
    dock = open_dock()
    compare(dock)
    for group, plot in (
        ("likelihood", "plot_likelihood_drawing_plot"),
        ("variance", "interval_plot"),
        ("puncta_count", "plot_puncta_count_drawing_plot"),
    ):
        press(dock, f"finding_{group}")
        visible = [
            one.objectName() for one in dock.findChildren(pyqtgraph.PlotWidget) if shown(one)
        ]
        assert visible == [plot]


def test_the_tab_key_goes_from_the_chosen_finding_to_its_plot(open_dock, pair, qtbot, compare):
    dock = open_dock()
    compare(dock)
    for group in ("puncta_count", "likelihood"):
        press(dock, f"finding_{group}")
        radio = dock.findChild(QRadioButton, f"finding_{group}")
        after = radio.nextInFocusChain()
        while not (shown(after) and after.isEnabled() and after.focusPolicy()):
            after = after.nextInFocusChain()
        assert after.objectName() == f"plot_{group}_save"


def test_another_pair_of_runs_hides_the_findings_of_the_last(
    open_dock, viewer, pair, qtbot, compare
):
    dock = open_dock()
    compare(dock)
    state = session(viewer).state
    state.compare.student = None
    qtbot.waitUntil(lambda: dock.findChild(QRadioButton, "finding_mean") is None)
    state.compare.student = pair[1]
    qtbot.waitUntil(lambda: dock.findChild(QRadioButton, "finding_mean") is not None)


def test_the_map_of_a_finding_is_shown_and_hidden(open_dock, viewer, pair, qtbot, compare):
    dock = open_dock()
    compare(dock)
    layer = next(layer for layer in viewer.layers if quantity_of(layer) == "sd ratio")
    button = dock.findChild(QPushButton, "show_map")
    assert not shown(button)  # puncta counts have no map
    press(dock, "finding_variance")
    layer.visible = False
    assert button.text().replace("&", "") == "Show map of the sd ratio"
    press(dock, "show_map")
    assert layer.visible
    assert button.text().replace("&", "") == "Hide map of the sd ratio"
    press(dock, "show_map")
    assert not layer.visible
    viewer.layers.remove(layer.name)
    assert not button.isEnabled()


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
    qtbot.waitUntil(lambda: said(dock, "said").startswith("Press Compare"))
    report = compare(dock)
    assert {"puncta_count", "mean_intensity"} <= {one.id for one in report.findings}
    find = lambda: dock.findChild(QRadioButton, "finding_mean_intensity")  # noqa: E731
    qtbot.waitUntil(lambda: find() is not None)


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
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
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
    press(dock, "cancel")
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
    compare(dock)
    pair[0].measured = values_of([1, 2])
    area = dock.findChild(QScrollArea)
    for group in ("mean", "puncta_count", "likelihood"):
        press(dock, f"finding_{group}")
        qtbot.waitUntil(lambda: not clipped(dock))
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
