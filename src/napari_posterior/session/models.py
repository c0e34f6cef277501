"""The state of one viewer: what is chosen, which runs there are, what is compared.

Values with events and no behaviour: `Controller` changes them in the thread of the window, widgets
listen to ``state.events.<field>`` and show them.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from psygnal import SignalGroupDescriptor
from psygnal.containers import EventedList

from napari_posterior.api.settings import DEFAULT_SAMPLES
from napari_posterior.session.choices import DeviceChoice, ModelChoice, StepControl
from napari_posterior.session.corrected_state import CorrectedState
from napari_posterior.session.progress import JobState, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.checks.page.chart import Chart
    from napari_posterior.checks.report import Report
    from napari_posterior.image import Image
    from napari_posterior.physics.camera import Camera
    from napari_posterior.runs.run import Run
    from napari_posterior.sampling.corrections import Correction
    from napari_posterior.session.compare_job import CompareJob
    from napari_posterior.session.comparison_choices import Declared, LayerChoice
    from napari_posterior.session.cost import Cost, PairCost
    from napari_posterior.session.experiment_job import ExperimentJob
    from napari_posterior.session.psf_choice import PsfChoice
    from napari_posterior.session.restore_job import RestoreJob
    from napari_posterior.session.statistic_choices import StatisticChoice
    from napari_posterior.session.watch import SampleValues

__all__ = ["CompareState", "ImageChoice", "RestoreState", "RunEntry", "SessionState"]

# Runs and reports hold arrays, which have no single answer to ==.
_BY_IDENTITY = dict.fromkeys(
    ("job", "run", "measured", "teacher", "student", "report"), operator.is_
)

Region: TypeAlias = Literal["whole", "plane", "shape"]


@dataclass(frozen=True)
class ImageChoice:
    """An image that can be restored, with what can be told before its pixels are read.

    Attributes
    ----------
    name : str
        What to call it.
    key : Hashable
        Equal for the same layer or file.
    shape : tuple of int
        Of the part that will be restored.
    words : str
        Axes, size and pixel size, for people: ``"YX 512 x 512, 0.23 um/px"``.
    read : callable
        Returns the image; called in the thread of a job.
    problem : str
        Why it cannot be restored; empty if it can.
    axes : str
        Names of the axes as they are taken: ``"TZYX"``; empty where it is not known.
    pixel_um : float or None
        Width of a pixel in micrometres; None where it is not known.
    """

    name: str
    key: Hashable
    shape: tuple[int, ...]
    words: str
    read: Callable[[], Image] = field(compare=False, repr=False)
    problem: str = ""
    axes: str = ""
    pixel_um: float | None = None


@dataclass
class RestoreState:
    """What will be restored, how, and what it will cost.

    The fields after `preview_seconds` follow from the others; the controller sets them.

    Attributes
    ----------
    image : ImageChoice or None
        What is restored.
    region : str
        ``"whole"``, ``"plane"`` or ``"shape"``: which part of the layer `image` stands for.
    camera : Camera or None
        None: estimated from the image.
    psf : Psf, float or None
        A float is the sigma of a Gaussian in pixels, as it was typed: `problems` says where it
        cannot be. None: that of the restored image, so that it is denoised only.
    background : float
        Camera-side constant in photoelectrons per pixel.
    model, sampler : str
        Names.
    steps : int or None
        None: what the model states.
    samples, seed : int
        How many draws, and of which noise.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    axes : dict of Hashable to str
        Axes that the user gave for layers whose labels are missing or wrong, by layer.
    student : str or None
        Which student is drawn beside the teacher; None: the one that is chosen, else the first.
    correction : HandOver, Refine, Guided or None
        How the teacher corrects the student; the teacher's own samples are never corrected.
    then_compare : bool
        Whether teacher and student, drawn from a window, are compared as soon as both are there.
    live_preview : bool
        Whether a sample is shown while it is drawn.
    preview_seconds : float
        Least time between two previews, where five a second are too many.
    models : tuple of ModelChoice
        What there is.
    devices : tuple of DeviceChoice
        What there is; not asked for until torch is loaded.
    step_control : StepControl or None
        Which steps can be chosen for this sampler, and why no others.
    cost : Cost or None
        Of the run as it is set; None where something is missing.
    pair_cost : PairCost or None
        Of the teacher and of the student beside it; None where something is missing.
    correction_problem : str
        Why the student cannot be corrected so, in one sentence; empty if it can, or is not. The
        teacher alone can be drawn all the same.
    outlook : tuple of str
        What of the image lies outside the range that the model was trained on, one sentence each;
        worked out beside the window, a moment later.
    problems : tuple of str
        What keeps the run from starting, one clear sentence each.
    """

    image: ImageChoice | None = None
    region: Region = "whole"
    camera: Camera | None = None
    psf: PsfChoice = None
    background: float = 0.0
    model: str = "fluo2d"
    sampler: str = "teacher"
    steps: int | None = None
    samples: int = DEFAULT_SAMPLES
    seed: int = 0
    device: str = "auto"
    axes: dict[Hashable, str] = field(default_factory=dict)
    student: str | None = None
    correction: Correction | None = None
    then_compare: bool = True
    live_preview: bool = True
    preview_seconds: float = 0.0
    models: tuple[ModelChoice, ...] = ()
    devices: tuple[DeviceChoice, ...] = (
        DeviceChoice("auto", True, "the fastest"),
        DeviceChoice("cpu", True, "the CPU"),
    )
    step_control: StepControl | None = None
    cost: Cost | None = None
    pair_cost: PairCost | None = None
    correction_problem: str = ""
    outlook: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()


@dataclass(eq=False)
class RunEntry:
    """A line in the list of runs.

    Attributes
    ----------
    number : int
        From 1, in the order of asking.
    label : str
        ``"teacher-8"``.
    role : str
        ``"teacher"``, ``"student"`` or ``"point"``.
    image_key : Hashable
        Of the `ImageChoice`.
    samples : int
        How many are asked for.
    job : RestoreJob or None
        None for a run that was opened from disk.
    state : str
        State of the job.
    progress : Progress
        How far it is.
    warnings : tuple of str
        What the run warned of.
    message : str
        Why it failed; empty otherwise.
    folder : Path or None
        Where it is written; None before it begins.
    run : Run or None
        What was drawn; None before the end.
    measured : tuple of SampleValues
        Numbers of the samples drawn so far, as a report gives them; empty for a point estimate
        and for a run that was opened from disk.
    busy : str
        What is being done with its folder, in words; empty if nothing is.
    saved : Path or None
        Where a copy of it lies, as it is now.
    """

    number: int
    label: str
    role: str
    image_key: Hashable
    samples: int
    job: RestoreJob | None = None
    state: JobState = "idle"
    progress: Progress = field(default_factory=Progress)
    warnings: tuple[str, ...] = ()
    message: str = ""
    folder: Path | None = None
    run: Run | None = None
    measured: tuple[SampleValues, ...] = ()
    busy: str = ""
    saved: Path | None = None

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(equality_operators=_BY_IDENTITY)

    @property
    def title(self) -> str:
        """Words for a list: ``"#3 teacher-8, K = 32"``."""
        return f"#{self.number} {self.label}, K = {self.samples}"


@dataclass
class CompareState:
    """What is compared, and what came of it.

    Attributes
    ----------
    teacher, student : RunEntry or None
        The runs.
    question : str
        Name of the preset that says what decides.
    statistics : tuple of str
        Computed on every sample.
    tolerances : mapping
        Limits by id of a finding, where they are not the defaults; see `Tolerance.read`.
    looks : tuple of int or None
        From how many samples on it decides; None for what is usual.
    truth, regions : LayerChoice or None
        The known object, and where statistics are measured beside the whole image.
    offered : tuple of StatisticChoice
        The statistics that there are.
    job : CompareJob, ExperimentJob or None
        The comparison or experiment that runs, or the last one.
    state : str
        State of that job.
    progress : Progress
        How far it is.
    compared : tuple of RunEntry or None
        The runs that `report` is of; they need not be those that are chosen now.
    declared : Declared or None
        What was declared for `report`.
    charts : tuple of Chart
        Of `report`.
    costs : mapping
        What experiments on the runs of `report` would cost, a sentence each, by their name.
    experiments : tuple of ExperimentResult
        What was found with new measurements for these two runs.
    next_look : int or None
        Samples of the smaller run at which `report` would be decided next.
    awaited : int or None
        The look for which samples are being drawn.
    report : Report or None
        The last result.
    problem : str
        Why the runs cannot be compared, in one sentence; empty if they can.
    """

    teacher: RunEntry | None = None
    student: RunEntry | None = None
    question: str = "restoration"
    statistics: tuple[str, ...] = ("puncta_count",)
    tolerances: Mapping[str, Any] = field(default_factory=dict)
    looks: tuple[int, ...] | None = None
    truth: LayerChoice | None = None
    regions: LayerChoice | None = None
    offered: tuple[StatisticChoice, ...] = ()
    job: CompareJob | ExperimentJob | None = None
    state: JobState = "idle"
    progress: Progress = field(default_factory=Progress)
    compared: tuple[RunEntry, RunEntry] | None = None
    declared: Declared | None = None
    charts: tuple[Chart, ...] = ()
    costs: Mapping[str, str] = field(default_factory=dict)
    experiments: tuple[ExperimentResult, ...] = ()
    next_look: int | None = None
    awaited: int | None = None
    report: Report | None = None
    problem: str = "Choose a run of the teacher and one of a student."

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(equality_operators=_BY_IDENTITY)


class SessionState:
    """All that one viewer shows of this package.

    Attributes
    ----------
    restore : RestoreState
        What is chosen.
    runs : EventedList of RunEntry
        Newest last.
    compare : CompareState
        What is compared.
    corrected : CorrectedState
        What is estimated from runs of teacher and student together.
    """

    def __init__(self) -> None:
        self.restore = RestoreState()
        self.runs: EventedList[RunEntry] = EventedList()
        self.compare = CompareState()
        self.corrected = CorrectedState()

    @property
    def image_names(self) -> frozenset[str]:
        """Names of the images that are there: the one that is chosen, and those of the runs."""
        chosen = self.restore.image
        names = {one.run.request.image.name for one in self.runs if one.run is not None}
        return frozenset(names if chosen is None else {*names, chosen.name})
