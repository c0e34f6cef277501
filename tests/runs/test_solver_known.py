"""What a run tells of its solver: looked at on its image, and certified by its bundle or not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.bundles.certificate import Certificate
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import StepDone, Warned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = {"camera": npo.Camera(2.0, 100.0, 1.5), "psf": npo.Psf(1.4), "device": "cpu"}
LEFT_OPEN = (0.004, 0.0172, 0.001, 0.009)


def certificate(left_open: tuple[float, ...] = LEFT_OPEN) -> Certificate:
    edges = (0.0, 0.05, 0.1, 0.2, 0.71)
    bands = [
        {
            "low": low,
            "high": high,
            "share": 0.25,
            "variance": -0.5 * share,
            "variance_interval": (-0.9 * share, -0.1 * share),
            "mean": 0.0,
            "mean_interval": (0.0, 1e-4),
        }
        for low, high, share in zip(edges[:-1], edges[1:], left_open, strict=True)
    ]
    return Certificate.model_validate(
        {
            "reference": {"solver": "heun, 3 steps on power_late(0.6)", "nfe": 5, "bands": bands},
            "ruler": {"solver": "heun, 64 steps on uniform", "nfe": 127, "bands": bands},
            "left_open": left_open,
            "tolerance": 0.02,
            "level": 0.95,
            "scenes": 24,
            "samples": 4,
        }
    )


@pytest.fixture(scope="module")
def certified(tiny_writer, tiny_parts, tmp_path_factory) -> Callable[..., Path]:
    """Write the tiny bundle with a certificate for its reference."""

    def write(left_open: tuple[float, ...] = LEFT_OPEN) -> Path:
        teacher = tiny_parts["teacher"]
        config = teacher.sampler.model_copy(update={"certificate": certificate(left_open)})
        parts = {**tiny_parts, "teacher": replace(teacher, sampler=config)}
        return tiny_writer(tmp_path_factory.mktemp("certified") / "tiny", parts=parts)

    return write


def spots(side: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    yy, xx = np.indices((side, side))
    object_ = np.full((side, side), 6.0)
    for y, x in rng.uniform(4, side - 4, (6, 2)):
        object_ += 80 * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * 1.7**2))
    return 100 + 2 * rng.poisson(object_).astype(np.float32)


def until_the_first_call(image: np.ndarray, **options: Any) -> tuple[Any, list[Any]]:
    """Restore, and cancel when the first sample has had one network call."""
    token, events = CancelToken(), []

    def stop(event: Any) -> None:
        events.append(event)
        if isinstance(event, StepDone) and event.samples:
            token.cancel()

    options = {"model": "fluo2d", **SETTINGS, **options}
    return npo.restore(image, token=token, on_event=stop, progress=False, **options), events


def test_few_steps_of_the_shipped_teacher_are_warned_about_with_what_they_lose() -> None:
    run, events = until_the_first_call(spots(32), steps=3, samples=128)
    check = run.image_check
    assert abs(check.worst.variance) > 0.1
    low, high = check.worst.variance_interval
    assert high < -0.02 or low > 0.02
    assert check.warning in run.warnings
    assert check.warning in [event.message for event in events if isinstance(event, Warned)]
    word = "less" if high < 0 else "more"
    assert f"{abs(check.worst.variance):.1%} {word} variance" in check.warning
    assert (check.plane, check.place, check.side, check.samples) == (0, (0, 0), (32, 32), 4)


def test_the_shipped_reference_is_fine_enough_for_an_ordinary_image() -> None:
    run, _ = until_the_first_call(spots(32), samples=128)
    assert run.image_check.warning is None
    assert abs(run.image_check.worst.variance) < 0.02
    assert run.warnings == ()


def test_the_shipped_reference_says_whether_it_was_certified() -> None:
    run, _ = until_the_first_call(spots(32), samples=4)
    assert run.solver_bias.reference
    file = npo.load_model("fluo2d").folder / "teacher" / "sampler.json"
    told = json.loads(file.read_text(encoding="utf-8")).get("certificate")
    found = run.solver_bias.certificate
    assert (None if found is None else found.model_dump(mode="json")) == told


@pytest.mark.parametrize(("samples", "made"), [(128, True), (64, False)])
def test_the_check_is_made_where_it_costs_a_tenth_of_the_run_at_most(
    tiny_bundle: Path, measured: np.ndarray, samples: int, made: bool
) -> None:
    """Of 4 samples with 5 + 11 calls, beside runs with 5 calls a sample: 10 and 20 %."""
    run, events = until_the_first_call(measured, model=tiny_bundle, samples=samples)
    assert (run.image_check is not None) is made
    ahead = [event for event in events if isinstance(event, StepDone) and not event.samples]
    assert len(ahead) == (16 if made else 0)


@pytest.mark.parametrize(("sampler", "samples"), [("kd", 200), ("flow", 200), ("mse", 1)])
def test_students_and_point_estimates_are_not_checked_and_have_no_certificate(
    certified: Callable[..., Path], measured: np.ndarray, sampler: str, samples: int
) -> None:
    run, _ = until_the_first_call(measured, model=certified(), sampler=sampler, samples=samples)
    assert (run.image_check, run.solver_bias) == (None, None)


def test_of_a_stack_the_plane_in_the_middle_is_looked_at(
    tiny_bundle: Path, measured: np.ndarray
) -> None:
    """Its samples cost as many planes, so fewer of them will do."""
    stack = np.stack([measured, measured + 10, measured[::-1], measured])
    run, _ = until_the_first_call(stack, model=tiny_bundle, samples=32)
    assert run.image_check.plane == 2


def test_memory_that_runs_out_in_the_check_leaves_the_run_as_it_is(
    tiny_bundle: Path, measured: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_posterior.sampling.samplers import TeacherSampler

    draw = TeacherSampler.draw

    def small_memory(self: Any, z: Any, *args: Any, **options: Any) -> Any:
        if self.steps > 3:  # only the refined grid of the check has as many
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return draw(self, z, *args, **options)

    monkeypatch.setattr(TeacherSampler, "draw", small_memory)
    run, events = until_the_first_call(measured, model=tiny_bundle, samples=128)
    assert (run.state, run.image_check, run.warnings) == ("cancelled", None, ())
    assert any(isinstance(event, StepDone) and event.samples for event in events)


def test_a_job_of_the_window_checks_too_and_its_progress_moves_meanwhile(
    tiny_bundle: Path, measured: np.ndarray, tmp_path: Path
) -> None:
    from napari_posterior.api.settings import Settings
    from napari_posterior.session.restore_job import RestoreJob

    settings = Settings(samples=128, **SETTINGS)
    job = RestoreJob(measured, tiny_bundle, settings, out=tmp_path / "run")
    told = []
    for event in job.iterate():
        told.append((event, job.progress))
        if isinstance(event, StepDone) and event.samples:
            job.cancel()
    ahead = [seen for event, seen in told if isinstance(event, StepDone) and not event.samples]
    assert ahead
    assert 0 < ahead[-1].fraction < 0.2
    assert job.run.image_check.bands


# ---------------------------------------------------------------------------------- certificates


def test_a_run_of_the_reference_carries_its_certificate(
    certified: Callable[..., Path], measured: np.ndarray, tmp_path: Path
) -> None:
    npo.restore(measured, model=certified(), samples=1, out=tmp_path / "cell", **SETTINGS)
    run = npo.open_run(tmp_path / "cell")
    assert run.solver_bias.reference
    assert run.solver_bias.certificate == certificate()


@pytest.mark.parametrize("changes", [{"steps": 2}, {"steps": 12}, {"precision": "bfloat16"}])
def test_with_other_steps_or_precision_there_is_no_certificate(
    certified: Callable[..., Path], measured: np.ndarray, changes: dict[str, Any]
) -> None:
    run = npo.restore(measured, model=certified(), samples=1, **SETTINGS, **changes)
    assert not run.solver_bias.reference
    assert run.solver_bias.certificate is None


@pytest.mark.parametrize(
    ("left_open", "steps", "told", "worst"),
    [
        (LEFT_OPEN, None, "reference, certified: up to 1.72 % of the variance left open", 0.0172),
        (
            (0.004, 0.0345, 0.001, 0.009),
            None,
            "reference, not certified: up to 3.45 % of the variance left open",
            0.0345,
        ),
        (LEFT_OPEN, 2, "not the reference: the teacher's solver was not certified", None),
        (None, None, "reference: the teacher's solver was not certified", None),
    ],
)
def test_the_report_of_a_comparison_says_what_the_reference_left_open(
    certified: Callable[..., Path],
    tiny_bundle: Path,
    measured: np.ndarray,
    left_open: tuple[float, ...] | None,
    steps: int | None,
    told: str,
    worst: float | None,
) -> None:
    model = tiny_bundle if left_open is None else certified(left_open)
    teacher = npo.restore(measured, model=model, samples=4, steps=steps, **SETTINGS)
    student = npo.restore(measured, model=model, sampler="kd", samples=4, **SETTINGS)
    report = npo.compare(teacher, student, statistics=())
    assert report.solver.phrase == told
    assert report.solver.remaining == worst
    checks = report.to_dict()["checks"]
    assert len(checks) > 8
    assert {check["floor"]["sampler"] for check in checks} == {worst}
