"""What is done with runs after they were drawn, without a window."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.errors import InputError, OutputError, RunError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.session.controller import Controller
from napari_posterior.session.progress import ENDED


class Layers:
    """Notes what it is asked to show."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def note(*arguments):
            self.calls.append(name)
            return name

        return note


@pytest.fixture
def layers():
    return Layers()


@pytest.fixture
def controller(layers):
    controller = Controller(layers=layers)
    yield controller
    assert controller.close(20)


@pytest.fixture
def history(controller):
    return controller.history


@pytest.fixture
def draw(controller, measured, tiny_bundle):
    """Draw a run of the tiny student, one sample at a time; by default in a temporary folder."""

    def draw(samples=3, *, wait=True, **options):
        options = {"camera": Camera(2.0, 100.0, 1.5), "psf": Psf(1.4), "batch": 1, **options}
        controller.restore(
            measured, model=tiny_bundle, sampler="kd", device="cpu", samples=samples, **options
        )
        entry = controller.state.runs[-1]
        return until_ended(entry) if wait else entry

    return draw


def until_ended(entry, seconds=60):
    last = time.monotonic() + seconds
    while entry.state not in ENDED:
        assert time.monotonic() < last
        time.sleep(0.01)
    return entry


def trash_of(folder):
    return [path for path in folder.parent.iterdir() if path.name.startswith(f".{folder.name}.del")]


def test_more_samples_leave_the_first_ones_and_are_those_of_a_longer_run(history, draw):
    entry = draw(3)
    first = np.array(entry.run.samples)
    again = history.draw_more(entry, 5)
    assert again is entry
    assert entry.run is None
    until_ended(entry)
    assert (entry.state, entry.title) == ("done", "#1 kd-1, K = 5")
    np.testing.assert_array_equal(entry.run.samples[:3], first)
    longer = draw(5)
    np.testing.assert_array_equal(np.array(entry.run.samples), np.array(longer.run.samples))
    np.testing.assert_array_equal(entry.run.mean, longer.run.mean)


def test_temporary_folder_of_a_run_lives_as_long_as_what_went_on_with_it(controller, history, draw):
    entry = until_ended(history.draw_more(draw(2), 3))
    run, folder = entry.run, entry.folder
    assert run.temporary
    controller.forget(entry)
    entry.job = entry.run = None
    del entry
    assert len(npo.open_run(folder)) == 3
    del run
    import gc

    gc.collect()
    assert not folder.exists()


def test_live_view_of_more_samples_knows_those_that_are_there(draw, history, layers, monkeypatch):
    begun = []
    entry = draw(2)
    monkeypatch.setattr(Layers, "prepare_live", lambda self, run: begun.append(run), raising=False)
    until_ended(history.draw_more(entry, 3))
    assert [run.drawn for run in begun] == [(0, 1)]


def test_run_that_was_cancelled_is_gone_on_with(history, draw, gate):
    entry = draw(5, wait=False)
    assert gate.reached.wait(20)
    entry.job.cancel()
    gate.open.set()
    until_ended(entry)
    held = 0 if entry.run is None else len(entry.run)
    assert (entry.state, held) == ("cancelled", 1)
    until_ended(history.draw_more(entry, 5))
    assert (entry.state, len(entry.run)) == ("done", 5)


def test_warnings_of_a_run_are_not_told_twice_when_it_is_gone_on_with(history, draw):
    entry = draw(2, psf=None)
    told = entry.warnings
    assert any("PSF" in one for one in told)
    until_ended(history.draw_more(entry, 3))
    assert entry.warnings == told


@pytest.mark.parametrize("samples", [0, 2, 3, 5000])
def test_fewer_or_impossible_samples_are_refused(history, draw, samples):
    entry = draw(3)
    with pytest.raises(InputError):
        history.draw_more(entry, samples)
    assert (entry.state, len(entry.run)) == ("done", 3)


def test_run_that_is_drawn_is_neither_gone_on_with_nor_saved_nor_deleted(
    history, draw, gate, tmp_path
):
    entry = draw(3, wait=False)
    assert gate.reached.wait(20)
    for ask in (
        lambda: history.draw_more(entry, 9),
        lambda: history.save_as(entry, tmp_path / "copy"),
        lambda: history.delete(entry),
    ):
        with pytest.raises(RunError, match="stop it first"):
            ask()
    gate.open.set()
    until_ended(entry)
    assert len(entry.run) == 3


def test_more_samples_that_cannot_be_begun_leave_the_run_as_it_was(
    controller, history, draw, monkeypatch
):
    entry = draw(2)
    before = (entry.run, entry.progress, entry.measured, entry.samples)
    told = []
    entry.events.job.connect(lambda job: job and job.events.connect(told.append))
    monkeypatch.setattr(
        "napari_posterior.api.begin.find_model", lambda model: Path("/nowhere/at all")
    )
    history.draw_more(entry, 4)
    until_ended(entry)
    assert entry.state == "done"
    assert (entry.run, entry.progress, entry.measured, entry.samples) == before
    assert entry.warnings[-1].startswith("No more samples could be drawn: the file ")
    assert [type(one).__name__ for one in told] == ["Failed"]
    monkeypatch.undo()
    until_ended(history.draw_more(entry, 3))
    assert len(entry.run) == 3


def test_waiting_for_more_samples_can_be_cancelled_and_the_run_is_as_it_was(history, draw, gate):
    gate.open.set()
    entry = draw(2)
    gate.open.clear()
    other = draw(3, seed=1, wait=False)
    history.draw_more(entry, 4)
    assert entry.state == "waiting"
    entry.job.cancel()
    assert (entry.state, entry.samples, len(entry.run)) == ("done", 2, 2)
    gate.open.set()
    until_ended(other)


def test_time_for_more_samples_follows_from_the_time_that_the_others_took(history, draw):
    entry = draw(2)
    assert history.seconds_for(entry, 6) == pytest.approx(2 * entry.run.seconds)
    assert history.seconds_for(entry, 2) == 0


def test_run_is_saved_whole_under_another_name(history, draw, tmp_path):
    entry = draw(2)
    history.save_as(entry, tmp_path / "new" / "cell")
    assert entry.saved == tmp_path / "new" / "cell.posterior.zarr"
    copy = npo.open_run(entry.saved)
    np.testing.assert_array_equal(np.array(copy.samples), np.array(entry.run.samples))
    assert [path.name for path in entry.saved.parent.iterdir()] == ["cell.posterior.zarr"]
    assert entry.busy == ""
    assert repr(str(entry.saved)) in history.script_of(entry)


def test_copy_is_behind_once_more_samples_are_there(history, draw, tmp_path):
    entry = draw(2)
    history.save_as(entry, tmp_path / "cell")
    until_ended(history.draw_more(entry, 3))
    assert entry.saved is None


def test_saving_over_anything_is_refused_and_leaves_it_alone(history, draw, tmp_path):
    entry = draw(2)
    there = tmp_path / "cell.posterior.zarr"
    there.mkdir()
    (there / "mine").touch()
    with pytest.raises(OutputError, match="exists already"):
        history.save_as(entry, tmp_path / "cell")
    assert [path.name for path in there.iterdir()] == ["mine"]
    assert (entry.saved, entry.busy) == (None, "")


def test_saving_into_the_run_itself_is_refused(history, draw):
    entry = draw(2)
    with pytest.raises(OutputError, match="in the run itself"):
        history.save_as(entry, entry.folder / "copy")
    assert not (entry.folder / "copy.posterior.zarr").exists()


def test_copy_that_fails_leaves_nothing_behind(history, draw, tmp_path, monkeypatch):
    entry = draw(2)
    calls = []

    def fail(source, target):
        calls.append(source)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        return shutil.copyfile(source, target)

    monkeypatch.setattr("napari_posterior.session.run_files.shutil.copy2", fail)
    with pytest.raises(OutputError):
        history.save_as(entry, tmp_path / "out" / "cell")
    assert list((tmp_path / "out").iterdir()) == []


def test_deleted_run_and_its_folder_come_back(controller, history, draw, layers, tmp_path):
    entry, other = draw(2), draw(2, seed=1)
    folder, state = entry.folder, controller.state
    assert state.compare.student is other
    history.delete(entry)
    assert list(state.runs) == [other]
    assert not folder.exists()
    assert len(trash_of(folder)) == 1
    assert "remove_run" in layers.calls
    assert history.deleted.entry is entry

    shown = []
    history.undo(shown.append)
    assert list(state.runs) == [entry, other]
    assert len(npo.open_run(folder)) == 2
    assert (trash_of(folder), history.deleted, shown) == ([], None, [entry])
    with pytest.raises(RunError, match="no run was deleted"):
        history.undo()


def test_run_that_is_compared_leaves_the_comparison_when_it_is_deleted(controller, history, draw):
    entry = draw(2)
    assert controller.state.compare.student is entry
    history.delete(entry)
    assert controller.state.compare.student is None


def test_next_delete_and_the_end_of_the_session_remove_for_good(controller, history, draw):
    one, two = draw(2), draw(2, seed=1)
    history.delete(one)
    history.delete(two)
    assert trash_of(one.folder) == []
    assert len(trash_of(two.folder)) == 1
    controller.close()
    for thread in threading.enumerate():
        if thread.name.startswith("napari-posterior"):
            thread.join(20)
    assert trash_of(two.folder) == []


def test_run_does_not_come_back_over_another_one(history, draw, controller):
    entry = draw(2)
    history.delete(entry)
    entry.folder.mkdir()
    with pytest.raises(RunError, match="is there again"):
        history.undo()
    assert entry.busy == ""
    entry.folder.rmdir()
    history.undo()
    assert entry in controller.state.runs


def test_run_whose_folder_has_gone_is_not_deleted(controller, history, draw):
    entry = draw(2)
    shutil.rmtree(entry.folder)
    with pytest.raises(RunError, match="not there any more"):
        history.delete(entry)
    assert entry in controller.state.runs


def test_size_of_a_run_is_that_of_its_files(history, draw):
    entry, told = draw(2), []
    history.measure(entry, told.append)
    files = [path for path in entry.folder.rglob("*") if path.is_file()]
    assert told == [sum(path.stat().st_size for path in files)]


def test_opened_run_goes_onto_the_list_once(controller, history, stored_run):
    run, told = stored_run(), []
    history.open_run(run.path, told.append)
    history.open_run(str(run.path).removesuffix(".posterior.zarr"), told.append)
    [entry] = controller.state.runs
    assert told == [entry, entry]
    assert (entry.role, entry.state, entry.folder) == ("teacher", "done", run.path)


def test_folder_without_a_run_is_refused(controller, history, tmp_path, stored_run):
    with pytest.raises(RunError):
        history.open_run(tmp_path)
    with pytest.raises(RunError, match="no samples"):
        history.open_run(stored_run(kept=0).path)
    assert not controller.state.runs


def test_opened_run_is_gone_on_with(controller, history, draw, tmp_path, tiny_bundle, measured):
    npo.restore(
        as_image(measured),
        model=tiny_bundle,
        sampler="kd",
        samples=2,
        camera=Camera(2.0, 100.0, 1.5),
        psf=Psf(1.4),
        batch=1,
        device="cpu",
        out=tmp_path / "cell",
        progress=False,
    )
    history.open_run(tmp_path / "cell")
    [entry] = controller.state.runs
    until_ended(history.draw_more(entry, 4))
    assert len(npo.open_run(tmp_path / "cell")) == 4


def test_script_of_a_run_makes_it_again(history, draw):
    entry = draw(2)
    script = history.script_of(entry)
    compile(script, "script", "exec")
    assert "npo.restore(" in script
    assert "samples=2" in script
    assert str(entry.folder) not in script


def test_debug_report_tells_versions_settings_and_the_log_but_no_folder(
    controller, history, draw, tmp_path
):
    from napari_posterior.session.log import keep_log, leave_log

    ring = keep_log()
    try:
        logging.getLogger("napari_posterior.somewhere").error(
            "%s/private place/cell.tif cannot be read", tmp_path
        )
        entry = draw(2, psf=None)
        history.save_as(entry, tmp_path / "private place" / "cell")
        text = history.debug_report(entry)
    finally:
        leave_log(ring)
    for word in ("napari-posterior ", "torch ", "Python ", "seed: 0", "sampler: kd", "warning: "):
        assert word in text, word
    assert "cell.tif cannot be read" in text
    for private in (str(tmp_path), str(Path.home()) + "/", "private place", "/tmp/"):
        assert private not in text, private
    assert "settings" in history.debug_report(None).lower()


def test_nothing_is_shown_after_the_session_was_closed(controller, history, draw, layers):
    entry = draw(2)
    controller.close()
    layers.calls.clear()
    history.delete(entry)
    assert "remove_run" not in layers.calls
