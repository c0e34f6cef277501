"""What one step of a solver is, and how far it goes in log-SNR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_posterior.sampling.path import Path

__all__ = ["Fresh", "Jump", "OnCall", "OnData", "Step", "Velocity", "decay", "no_noise"]

Velocity: TypeAlias = "Callable[[Tensor, float], Tensor]"
"""``F(x, t)``: the normalised velocity of a batch, shaped as `x`, at a float time."""

Jump: TypeAlias = "Callable[[Tensor, float, float], Tensor]"
"""``jump(x, s, t)``: the state at time `t` of a state `x` at time `s`."""

Fresh: TypeAlias = "Callable[[int], Tensor]"
"""``fresh(i)``: standard normal noise, shaped as the states, that joins at ``grid[i]``."""

OnCall: TypeAlias = "Callable[[int, int], None]"
"""``on_call(done, total)``: told after every network call."""

OnData: TypeAlias = "Callable[[Tensor, float, Tensor], None]"
"""``on_data(x, t, F)``: shown every network call, before it is counted."""


class Step(Protocol):
    """One step of a solver from time `s` to `t`, with ``s > t``; it may remember earlier steps."""

    def __call__(self, velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
        """Return the state at time `t`; `velocity` is called once or twice."""
        ...


def decay(path: Path, s: float, t: float) -> float:
    """Return ``exp(-h)`` with ``h = logsnr(t) - logsnr(s)``: 0 where an end is 0 or 1."""
    if s == 1.0 or t == 0.0:
        return 0.0
    return float(path.beta(t) * path.alpha(s) / (path.alpha(t) * path.beta(s)))


def no_noise(step: int) -> Tensor:
    """Stand in for the noise of a draw that has none."""
    raise ValueError(f"step {step} takes fresh noise and none was given; pass fresh")
