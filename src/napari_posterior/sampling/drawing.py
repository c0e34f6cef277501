"""What all samplers do: fit the canvas, count the network calls, show estimates, describe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_posterior.sampling.path import Path
    from napari_posterior.sampling.samplers import SamplerCondition
    from napari_posterior.sampling.solvers import Fresh, OnData

    OnStep = Callable[[int, int], None]
    OnEstimate = Callable[[Callable[[], Tensor]], None]

__all__ = ["Calls", "NeedsNoise", "check_canvas", "check_noise", "count", "describe", "watch"]


class NeedsNoise(Protocol):
    """What tells whether a draw takes fresh noise."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def needs_noise(self) -> bool: ...  # noqa: D102


@dataclass
class Calls:
    """Counts the network calls of a draw that is made in several parts.

    Parameters
    ----------
    total : int
        Network calls of the whole draw.
    on_step : callable or None
        Told ``(done, total)`` after every call; what it raises ends the draw.
    """

    total: int
    on_step: OnStep | None
    _done: int = field(default=0, init=False)

    def __call__(self, done: int = 0, total: int = 0) -> None:
        """Count one call; the numbers that a part of the draw counts by are not needed."""
        self._done += 1
        if self.on_step is not None:
            self.on_step(self._done, self.total)


def watch(path: Path, cond: SamplerCondition, on_estimate: OnEstimate | None) -> OnData | None:
    """Return what shows the clean image of the first draw after a network call, or None."""
    if on_estimate is None:
        return None

    def see(x: Tensor, t: float, F: Tensor) -> None:
        on_estimate(lambda: cond.decode(path.data_from_F(x[:1], t, F[:1]))[0])

    return see


def check_noise(sampler: NeedsNoise, fresh: Fresh | None) -> None:
    """Raise ValueError where a sampler needs fresh noise and gets none."""
    if sampler.needs_noise and fresh is None:
        raise ValueError(f"{sampler.name!r} takes fresh noise on its way; pass fresh")


def check_canvas(z: Tensor, cond: SamplerCondition) -> None:
    """Raise ValueError where noise canvases do not fit a condition."""
    expected = (1, *cond.maps.shape[-2:])
    if z.ndim != 4 or tuple(z.shape[1:]) != expected:
        raise ValueError(f"noise of shape {tuple(z.shape)} does not fit (K, {expected})")


def count(number: int, noun: str) -> str:
    """Return such as ``"1 step"`` or ``"2 steps"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe(role: str, how: str, label: str, evaluations: int) -> str:
    """Return the description of a sampler: role, how, grid, network evaluations."""
    grid = [f"grid {label}"] if label else []
    return ", ".join([role, how, *grid, count(evaluations, "network evaluation")])
