"""What a comparison takes from layers, held so that it is read in the thread of a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_posterior.runs.run import Run
    from napari_posterior.session.models import RunEntry

__all__ = ["Declared", "LayerChoice", "name_of"]


@dataclass(frozen=True)
class LayerChoice:
    """A layer, or something typed, that a comparison takes its known object or its regions from.

    Attributes
    ----------
    name : str
        What to call it.
    key : Hashable
        Equal for the same one.
    take : callable
        From the teacher's run to what is compared, or to a function without arguments that
        returns it. It is called in the main thread, that function in the thread of the job.
    mark : callable
        Equal as long as nothing was changed in it; called in the main thread.
    """

    name: str
    key: Hashable
    take: Callable[[Run], Any] = field(compare=False, repr=False)
    mark: Callable[[], Hashable] = field(default=lambda: None, compare=False, repr=False)


@dataclass(frozen=True)
class Declared:
    """What was declared before a comparison looked at samples.

    Attributes
    ----------
    question : str
        Name of a preset.
    statistics : tuple of str
        What is measured.
    tolerances : tuple
        Limits by id where they are not the defaults.
    truth, regions : LayerChoice or None
        Known object and regions.
    marks : tuple
        What told their content from others at that time.
    """

    question: str
    statistics: tuple[str, ...]
    tolerances: tuple[tuple[str, Any], ...]
    truth: LayerChoice | None = None
    regions: LayerChoice | None = None
    marks: tuple[Hashable, ...] = ()


def name_of(entry: RunEntry | None, role: str) -> str:
    """Return what a run is called in a legend: ``"#3 teacher-8"``."""
    if entry is None:
        return role
    label = entry.label if entry.label.startswith(role) else f"{role} {entry.label}"
    return f"#{entry.number} {label}"
