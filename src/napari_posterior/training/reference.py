"""The reference of a bundle: its teacher's solvers measured on scenes that no training saw."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import TEACHER, SolverConfig
from napari_posterior.bundles.certificate import Certificate
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.write import CardFields, Part, write_bundle
from napari_posterior.errors import InputError
from napari_posterior.sampling.certify import SolverChoice, certify
from napari_posterior.sampling.path import get_path
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.files import read_weights
from napari_posterior.training.fit import Progress
from napari_posterior.training.held_out import draw_scenes_of, held_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path as FilePath

    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.sampling.certify import Certification
    from napari_posterior.training.fit import Report

__all__ = [
    "CANDIDATES",
    "RULER",
    "STOCHASTIC",
    "CertifyPlan",
    "certify_bundle",
    "check_no_students",
    "find_reference",
    "in_steps",
    "reference_config",
    "with_reference",
    "write_reference",
]

_LOG = (("sigma_max", 300.0), ("sigma_min", 0.01))
_FINE = (("sigma_max", 80.0), ("sigma_min", 0.002))

RULER: Final = SolverChoice("dpmpp2m", "power_late", 128, (("rho", 2.0),))
"""What candidates are measured with, once its steps are doubled and its noise level halved."""

STOCHASTIC: Final = SolverChoice("dpmpp2m_sde", "logsnr", 128, _FINE)
"""The solver of the self-check; on a Gaussian it is off by 0.2 % of the variance."""

CANDIDATES: Final = (
    SolverChoice("euler", "uniform", 32),
    SolverChoice("heun", "power_late", 24, (("rho", 1.6),)),
    SolverChoice("heun", "power_late", 32, (("rho", 2.0),)),
    *(SolverChoice("dpmpp2m", "power_late", n, (("rho", 1.6),)) for n in (32, 48)),
    *(SolverChoice("dpmpp2m", "power_late", n, (("rho", 2.0),)) for n in (24, 32, 48, 64)),
    *(SolverChoice("dpmpp2m", "power_late", n, (("rho", 2.5),)) for n in (32, 48)),
    # coarse structure varies by many times a pixel's sd: noise must start far above it
    *(SolverChoice("dpmpp2m", "logsnr", n, _LOG) for n in (24, 32, 40, 48)),
)
"""Solvers and grids that are offered to be the reference."""

_LIMIT: Final = "The reference is not certified: "


@dataclass(frozen=True)
class CertifyPlan:
    """How thoroughly the solvers of a teacher are measured when its bundle is built.

    The scatter between scenes decides how wide the intervals are, so scenes are worth more than
    samples of each.

    Parameters
    ----------
    scenes, samples : int
        Scenes, and samples of each.
    candidates : tuple of SolverChoice
        Solvers that may become the reference.
    ruler, stochastic : SolverChoice
        See :func:`napari_posterior.sampling.certify.certify`.
    """

    scenes: int = 24
    samples: int = 4
    candidates: tuple[SolverChoice, ...] = CANDIDATES
    ruler: SolverChoice = RULER
    stochastic: SolverChoice | None = STOCHASTIC


def certify_bundle(
    bundle: str | os.PathLike[str],
    *,
    plan: CertifyPlan | None = None,
    measurements: Sequence[Measurement] | None = None,
    stop_early: bool = True,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> Certification:
    """Measure the solvers of a bundle's teacher on held-out scenes; nothing is written.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle.
    plan : CertifyPlan, optional
        Scenes, samples and solvers.
    measurements : sequence of Measurement, optional
        What to measure them on; by default simulated scenes that no training of the bundle saw.
    stop_early : bool
        Leave out the candidates that cost more than the cheapest one that passes.
    device : str
        Where to compute.
    report : callable, optional
        Called as ``report(done, total)`` now and then, see
        :func:`napari_posterior.sampling.certify.certify`.

    Returns
    -------
    Certification

    Raises
    ------
    ModelError
        If the bundle is damaged or incomplete.
    InputError
        If there are too few scenes or samples, or none are given for a model of other images.
    """
    plan = CertifyPlan() if plan is None else plan
    opened = open_bundle(bundle)
    if measurements is None:
        if opened.card.training.own is not None:
            raise InputError(
                f"the model {opened.card.name!r} learned from images that it does not hold, and is "
                "certified on them while it is trained; train it again to have that repeated"
            )
        trained = opened.card.training_range
        ranges = TrainingRange(
            peak=trained.peak, psf_sigma=trained.psf_sigma, read_noise=trained.read_noise
        )
        measurements = held_out(plan.scenes, seed=opened.card.training.seed, trained=ranges)
    return certify(
        draw_scenes_of(opened, measurements, samples=plan.samples, device=device),
        plan.candidates,
        path=get_path(opened.card.path),
        ruler=plan.ruler,
        stochastic=plan.stochastic,
        stop_early=stop_early,
        report=report,
    )


def find_reference(
    bundle: str | os.PathLike[str],
    kept: FilePath,
    *,
    plan: CertifyPlan,
    measurements: Sequence[Measurement],
    device: str = "cpu",
    report: Report | None = None,
) -> SolverConfig:
    """Certify the teacher of a bundle, or read what an earlier call found for these weights.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle.
    kept : pathlib.Path
        File in which the outcome is kept.
    plan, measurements, device
        As for :func:`certify_bundle`.
    report : callable, optional
        Called with a ``Progress`` now and then.

    Returns
    -------
    SolverConfig
        With its certificate, whether that passes or not.

    Raises
    ------
    ModelError, InputError
        As :func:`certify_bundle`.
    """
    made_with = {"weights": open_bundle(bundle).weights_hash, "plan": asdict(plan)}
    made_with = json.loads(json.dumps(made_with))
    if kept.exists():
        told: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if told["made_with"] == made_with:
            return SolverConfig.model_validate(told["reference"])
    found = certify_bundle(
        bundle,
        plan=plan,
        measurements=measurements,
        device=device,
        report=None if report is None else in_steps(report),
    )
    config = reference_config(found)
    scratch = kept.with_suffix(".tmp")
    told = {"made_with": made_with, "reference": config.model_dump(mode="json")}
    scratch.write_text(json.dumps(told, indent=2), encoding="utf-8")
    os.replace(scratch, kept)
    return config


def reference_config(found: Certification, *, precision: str = "float32") -> SolverConfig:
    """Return what ``sampler.json`` says of the reference, certified or not.

    Parameters
    ----------
    found : Certification
        Of a teacher.
    precision : str
        Precision of the networks when they were measured.
    """
    choice = found.chosen.choice
    return SolverConfig.model_validate(
        {
            "solver": choice.solver,
            "grid": choice.grid,
            **dict(choice.options),
            "steps": choice.steps,
            "nfe": choice.nfe,
            "precision": precision,
            "certificate": Certificate.of(found),
        }
    )


def with_reference(card: CardFields, config: SolverConfig) -> CardFields:
    """Return the card of a bundle with this reference: where it is not certified, that is a limit.

    Parameters
    ----------
    card : CardFields
        What the card says otherwise.
    config : SolverConfig
        Of the teacher.
    """
    limits = tuple(limit for limit in card.known_limits if not limit.startswith(_LIMIT))
    certificate = config.certificate
    if certificate is not None and not certificate.certified:
        limits += (
            f"{_LIMIT}its solver leaves up to {certificate.worst} % of the variance of a band of "
            "spatial frequency open, and students learn from it.",
        )
    return replace(card, known_limits=limits)


def write_reference(
    bundle: str | os.PathLike[str], found: Certification, *, precision: str = "float32"
) -> FilePath:
    """Make what was chosen the reference of a bundle that has no students yet.

    Where no candidate passed, the bundle says that its reference is not certified. Measured figures
    are removed, since they were measured with another reference.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle with a teacher and a point estimate alone.
    found : Certification
        Of its teacher.
    precision : str
        Precision of the networks when they were measured.

    Returns
    -------
    pathlib.Path
        The bundle's folder.

    Raises
    ------
    ModelError
        If the bundle is damaged.
    InputError
        If the bundle has students: they were distilled from the reference it has.
    OutputError
        If it cannot be written.
    """
    check_no_students(bundle)
    opened = open_bundle(bundle)
    files = read_parts(opened.folder, opened.card)
    parts = {
        name: Part(read_weights(opened.folder / part.weights_path), part.config, part.sampler)
        for name, part in files.items()
    }
    reference = reference_config(found, precision=precision)
    parts[TEACHER] = replace(parts[TEACHER], sampler=reference)
    fields = {key: getattr(opened.card, key) for key in CardFields.__dataclass_fields__}
    return write_bundle(
        opened.folder,
        card=with_reference(CardFields(**fields), reference),
        parts=parts,
        licence_text=(opened.folder / "LICENSE").read_text(encoding="utf-8"),
        overwrite=True,
    )


def check_no_students(bundle: str | os.PathLike[str]) -> None:
    """Refuse a bundle whose reference cannot change any more.

    Raises
    ------
    InputError
        If the bundle has students: they were distilled from the reference it has.
    ModelError
        If the bundle is damaged.
    """
    students = open_bundle(bundle).card.students
    if students:
        raise InputError(
            f"the student {students[0]!r} was distilled from the reference that the bundle has; "
            "certify the teacher first and distil its students then"
        )


def in_steps(report: Report) -> Callable[[int, int], None]:
    """Return what tells the work of :func:`certify_bundle` as the progress of training is told."""
    start = time.monotonic()

    def tell(done: int, total: int) -> None:
        left = (time.monotonic() - start) / done * (total - done)
        report(Progress("reference", done, total, float("nan"), left))

    return tell
