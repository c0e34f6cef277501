"""What each method keeps of a posterior of two modes, by the script that makes the table."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from napari_posterior.training.methods import METHODS

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "toy_students.py"
SPEC = importlib.util.spec_from_file_location("toy_students", SCRIPT)
toy = sys.modules["toy_students"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(toy)

# where no number is known: what its targets are, or the nearest method
KNOWN = {**toy.KNOWN, ("kd-euler", 1): toy.KNOWN["euler", 8], ("flowmap", 1): toy.KNOWN["kd", 1]}
CASES = [(name, n) for name, n in KNOWN if name in METHODS and not (name == "pd" and n < 4)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return what trains a student of a method, once."""
    folder = tmp_path_factory.mktemp("toy")
    torch.set_num_threads(1)
    start, students = toy.fit_teacher("linear", folder), {}

    def get(name):
        if name not in students:
            method = METHODS[name]
            students[name], _ = toy.train(
                name,
                "linear",
                start,
                folder / name,
                steps=method.steps,
                train_steps=4000 if method.staged else 2500,
            )
        return students[name]

    return get


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_a_student_keeps_what_is_known_of_its_method_within_a_factor_of_two(name, steps, trained):
    numbers = toy.score("linear", partial(toy.draw, name, trained(name), steps=steps))
    distance, variance, bridge, mode_sd, correlation = numbers
    known = KNOWN[name, steps]
    assert distance < 2 * known[0]
    assert variance == pytest.approx(known[1], abs=0.05)
    assert bridge < max(2 * known[2], 0.01)
    assert mode_sd == pytest.approx(known[3], abs=0.1)
    if METHODS[name].coupled or steps == 1:
        assert correlation > 0.99
    else:
        assert correlation == pytest.approx(known[4], abs=0.1)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_student_looks_at_what_was_measured(name, trained):
    method = METHODS[name]
    steps = method.steps
    right, other = (
        toy.score(
            "linear",
            lambda z, y, sign=sign: toy.draw(name, trained(name), z, sign * y, steps=steps),
        )
        for sign in (1, -1)
    )
    assert other[0] > 3 * right[0]
