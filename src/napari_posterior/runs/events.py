"""What a run reports while it goes on: frozen events, the last one of three terminal kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

__all__ = [
    "Cancelled",
    "Event",
    "Failed",
    "Finished",
    "Preview",
    "SampleDone",
    "Started",
    "StepDone",
    "TerminalEvent",
    "Warned",
]


@dataclass(frozen=True)
class Started:
    """Sampling begins.

    Parameters
    ----------
    samples : int
        How many samples the run will hold.
    missing : int
        How many of them are still to be drawn; fewer than `samples` in a resumed run.
    planes : int
        Planes of each sample.
    nfe : int
        Network evaluations for one plane of one sample.
    """

    samples: int
    missing: int
    planes: int
    nfe: int


@dataclass(frozen=True)
class StepDone:
    """One network call is done.

    Parameters
    ----------
    samples : tuple of int
        Indices of the samples that are being drawn together; none while the solver is checked on
        the image.
    plane : int
        The plane that is being drawn.
    call, calls : int
        This call and all calls for this plane of these samples.
    fraction : float
        Done part of the whole run, 0 to 1.
    seconds_left : float or None
        Estimated from the calls so far; None until there are two.
    """

    samples: tuple[int, ...]
    plane: int
    call: int
    calls: int
    fraction: float
    seconds_left: float | None


@dataclass(frozen=True)
class SampleDone:
    """One sample is drawn and kept.

    Parameters
    ----------
    index : int
        Which sample, from 0.
    data : Path or ndarray
        Where it was written, or the sample itself where the sink keeps it in memory.
    """

    index: int
    data: Path | np.ndarray = field(compare=False)


@dataclass(frozen=True)
class Preview:
    """What one plane of a sample that is being drawn looks like so far; a few times a second.

    It is the estimate of the clean image from the last network call: smoother than a sample, and
    no sample. Told only where it was asked for.

    Parameters
    ----------
    index : int
        Which sample, from 0: the first of those that are drawn together.
    plane : int
        Which plane, from 0.
    image : ndarray, (H, W)
        float32, photoelectrons per pixel.
    """

    index: int
    plane: int
    image: np.ndarray = field(compare=False)


@dataclass(frozen=True)
class Warned:
    """Something that the user should know; the run goes on."""

    message: str


@dataclass(frozen=True)
class Finished:
    """All samples are drawn; `kept` is how many the run holds."""

    kept: int


@dataclass(frozen=True)
class Cancelled:
    """The run was stopped; `kept` is how many samples it holds."""

    kept: int


@dataclass(frozen=True)
class Failed:
    """The run could not go on.

    Parameters
    ----------
    message : str
        One sentence that says what happened and what to do.
    kept : int
        How many samples the run holds.
    exception : BaseException or None
        The cause, for the log.
    """

    message: str
    kept: int
    exception: BaseException | None = field(default=None, compare=False)


TerminalEvent: TypeAlias = Finished | Cancelled | Failed
Event: TypeAlias = Started | StepDone | Preview | SampleDone | Warned | TerminalEvent
