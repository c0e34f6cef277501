"""What a comparison takes from those who type: question, limits, looks, known object, regions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import PRESETS, Tolerances
from napari_posterior.errors import InputError
from napari_posterior.layers.known_object import region_choice, truth_choice
from napari_posterior.layers.thread import unwrapped
from napari_posterior.session.comparison_choices import LayerChoice
from napari_posterior.session.tolerance_rows import choose_tolerances
from napari_posterior.widgets.console import find_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_posterior.session.models import CompareState

__all__ = ["declare"]


def declare(
    viewer: Any,
    state: CompareState,
    *,
    question: str | None = None,
    statistics: str | Sequence[str] | None = None,
    tolerances: Any = None,
    looks: Sequence[int] | None = None,
    truth: Any = None,
    regions: Any = None,
) -> None:
    """Choose what a comparison declares; what is left out stays as it is in the dock.

    Parameters
    ----------
    viewer : napari viewer
        Where layers are looked for.
    state : CompareState
        Takes the choices; it stays as it was where one cannot be used.
    question : str, optional
        ``"restoration"``, ``"puncta"``, ``"intensity"`` or ``"filaments"``.
    statistics : str or sequence of str, optional
        Names of what is measured; those of the question where one is given.
    tolerances : str, mapping or Tolerances, optional
        As of :func:`napari_posterior.compare`.
    looks : sequence of int, optional
        From how many samples of the smaller run on it decides.
    truth : str, napari layer, array or path, optional
        The known object; the name of a layer comes before that of a file. False: none.
    regions : str, napari layer or anything that `measure` takes, optional
        Where statistics are compared beside the whole image. False: none.

    Raises
    ------
    InputError
        If one of them cannot be used.
    """
    given: Mapping[str, Any] = state.tolerances
    if isinstance(tolerances, Tolerances):
        question, given = question or tolerances.preset, dict(tolerances.given)
    elif isinstance(tolerances, str):
        question, given = tolerances, {}
    elif isinstance(tolerances, Mapping):
        asked = dict(tolerances)
        question, given = asked.pop("question", None) or question, asked
    elif tolerances is not None:
        raise InputError(f"the tolerances {tolerances!r} cannot be used; name a question or limits")
    chosen = state.question if question is None else question
    if chosen not in PRESETS:
        raise InputError(f"there is no question {chosen!r}; choose from {', '.join(PRESETS)}")
    names = state.statistics if chosen == state.question else PRESETS[chosen].statistics
    if statistics is not None:
        names = (statistics,) if isinstance(statistics, str) else tuple(statistics)
    choose_tolerances(chosen, names, given)
    planned = state.looks if looks is None else Looks(tuple(looks)).samples
    known = _take(viewer, truth, truth_choice, "known object", state.truth)
    where = _take(viewer, regions, region_choice, "regions", state.regions)
    state.question, state.statistics, state.tolerances = chosen, tuple(names), given
    state.looks, state.truth, state.regions = planned, known, where


def _take(
    viewer: Any,
    given: Any,
    of_layer: Callable[[Any], LayerChoice],
    what: str,
    before: LayerChoice | None,
) -> LayerChoice | None:
    from napari.layers import Layer

    if given is None or given is False:
        return before if given is None else None
    if isinstance(given, str) and given in viewer.layers:
        given = find_layer(viewer, given)
    thing = unwrapped(given)
    if isinstance(thing, Layer):
        return of_layer(thing)
    name = os.path.basename(thing) if isinstance(thing, str | os.PathLike) else what
    return LayerChoice(name, ("given", id(thing)), lambda run: thing)
