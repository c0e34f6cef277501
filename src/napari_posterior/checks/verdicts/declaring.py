"""What is declared before looking, from tolerances to regions; and what is changed later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_posterior.checks.verdicts.ledger import Plan, now
from napari_posterior.checks.verdicts.looks import DEFAULT_LOOKS, Looks
from napari_posterior.checks.verdicts.planned_region import PlannedRegion
from napari_posterior.checks.verdicts.tolerances import DEFAULTS, PRESETS, Tolerances

if TYPE_CHECKING:
    from napari_posterior.checks.verdicts.ledger import Pair
    from napari_posterior.checks.verdicts.tolerances import Tolerance
    from napari_posterior.statistics import Region

__all__ = [
    "GivenTolerances",
    "declare",
    "kind_of",
    "revise",
    "same_tolerance",
    "tolerance_of",
]

GivenTolerances: TypeAlias = Tolerances | Mapping[str, Any] | str | None
"""What `Tolerances.choose` takes."""


def declare(
    tolerances: GivenTolerances,
    statistics: Sequence[str] | None,
    looks: Sequence[int] | None,
    *,
    regions: Sequence[Region] | None = None,
    pair: Pair | None = None,
) -> Plan:
    """Make the plan of a comparison that has not looked at anything.

    Parameters
    ----------
    tolerances : Tolerances, mapping, str or None
        See `Tolerances.choose`.
    statistics : sequence of str or None
        Names of what is measured; None for those of the question.
    looks : sequence of int or None
        From how many samples of the smaller run on it decides; None for the default looks.
    regions : sequence of Region, optional
        Where each statistic is measured beside the whole image; the mean in each decides too.
    pair : Pair, optional
        The runs.

    Raises
    ------
    InputError
        If tolerances or looks cannot be used.
    """
    chosen = Looks(DEFAULT_LOOKS if looks is None else tuple(looks))
    question = tolerances
    if isinstance(tolerances, Mapping):
        # the question alone: its statistics say for what tolerances can be given
        question = str(tolerances.get("question", "restoration"))
    preset = Tolerances.choose(question).preset
    names = PRESETS[preset].statistics if statistics is None else tuple(statistics)
    places = _planned(regions or ())
    made = now()
    return Plan(
        created=made,
        declared_at=made,
        looks=chosen.samples,
        tolerances=Tolerances.choose(tolerances, statistics=_measured(names, places)).to_dict(),
        statistics=names,
        regions=places,
        pair=pair,
    )


def revise(
    plan: Plan,
    tolerances: GivenTolerances,
    statistics: Sequence[str] | None,
    regions: Sequence[Region] | None = None,
) -> Plan:
    """Return a plan with what was changed; a change after a look is counted in `restarts`.

    Parameters
    ----------
    plan : Plan
        As it was.
    tolerances, statistics, regions
        As of `declare`; None where they stay as they were.

    Raises
    ------
    InputError
        If the tolerances cannot be used.
    """
    before = Tolerances.from_dict(plan.tolerances)
    names = plan.statistics if statistics is None else tuple(statistics)
    places = plan.regions if regions is None else _planned(regions)
    measured, earlier = _measured(names, places), _measured(plan.statistics, plan.regions)
    if tolerances is None:
        added = (one for one in measured if one not in {*earlier, *before.required})
        after = replace(before, required=(*before.required, *added))
    elif isinstance(tolerances, Tolerances):
        after = tolerances
    else:
        asked = {"question": tolerances} if isinstance(tolerances, str) else tolerances
        asked = {"question": before.preset, **asked}
        same = asked["question"] == before.preset
        after = Tolerances.choose(asked, statistics=measured)
        # those that came with another question go with it
        kept = {k: one for k, one in before.given.items() if same or one.origin == "user"}
        kept = {k: one for k, one in kept.items() if k not in asked}
        after = replace(after, given={**after.given, **kept})
    keys = {*before.given, *after.given}
    if (
        all(same_tolerance(key, kind_of(key), before, after) for key in keys)
        and {*before.required} == {*after.required}
        and {*names} == {*plan.statistics}
        and _identities(places) == _identities(plan.regions)
    ):
        return plan
    update: dict[str, Any] = {
        "tolerances": after.to_dict(),
        "statistics": names,
        "regions": places,
    }
    update |= {"declared_at": now(), "restarts": plan.restarts + bool(plan.ledger)}
    return plan.model_copy(update=update)


def kind_of(key: str) -> str:
    """Return what stands in `tolerances.DEFAULTS` for the id of a finding."""
    if key in DEFAULTS:
        return key
    return "spread" if key.endswith(".spread") else "statistic"


def same_tolerance(key: str, kind: str, before: Tolerances, after: Tolerances) -> bool:
    """Return whether the tolerance of a finding is the same, whoever set it.

    Parameters
    ----------
    key, kind : str
        Its id, and what stands for it in `tolerances.DEFAULTS`.
    before, after : Tolerances
        Those that are compared.
    """
    first, second = (tolerance_of(one, key, kind) for one in (before, after))
    if first is None or second is None:
        return first is second
    return replace(first, origin="") == replace(second, origin="")


def tolerance_of(tolerances: Tolerances, key: str, kind: str) -> Tolerance | None:
    """Return the tolerance of a finding; in a region that of the whole image, if it has no own.

    Parameters
    ----------
    tolerances : Tolerances
        Those in force.
    key, kind : str
        Id of the finding, such as ``"puncta_count@cell"``, and what stands for it in
        `tolerances.DEFAULTS`.
    """
    whole, at, _ = key.partition("@")
    if not at or key in tolerances.given:
        return tolerances.of(key, kind)
    return tolerances.of(f"{whole}.spread" if kind == "spread" else whole, kind)


def _planned(regions: Sequence[Region]) -> tuple[PlannedRegion, ...]:
    return tuple(PlannedRegion.of(one) for one in regions)


def _measured(names: Sequence[str], places: Sequence[PlannedRegion]) -> tuple[str, ...]:
    """Return the ids of all that is measured: statistics, then each of them in each region."""
    return (*names, *(f"{name}@{place.name}" for name in names for place in places))


def _identities(places: Sequence[PlannedRegion]) -> dict[str, str]:
    return {one.name: one.sha256 for one in places}
