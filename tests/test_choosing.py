"""Choosing where a student hands over, through the public face, with a tiny bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def choose(tiny_model: str, measured: np.ndarray) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        camera = npo.Camera(gain=2.0, offset=100.0, read_noise=1.5)
        usual = {"student": "flow", "samples": 8, "camera": camera, "psf": npo.Psf(1.5)}
        asked = {**usual, "progress": False, **options}
        return npo.choose_hand_over(measured, model=tiny_model, **asked)

    return make


def test_a_student_that_differs_everywhere_is_not_to_hand_over(choose: Callable[..., Any]) -> None:
    found = choose()
    assert found.correction is None
    assert found.tau is None
    (row,) = found.looks  # the only time at which this student can stop
    assert (row.tau, row.rejected) == (0.4, True)
    assert row.look.mean_p <= 0.025 or row.look.variance_p <= 0.025
    assert 1 < row.calls < found.teacher_calls == 5
    assert found.sentences[0].startswith("At every time that was tried")
    assert list(found.to_frame()["network calls"]) == [row.calls]


def test_the_choice_is_what_restore_takes(
    choose: Callable[..., Any], tiny_model: str, measured: np.ndarray
) -> None:
    found = choose(negligible=0.999, level=0.0001)
    assert found.correction == npo.HandOver(tau=0.4)
    run = npo.restore(
        measured,
        model=tiny_model,
        sampler="flow",
        correction=found.correction,
        samples=2,
        psf=npo.Psf(1.5),
        progress=False,
    )
    assert run.request.nfe == found.looks[-1].calls
    assert found.sentences[0].startswith("Hand over at tau 0.4")
    assert f"instead of {found.teacher_calls}" in found.sentences[1]
    assert "no proof" in found.sentences[-1]
    assert found.looks[-1].seconds > 0


def test_the_choice_does_not_depend_on_anything_but_the_seed(choose: Callable[..., Any]) -> None:
    first, second = (choose().looks[0].look for _ in range(2))
    assert first == second
    assert choose(seed=1).looks[0].look != first


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"student": "kd"}, "goes from noise to the clean image only and cannot stop"),
        ({"student": "teacher"}, "is no student"),
        ({"taus": (0.3,)}, "cannot stop at tau 0.3"),
        ({"taus": ()}, "give taus"),
        ({"taus": (1.0,)}, "between 0"),
        ({"samples": 4}, "8 or more"),
        ({"level": 0}, "level lies between 0 and 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    choose: Callable[..., Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        choose(**options)


def test_the_command_tells_the_table_and_the_sentences(
    command: Callable[..., Any], tiny_model: str, measured: np.ndarray
) -> None:
    np.save("cell.npy", measured)
    options = ["--model", tiny_model, "--student", "flow", "-k", "8", "--psf-sigma", "1.5"]
    found = command("hand-over", "cell.npy", *options, "--negligible", "0.999", "--level", "0.0001")
    assert found.code == 0
    assert "p of the variance" in found.out
    assert "restore --sampler flow --correction hand-over:tau=0.4" in found.out
    refused = command("hand-over", "cell.npy", *options[:3], "kd")
    assert (refused.code, "cannot stop" in refused.sentence) == (2, True)
