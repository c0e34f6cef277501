"""How the samples of a viewer are looked at, as values with events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

if TYPE_CHECKING:
    import numpy as np

    from napari_posterior.session.models import RunEntry
    from napari_posterior.session.sample_views import SortChoice, Variation

__all__ = ["Sorting", "ViewState"]


@dataclass(frozen=True, eq=False)
class Sorting:
    """How the samples of a run are sorted.

    Parameters
    ----------
    choice : SortChoice
        By what.
    order : ndarray, (K,) int
        Which sample, in the order in which they were drawn, stands at each place.
    values : ndarray, (K,) float64
        The number of each sample, in the order in which they were drawn.
    """

    choice: SortChoice
    order: np.ndarray
    values: np.ndarray


def _same(one: object, other: object) -> bool:
    return one is other


@dataclass
class ViewState:
    """How the samples are looked at.

    Attributes
    ----------
    sorting : Sorting or None
        Of the run that was sorted last; None in the order in which they were drawn.
    sorted_run : RunEntry or None
        That run.
    side_by_side : bool
        Whether teacher and student are shown beside each other.
    variation : Variation or None
        What varies in `varied`.
    varied : RunEntry or None
        The run.
    weights : tuple of float
        Standard deviations along each component that are shown.
    busy : str
        What is worked out on a worker, in words; empty otherwise.
    problem : str
        Why something cannot be shown, in one sentence; empty otherwise.
    """

    sorting: Sorting | None = None
    sorted_run: RunEntry | None = None
    side_by_side: bool = False
    variation: Variation | None = None
    varied: RunEntry | None = None
    weights: tuple[float, ...] = ()
    busy: str = ""
    problem: str = ""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(
        equality_operators=dict.fromkeys(("sorting", "sorted_run", "variation", "varied"), _same)
    )
