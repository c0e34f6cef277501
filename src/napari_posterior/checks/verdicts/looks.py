"""When a comparison may decide, and what several decisions cost."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from napari_posterior.errors import InputError

__all__ = ["ALPHA", "DEFAULT_LOOKS", "FEWEST", "Looks"]

ALPHA: Final = 0.05
"""Largest probability of each wrong verdict of a check, over all its looks."""

FEWEST: Final = 16
"""Samples of the smaller run below which nothing is decided."""

DEFAULT_LOOKS: Final = (16, 32, 64, 128, 256)
"""Numbers of samples of the smaller run from which on a decision may be taken."""

# One-sided tail of each default look. A look is taken with any number of samples up to the next one
# (1023 after 256); the tail holds for the worst choice, 16, 40, 100, 255 and 1023 samples, which
# tests/checks/test_looks.py finds by integration.
_DEFAULT_TAIL: Final = 0.0122
_MOST: Final = 5


@dataclass(frozen=True)
class Looks:
    """The plan of a comparison: it decides once from each number of samples on.

    Deciding again as samples come in makes a wrong verdict more likely, so that the error allowed
    is shared by all looks that were planned, used or not: for the default looks by Pocock's
    constant boundary, for others by Šidák's bound, which holds whatever their numbers.

    Parameters
    ----------
    samples : tuple of int
        From how many samples of the smaller run on, in increasing order.

    Raises
    ------
    InputError
        If there is none or more than five, one is below 16, or they do not grow.
    """

    samples: tuple[int, ...] = DEFAULT_LOOKS

    def __post_init__(self) -> None:
        if not 1 <= len(self.samples) <= _MOST:
            raise InputError(
                f"{len(self.samples)} looks were planned; plan one to {_MOST}, such as "
                "16, 32, 64, 128 and 256 samples"
            )
        if self.samples[0] < FEWEST:
            raise InputError(
                f"a look at {self.samples[0]} samples was planned; plan the first at {FEWEST} or "
                "more"
            )
        if any(b <= a for a, b in pairwise(self.samples)):
            raise InputError(
                f"looks at {', '.join(map(str, self.samples))} samples were planned; give their "
                "numbers from small to large"
            )

    @property
    def tail(self) -> float:
        """Error of one look on one side."""
        if self.samples == DEFAULT_LOOKS:
            return _DEFAULT_TAIL
        return float(1 - (1 - ALPHA) ** (1 / len(self.samples)))

    @property
    def level(self) -> float:
        """Confidence level of the intervals that decide."""
        return 1 - 2 * self.tail

    def find(self, samples: int) -> int | None:
        """Return the look that so many samples of the smaller run belong to; None before the first.

        Parameters
        ----------
        samples : int
            Samples of the smaller run.
        """
        place = bisect_right(self.samples, samples)
        return self.samples[place - 1] if place else None

    def after(self, samples: float) -> int | None:
        """Return the first look with so many samples or more; None where none is planned."""
        return next((look for look in self.samples if look >= samples), None)
