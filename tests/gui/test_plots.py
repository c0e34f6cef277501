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
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QPushButton

from napari_posterior.checks.finding import Finding
from napari_posterior.checks.page.bins import shared_edges
from napari_posterior.checks.page.chart import (
    Axis,
    Chart,
    Dots,
    Level,
    Line,
    Ribbon,
    Steps,
    Zone,
)
from napari_posterior.checks.verdicts.tolerances import Limits
from napari_posterior.checks.verdicts.verdict import Judgement
from napari_posterior.errors import OutputError
from napari_posterior.widgets.parts import Words
from napari_posterior.widgets.plots.chart import ChartPlot
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.intervals import IntervalPlot
from napari_posterior.widgets.plots.pair import Pair, Series
from napari_posterior.widgets.plots.panel import PlotPanel
from napari_posterior.widgets.plots.threshold import ThresholdPlot, ThresholdView, read_off
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


def test_nothing_but_the_plot_and_its_legend_is_seen(plot, qtbot):
    plot.show(counts())
    qtbot.waitExposed(plot.widget)
    assert not [menu for menu in plot.widget.findChildren(QMenu) if menu.isVisible()]


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
    assert median(took) < 0.01


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


def test_an_estimate_is_drawn_beside_its_limit(qtbot):
    plot = IntervalPlot()
    qtbot.addWidget(plot.widget)
    plot.set_palette(palette("dark"))
    limits = Limits(0.8, 1.25, "0.8 to 1.25")
    finding = Finding(
        id="variance", title="variance ratio", estimand="", unit="", estimate=1.0,
        interval=(0.9, 1.1), level=0.9, method="", n_teacher=8, n_student=8, coupled=True,
        sentence="", no_difference=1.0, judgement=Judgement("preserved", "", limits=limits),
    )  # fmt: skip
    plot.show(finding)
    assert "Shaded: your limit, 0.8 to 1.25." in plot.legend
    items = plot.widget.findChild(pyqtgraph.PlotWidget).getPlotItem().items
    region = next(one for one in items if isinstance(one, pyqtgraph.LinearRegionItem))
    assert region.isVisible()
    assert region.getRegion() == pytest.approx((0.8, 1.25))
    assert plot.csv().splitlines()[1] == "variance,,1.0,0.9,1.1,0.9,0.8,1.25"


def chart(**changes):
    fields = {
        "name": "spectrum",
        "title": "variance ratio",
        "caption": "Coarse is left.",
        "x": Axis("cycles per um", 0.1, 10.0, log=True),
        "y": Axis("variance ratio", 0.5, 2.0, log=True),
        "marks": (
            Zone("limit", 0.8, 1.25),
            Level("none", 1.0),
            Level("none", 5.0, "x", "beyond the optics"),
            Dots("student", [0.2, 1.0], [0.9, 0.7], [0.8, 0.6], [1.0, 0.8]),
            Ribbon("floor", [0.2, 1.0], [0.9, 0.9], [1.1, 1.1]),
            Line("teacher", [0.2, 1.0], [1.0, 1.0]),
        ),
        "legend": (("teacher", "#1 teacher"), ("floor", "halves of the teacher")),
    }
    return Chart(**{**fields, **changes})


class TestChart:
    @pytest.fixture
    def drawn(self, qtbot):
        plot = ChartPlot()
        qtbot.addWidget(plot.widget)
        plot.set_palette(palette("dark"))
        plot.show(chart())
        return plot

    def test_points_lie_where_a_logarithmic_axis_puts_them(self, drawn):
        items = drawn.canvas.getPlotItem().items
        dots = next(one for one in items if isinstance(one, pyqtgraph.ScatterPlotItem))
        np.testing.assert_allclose(10 ** dots.getData()[0], [0.2, 1.0])
        np.testing.assert_allclose(10 ** dots.getData()[1], [0.9, 0.7])
        (left, right), (bottom, top) = drawn.canvas.getPlotItem().viewRange()
        np.testing.assert_allclose([10**left, 10**right, 10**bottom, 10**top], [0.1, 10, 0.5, 2])

    def test_words_name_axes_curves_and_bands(self, drawn):
        assert drawn.axes == ("cycles per um", "variance ratio")
        assert drawn.legend == {"teacher": "#1 teacher"}
        assert drawn.caption == "Coarse is left. Band: halves of the teacher."

    def test_another_chart_and_another_theme_replace_what_was_drawn(self, drawn):
        count = len(drawn.canvas.getPlotItem().items)
        drawn.set_palette(palette("light"))
        assert len(drawn.canvas.getPlotItem().items) == count
        steps = Steps("teacher", [0, 1, 2], [0.2, 0.8])
        drawn.show(chart(marks=(steps,), x=Axis("rank", 0.0, 2.0), y=Axis("share", 0.0, 1.0)))
        [item] = drawn.canvas.getPlotItem().items
        np.testing.assert_allclose(item.getData()[1], [0, 0.2, 0.8, 0])

    def test_its_numbers_are_a_table(self, drawn):
        rows = list(csv.DictReader(drawn.csv().splitlines()))
        first = next(row for row in rows if row["what"] == "student")
        assert (first["cycles per um"], first["variance ratio"]) == ("0.2", "0.9")
        assert (first["low"], first["high"]) == ("0.8", "1.0")


def curve(**changes):
    thresholds = [2.0, 4.0, 8.0]
    found = {"thresholds": thresholds, "unit": "photoelectrons/px", "chosen": 4.0}
    for role, values in (("teacher", [80.0, 40.0, 20.0]), ("student", [60.0, 30.0, 20.0])):
        found[role] = {
            "value": values, "low": [v - 2 for v in values], "high": [v + 2 for v in values],
        }  # fmt: skip
    return {**found, **changes}


class TestThreshold:
    def view(self, **changes):
        shown = chart(name="threshold_curve", x=Axis("amplitude", 2.0, 8.0, log=True))
        return ThresholdView(curve(**changes), shown, counts())

    @pytest.fixture
    def drawn(self, qtbot):
        plot = ThresholdPlot()
        qtbot.addWidget(plot.widget)
        plot.set_palette(palette("dark"))
        plot.show(self.view())
        plot.widget.show()
        return plot

    def test_it_begins_at_the_declared_threshold(self, drawn):
        assert drawn.threshold == 4.0
        assert "Above 4.00 photoelectrons/px: teacher 40.0 (38.0 to 42.0)" in drawn.words
        assert "−25 %" in drawn.words
        assert "Exploratory" not in drawn.words
        assert not drawn.back.isVisible()

    def test_dragging_reads_the_curve_and_says_that_it_is_exploratory(self, drawn):
        drawn.line.setValue(np.log10(2.0))
        assert drawn.threshold == pytest.approx(2.0)
        assert "teacher 80.0" in drawn.words
        assert "Exploratory: the verdict stays with the declared threshold." in drawn.words
        assert "bars above are those of the declared one" in drawn.words
        drawn.back.click()
        assert drawn.threshold == 4.0
        assert drawn.line.value() == pytest.approx(np.log10(4.0))

    def test_its_line_lies_in_its_plot_from_the_first_and_goes_with_it(self, qtbot):
        plot = ThresholdPlot()
        scene = plot.chart.canvas.scene()
        for act in (
            lambda: None,
            lambda: plot.set_palette(palette("dark")),
            lambda: plot.show(self.view()),
            lambda: plot.set_palette(palette("light")),
            lambda: plot.show(self.view()),
        ):
            act()
            assert plot.line.scene() is scene
        assert plot.line.isVisible()
        plot.widget.deleteLater()
        qtbot.waitUntil(lambda: not pyqtgraph.Qt.isQObjectAlive(plot.line))

    def test_it_does_not_leave_the_curve(self, drawn):
        drawn.move_to(100.0)
        assert drawn.threshold == 8.0

    def test_the_arrow_keys_move_it(self, drawn, qtbot):
        qtbot.keyClick(drawn.widget, Qt.Key.Key_Right)
        assert drawn.threshold == pytest.approx(4.2)

    def test_between_two_points_it_is_read_off_along_the_logarithm(self):
        found = read_off(curve(), np.sqrt(8.0))
        assert found["teacher"] == pytest.approx((60.0, 58.0, 62.0))

    def test_the_bars_move_where_counts_were_kept(self, drawn):
        kept = {"teacher": [[9, 9], [4, 5], [1, 2]], "student": [[8, 8], [3, 4], [0, 1]]}
        drawn.show(self.view(counts=kept))
        drawn.move_to(7.9)
        assert drawn.histogram.legend["teacher"].startswith("#1 teacher-8: K = 2, mean ▼ 1.50")
        assert "bars above" not in drawn.words
        drawn.reset()
        assert "mean ▼ 42.5" in drawn.histogram.legend["teacher"]

    def test_moving_it_takes_less_than_ten_milliseconds(self, drawn):
        generator = np.random.default_rng(0)
        kept = {role: generator.poisson(40, (3, 256)) for role in ("teacher", "student")}
        drawn.show(self.view(counts=kept))
        took = []
        for threshold in np.geomspace(2.0, 8.0, 20):
            start = time.thread_time()
            drawn.move_to(float(threshold))
            took.append(time.thread_time() - start)
        assert median(took) < 0.01

    def test_the_curve_is_a_table(self, drawn):
        rows = list(csv.DictReader(drawn.csv().splitlines()))
        assert [float(row["threshold, photoelectrons/px"]) for row in rows] == [2.0, 4.0, 8.0]
        assert [float(row["student mean"]) for row in rows] == [60.0, 30.0, 20.0]
