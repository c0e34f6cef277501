"""A student's run corrected by its teacher: from ``restore`` to the folder and back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import SampleDone
from napari_posterior.runs.ome import MANTISSA_BITS
from napari_posterior.runs.provenance import to_script

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = [
    ("flow", npo.HandOver(tau=0.4, steps=2), "flow-2 + hand-over"),
    ("kd", npo.Refine(tau=0.3, times=2, steps=2), "kd-1 + refine"),
    ("flow", npo.Guided(lam=0.5), "flow-2 + guided"),
    ("flow", npo.Guided(lam=0.5, renoise="random", kernel="sample", steps=2), "flow-2 + guided"),
]
every = pytest.mark.parametrize(("sampler", "correction", "label"), ALL)


@pytest.fixture
def restore(tiny_model: str) -> Callable[..., Any]:
    def make(image: Any, **options: Any) -> Any:
        camera = npo.Camera(gain=2.0, offset=100.0, read_noise=1.5)
        usual = {"samples": 5, "camera": camera, "psf": npo.Psf(1.5), "progress": False}
        return npo.restore(image, model=tiny_model, **{**usual, **options})

    return make


def assert_same(found: Any, expected: Any) -> None:
    scale = float(np.abs(expected.samples[:]).max())
    step = 2.0**-MANTISSA_BITS  # what is stored is rounded, which tells 1e-5 on either side apart
    np.testing.assert_allclose(found.samples[:], expected.samples[:], rtol=step, atol=1e-5 * scale)


@every
def test_the_samples_do_not_depend_on_batch_and_tile(
    measured: np.ndarray, restore: Callable[..., Any], sampler: str, correction: Any, label: str
) -> None:
    run = restore(measured, sampler=sampler, correction=correction, batch=5)
    assert_same(restore(measured, sampler=sampler, correction=correction, batch=2, tile=16), run)
    plain = restore(measured, sampler=sampler, batch=5)
    assert float(np.abs(run.samples[:] - plain.samples[:]).max()) > 1e-3
    assert (run.role, run.request.label, plain.request.label) == ("student", label, sampler)
    assert run.request.nfe > plain.request.nfe


@every
def test_a_run_that_was_cut_short_goes_on_with_the_same_samples(
    measured: np.ndarray,
    restore: Callable[..., Any],
    tmp_path: Any,
    sampler: str,
    correction: Any,
    label: str,
) -> None:
    whole = restore(measured, sampler=sampler, correction=correction, batch=2)
    token = CancelToken()

    def stop(event: object) -> None:
        if isinstance(event, SampleDone):
            token.cancel()

    folder = tmp_path / "cut"
    asked: dict[str, Any] = {"sampler": sampler, "correction": correction, "batch": 2}
    cut = restore(measured, out=folder, token=token, on_event=stop, **asked)
    assert 0 < len(cut) < 5
    with pytest.raises(RunError, match="cannot be resumed"):
        restore(measured, resume=folder, sampler=sampler, steps=cut.request.steps)

    assert_same(restore(measured, resume=folder, **asked), whole)


@every
def test_a_run_keeps_its_correction_and_its_script_asks_for_it(
    measured: np.ndarray,
    restore: Callable[..., Any],
    tmp_path: Any,
    sampler: str,
    correction: Any,
    label: str,
) -> None:
    run = restore(measured, sampler=sampler, correction=correction, out=tmp_path / "a", samples=2)
    opened = npo.open_run(tmp_path / "a")
    assert opened.request == run.request
    assert opened.request.correction == correction
    assert correction.meaning in opened.warnings
    (call,) = (
        node
        for node in ast.walk(ast.parse(to_script(run.request)))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "restore"
    )
    source = next(word.value for word in call.keywords if word.arg == "correction")
    assert eval(ast.unparse(source), {"npo": npo}) == correction


def test_guidance_by_a_mean_says_before_it_runs_what_variance_it_takes(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    run = restore(measured, sampler="flow", correction="guided:lam=0.3", samples=1)
    assert [told for told in run.warnings if "of the posterior variance" in told]
    kept = restore(measured, sampler="flow", correction="guided:kernel=sample", samples=1)
    assert not [told for told in kept.warnings if "of the posterior variance" in told]


def test_a_correction_in_words_is_that_of_the_class(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    words = restore(measured, sampler="flow", correction="hand-over:tau=0.4,steps=2", samples=1)
    assert words.request.correction == npo.HandOver(tau=0.4, steps=2)
    assert restore(measured, sampler="kd", correction="refine", samples=1).request.correction == (
        npo.Refine()
    )


def test_a_corrected_run_is_compared_as_a_student(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    teacher = restore(measured, samples=8)
    student = restore(measured, sampler="kd", correction="refine", samples=8)
    assert npo.compare(teacher, student, statistics=()).findings


@pytest.mark.parametrize(
    ("sampler", "correction", "said"),
    [
        ("kd", "hand-over", "'kd' goes from noise to the clean image only and cannot stop"),
        ("flow", "hand-over", "'flow' cannot stop at tau 0.3 with these steps; it can at tau 0.4"),
        ("kd", "guided", "takes 1 step and the last one is not led"),
        ("teacher", "refine", "'teacher' is no student and has nothing to correct"),
        ("mse", "hand-over", "'mse' is no student and has nothing to correct"),
        ("kd", "mlmc", "'mlmc' is unknown; use 'hand-over', 'refine' or 'guided'"),
        ("kd", 0.3, "correction is 0.3; give 'hand-over'"),
        ("kd", "refine:tau=2", "tau is 2; give a time between 0"),
        ("kd", "refine:tau", "'tau' of 'refine' has no value"),
        ("kd", "refine:k=2", "'refine' has no option 'k'; it has tau, kernel, times, steps"),
    ],
)
def test_what_cannot_be_corrected_is_refused_in_one_sentence(
    measured: np.ndarray, restore: Callable[..., Any], sampler: str, correction: Any, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        restore(measured, sampler=sampler, correction=correction, samples=1)


def test_the_command_line_takes_a_correction(
    measured: np.ndarray, command: Callable[..., Any], tiny_model: str, tmp_path: Any
) -> None:
    np.save(tmp_path / "cell.npy", measured)
    options = "--gain 2 --offset 100 --read-noise 1.5 --psf-sigma 1.5 -k 1".split()
    asked = ["restore", tmp_path / "cell.npy", "--model", tiny_model, *options]
    done = command(*asked, "--sampler", "kd", "--correction", "refine:tau=0.4,kernel=ode")
    assert done.code == 0, done.err
    assert done.out.startswith("kd-1 + refine: 1 sample in")
    assert "cell-kd-refine.posterior.zarr" in done.out
    refused = command(*asked, "--sampler", "kd", "--correction", "refine:tau=1.5")
    assert (refused.code, "tau is 1.5" in refused.sentence) == (2, True)
