"""Experiments through the public functions: restorations on a bundle of tiny networks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.api.experiments import (
    check_dependence,
    check_self_calibration,
    estimate_cost,
)
from napari_posterior.api.redraws import run_experiment
from napari_posterior.checks.experiments.dependence import plan_dependence
from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.cancel import CancelToken, RunCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAMERA = npo.Camera(gain=2.0, offset=100.0, read_noise=1.5)
PSF = npo.Psf(1.4)


@pytest.fixture
def restore(tiny_bundle: Path, measured: np.ndarray) -> Callable[..., Any]:
    """Restore with the tiny model, unless told otherwise."""

    def run(image: Any = measured, **changes: Any) -> Any:
        options = {
            "model": tiny_bundle,
            "samples": 8,
            "camera": CAMERA,
            "psf": PSF,
            "background": 0.5,
            "device": "cpu",
            "progress": False,
        }
        return npo.restore(image, **{**options, **changes})

    return run


@pytest.fixture
def runs(restore: Callable[..., Any]) -> tuple[Any, Any]:
    """A teacher of other steps than usual, and a student."""
    return restore(steps=2), restore(sampler="kd")


def test_measurements_are_restored_as_the_runs_were(
    restore: Callable[..., Any], runs: tuple[Any, Any]
) -> None:
    plan = plan_dependence(runs[0], measurements=3, samples=2, seed=4)
    found = list(run_experiment(plan, *runs, device="cpu"))
    assert [one.redraw.index for one in found] == [0, 1, 2]
    second = found[1]
    for role, drawn, changes in (
        ("teacher", second.teacher, {"steps": 2}),
        ("student", second.student, {"sampler": "kd"}),
    ):
        seed = plan.noise_seed(1, role)
        again = restore(second.redraw.y, samples=2, seed=seed, **changes)
        np.testing.assert_allclose(drawn, np.asarray(again.samples[:]), rtol=1e-4, atol=1e-3)


def test_a_part_of_an_image_keeps_its_place_so_that_its_noise_is_its_own(
    restore: Callable[..., Any], measured: np.ndarray
) -> None:
    from napari_posterior.image import as_image

    whole = as_image(measured)
    part = whole.crop((slice(8, 24), slice(8, 32)))
    pair = [restore(part), restore(part, sampler="kd")]
    plan = plan_dependence(pair[0], measurements=3, samples=2)
    one = next(run_experiment(plan, *pair, device="cpu"))
    again = restore(replace(part, data=one.redraw.y), samples=2, seed=plan.noise_seed(0, "teacher"))
    np.testing.assert_allclose(one.teacher, np.asarray(again.samples[:]), rtol=1e-4, atol=1e-3)


def test_dependence_gives_findings_and_a_map_and_is_the_same_twice(runs: tuple[Any, Any]) -> None:
    found, again = (
        check_dependence(*runs, measurements=3, samples=4, seed=1, device="cpu") for _ in range(2)
    )
    first, patches, response = found.findings
    assert (first.id, first.kind, first.no_difference) == ("dependence", "dependence", 1.0)
    assert first.coupled and (first.n_teacher, first.n_student) == (12, 12)
    assert first.to_dict() == again.findings[0].to_dict()
    assert patches.id == "dependence.patches" and patches.kind == ""
    assert response.id == "dependence.response" and response.kind == ""
    assert first.maps == (found.maps[0].name,)
    assert found.maps[0].values.shape == runs[0].input.shape


def test_a_teacher_against_itself_with_other_seeds_starts_from_other_noise(
    restore: Callable[..., Any],
) -> None:
    one, other = restore(), restore(seed=5)
    found = check_dependence(one, other, measurements=3, samples=4, device="cpu").findings[0]
    assert not found.coupled
    copies = check_dependence(one, one, measurements=3, samples=4, device="cpu").findings[0]
    assert copies.coupled
    assert copies.extra["gap_teacher_nats"] == copies.extra["gap_student_nats"]
    assert found.extra["gap_teacher_nats"] != found.extra["gap_student_nats"]


def test_self_calibration_ranks_pixels_likelihood_distance_and_statistics(
    runs: tuple[Any, Any],
) -> None:
    found = check_self_calibration(
        *runs, simulations=8, samples=7, statistics="mean_intensity", device="cpu"
    )
    names = ("", ".distance", ".likelihood", ".mean_intensity")
    assert {one.id for one in found.findings} == {f"self_calibration{name}" for name in names}
    assert all(one.n_teacher == 8 for one in found.findings)
    assert all(one.level == pytest.approx(1 - 2 * 0.0122, abs=1e-3) for one in found.findings)


def test_progress_counts_restorations_to_the_end(runs: tuple[Any, Any]) -> None:
    seen: list[tuple[int, int]] = []
    check_dependence(
        *runs,
        measurements=3,
        samples=2,
        device="cpu",
        on_step=lambda done, total: seen.append((done, total)),
    )
    done = [one for one, _ in seen]
    assert done == sorted(done) and done[-1] == 12
    assert {total for _, total in seen} == {12}
    assert len(seen) > 12


def test_what_on_step_raises_ends_it_as_it_is(runs: tuple[Any, Any]) -> None:
    class EnoughError(Exception):
        pass

    calls = 0

    def stop(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if done >= 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        check_dependence(*runs, measurements=3, samples=2, device="cpu", on_step=stop)
    assert calls < 12


def test_a_token_cancels_within_a_network_call(runs: tuple[Any, Any]) -> None:
    token = CancelToken()
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        token.cancel()

    with pytest.raises(RunCancelledError):
        check_self_calibration(
            *runs, simulations=8, samples=7, device="cpu", on_step=stop, token=token
        )
    assert len(seen) == 1


def test_the_cost_is_known_before_anything_is_drawn(runs: tuple[Any, Any]) -> None:
    assert "4 simulated measurements" in estimate_cost("dependence", *runs)
    told = estimate_cost("self_calibration", *runs, repeats=8, samples=7)
    assert "8 and 7 samples of each (120 restorations): about" in told
    with pytest.raises(InputError, match=r"no experiment 'bias'"):
        estimate_cost("bias", *runs)  # type: ignore[arg-type]


def test_runs_that_do_not_belong_together_are_refused(
    restore: Callable[..., Any], runs: tuple[Any, Any], measured: np.ndarray
) -> None:
    with pytest.raises(InputError, match="give the run of the teacher first"):
        check_dependence(runs[1], runs[0])
    with pytest.raises(InputError, match="differ in their image"):
        check_self_calibration(runs[0], restore(measured[:, ::-1].copy(), sampler="kd"))
    with pytest.raises(RunError, match="does not exist"):
        check_dependence("nowhere", runs[1])
    with pytest.raises(InputError, match="the confidence level is 2"):
        check_dependence(*runs, level=2, measurements=3, samples=2, device="cpu")


def test_a_model_that_changed_since_is_refused(
    restore: Callable[..., Any], tiny_writer: Callable[..., Path], tiny_parts: Any, tmp_path: Path
) -> None:
    folder = tiny_writer(tmp_path / "own")
    pair = restore(model=folder), restore(model=folder, sampler="kd")
    shutil.rmtree(folder)
    tiny_writer(folder, parts={**tiny_parts, "kd": tiny_parts["flow"]})
    with pytest.raises(InputError, match="is another one now"):
        check_dependence(*pair)


def test_an_answer_of_the_shipped_model_follows_the_noise_of_the_camera() -> None:
    rows, columns = np.mgrid[:32, :32]
    light = 30 + 80 * np.exp(-((rows - 12) ** 2 + (columns - 18) ** 2) / 8)
    electrons = np.random.default_rng(0).poisson(light)
    y = (2 * electrons + 100).astype(np.uint16)
    options: dict[str, Any] = {"camera": CAMERA, "psf": PSF, "samples": 4, "device": "cpu"}
    pair = npo.restore(y, steps=3, **options), npo.restore(y, sampler="kd", **options)
    found = check_dependence(*pair, samples=6, device="cpu").findings[0]
    assert found.extra["gap_teacher_nats"] > 5
    assert found.estimate == pytest.approx(1, abs=0.3)


@pytest.fixture
def folders(restore: Callable[..., Any], tmp_path: Path) -> tuple[Path, Path]:
    """Two runs on disk."""
    runs = restore(out=tmp_path / "t"), restore(sampler="kd", out=tmp_path / "s")
    return runs[0].path, runs[1].path


def test_the_command_line_says_the_cost_first_and_writes_the_numbers(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_posterior.cli.experiments import dependence, self_calibration

    dependence(*folders, measurements=3, samples=2, device="cpu", out=tmp_path / "found")
    written = capsys.readouterr()
    assert written.err.startswith("Dependence on the measurement: restores 3 simulated")
    assert "tells its own one of 3 redrawn measurements" in written.out
    kept = json.loads((tmp_path / "found" / "dependence.json").read_text())
    assert [one["id"] for one in kept["checks"]] == ["dependence", "dependence.patches"]
    self_calibration(*folders, simulations=8, samples=7, cost=True)
    assert capsys.readouterr().out.startswith("Calibration by self-simulation: restores 8")
    assert not (tmp_path / "found" / "self_calibration.json").exists()
