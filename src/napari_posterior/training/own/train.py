"""Train on the user's own images: from folders and minutes to a bundle."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic import TypeAdapter, ValidationError

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import POINT, TEACHER, BundleName
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.reading import read_card
from napari_posterior.bundles.write import check_place, write_evaluation
from napari_posterior.errors import InputError, ModelError, OutputError
from napari_posterior.sampling.certify import SolverChoice
from napari_posterior.sampling.conditioning import Normaliser
from napari_posterior.training.files import work_folder
from napari_posterior.training.own.budget import bfloat16_pays, seconds_of_a_step
from napari_posterior.training.own.describe import describe
from napari_posterior.training.own.held_out import measure_held_out
from napari_posterior.training.own.store import LEAST_SIZE
from napari_posterior.training.own.streams import open_data
from napari_posterior.training.plan import POINT_ARCH, VELOCITY_ARCH, TrainingPlan
from napari_posterior.training.reference import CertifyPlan
from napari_posterior.training.train import train

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_posterior.training.fit import Report
    from napari_posterior.training.own.streams import OwnData

__all__ = ["MINUTES", "QUICK", "SCRATCH", "OwnImages", "train_own"]

MINUTES: Final = 20.0
"""Minutes of training where none are given."""

SCRATCH: Final = "scratch"
"""What to begin from to begin with random weights."""

QUICK: Final = CertifyPlan(
    scenes=12,
    samples=4,
    candidates=(
        SolverChoice("dpmpp2m", "power_late", 32, (("rho", 2.0),)),
        SolverChoice("dpmpp2m", "logsnr", 32, (("sigma_max", 300.0), ("sigma_min", 0.01))),
        SolverChoice("dpmpp2m", "logsnr", 48, (("sigma_max", 300.0), ("sigma_min", 0.01))),
    ),
    stochastic=None,
)
"""How the reference is certified: in minutes, with wider intervals than those of shipped models."""

_RECORD: Final = "own.json"
_FINE_RATE: Final = 3e-4
_FEWEST: Final = 20
_FEW: Final = 500


class OwnImages(Protocol):
    """Folders of the user's images: ``CleanFolder`` or ``PairFolders``."""

    def files(self) -> list[FilePath]:
        """Return the files there are."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what training depends on besides the files, of JSON types."""
        ...

    def prepare(self, into: FilePath, note: Callable[[str], None]) -> OwnData:
        """Check the images and write what training reads."""
        ...


def train_own(
    out: str | os.PathLike[str],
    images: OwnImages,
    *,
    start: str = "fluo2d",
    minutes: float = MINUTES,
    steps: int | None = None,
    plan: TrainingPlan | None = None,
    work: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    licence: str = "not stated",
    report: Report | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> FilePath:
    """Train a point estimate and a teacher on the user's images and write them as a bundle.

    Parameters
    ----------
    out : str or path
        Folder of the bundle; its name is the model's name.
    images : CleanFolder or PairFolders
        What to learn from.
    start : str
        Name or folder of the model whose weights are gone on from, or ``"scratch"``.
    minutes : float
        Time to train for. From it the number of steps is found by timing a few; it is kept, so that
        an interrupted training goes on with it. Reading images, measuring the reference and writing
        come on top.
    steps : int, optional
        Optimiser steps of each network, instead of `minutes`.
    plan : TrainingPlan, optional
        Seed, processes, device, crop size, how the reference is certified, whether bfloat16 may be
        used where it pays and, from scratch, the size of the networks.
    work : str or path, optional
        Where images, checkpoints and loss curves are kept, ``OUT.training`` by default. A call with
        the same folder, files and settings goes on where an interrupted one stopped.
    overwrite : bool
        Replace a bundle that is there.
    licence : str
        Of the weights, for the card.
    report : callable, optional
        Called with a ``Progress`` now and then; picklable if there are several processes.
    note : callable
        Called with sentences for the user.

    Returns
    -------
    pathlib.Path
        The bundle's folder.

    Raises
    ------
    InputError
        If the images cannot be used, or `work` belongs to another training.
    ModelError
        If the model to begin from is damaged, or its networks are of another kind.
    OutputError
        If the bundle exists and `overwrite` is False, or cannot be written.
    """
    target, folder = FilePath(out), work_folder(out, work)
    check_place(target, overwrite=overwrite)
    _check_name(target.name)
    if plan is not None and plan.size > LEAST_SIZE:
        raise InputError(
            f"training crops of {plan.size} pixels are larger than images may be; use up to "
            f"{LEAST_SIZE}"
        )
    plan, origin = _begin(TrainingPlan(certify=QUICK) if plan is None else plan, start)
    asked = {
        "files": [[file.name, file.stat().st_size] for file in images.files()],
        "images": images.settings(),
        "start": origin,
        "plan": [plan.seed, plan.batch, plan.size, plan.processes, list(plan.channels)],
    }
    record = _open_record(folder, json.loads(json.dumps(asked)))
    data = open_data(folder / "data")
    if data is None:
        data = images.prepare(folder / "data", note)
    plan = replace(plan, data=data, trained=data.trained)
    plan = _with_steps(plan, record, folder, minutes=minutes, steps=steps, note=note)
    words = describe(data, origin=origin, licence=licence)
    train(out, plan=plan, work=folder, overwrite=overwrite, words=words, report=report, note=note)
    evaluation = dict(read_card(target).evaluation)
    return write_evaluation(target, {**evaluation, "own_images": measure_held_out(plan, target)})


def _begin(plan: TrainingPlan, start: str) -> tuple[TrainingPlan, str | None]:
    """Return the plan with the networks of a model, and words for what it begins from."""
    if start == SCRATCH:
        return plan, None
    bundle = open_bundle(find_model(start))
    parts = read_parts(bundle.folder, bundle.card)
    networks = {name: parts[name].config for name in (POINT, TEACHER)}
    teacher = networks[TEACHER].arch_kwargs
    fits = [networks[POINT].arch, networks[TEACHER].arch] == [POINT_ARCH, VELOCITY_ARCH]
    fits &= bundle.card.conditioning.normaliser == asdict(Normaliser())
    if fits:
        own: dict[str, Any] = {name: teacher.get(name) for name in ("channels", "blocks", "path")}
        plan = replace(plan, **own | {"channels": tuple(own["channels"])})
        fits = teacher == plan.velocity_kwargs
        fits &= networks[POINT].arch_kwargs == plan.point_kwargs
    if not fits:
        raise ModelError(
            f"the model {bundle.card.name} has networks of another kind, which cannot be gone on "
            f"from; train with --from {SCRATCH}"
        )
    plan = replace(plan, rate=_FINE_RATE, start=str(bundle.folder))
    card = bundle.card
    return plan, f"{card.name} {card.version} (weights {bundle.weights_hash[:12]})"


def _with_steps(
    plan: TrainingPlan,
    record: dict[str, Any],
    folder: FilePath,
    *,
    minutes: float,
    steps: int | None,
    note: Callable[[str], None],
) -> TrainingPlan:
    """Return the plan with its steps, found once and kept."""
    if record.get("steps") is None:
        autocast = plan.autocast and bfloat16_pays(plan)
        plan = replace(plan, autocast=autocast)
        if steps is None:
            seconds = seconds_of_a_step(plan)
            steps = max(int(60 * minutes / seconds), _FEWEST)
            note(
                f"A step of both networks takes {seconds:.2f} s here: {steps} steps in "
                f"{minutes:g} minutes."
            )
            if steps < _FEW:
                note(
                    f"{steps} steps are few, and much of what was learned before is kept; give "
                    f"--minutes {_FEW * seconds / 60:.0f} or more."
                )
        record |= {"steps": steps, "autocast": autocast}
        _write_record(folder, record)
    elif steps is not None and steps != record["steps"]:
        raise InputError(
            f"{folder} holds a training of {record['steps']} steps; leave --steps away to go on "
            "with it, or choose another folder with --work"
        )
    return replace(plan, steps=record["steps"], autocast=record["autocast"])


def _open_record(folder: FilePath, asked: dict[str, Any]) -> dict[str, Any]:
    """Return what was kept of this training; refuse a folder that belongs to another."""
    file = folder / _RECORD
    if file.exists():
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if kept["asked"] != asked:
            raise InputError(
                f"{folder} holds a training on other images or with other settings; choose another "
                "folder with --work, or delete it"
            )
        return kept
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} holds another training; choose another folder with --work, or delete it"
        )
    kept = {"asked": asked, "steps": None, "autocast": None}
    _write_record(folder, kept)
    return kept


def _write_record(folder: FilePath, record: dict[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".{_RECORD}"
        scratch.write_text(json.dumps(record, indent=2), encoding="utf-8")
        scratch.replace(folder / _RECORD)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}); choose a folder that can be "
            "written with --work"
        ) from error


def _check_name(name: str) -> None:
    try:
        TypeAdapter(BundleName).validate_python(name)
    except ValidationError as error:
        raise OutputError(
            f"{name!r} cannot be the name of a model; use up to 64 letters, digits, dots, dashes "
            "and underscores, and begin with a letter or digit"
        ) from error
