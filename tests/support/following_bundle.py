"""A tiny bundle whose student follows its teacher, as far as is asked for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tiny_bundle import make_tiny_parts

from napari_posterior.runs.events import StepDone

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest
    import torch

    from napari_posterior.runs.events import Event

__all__ = ["STEPS", "CallClock", "make_following_parts"]

STEPS = 12


class CallClock:
    """A clock that goes by network calls, so that a sample of the teacher takes `STEPS` seconds.

    It gets the events of the runs, and stands where the store of runs asks for the time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.slow_until = 0.0
        time = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr("napari_posterior.runs.store.time", time)

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepDone):
            slow = 5 if self.now < self.slow_until else 1
            self.now += slow * len(event.samples)


def make_following_parts(*, apart: float = 0.02) -> dict[str, Any]:
    """Teacher and student of one set of weights; the student's are changed by the share `apart`.

    The teacher's first step goes nearly all the way, so that what it draws is near to what one
    jump with its network gives; its twelve steps cost twelve calls.
    """
    import torch

    parts = make_tiny_parts()
    own = parts["teacher"].state_dict
    generator = torch.Generator().manual_seed(9)

    def changed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        noise = {k: torch.randn(v.shape, generator=generator) for k, v in state.items()}
        moved = {key: value + apart * 0.1 * noise[key] for key, value in state.items()}
        # how far a jump goes is not told to the network, as it is not to the teacher's
        return {k: torch.zeros_like(v) if "net.gap.2" in k else v for k, v in moved.items()}

    solver = parts["teacher"].sampler.model_copy(
        update={"solver": "euler", "rho": 0.1, "steps": STEPS, "nfe": STEPS}
    )
    still = {k: torch.zeros_like(v) if "net.gap.2" in k else v for k, v in own.items()}
    return {
        **parts,
        "teacher": replace(parts["teacher"], state_dict=still, sampler=solver),
        "kd": replace(parts["kd"], state_dict=changed(own)),
    }
