"""What of a plan was changed since samples were first looked at, and in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.checks.verdicts.declaring import kind_of, same_tolerance
from napari_posterior.checks.verdicts.tolerances import Tolerances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.verdicts.ledger import Look, Plan

__all__ = ["added_statistics", "is_elsewhere", "places_of", "tell_changes"]


def places_of(plan: Plan) -> dict[str, str]:
    """Return the SHA-256 of the pixels of each region of a plan by its name."""
    return {one.name: one.sha256 for one in plan.regions}


def is_elsewhere(plan: Plan, finding: Finding, look: Look) -> bool:
    """Return whether a finding is of a region that was not there, or another one, at a look."""
    name = finding.region
    return name is not None and places_of(plan).get(name) != look.regions.get(name)


def added_statistics(plan: Plan) -> tuple[str, ...]:
    """Return the statistics that were not measured at the first look."""
    before = plan.ledger[0].statistics if plan.ledger else plan.statistics
    return tuple(name for name in plan.statistics if name not in before)


def tell_changes(plan: Plan) -> list[str]:
    """Say what was changed since samples were first looked at."""
    found = []
    if plan.earlier:
        found.append(
            "This comparison was begun anew over an earlier one, whose looks are not paid for: "
            "wrong verdicts are likelier than planned."
        )
    if not plan.ledger:
        return found
    first = plan.ledger[0]
    seen = f"after {min(first.samples_teacher, first.samples_student)} samples were looked at"
    before, now = (Tolerances.from_dict(one) for one in (first.tolerances, plan.tolerances))
    keys = {*before.given, *now.given}
    moved = sorted(key for key in keys if not same_tolerance(key, kind_of(key), before, now))
    if moved:
        found.append(
            f"The tolerance of {', '.join(moved)} was changed {seen}: its verdicts are post hoc."
        )
    added = added_statistics(plan)
    if added:
        found.append(f"{', '.join(added)} was added {seen}: its verdicts are post hoc.")
    dropped = [name for name in first.statistics if name not in plan.statistics]
    if dropped:
        found.append(f"{', '.join(dropped)} was left out {seen}.")
    found += _tell_regions(places_of(plan), first.regions, seen)
    told = {*added, *dropped}
    required = {*before.required} ^ {*now.required, *dropped}
    # what is measured in a region comes and goes with it
    if required := {one for one in required if one not in told and "@" not in one}:
        found.append(
            f"Whether {', '.join(sorted(required))} decides the whole was changed {seen}: the "
            "overall verdict is post hoc."
        )
    return found


def _tell_regions(now: dict[str, str], before: dict[str, str], seen: str) -> list[str]:
    """Say which regions were drawn, moved or left out."""
    found = []
    if new := [name for name in now if now[name] != before.get(name)]:
        found.append(f"{_name(new)} drawn {seen}: the verdicts there are post hoc.")
    if gone := [name for name in before if name not in now]:
        found.append(f"{_name(gone)} left out {seen}.")
    return found


def _name(regions: Sequence[str]) -> str:
    if len(regions) == 1:
        return f"The region {regions[0]} was"
    return f"The regions {', '.join(regions)} were"
