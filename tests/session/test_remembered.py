"""Settings that outlive a session, and the preferences of napari."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

from napari_posterior.bundles.catalogue import cache_folder
from napari_posterior.bundles.sizes import memory_share
from napari_posterior.checks.verdicts.tolerances import Tolerance
from napari_posterior.session.models import RestoreState, SessionState
from napari_posterior.session.preferences import (
    AS_LAST,
    Preferences,
    apply_preferences,
    take_preferences,
)
from napari_posterior.session.remembered import Remembered, read_settings, settings_file
from napari_posterior.session.tolerance_rows import choose_tolerances


def at_once(title, work, then):
    then(work())


def begin(path, *, call=at_once, told=None):
    state = SessionState()
    remembered = Remembered(state, path=path, call=call)
    remembered.take(read_settings(path) if told is None else told)
    return state, remembered


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "settings.json"


def test_choices_of_one_session_are_those_of_the_next_but_image_seed_and_camera_are_not(path):
    state, remembered = begin(path)
    restore = state.restore
    restore.samples, restore.sampler, restore.student = 64, "kd", "lmd"
    restore.device, restore.then_compare, restore.seed = "cpu", False, 7
    restore.psf = 2.0
    state.compare.statistics = ("mean_intensity",)
    remembered.dismiss("restore")

    again, other = begin(path)
    found = again.restore
    assert (found.samples, found.sampler, found.student) == (64, "kd", "lmd")
    assert (found.device, found.then_compare) == ("cpu", False)
    assert (found.seed, found.psf) == (0, None)
    assert again.compare.statistics == ("mean_intensity",)
    assert other.is_dismissed("restore")
    assert not other.is_dismissed("compare")


def test_tolerances_are_kept_with_the_question_and_reset_with_it(path):
    state, _ = begin(path)
    state.compare.question, state.compare.statistics = "puncta", ("puncta_count",)
    state.compare.tolerances = {
        "variance": (0.7, 1.4),
        "mean": Tolerance("range", None, 0.3, "user"),
        "puncta_count": "25 %",
    }
    again, remembered = begin(path)
    compare = again.compare
    given = choose_tolerances(compare.question, compare.statistics, compare.tolerances).given
    assert compare.question == "puncta"
    assert given == {
        "variance": Tolerance("range", 0.7, 1.4, "user"),
        "mean": Tolerance("range", None, 0.3, "user"),
        "puncta_count": Tolerance("relative", None, 0.25, "user"),
    }
    remembered.reset()
    assert compare.tolerances == {}
    assert compare.question == "restoration"
    assert begin(path)[0].compare.tolerances == {}


@pytest.mark.parametrize(
    "told",
    [
        "wide",
        {"variance": 2},
        {"variance": {"kind": "range", "low": 1.2, "high": 1.4}},
        {"variance": {"kind": "range", "low": "a", "high": None}},
        {"variance": {"kind": "share", "low": None, "high": 0.1}},
        {"mean": {"kind": "sd", "low": None, "high": "much"}},
        {"a_statistic_of_the_console": {"kind": "sd", "low": None, "high": 0.5}},
    ],
)
def test_a_tolerance_that_cannot_be_used_any_more_is_left_out(told):
    good = {"spectrum": {"kind": "range", "low": 0.5, "high": 2.0}}
    if isinstance(told, dict):
        state, _ = begin(None, told={"tolerances": told | good})
        assert list(state.compare.tolerances) == ["spectrum"]
    else:
        state, _ = begin(None, told={"tolerances": told})
        assert state.compare.tolerances == {}


def test_nothing_is_written_before_what_was_kept_is_read(path):
    path.parent.mkdir()
    path.write_text('{"samples": 64}')
    state = SessionState()
    Remembered(state, path=path, call=at_once)
    state.restore.samples = 5
    assert json.loads(path.read_text()) == {"samples": 64}


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"samples": "many", "device": 3, "model": []}'])
def test_a_damaged_file_is_as_good_as_none(path, text):
    path.parent.mkdir()
    path.write_text(text)
    state, _ = begin(path)
    assert (state.restore.samples, state.restore.device) == (16, "auto")
    assert state.restore.model == RestoreState().model


@pytest.mark.parametrize("samples", [0, -3, 10**9, True])
def test_a_number_of_samples_that_cannot_be_is_not_taken(samples):
    state, _ = begin(None, told={"samples": samples})
    assert state.restore.samples == 16


def test_many_changes_while_one_is_written_are_written_once_more(path):
    waiting = []
    state, remembered = begin(path, call=lambda *job: waiting.append(job), told={})
    for samples in range(2, 10):
        state.restore.samples = samples
    assert len(waiting) == 1
    _, work, then = waiting.pop()
    then(work())
    assert len(waiting) == 1
    remembered.close()  # with the window, before the worker comes to it
    _, work, _ = waiting.pop()
    work()
    assert read_settings(path)["samples"] == 9


def test_what_is_not_written_yet_is_written_at_the_end(path):
    state, remembered = begin(path, call=lambda *job: None, told={})
    state.restore.samples = 3
    state.restore.samples = 4
    remembered.close()
    assert read_settings(path)["samples"] == 4


def test_reset_brings_back_what_a_first_session_begins_with(path):
    state, remembered = begin(path)
    state.restore.samples, state.restore.seed, state.restore.steps = 99, 5, 3
    state.restore.device, state.restore.psf = "cpu", 2.0
    remembered.dismiss("restore")
    remembered.reset()
    restore, first = state.restore, RestoreState()
    for name in ("samples", "seed", "steps", "device", "sampler", "then_compare"):
        assert getattr(restore, name) == getattr(first, name), name
    assert restore.psf == 2.0
    assert not remembered.is_dismissed("restore")
    assert read_settings(path)["samples"] == first.samples


def test_an_empty_variable_means_that_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_POSTERIOR_SETTINGS", "")
    assert settings_file() is None
    monkeypatch.setenv("NAPARI_POSTERIOR_SETTINGS", str(tmp_path / "s.json"))
    assert settings_file() == tmp_path / "s.json"
    monkeypatch.delenv("NAPARI_POSTERIOR_SETTINGS")
    assert settings_file().name == "settings.json"


@pytest.fixture
def no_variables(monkeypatch):
    for name in ("NAPARI_POSTERIOR_CACHE", "NAPARI_POSTERIOR_MEMORY_SHARE"):
        for one in (name, f"{name}_FROM_PREFERENCES"):
            monkeypatch.setenv(one, "")
            monkeypatch.delenv(one)


def test_preferences_set_cache_memory_previews_and_device_and_let_go_of_them(
    no_variables, tmp_path
):
    restore = RestoreState()
    usual = cache_folder()
    mine = Preferences("cpu", 0.25, str(tmp_path), live_preview=False, preview_seconds=2.0)
    apply_preferences(mine, restore)
    assert (cache_folder(), memory_share()) == (tmp_path, 0.25)
    assert (restore.device, restore.live_preview, restore.preview_seconds) == ("cpu", False, 2.0)

    apply_preferences(Preferences(), restore)
    assert (cache_folder(), memory_share()) == (usual, 0.5)
    assert (restore.device, restore.live_preview) == ("cpu", True)  # as last chosen


def test_what_the_environment_of_the_user_names_comes_before_the_preferences(
    no_variables, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(tmp_path / "mine"))
    apply_preferences(Preferences(cache_folder=str(tmp_path / "theirs")))
    assert os.environ["NAPARI_POSTERIOR_CACHE"] == str(tmp_path / "mine")


@pytest.mark.parametrize(("given", "found"), [("0", 0.05), ("2", 0.95), ("x", 0.5), ("nan", 0.5)])
def test_a_share_of_the_memory_stays_within_reason(no_variables, monkeypatch, given, found):
    monkeypatch.setenv("NAPARI_POSTERIOR_MEMORY_SHARE", given)
    assert memory_share() == found


def test_preferences_are_taken_from_the_categories_of_the_manifest():
    computing = SimpleNamespace(device=AS_LAST, memory_share=30, cache_folder=" /x ")
    window = SimpleNamespace(live_preview=False, preview_seconds=1)
    found = take_preferences(SimpleNamespace(computing=computing, window=window))
    assert found == Preferences(AS_LAST, 0.3, "/x", live_preview=False, preview_seconds=1.0)
