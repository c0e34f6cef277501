"""An experiment of a comparison as a job: new measurements, restored with both samplers."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from napari_posterior.errors import InputError
from napari_posterior.runs.events import Failed, Finished, Started, StepDone
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.runs.events import Event, TerminalEvent
    from napari_posterior.runs.run import Run

__all__ = ["EXPERIMENTS", "Asked", "ExperimentJob", "duration_of"]

Asked: TypeAlias = Literal["dependence", "self_calibration"]

EXPERIMENTS: Final[Mapping[str, Asked]] = {
    "dependence": "dependence",
    "calibration": "self_calibration",
}
"""The experiment that answers a question, by the key of the question."""

_DURATION: Final = re.compile(r"about (\S+ (?:s|min|h)) at the speed")


def duration_of(cost: str) -> str:
    """Return how long an experiment takes, from the sentence of `estimate_cost`; empty if unknown.

    Parameters
    ----------
    cost : str
        As in ``"...: about 3 min at the speed of the two runs."``
    """
    found = _DURATION.search(cost)
    return "" if found is None else found[1]


class ExperimentJob(ThreadedJob["ExperimentResult"]):
    """Redraw measurements and restore them with both samplers; the result is what was found.

    Parameters
    ----------
    name : str
        ``"dependence"`` or ``"self_calibration"``.
    teacher, student : Run
        As in :func:`napari_posterior.check_dependence`.
    device : str
        Where to restore; jobs on one device take turns.
    statistics : tuple of str
        Ranked too, in self-calibration.
    options
        Further ones of the check, such as `samples`.
    """

    doing = "the experiment"
    preparing = "loading the model"

    def __init__(
        self,
        name: Asked,
        teacher: Run,
        student: Run,
        *,
        device: str = "auto",
        statistics: tuple[str, ...] = (),
        title: str = "",
        **options: Any,
    ) -> None:
        if name not in EXPERIMENTS.values():
            raise InputError(
                f"there is no experiment {name!r}; give 'dependence' or 'self_calibration'"
            )
        words = title or name.replace("_", " ")
        super().__init__(words, lane=device, key=(name, str(teacher.path), str(student.path)))
        self.name: Asked = name
        self._runs = teacher, student
        self._device = device
        self._options = options
        if name == "self_calibration" and statistics:
            self._options = {"statistics": statistics, **options}

    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        from napari_posterior.api import experiments
        from napari_posterior.session.threads import leave_a_core_free

        checks: dict[str, Callable[..., ExperimentResult]] = {
            "dependence": experiments.check_dependence,
            "self_calibration": experiments.check_self_calibration,
        }
        check = checks[self.name]
        start = time.monotonic()
        total = 0

        def on_step(done: int, restorations: int) -> None:
            nonlocal total
            if not total:
                total = restorations
                report(Started(total, total, 1, 0))
            self._token.raise_if_cancelled()
            self._count(done)
            left = (time.monotonic() - start) / done * (total - done) if done else None
            report(StepDone((), 0, done, total, done / max(total, 1), left))

        with leave_a_core_free():
            self._outcome = check(
                *self._runs,
                device=self._device,
                on_step=on_step,
                token=self._token,
                **self._options,
            )
        return Finished(total)

    def _describe_running(self, done: int, total: int, seconds_left: float | None) -> str:
        from napari_posterior.api.progress import time_left

        words = f"{done} of {total} restorations"
        return ", ".join(filter(None, (words, time_left(seconds_left))))

    def _describe_end(self, end: TerminalEvent, seconds: float) -> str:
        if isinstance(end, Failed):
            return end.message
        return f"done in {seconds:.1f} s" if isinstance(end, Finished) else "cancelled"
