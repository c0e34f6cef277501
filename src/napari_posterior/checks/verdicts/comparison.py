"""A comparison: tolerances set before looking, and a ledger of looks, so that peeking is paid for.

Its folder keeps both in ``plan.json``. Each planned look decides once; called again with samples
that belong to the same look, it shows new estimates and lets the verdicts stand. What is changed
after samples were looked at is decided again and marked *post hoc*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_posterior.checks.verdicts.changes import (
    added_statistics,
    is_elsewhere,
    places_of,
    tell_changes,
)
from napari_posterior.checks.verdicts.declaring import (
    declare,
    revise,
    same_tolerance,
    tolerance_of,
)
from napari_posterior.checks.verdicts.judging import Settled, settle
from napari_posterior.checks.verdicts.ledger import (
    PLAN,
    Look,
    now,
    read_plan,
    set_aside,
    write_plan,
)
from napari_posterior.checks.verdicts.looks import ALPHA, Looks
from napari_posterior.checks.verdicts.tolerances import PRESETS, Tolerances
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.solver import SolverTrust
    from napari_posterior.checks.verdicts.declaring import GivenTolerances
    from napari_posterior.checks.verdicts.ledger import Pair, Plan
    from napari_posterior.checks.verdicts.verdict import Verdict
    from napari_posterior.statistics import Region

__all__ = ["Comparison", "Decision", "open_comparison"]


@dataclass(frozen=True)
class Decision:
    """What a comparison may do with the samples at hand.

    Parameters
    ----------
    counts : tuple of int
        Samples of teacher and student.
    look : int or None
        The planned look that they belong to; None before the first.
    decides : bool
        Whether this look has not been taken yet.
    next_look : int or None
        Samples of the smaller run at which it decides next; None where no look is left.
    notes : tuple of str
        What to keep in mind, in sentences.
    """

    counts: tuple[int, int]
    look: int | None
    decides: bool
    next_look: int | None
    notes: tuple[str, ...] = ()


class Comparison:
    """Tolerances, planned looks and the ledger of two runs; see `open_comparison`.

    Parameters
    ----------
    plan : Plan
        What was planned, and the looks that were taken.
    folder : Path, optional
        Where it is kept; without it nothing is remembered.
    text : str, optional
        The text of ``plan.json`` that was read or written last.
    """

    def __init__(self, plan: Plan, *, folder: Path | None = None, text: str | None = None) -> None:
        self._plan, self._text = plan, text
        self.folder = folder
        self.tolerances = Tolerances.from_dict(plan.tolerances)
        self.looks = Looks(plan.looks)

    @classmethod
    def in_memory(
        cls,
        *,
        tolerances: GivenTolerances = None,
        statistics: Sequence[str] | None = None,
        regions: Sequence[Region] | None = None,
        looks: Sequence[int] | None = None,
        pair: Pair | None = None,
    ) -> Comparison:
        """Begin a comparison that is not kept.

        It takes one look, at the error of one of those planned: looks are paid for in advance.

        Parameters
        ----------
        tolerances, statistics, regions, looks, pair
            As of `open_comparison`.
        """
        return cls(declare(tolerances, statistics, looks, regions=regions, pair=pair))

    @property
    def plan(self) -> Plan:
        """What was planned, and the looks that were taken."""
        return self._plan

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of what is measured on every sample."""
        return self._plan.statistics

    @property
    def regions(self) -> tuple[Region, ...]:
        """Where it is measured beside the whole image."""
        return tuple(one.region for one in self._plan.regions)

    def decide(self, counts: tuple[int, int]) -> Decision:
        """Say whether the samples at hand decide.

        Parameters
        ----------
        counts : tuple of int
            Samples of teacher and student.
        """
        look = self.looks.find(min(counts))
        last = max((one.look for one in self._plan.ledger if one.look is not None), default=0)
        decides = look is not None and look > last
        following = self.looks.after(max(min(counts), last) + 1)
        notes = tell_changes(self._plan)
        if look is not None and not decides:
            when = (
                "no further look is planned"
                if following is None
                else f"the next decision is at {following} samples of the smaller run"
            )
            notes.insert(
                0,
                f"Verdicts are those of the look at {last} samples: each look decides once, and "
                f"{when}.",
            )
        return Decision(counts, look, decides, following, tuple(notes))

    def settle(
        self,
        findings: Sequence[Finding],
        decision: Decision,
        *,
        solver: SolverTrust,
        spare: tuple[int, int] = (0, 0),
    ) -> tuple[Finding, ...]:
        """Give every finding its verdict, or let the one of this look stand.

        Parameters
        ----------
        findings : sequence of Finding
            With intervals at ``comparison.looks.level``.
        decision : Decision
            From `decide`.
        solver : SolverTrust
            The bias of the reference that verdicts have to allow for.
        spare : tuple of int
            Samples of teacher and student that wait for a partner.
        """
        return tuple(
            settled
            for one in findings
            for settled in settle(
                (one,),
                self._limits(one),
                self.looks,
                solver=solver,
                settled=self._settled(one, decision),
                spare=spare,
            )
        )

    def record(self, decision: Decision, findings: Sequence[Finding]) -> None:
        """Add a look to the ledger, and save it; one that changes nothing is not added.

        Parameters
        ----------
        decision : Decision
            From `decide`.
        findings : sequence of Finding
            With their verdicts.

        Raises
        ------
        OutputError
            If it cannot be saved, or was changed by another program since it was opened.
        """
        look = Look(
            samples_teacher=decision.counts[0],
            samples_student=decision.counts[1],
            look=decision.look,
            created=now(),
            tolerances=self._plan.tolerances,
            statistics=self._plan.statistics,
            regions=places_of(self._plan),
            verdicts={one.id: one.verdict for one in findings},
            post_hoc=tuple(one.id for one in findings if self.is_post_hoc(one)),
        )
        ledger = self._plan.ledger
        if ledger and ledger[-1].model_copy(update={"created": look.created}) == look:
            return
        plan = self._plan.model_copy(update={"ledger": (*ledger, look)})
        if self.folder is not None:
            self._text = write_plan(self.folder, plan, before=self._text)
        self._plan = plan

    def is_post_hoc(self, finding: Finding) -> bool:
        """Return whether a finding, or its tolerance, was chosen after samples were looked at."""
        if not self._plan.ledger:
            return False
        first = self._plan.ledger[0]
        whole, added = finding.id.partition("@")[0], added_statistics(self._plan)
        if any(whole == name or whole.startswith(f"{name}.") for name in added):
            return True
        if is_elsewhere(self._plan, finding, first):
            return True
        return not same_tolerance(
            finding.id, finding.kind, Tolerances.from_dict(first.tolerances), self.tolerances
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what was planned and looked at as JSON values, for a report."""
        plan: dict[str, Any] = self._plan.model_dump(
            mode="json",
            by_alias=True,
            exclude={"pair": True, "regions": {"__all__": {"pixels"}}},
        )
        return {
            **plan,
            "alpha": ALPHA,
            "tail": self.looks.tail,
            "ci_level": self.looks.level,
            "question": PRESETS[self.tolerances.preset].title,
            "kept": self.folder is not None,
        }

    def _settled(self, finding: Finding, decision: Decision) -> Settled:
        earlier = self._standing(finding, decision)
        return Settled(
            # what was changed in the course of a look has no verdict yet that could stand
            decides=decision.look is None or earlier is None,
            earlier={} if earlier is None else {finding.id: earlier},
            post_hoc=frozenset({finding.id} if self.is_post_hoc(finding) else ()),
            next_look=decision.next_look,
        )

    def _standing(self, finding: Finding, decision: Decision) -> Verdict | None:
        """Return the verdict that was given at this look or a later one, at this tolerance."""
        for one in reversed(self._plan.ledger):
            if one.look is None or (decision.look or 0) > one.look:
                continue
            verdict = one.verdicts.get(finding.id)
            if (
                verdict is not None
                and not is_elsewhere(self._plan, finding, one)
                and same_tolerance(
                    finding.id, finding.kind, Tolerances.from_dict(one.tolerances), self.tolerances
                )
            ):
                return verdict
        return None

    def _limits(self, finding: Finding) -> Tolerances:
        """Return the tolerances with that of the whole image for a finding in a region."""
        own = tolerance_of(self.tolerances, finding.id, finding.kind) if finding.kind else None
        if own is None or "@" not in finding.id:
            return self.tolerances
        return replace(self.tolerances, given={**self.tolerances.given, finding.id: own})


def open_comparison(
    folder: str | os.PathLike[str],
    *,
    pair: Pair,
    tolerances: GivenTolerances = None,
    statistics: Sequence[str] | None = None,
    regions: Sequence[Region] | None = None,
    looks: Sequence[int] | None = None,
    overwrite: bool = False,
) -> Comparison:
    """Open the comparison that is kept in a folder, or begin one there.

    A new plan is saved at once, before samples are looked at. What is not given stays as it was.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    pair : Pair
        The runs; they may have more samples than before.
    tolerances : Tolerances, mapping, str or None
        See `Tolerances.choose`; those of the comparison, or the defaults.
    statistics : sequence of str, optional
        Names of what is measured; those of the comparison, or of its question.
    regions : sequence of Region, optional
        Where it is measured beside the whole image; those of the comparison, or none.
    looks : sequence of int, optional
        From how many samples of the smaller run on it decides; they cannot be changed later.
    overwrite : bool
        Begin anew: the plan that is there is set aside as ``plan-1.json``, and every later report
        says that its looks are not paid for.

    Raises
    ------
    InputError
        If the folder holds the comparison of other runs or other looks, its plan is damaged, or
        tolerances or looks cannot be used.
    OutputError
        If the plan cannot be saved.
    """
    place = Path(folder)
    begin = partial(declare, tolerances, statistics, looks, regions=regions, pair=pair)
    if overwrite:
        return _begin_anew(place, begin())
    found = read_plan(place)
    if found is None:
        plan = begin()
        return Comparison(plan, folder=place, text=write_plan(place, plan, before=None))
    plan, text = found
    if plan.pair is not None and (difference := pair.difference(plan.pair)):
        raise InputError(
            f"{place} keeps the comparison of other runs ({difference}); choose another folder"
        )
    if looks is not None and Looks(tuple(looks)).samples != plan.looks:
        raise InputError(
            f"{place} was planned with looks at {', '.join(map(str, plan.looks))} samples, which "
            "cannot be changed; leave the looks out, or choose another folder"
        )
    plan = revise(plan, tolerances, statistics, regions)
    return Comparison(plan, folder=place, text=text)


def _begin_anew(place: Path, plan: Plan) -> Comparison:
    """Begin a comparison over another, whose ledger is kept beside it."""
    if (place / PLAN).exists():
        try:
            found = read_plan(place)
        except InputError:  # what is damaged is kept and taken for looked at
            found = None
        old = None if found is None else found[0]
        name = set_aside(place)
        # looks at other runs cost this comparison nothing
        if old is None or (old.ledger and not _of_others(plan, old)):
            restarts, earlier = (old.restarts, old.earlier) if old is not None else (0, ())
            plan = plan.model_copy(update={"restarts": restarts + 1, "earlier": (*earlier, name)})
    return Comparison(plan, folder=place, text=write_plan(place, plan, before=None))


def _of_others(plan: Plan, old: Plan) -> bool:
    """Return whether two plans are known to be of different runs."""
    return bool(plan.pair and old.pair and plan.pair.difference(old.pair))
