"""What can be chosen: models with their samplers, the step control, devices; no torch needed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_posterior.bundles.card import TEACHER, FlowMapConfig, SolverConfig
from napari_posterior.bundles.catalogue import entries, find_model
from napari_posterior.bundles.corrected import describe_corrected
from napari_posterior.bundles.info import MAX_STEPS, describe, either
from napari_posterior.bundles.parts import by_sampler, read_parts
from napari_posterior.bundles.reading import read_card
from napari_posterior.errors import PosteriorError
from napari_posterior.sampling.solvers import get_solver
from napari_posterior.session.progress import count_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    from napari_posterior.bundles.card import ModelCard
    from napari_posterior.bundles.catalogue import Entry
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.bundles.parts import PartFiles
    from napari_posterior.runs.run import Run
    from napari_posterior.sampling.corrections import Correction

__all__ = [
    "DeviceChoice",
    "ModelChoice",
    "SamplerChoice",
    "StepControl",
    "find_devices",
    "label_of",
    "label_of_run",
    "read_model",
    "read_models",
]


@dataclass(frozen=True)
class StepControl:
    """What a window shows where the number of steps is chosen.

    Attributes
    ----------
    enabled : bool
        Whether there is anything to choose.
    values : tuple of int
        What can be chosen, in increasing order.
    default : int
        What the model states.
    reason : str
        One sentence: why there is no choice, or what a choice means.
    """

    enabled: bool
    values: tuple[int, ...]
    default: int
    reason: str


@dataclass(frozen=True)
class SamplerChoice:
    """A sampler that can be chosen.

    Attributes
    ----------
    name : str
        As in ``restore(sampler=...)``.
    role : str
        ``"teacher"``, ``"student"`` or ``"point"``.
    steps : StepControl
        Which steps it can take.
    """

    name: str
    role: str
    steps: StepControl
    _part: PartFiles = field(repr=False)
    _teacher: PartFiles = field(repr=False)

    def info(
        self,
        steps: int | None = None,
        precision: str = "float32",
        *,
        correction: Correction | None = None,
    ) -> SamplerInfo:
        """Say what the sampler is with these steps, and this correction by its teacher.

        Raises
        ------
        InputError
            If it cannot take them, or be corrected so.
        """
        if correction is None:
            return describe(self._part, steps=steps, precision=precision)
        return describe_corrected(
            self._part, self._teacher, correction, steps=steps, precision=precision
        )

    def label(self, steps: int | None = None, *, correction: Correction | None = None) -> str:
        """Words for a list of runs: ``"teacher-8"``, ``"kd-1 + refine"``."""
        return label_of(self.info(steps, correction=correction), correction)

    def calls_words(self, steps: int | None = None, *, correction: Correction | None = None) -> str:
        """Words beside the steps: ``"Heun solver, 15 calls"``, ``"1 call"``.

        Raises
        ------
        InputError
            If it cannot take these steps, or be corrected so.
        """
        info = self.info(steps, correction=correction)
        solver = ""
        if info.role == "teacher":
            title = get_solver(info.solver, info.eta).title.removeprefix("DPM-Solver++")
            solver = f"{title.replace('(', '').replace(')', '')} solver"
        return ", ".join(filter(None, (solver, count_of(info.nfe, "call"))))


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be chosen.

    Attributes
    ----------
    name : str
        As in ``restore(model=...)``.
    card : ModelCard or None
        What it says of itself; None where it cannot be used.
    samplers : tuple of SamplerChoice
        Teacher first, then the students, then the point estimate.
    problem : str
        Why it cannot be used; empty if it can.
    """

    name: str
    card: ModelCard | None
    samplers: tuple[SamplerChoice, ...]
    problem: str = ""

    def sampler(self, name: str) -> SamplerChoice | None:
        """Return the sampler of this name; None where there is none."""
        return next((one for one in self.samplers if one.name == name), None)

    @property
    def students(self) -> tuple[str, ...]:
        """Names of the students."""
        return tuple(one.name for one in self.samplers if one.role == "student")


@dataclass(frozen=True)
class DeviceChoice:
    """A device as it is offered.

    Attributes
    ----------
    name : str
        As in ``restore(device=...)``.
    available : bool
        Whether it can be chosen.
    words : str
        What it is, or why it cannot be chosen.
    """

    name: str
    available: bool
    words: str


def label_of(info: SamplerInfo, correction: Correction | None = None) -> str:
    """Words for a sampler in a list of runs: ``"teacher-8"``, ``"kd-1 + refine"``."""
    return _label(info.name, info.role, info.steps, correction)


def label_of_run(run: Run, *, beside: Iterable[str] = ()) -> str:
    """Words for a run that was opened, as for one that is drawn.

    Parameters
    ----------
    run : Run
        What was opened.
    beside : iterable of str
        Names of the images that other runs are of; where there is another one, the label ends with
        the image: ``"kd-1, nuclei"``.
    """
    asked = run.request
    words = _label(asked.sampler, asked.role, asked.steps, asked.correction)
    return f"{words}, {asked.image.name}" if set(beside) - {asked.image.name} else words


def _label(name: str, role: str, steps: int, correction: Correction | None) -> str:
    if role == "point":
        return f"{name}, point estimate"
    corrected = "" if correction is None else f" + {correction.name}"
    return f"{name}-{steps}{corrected}"


def read_models() -> tuple[ModelChoice, ...]:
    """Read the models that are shipped or cached, also those that cannot be used.

    Reads small files and no weights; to be called off the thread of a window.
    """
    return tuple(_read(entry) for entry in entries())


def read_model(model: str | os.PathLike[str]) -> ModelChoice:
    """Read one model by its name or folder: a few small files, no weights.

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be used.
    """
    folder = find_model(model)
    card = read_card(folder)
    return ModelChoice(card.name, card, _read_samplers(folder, card))


def find_devices() -> tuple[DeviceChoice, ...]:
    """Ask torch which devices there are: takes seconds where torch is not loaded yet."""
    import torch

    from napari_posterior.bundles.device import describe_device, pick_device
    from napari_posterior.bundles.memory import memory_words

    build = f"torch {torch.__version__}"
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    fastest = pick_device("auto")

    def words_of(name: str) -> str:
        what = describe_device(name).removeprefix(name).strip(" ()")
        return ", ".join(filter(None, (memory_words(name), what)))

    missing = "no GPU was found" if torch.version.cuda else "has no CUDA; install a build with it"
    return (
        DeviceChoice("auto", True, f"{fastest}, {memory_words(fastest)}"),
        DeviceChoice("cpu", True, words_of("cpu")),
        DeviceChoice("cuda", cuda, words_of("cuda") if cuda else f"{build}: {missing}"),
        DeviceChoice(
            "mps",
            mps,
            "the GPU of this Mac" if mps else _no_mps(),
        ),
    )


def _no_mps() -> str:
    return "no Metal GPU was found" if sys.platform == "darwin" else "only on a Mac"


def _read(entry: Entry) -> ModelChoice:
    if entry.card is None:
        return ModelChoice(entry.name, None, (), entry.problem)
    try:
        samplers = _read_samplers(entry.folder, entry.card)
    except PosteriorError as error:
        return ModelChoice(entry.name, None, (), str(error))
    return ModelChoice(entry.name, entry.card, samplers)


def _read_samplers(folder: Path, card: ModelCard) -> tuple[SamplerChoice, ...]:
    parts = by_sampler(read_parts(folder, card))
    return tuple(
        SamplerChoice(part.name, part.role, _step_control(part), part, parts[TEACHER])
        for part in parts.values()
    )


def _step_control(part: PartFiles) -> StepControl:
    default = describe(part, steps=None, precision="float32").steps
    if part.role == "point":
        reason = f"{part.name} is a point estimate: one network call, no steps to choose."
        return StepControl(False, (default,), default, reason)
    every = tuple(range(1, MAX_STEPS + 1))
    if isinstance(part.sampler, FlowMapConfig):
        counts = part.sampler.step_counts
        told = either(counts)
        noun = "step" if counts == (1,) else "steps"
        if part.sampler.any_steps is not None:
            reason = (
                f"{part.name} was trained between any two times; its model states {told} {noun}, "
                "and no other number was measured."
            )
            return StepControl(True, every, default, reason)
        if len(counts) == 1:
            reason = f"{part.name} was distilled for {told} {noun} and takes no other number."
            return StepControl(False, counts, default, reason)
        return StepControl(True, counts, default, f"{part.name} was distilled for {told} steps.")
    certificate = part.sampler.certificate if isinstance(part.sampler, SolverConfig) else None
    doubt = "" if certificate is None or certificate.certified else f" ({certificate.words})"
    of = ""
    if isinstance(part.sampler, SolverConfig):
        of = f" of {get_solver(part.sampler.solver, part.sampler.eta).title}"
    reason = (
        f"{default} steps{of} are the reference{doubt}; with any other number it is the teacher "
        "only."
    )
    return StepControl(True, every, default, reason)
