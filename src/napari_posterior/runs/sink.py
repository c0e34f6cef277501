"""Where a run puts its samples: the seam between the runner and memory or disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from napari_posterior.runs.moments import Moments

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_posterior.runs.solver import ImageCheckRecord

__all__ = ["EndState", "MemorySink", "RunSink"]

EndState: TypeAlias = Literal["finished", "cancelled", "failed"]


class RunSink(Protocol):
    """Keeps the samples of one run."""

    @property
    def completed(self) -> frozenset[int]:
        """Indices of the samples that are kept already; the runner draws the others."""

    def write_sample(self, index: int, sample: np.ndarray) -> Path | np.ndarray:
        """Keep one sample, of the shape of the image, in photoelectrons; say where it is.

        Raises
        ------
        OutputError
            If it cannot be kept; the samples kept before stay as they are.
        """

    def warn(self, message: str) -> None:
        """Keep a warning with the run."""

    @property
    def image_check(self) -> ImageCheckRecord | None:
        """What is kept of the check of the solver on the image; then it is not made again."""

    def keep_check(self, check: ImageCheckRecord) -> None:
        """Keep what the check of the solver on the image found."""

    def finish(self, state: EndState, message: str = "") -> None:
        """Close the run; called once, after the last sample."""


class MemorySink:
    """Keeps the samples in memory, for small runs and tests.

    Attributes
    ----------
    samples : dict of int to ndarray
        The samples by index.
    warnings : list of str
        What the run warned of.
    image_check : ImageCheckRecord or None
        What the check of the solver on the image found.
    state : str
        ``"running"``, then how the run ended.
    message : str
        Why it ended so.
    """

    def __init__(self) -> None:
        self.samples: dict[int, np.ndarray] = {}
        self.warnings: list[str] = []
        self.image_check: ImageCheckRecord | None = None
        self.state: EndState | Literal["running"] = "running"
        self.message = ""
        self._moments = Moments()

    @property
    def completed(self) -> frozenset[int]:
        """Indices of the samples that are kept already."""
        return frozenset(self.samples)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the samples so far, float64."""
        return self._moments.mean

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of the samples so far, float64; NaN for fewer than two."""
        return self._moments.sd

    def write_sample(self, index: int, sample: np.ndarray) -> np.ndarray:
        """Keep one sample and return it."""
        self.samples[index] = sample
        self._moments.add(sample)
        return sample

    def warn(self, message: str) -> None:
        """Keep a warning."""
        self.warnings.append(message)

    def keep_check(self, check: ImageCheckRecord) -> None:
        """Keep what the check found."""
        self.image_check = check

    def finish(self, state: EndState, message: str = "") -> None:
        """Note how the run ended."""
        self.state, self.message = state, message
