"""What is read of a pixel and of a punctum, and which of several answers is shown."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from puncta_pairs import INVENTED, LOST, NEAR_THE_EDGE, PLANE, SHARED, make_pair, rank_of
from puncta_pairs import report_of_pair as report_of

from napari_posterior.errors import InputError, RunError
from napari_posterior.physics.camera import Camera
from napari_posterior.runs.stack import SampleStack
from napari_posterior.session.history import at_once
from napari_posterior.session.inspecting import Inspecting
from napari_posterior.session.models import RunEntry, SessionState
from napari_posterior.session.pixels import NamedRun, PixelReading, read_pixel
from napari_posterior.session.puncta_light import mean_light
from napari_posterior.session.punctum import CROP, PunctaReader, PunctumReading, find_site


@pytest.fixture
def pair(tmp_path):
    return make_pair(tmp_path)


@pytest.fixture
def report(pair):
    return report_of(*pair)


@pytest.fixture
def reader(pair, report):
    return PunctaReader(report, NamedRun("#1 teacher", pair[0]), NamedRun("#2 student kd", pair[1]))


class Later:
    """Does what is asked for when it is told to, in any order."""

    def __init__(self):
        self.asked = []

    def __call__(self, title, function, then, otherwise=None):
        self.asked.append((function, then, otherwise))

    def answer(self, which):
        function, then, otherwise = self.asked[which]
        try:
            found = function()
        except Exception as error:
            otherwise(error)
        else:
            then(found)


def session_of(*runs):
    state = SessionState()
    for number, run in enumerate(runs, 1):
        sampler = run.request.sampler
        entry = RunEntry(number, sampler, run.role, "cell", len(run), folder=run.path, run=run)
        state.runs.append(entry)
        setattr(state.compare, run.role, entry)
    return state


def compared(state, report):
    state.compare.compared = (state.compare.teacher, state.compare.student)
    state.compare.report = report


@pytest.mark.parametrize("axes", ["yx", "zyx", "tzyx"])
def test_pixel_has_all_samples_and_the_measurement_there(axes, tmp_path, stored_run):
    run = stored_run(axes=axes, background=2.0)
    at = (*(1 for _ in axes[:-2]), 10, 18)

    found = read_pixel(at, teacher=NamedRun("#1 teacher", run))

    values = np.asarray(run.samples)[(slice(None), *at)].astype(np.float64)
    np.testing.assert_array_equal(found.teacher.values, values)
    assert found.student is None
    assert found.teacher.mean == pytest.approx(values.mean())
    assert found.teacher.sd == pytest.approx(values.std(ddof=1))
    assert found.teacher.interval == pytest.approx(np.quantile(values, [0.05, 0.95]))
    assert found.adu == run.input[at]
    assert found.electrons == pytest.approx((found.adu - 100) / 2 - 2)


def test_pixel_reads_one_pixel_of_each_sample(stored_run, monkeypatch):
    asked = []
    read = SampleStack._read
    monkeypatch.setattr(
        SampleStack, "_read", lambda self, at, rest: asked.append(rest) or read(self, at, rest)
    )
    read_pixel((2, 3), teacher=NamedRun("", stored_run()))
    assert asked == [[2, 3]] * 5


def test_gain_map_and_a_full_pixel_are_honoured(stored_run, measured_image):
    image = measured_image()
    full = image.data.copy()
    full[3, 4] = 900
    gain = np.full(image.data.shape, 2.0)
    gain[3, 4] = 4.0
    camera = Camera(gain=gain, offset=100.0, read_noise=1.0, saturation=900)
    run = stored_run(replace(image, data=full), camera=camera)

    found = read_pixel((3, 4), teacher=NamedRun("", run))

    assert found.electrons == pytest.approx(200)
    assert found.saturated
    assert found.measured == "at least 200 photoelectrons/px (900 ADU, saturated)"


def test_place_is_told_in_pixels_and_micrometres(stored_run):
    run = stored_run(axes="zyx")
    assert read_pixel((3, 10, 20), teacher=NamedRun("", run)).place == (
        "z = 3, row 10, column 20 (3.60, 5.70 µm)"
    )


def test_punctum_tells_who_shows_it_with_intervals_and_class(reader, report):
    lost, invented, shared = (
        reader.read(rank_of(report, place)) for place in (LOST, INVENTED, SHARED)
    )

    assert (lost.kind, invented.kind) == ("lost", "invented")
    assert (lost.teacher.count, lost.student.count) == (12, 0)
    assert (invented.teacher.count, invented.student.count) == (0, 12)
    assert (shared.teacher.count, shared.student.count) == (12, 12)
    assert lost.verdict == "lost: less probable in the student."
    existence, site = report.figures.sites.existence, lost.number - 1
    assert lost.teacher.interval == pytest.approx(existence.teacher_interval[site])
    assert lost.difference_interval == pytest.approx(existence.difference_interval[site])
    assert lost.change.startswith("−100 % (−100 to ")
    assert lost.teacher.words.endswith("12 of 12")


def test_light_is_that_of_the_samples_that_show_it(reader, report):
    from napari_posterior.statistics.puncta import detect_puncta

    found = reader.read(rank_of(report, SHARED))
    run = reader._runs[0].run
    whole = [
        next(
            light
            for place, light in zip(one.positions, one.intensities, strict=True)
            if np.hypot(*(place - SHARED)) < 1
        )
        for one in (detect_puncta(sample, 20.0) for sample in run.samples)
    ]
    np.testing.assert_allclose(found.teacher.light, whole, rtol=1e-4)
    assert found.teacher.light.mean() == pytest.approx(60 * 2 * np.pi, rel=0.1)
    assert len(reader.read(rank_of(report, LOST)).student.light) == 0


def test_pictures_show_samples_with_and_without_it_around_it(reader, report):
    lost = reader.read(rank_of(report, LOST))
    assert [len(lost.teacher.pictures_with), len(lost.teacher.pictures_without)] == [2, 0]
    assert [len(lost.student.pictures_with), len(lost.student.pictures_without)] == [0, 2]
    (number, picture), _ = lost.teacher.pictures_with
    assert number == 1
    assert picture.shape == (CROP, CROP)
    sample = reader._runs[0].run.samples[0]
    assert picture[CROP // 2, CROP // 2] == sample[round(LOST[0]), round(LOST[1])]
    low, high = lost.limits
    assert low < 15 < 40 < high


def test_picture_at_the_edge_is_not_filled_beyond_the_image(reader, report):
    found = reader.read(rank_of(report, NEAR_THE_EDGE))
    picture = found.teacher.pictures_with[0][1]
    rows = CROP // 2 - round(NEAR_THE_EDGE[0])
    assert np.isnan(picture[:rows]).all()
    assert np.isfinite(picture[rows:, : CROP // 2]).all()
    assert picture[CROP // 2, CROP // 2] > 40


@pytest.mark.parametrize("axes", ["zyx", "tyx"])
def test_puncta_of_stacks_are_found_and_read_in_their_plane(axes, tmp_path):
    runs = make_pair(tmp_path, axes=axes)
    report = report_of(*runs)
    table = report.figures.sites
    rank = rank_of(report, LOST)

    assert find_site(table, PLANE, *LOST) == rank
    assert find_site(table, PLANE + 1, *LOST) is None
    found = PunctaReader(report, *(NamedRun("", run) for run in runs)).read(rank)
    assert found.index == (PLANE, round(LOST[0]), round(LOST[1]))
    assert found.place.startswith(f"{axes[0]} = {PLANE}, row 40, column 22")
    assert found.teacher.pictures_with[0][1][CROP // 2, CROP // 2] > 40


def test_site_is_found_within_its_radius_and_the_nearest(report):
    table = report.figures.sites
    radius = table.existence.sites.radius[-1]
    row, column = table.positions[rank_of(report, SHARED), 1:]
    assert find_site(table, 0, row, column + 0.95 * radius) == rank_of(report, SHARED)
    assert find_site(table, 0, row, column + 1.1 * radius) is None


def test_mean_light_of_all_puncta_is_that_of_each(reader, report, pair):
    light = mean_light(report, *(NamedRun("", run) for run in pair))
    assert len(light) == len(report.figures.sites)
    for place in (SHARED, LOST):
        found = reader.read(rank_of(report, place))
        both = np.concatenate([found.teacher.light, found.student.light])
        assert light[rank_of(report, place)] == pytest.approx(both.mean(), rel=1e-3)


def test_sample_that_is_gone_is_told_of(pair, report):
    rows = (np.arange(12), np.append(np.arange(11), 99))
    figures = SimpleNamespace(sites=report.figures.sites, values=(SimpleNamespace(samples=rows),))
    reader = PunctaReader(
        SimpleNamespace(figures=figures), NamedRun("a", pair[0]), NamedRun("b", pair[1])
    )
    with pytest.raises(RunError, match="compare again"):
        reader.read(0)


def test_click_on_a_punctum_reads_it_and_elsewhere_the_pixel(pair, report):
    state = session_of(*pair)
    compared(state, report)
    inspecting = Inspecting(state, at_once)

    inspecting.look_at((LOST[0] + 1, LOST[1]))
    assert isinstance(inspecting.state.reading, PunctumReading)
    assert inspecting.state.reading.kind == "lost"

    inspecting.look_at((10.4, 9.6))
    found = inspecting.state.reading
    assert isinstance(found, PixelReading)
    assert found.index == (10, 10)
    assert len(found.teacher.values) == len(found.student.values) == 12


def test_late_answer_to_an_older_question_is_dropped(pair):
    later = Later()
    inspecting = Inspecting(session_of(*pair), later)
    inspecting.look_at_pixel((1, 2))
    inspecting.look_at_pixel((3, 4))

    later.answer(1)
    later.answer(0)
    assert inspecting.state.reading.index == (3, 4)
    assert not inspecting.state.reading_now


def test_answer_after_closing_is_dropped_and_so_is_a_late_fault(pair, monkeypatch):
    later = Later()
    inspecting = Inspecting(session_of(*pair), later)
    inspecting.look_at_pixel((1, 2))
    inspecting.close()
    later.answer(0)
    assert inspecting.state.reading is None

    inspecting.look_at_pixel((1, 2))
    inspecting.look_at_pixel((3, 4))
    later.asked[1] = (lambda: 1 / 0, *later.asked[1][1:])
    later.answer(1)
    assert inspecting.state.problem == ""
    assert inspecting.state.reading_now


def test_fault_becomes_a_sentence(pair):
    later = Later()
    inspecting = Inspecting(session_of(*pair), later)
    inspecting.look_at_pixel((1, 2))

    def fail():
        raise RunError("the run is damaged, so make it again")

    later.asked[0] = (fail, *later.asked[0][1:])
    later.answer(0)
    assert inspecting.state.problem == "The run is damaged, so make it again."
    assert not inspecting.state.reading_now


def test_steps_go_by_decreasing_difference_and_over_the_ends(pair, report):
    state = session_of(*pair)
    compared(state, report)
    inspecting = Inspecting(state, at_once)
    seen = []
    for _ in range(len(report.figures.sites)):
        inspecting.step(1)
        seen.append(abs(inspecting.state.reading.difference))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 1
    inspecting.step(1)
    assert inspecting.state.reading.rank == 0
    inspecting.step(-1)
    assert inspecting.state.reading.rank == len(report.figures.sites) - 1


def test_new_comparison_is_taken_in(pair, report):
    state = session_of(*pair)
    compared(state, report)
    inspecting = Inspecting(state, at_once)
    inspecting.look_at_punctum(rank_of(report, LOST))
    before = inspecting.state.reading

    again = report_of(*pair)
    state.compare.report = again
    assert inspecting.state.reading is not before
    assert inspecting.state.reading.kind == "lost"

    state.compare.report = SimpleNamespace(
        figures=SimpleNamespace(sites=None, values=()), findings=()
    )
    assert inspecting.state.reading is None


def test_region_has_the_verdicts_of_the_report(pair, report):
    finding = SimpleNamespace(
        region="nuclei 2", title="puncta count", verdict="not preserved", sentence="Fewer."
    )
    other = SimpleNamespace(region=None, title="mean", verdict="preserved", sentence="Alike.")
    report.findings = (other, finding)
    state = session_of(*pair)
    compared(state, report)
    inspecting = Inspecting(state, at_once)

    inspecting.look_at((10, 10), regions=("drawn 1", "nuclei 2"))
    assert inspecting.state.region.name == "nuclei 2"
    assert inspecting.state.region.lines == ("Puncta count: not preserved. Fewer.",)
    inspecting.look_at((10, 12))
    assert inspecting.state.region is None


def test_runs_of_another_image_are_taken_where_its_layer_is_meant(pair, stored_run):
    state = session_of(*pair)
    run = stored_run()
    other = RunEntry(9, "teacher", "teacher", "other", 5, folder=run.path, run=run)
    state.runs.append(other)
    inspecting = Inspecting(state, at_once)
    assert inspecting.runs() == (state.compare.teacher, state.compare.student)
    assert inspecting.runs(run.request.image.sha256) == (other, None)


def test_without_a_run_or_puncta_the_reason_is_told(pair):
    with pytest.raises(InputError, match="draw samples first"):
        Inspecting(SessionState(), at_once).look_at_pixel((0, 0))
    inspecting = Inspecting(session_of(*pair), at_once)
    with pytest.raises(InputError, match="no pixel"):
        inspecting.look_at_pixel((0, 999))
    with pytest.raises(InputError, match="no puncta were compared"):
        inspecting.look_at_punctum()
