"""The last run or pair: continued, or compared as soon as it is there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_posterior.errors import InputError
from napari_posterior.session.asked import LastAsked
from napari_posterior.session.models import RunEntry, SessionState


@pytest.fixture
def state():
    return SessionState()


@pytest.fixture
def compared(state):
    return []


@pytest.fixture
def grown():
    return []


@pytest.fixture
def asked(state, compared, grown):
    def compare():
        compared.append((state.compare.teacher, state.compare.student))
        return SimpleNamespace(title="compare")

    return LastAsked(state, compare, grow=lambda *more: grown.append(more))


@pytest.fixture
def pair(state):
    entries = [
        RunEntry(number, name, role, "cell", 4, state="waiting")
        for number, name, role in ((1, "teacher-8", "teacher"), (2, "kd-1", "student"))
    ]
    state.runs.extend(entries)
    return entries


def end(entry, how="done", samples=4):
    entry.run = [None] * samples
    entry.state = how


def test_a_pair_is_compared_when_both_have_been_drawn_and_only_then(asked, pair, compared, state):
    began = []
    asked.comparing.connect(lambda: began.append(list(compared)))
    asked.note(*pair, then_compare=True)
    assert asked.awaited
    end(pair[0])
    assert compared == []
    state.compare.teacher = None  # whatever was chosen meanwhile
    end(pair[1])
    assert compared == [tuple(pair)]
    assert began == [[]]  # told before it begins, so that a window can be there
    assert not asked.awaited


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_nothing_follows_a_pair_of_which_one_did_not_come_to_its_end(asked, pair, compared, how):
    asked.note(*pair, then_compare=True)
    end(pair[0])
    end(pair[1], how)
    pair[1].state = "done"
    assert compared == []


def test_nothing_follows_where_it_was_not_wanted_or_a_run_was_forgotten(
    asked, pair, compared, state
):
    asked.note(*pair)
    for entry in pair:
        end(entry)
    assert compared == []

    for entry in pair:
        entry.state = "waiting"
    asked.note(*pair, then_compare=True)
    end(pair[0])
    state.runs.remove(pair[0])
    end(pair[1])
    assert compared == []


def test_why_a_comparison_does_not_follow_is_told(state, pair):
    def compare():
        raise InputError("draw more samples")

    asked, told = LastAsked(state, compare, grow=lambda *_: None), []
    asked.refused.connect(told.append)
    asked.note(*pair, then_compare=True)
    for entry in pair:
        end(entry)
    assert told == ["draw more samples"]


def test_more_samples_are_drawn_of_both_runs_of_a_pair_that_has_ended(asked, pair, grown):
    with pytest.raises(InputError, match="no run has ended"):
        asked.draw_more(8)
    asked.note(*pair)
    assert not asked.can_grow
    for entry in pair:
        end(entry, samples=4)
    assert asked.can_grow
    assert asked.draw_more(8) == tuple(pair)
    assert grown == [(pair[0], 12), (pair[1], 12)]


def test_a_point_estimate_cannot_be_continued(asked, state):
    entry = RunEntry(1, "mse", "point", "cell", 1, state="done", run=[None])
    state.runs.append(entry)
    asked.note(entry)
    assert not asked.can_grow
