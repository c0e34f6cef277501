"""Work in steps: their order, and what a step that fails does to the others."""

from __future__ import annotations

import pytest

from napari_posterior.layers.steps import Steps


@pytest.fixture
def turns():
    return []


def test_without_turns_all_steps_are_taken_at_once():
    taken = []
    Steps().add(lambda: taken.append(1), lambda: taken.append(2))
    assert taken == [1, 2]


def test_each_turn_takes_one_step_in_order(turns):
    taken = []
    steps = Steps(turns.append)
    steps.add(lambda: taken.append(1), lambda: taken.append(2))
    steps.add(lambda: taken.append(3))
    for number in (1, 2, 3):
        (turn,) = turns  # never two at once
        turns.clear()
        turn()
        assert taken == list(range(1, number + 1))
    assert not turns


def test_a_step_that_fails_holds_up_no_other(turns):
    def fail():
        raise ValueError("no")

    for steps in (Steps(turns.append), Steps()):
        taken = []
        with pytest.raises(ValueError, match="no"):
            steps.add(fail, lambda taken=taken: taken.append(1))
            turns.pop()()
        while turns:
            turns.pop()()
        assert taken == [1]


def test_what_waits_can_be_finished_or_dropped(turns):
    taken = []
    steps = Steps(turns.append)
    steps.add(lambda: taken.append(1))
    steps.finish()
    assert taken == [1]
    steps.add(lambda: taken.append(2))
    steps.drop()
    while turns:
        turns.pop()()
    assert taken == [1]
    steps.add(lambda: taken.append(3))  # it goes on
    turns.pop()()
    assert taken == [1, 3]
