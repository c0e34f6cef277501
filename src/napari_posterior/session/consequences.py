"""What follows from the settings: which steps there are, what is wrong, what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.session.correction_choice import info_of, problem_of_correction
from napari_posterior.session.cost import Cost, PairCost, estimate_cost
from napari_posterior.session.problems import find_model, problems_of, sentence_of
from napari_posterior.session.submission import samples_of, student_of

if TYPE_CHECKING:
    from napari_posterior.session.choices import ModelChoice, SamplerChoice
    from napari_posterior.session.cost import Rates
    from napari_posterior.session.models import RestoreState

__all__ = ["Consequences"]


class Consequences:
    """Keeps the fields that follow from the settings up to date.

    Parameters
    ----------
    restore : RestoreState
        Looked at whenever it changes.
    rates : Rates
        What runs took so far.
    """

    def __init__(self, restore: RestoreState, *, rates: Rates) -> None:
        self._restore = restore
        self._rates = rates
        self._working = False
        restore.events.connect(self.work_out)
        self.work_out()

    def let_go(self) -> None:
        """Listen no more."""
        self._restore.events.disconnect(self.work_out)

    def work_out(self, *_: object) -> None:
        """Set step control, problems and cost; what that changes does not lead back here."""
        if self._working:
            return
        self._working = True
        try:
            self._work_out()
        finally:
            self._working = False

    def _work_out(self) -> None:
        restore = self._restore
        model = find_model(restore)
        sampler = None if model is None else model.sampler(restore.sampler)
        control = None if sampler is None else sampler.steps
        if control != restore.step_control:
            restore.step_control = control
            if control is not None and restore.steps not in control.values:
                restore.steps = None
        restore.correction_problem = sentence_of(problem_of_correction(restore, model))
        restore.problems = problems_of(restore)
        ready = restore.image is not None and not restore.problems
        restore.cost = self._cost(sampler) if ready and sampler is not None else None
        restore.pair_cost = self._pair_cost(model) if ready and model is not None else None

    def _pair_cost(self, model: ModelChoice) -> PairCost | None:
        restore = self._restore
        name = student_of(restore, model)
        teacher, student = model.sampler("teacher"), model.sampler(name or "")
        if name is None or teacher is None or student is None or restore.correction_problem:
            return None
        first, second = self._cost(teacher), self._cost(student)
        return None if first is None or second is None else PairCost(name, first, second)

    def _cost(self, sampler: SamplerChoice) -> Cost | None:
        restore = self._restore
        if restore.image is None:
            return None
        return estimate_cost(
            info_of(restore, sampler),
            samples=samples_of(restore, sampler),
            shape=restore.image.shape,
            model=restore.model,
            device=restore.device,
            rates=self._rates,
        )
