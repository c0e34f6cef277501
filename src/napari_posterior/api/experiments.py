"""Experiments: new measurements of known objects, restored with the samplers of two runs.

They take as long as many restorations, so nothing starts one by itself: `estimate_cost` says
beforehand what one takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_posterior.api.pairs import open_pair
from napari_posterior.api.redraws import run_experiment
from napari_posterior.checks.experiments.sizes import (
    CALIBRATION_SAMPLES,
    DEPENDENCE_SAMPLES,
    MEASUREMENTS,
    SIMULATIONS,
)
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.checks.finding import Finding
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.runs.cancel import CancelToken
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic

__all__ = [
    "check_dependence",
    "check_self_calibration",
    "estimate_cost",
]

Progress = Callable[[int, int], None]
Folder = str | os.PathLike[str]


def check_dependence(
    teacher_run: Run | Folder,
    student_run: Run | Folder,
    *,
    measurements: int = MEASUREMENTS,
    samples: int = DEPENDENCE_SAMPLES,
    seed: int = 0,
    level: float | None = None,
    device: str = "auto",
    on_step: Progress | None = None,
    token: CancelToken | None = None,
) -> ExperimentResult:
    """Find out whether the student's answer follows the measurement as strongly as the teacher's.

    The camera noise of one teacher sample is drawn anew several times, and each of these
    measurements restored with both samplers, as the two runs were.

    Parameters
    ----------
    teacher_run, student_run : Run or path
        Runs of one image; their samplers, steps, camera, PSF, background and precision are used.
    measurements : int
        How often the camera noise is drawn, 3 or more.
    samples : int
        Restorations of each by each sampler, 2 or more.
    seed : int
        Of everything that is random.
    level : float, optional
        Confidence level of the intervals; by default that at which looks decide.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    on_step : callable, optional
        Called after every network call with the number of restorations done and that of all; what
        it raises ends the experiment.
    token : CancelToken, optional
        Ends it from another thread.

    Returns
    -------
    ExperimentResult
        Findings ``"dependence"``, ``"dependence.patches"`` and, where samples vary,
        ``"dependence.response"``; and a map.

    Raises
    ------
    InputError
        If the runs do not belong together, their model is another one now, or a number is too
        small.
    RunError
        If a restoration fails.
    RunCancelledError
        If the token was cancelled.
    """
    from napari_posterior.checks.experiments.dependence import find_dependence, plan_dependence
    from napari_posterior.checks.experiments.dependence_patches import (
        find_patch_accuracy,
        ratio_map,
    )
    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.checks.experiments.likelihood_gaps import GapMeter
    from napari_posterior.checks.experiments.response import find_response

    teacher, student = open_pair(teacher_run, student_run)
    coupled = _is_coupled(teacher, student)
    experiment = plan_dependence(
        teacher, measurements=measurements, samples=samples, seed=seed, coupled=coupled
    )
    meter = GapMeter(
        [_measurements(teacher, experiment.redraw(i).y) for i in range(len(experiment))]
    )
    rows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for one in run_experiment(
        experiment, teacher, student, device=device, on_step=on_step, token=token
    ):
        for row, run in zip(rows, (one.teacher, one.student), strict=True):
            row.append(np.stack([meter.measure(_planes(x)) for x in run]))
    logs = np.stack(rows[0]), np.stack(rows[1])
    height, width = teacher.request.image.shape[-2:]
    middle = teacher.request.image.n_planes // 2
    shown = ratio_map(logs[0][:, :, :, middle], logs[1][:, :, :, middle], shape=(height, width))
    level = _level(level)
    found = (
        find_dependence(*logs, level=level, paired=coupled, seed=seed, maps=(shown.name,)),
        find_patch_accuracy(*logs, level=level, paired=coupled),
        find_response(*logs, level=level, paired=coupled),
    )
    findings = tuple(one for one in found if one is not None)
    return ExperimentResult(experiment, _settled(findings, teacher), (shown,))


def check_self_calibration(
    teacher_run: Run | Folder,
    student_run: Run | Folder,
    *,
    simulations: int = SIMULATIONS,
    samples: int = CALIBRATION_SAMPLES,
    statistics: str | Sequence[str | Statistic] = ("puncta_count",),
    seed: int = 0,
    level: float | None = None,
    device: str = "auto",
    on_step: Progress | None = None,
    token: CancelToken | None = None,
) -> ExperimentResult:
    """Find out whether intervals of the student hold a simulated object as often as the teacher's.

    Parameters
    ----------
    teacher_run, student_run, seed, level, device, on_step, token
        As for `check_dependence`.
    simulations : int
        Teacher samples that are measured anew, 8 or more; at most as many as the run has.
    samples : int
        Restorations of each that the object is ranked among, 7 or more. The teacher draws one
        more, which distances are measured from.
    statistics : str, or sequence of str or Statistic
        Ranked too.

    Returns
    -------
    ExperimentResult
        Finding ``"self_calibration"`` of the pixels, and one for each other quantity.

    Raises
    ------
    InputError, RunError, RunCancelledError
        As for `check_dependence`.
    """
    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.checks.experiments.ranks import RankMeter
    from napari_posterior.checks.experiments.self_calibration import (
        find_self_calibration,
        plan_self_calibration,
    )
    from napari_posterior.checks.source import describe

    teacher, student = open_pair(teacher_run, student_run)
    coupled = _is_coupled(teacher, student)
    experiment = plan_self_calibration(
        teacher, simulations=simulations, samples=samples, seed=seed, coupled=coupled
    )
    described = describe(teacher)
    meter = RankMeter(
        _measurements(teacher, teacher.input),
        [statistics] if isinstance(statistics, str) else statistics,
        pixel_size=described.pixel_size,
        unit=described.unit,
    )
    scores = [
        meter.score(one.redraw, one.teacher, one.student)
        for one in run_experiment(
            experiment, teacher, student, device=device, on_step=on_step, token=token
        )
    ]
    findings = find_self_calibration(
        scores,
        samples=samples,
        level=_level(level),
        titles=meter.titles,
        coupled=coupled,
        seed=seed,
    )
    return ExperimentResult(experiment, _settled(findings, teacher))


def estimate_cost(
    question: Literal["dependence", "self_calibration"],
    teacher_run: Run | Folder,
    student_run: Run | Folder,
    *,
    repeats: int | None = None,
    samples: int | None = None,
) -> str:
    """Say in a sentence what an experiment would cost, from the time that the two runs took.

    Parameters
    ----------
    question : {"dependence", "self_calibration"}
        Which experiment.
    teacher_run, student_run : Run or path
        Runs of one image.
    repeats : int, optional
        Its measurements or simulations; the usual number by default.
    samples : int, optional
        Samples of each; the usual number by default.

    Raises
    ------
    InputError
        As for `check_dependence`.
    """
    from napari_posterior.checks.experiments import dependence, self_calibration

    runs = open_pair(teacher_run, student_run)
    if question == "dependence":
        experiment = dependence.plan_dependence(
            runs[0],
            measurements=MEASUREMENTS if repeats is None else repeats,
            samples=DEPENDENCE_SAMPLES if samples is None else samples,
        )
    elif question == "self_calibration":
        experiment = self_calibration.plan_self_calibration(
            runs[0],
            simulations=SIMULATIONS if repeats is None else repeats,
            samples=CALIBRATION_SAMPLES if samples is None else samples,
        )
    else:
        raise InputError(
            f"there is no experiment {question!r}; give 'dependence' or 'self_calibration'"
        )
    seconds = [run.seconds / len(run) for run in runs]
    return experiment.cost((seconds[0], seconds[1]) if all(seconds) else None)


def _is_coupled(teacher: Run, student: Run) -> bool:
    """Return whether both start from one noise: those of the runs did, too."""
    return teacher.request.seed == student.request.seed


def _measurements(run: Run, y: np.ndarray) -> list[Measurement]:
    """Return the planes of grey levels with the camera and PSF of a run."""
    from napari_posterior.physics.measurement import Measurement

    request = run.request
    return [
        Measurement(plane, request.camera, request.psf, request.background)
        for plane in _planes(np.asarray(y, np.float32))
    ]


def _planes(x: np.ndarray) -> list[np.ndarray]:
    return list(x.reshape(-1, *x.shape[-2:]))


def _settled(findings: Sequence[Finding], teacher: Run) -> tuple[Finding, ...]:
    """Give the verdicts at the default tolerances; a comparison gives them anew at its own."""
    from napari_posterior.checks.solver import solver_trust
    from napari_posterior.checks.verdicts.judging import settle
    from napari_posterior.checks.verdicts.looks import Looks
    from napari_posterior.checks.verdicts.tolerances import Tolerances

    return settle(findings, Tolerances.choose(), Looks(), solver=solver_trust(teacher))


def _level(given: float | None) -> float:
    from napari_posterior.checks.verdicts.looks import Looks

    if given is None:
        return Looks().level
    if not 0 < given < 1:
        raise InputError(f"the confidence level is {given}; give a number between 0 and 1")
    return given
