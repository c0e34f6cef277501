"""The plots show the numbers that they are given, in shared bins and in more than colour."""

from __future__ import annotations

import csv
import time
from statistics import median

import numpy as np
import pyqtgraph
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from napari_posterior.checks.finding import Finding
from napari_posterior.checks.page.bins import shared_edges
from napari_posterior.errors import OutputError
from napari_posterior.widgets.parts import Words
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.intervals import IntervalPlot
from napari_posterior.widgets.plots.pair import Pair, Series
from napari_posterior.widgets.plots.panel import PlotPanel
from napari_posterior.widgets.theme import palette_of

pytestmark = pytest.mark.gui

TEACHER = [41.0, 42, 42, 45]
STUDENT = [38.0, 38, 41, 40, 39]


def palette(theme):
    viewer = ViewerModel()
    viewer.theme = theme
    return palette_of(viewer)


def counts(teacher=TEACHER, student=STUDENT, **changes):
    fields = {
        "id": "puncta_count",
        "title": "puncta count",
        "unit": "puncta",
        "teacher": Series("#1 teacher-8", np.array(teacher)),
        "student": Series("#2 student kd-1", np.array(student)),
    }
    return Pair(**{**fields, **changes})


@pytest.fixture
def plot(qtbot):
    plot = HistogramPlot()
    qtbot.addWidget(plot.widget)
    plot.set_palette(palette("dark"))
    plot.widget.resize(360, 260)
    plot.widget.show()
    return plot


def test_bars_are_the_counts_of_numpy_in_percent(plot):
    plot.show(counts())
    for role, values in (("teacher", TEACHER), ("student", STUDENT)):
        edges, heights = plot.drawn(role)
        expected, _ = np.histogram(values, np.arange(37.5, 46))
        np.testing.assert_array_equal(edges, np.arange(37.5, 46))
        np.testing.assert_allclose(heights, 100 * expected / len(values))


def test_both_distributions_have_the_bins_of_the_report(plot):
    generator = np.random.default_rng(0)
    teacher, student = generator.normal(1, 0.02, 20), generator.normal(1.1, 0.02, 50)
    plot.show(counts(teacher, student, unit="reduced chi-squared"))
    for role in ("teacher", "student"):
        np.testing.assert_array_equal(plot.drawn(role)[0], shared_edges(teacher, student))
        assert plot.drawn(role)[1].sum() == pytest.approx(100)


def test_a_redraw_keeps_the_items_that_are_there(plot):
    plot.show(counts())
    items = plot.widget.findChild(pyqtgraph.PlotWidget).getPlotItem().items
    before = list(items)
    plot.show(counts([50, 51], [52, 53]))
    assert list(items) == before
    assert plot.drawn("teacher")[0][0] == 49.5


def test_a_redraw_takes_a_few_milliseconds(plot, qtbot):
    generator = np.random.default_rng(0)
    took = []
    for _ in range(20):
        pair = counts(generator.poisson(40, 64), generator.poisson(38, 256))
        start = time.thread_time()
        plot.show(pair)
        took.append(time.thread_time() - start)
    assert median(took) < 0.03


def test_a_run_without_samples_leaves_the_other_alone(plot):
    plot.show(counts(student=[]))
    assert len(plot.drawn("student")[1]) == 0
    assert plot.drawn("teacher")[1].sum() == pytest.approx(100)
    assert plot.legend["student"] == "#2 student kd-1: no sample yet"
    plot.show(counts([], []))
    assert len(plot.drawn("teacher")[1]) == 0


def test_numbers_that_are_none_are_left_out(plot):
    plot.show(counts([41, np.nan, 42, np.inf]))
    assert plot.legend["teacher"].startswith("#1 teacher-8: K = 2, mean ▼ 41.5")
    assert plot.drawn("teacher")[1].sum() == pytest.approx(100)


def test_the_legend_tells_how_many_samples_their_mean_and_unit(plot):
    plot.show(counts())
    assert plot.legend == {
        "teacher": "#1 teacher-8: K = 4, mean ▼ 42.5, SD 1.7 puncta",
        "student": "#2 student kd-1: K = 5, mean ▼ 39.2, SD 1.3 puncta",
    }
    assert plot.axes == ("puncta per sample", "samples (%)")


def test_what_is_expected_is_marked_and_said(plot):
    plot.show(counts([0.9, 1.1], [1.3, 1.2], expected=1.0, sd=0.1, unit="reduced chi-squared"))
    assert plot.legend["mark"] == (
        "expected of a draw from the posterior: 1.00; band: ± 2 SD, 0.800 to 1.20"
    )
    band = next(
        item
        for item in plot.widget.findChild(pyqtgraph.PlotWidget).getPlotItem().items
        if isinstance(item, pyqtgraph.LinearRegionItem)
    )
    assert band.isVisible()
    assert band.getRegion() == pytest.approx((0.8, 1.2))
    plot.show(counts())
    assert not band.isVisible()
    assert "mark" not in plot.legend


def test_teacher_and_student_differ_in_more_than_colour(plot):
    pens = plot.pens()
    assert pens["teacher"].style() == Qt.PenStyle.SolidLine
    assert pens["student"].style() == Qt.PenStyle.DashLine


def test_pens_take_the_colours_of_the_theme(plot):
    for theme in ("light", "dark"):
        plot.set_palette(palette(theme))
        pens = plot.pens()
        assert pens["teacher"].color().name() == palette(theme).teacher
        assert pens["student"].color().name() == palette(theme).student


def test_the_wheel_is_left_to_the_dock(plot, qtbot):
    plot.show(counts())
    canvas = plot.widget.findChild(pyqtgraph.PlotWidget)
    before = canvas.getPlotItem().viewRange()
    middle = QPointF(canvas.rect().center())
    wheel = QWheelEvent(
        middle,
        canvas.mapToGlobal(middle),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas.viewport(), wheel)
    assert not wheel.isAccepted()
    assert canvas.getPlotItem().viewRange() == before


def test_numbers_are_saved_as_a_table(plot, tmp_path):
    plot.show(counts([41, 42], [38.5]))
    path = plot.export_csv(tmp_path / "counts.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["role"], row["run"], row["draw"], float(row["value"])) for row in rows] == [
        ("teacher", "#1 teacher-8", "1", 41.0),
        ("teacher", "#1 teacher-8", "2", 42.0),
        ("student", "#2 student kd-1", "1", 38.5),
    ]
    assert {row["unit"] for row in rows} == {"puncta"}


def test_a_table_that_cannot_be_saved_is_refused(plot, tmp_path):
    plot.show(counts())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        plot.export_csv(tmp_path / "file" / "counts.csv")


class TestPanel:
    @pytest.fixture
    def panel(self, qtbot):
        panel = PlotPanel(HistogramPlot(), "panel")
        qtbot.addWidget(panel)
        panel.show_pair(counts())
        panel.show()
        return panel

    def said(self, panel):
        return panel.findChild(Words, "panel_said").said

    def test_values_are_saved_where_the_user_says(self, panel, qtbot, tmp_path, monkeypatch):
        path = tmp_path / "counts.csv"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
        panel.findChild(QPushButton, "panel_save").click()
        qtbot.waitUntil(lambda: self.said(panel) == f"Saved as {path}.")
        assert path.read_text() == panel.plot.csv()

    def test_a_fault_is_said_in_one_sentence(self, panel, qtbot, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "counts.csv"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
        panel.findChild(QPushButton, "panel_save").click()
        qtbot.waitUntil(lambda: "cannot be written" in self.said(panel))

    def test_nothing_is_saved_where_the_user_says_no(self, panel, monkeypatch):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
        panel.findChild(QPushButton, "panel_save").click()
        assert self.said(panel) == ""

    def test_values_can_be_copied(self, panel):
        panel.findChild(QPushButton, "panel_copy").click()
        assert QApplication.clipboard().text() == panel.plot.csv()


@pytest.mark.parametrize("interval", [(1.15, 1.28), (None, 1.28), (None, None)])
def test_an_estimate_is_drawn_beside_no_difference(qtbot, interval):
    plot = IntervalPlot()
    qtbot.addWidget(plot.widget)
    plot.set_palette(palette("light"))
    plot.show(
        Finding(
            id="variance", title="variance ratio", estimand="", unit="", estimate=1.21,
            interval=interval, level=0.9, method="", n_teacher=8, n_student=8, coupled=True,
            sentence="", no_difference=1.0,
        )
    )  # fmt: skip
    assert plot.legend.startswith("Dot: estimate 1.21")
    assert "Bar: 90 % interval " in plot.legend
    assert plot.legend.endswith("Dotted line: no difference, 1.")
    low, high = plot.widget.findChild(pyqtgraph.PlotWidget).getPlotItem().viewRange()[0]
    assert low < 1.0 < 1.21 < high
