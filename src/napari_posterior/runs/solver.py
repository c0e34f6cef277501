"""What is known of the solver of a teacher's run: from its bundle, and on the image itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

from napari_posterior.bundles.certificate import (
    BandRecord,
    Certificate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.sampling.on_image import ImageCheck

__all__ = ["ImageCheckRecord", "SolverBias", "SolverCheck"]


class SolverBias(BaseModel):
    """What the solver of a run was measured to leave open when its bundle was built.

    Parameters
    ----------
    reference : bool
        Whether the run is of the teacher exactly as its bundle fixes it.
    certificate : Certificate or None
        What was measured of it, band by band; None where nothing was, and always of a solver that
        is not the reference.
    """

    model_config = ConfigDict(frozen=True)

    reference: bool
    certificate: Certificate | None = None


class ImageCheckRecord(BaseModel):
    """What twice the steps changed on a part of the image, drawn before the first sample.

    Parameters
    ----------
    plane : int
        Which plane was looked at, from 0.
    place, side : tuple of int
        First row and column of the part, and its height and width, in pixels.
    samples : int
        Samples of it that were drawn with either number of steps.
    level : float
        Confidence level of the intervals, which are over these samples.
    tolerance : float
        Change of variance beyond which the run warned, as a share of the variance in a band.
    bands : tuple of BandRecord
        The solver of the run against its own refinement, in increasing order of frequency.
    warning : str or None
        The sentence the run warned with.
    """

    model_config = ConfigDict(frozen=True)

    plane: int
    place: tuple[int, int]
    side: tuple[int, int]
    samples: int
    level: float
    tolerance: float
    bands: tuple[BandRecord, ...]
    warning: str | None = None

    @classmethod
    def of(cls, check: ImageCheck, *, plane: int) -> Self:
        """Record a check of one plane."""
        return cls(
            plane=plane,
            place=check.place,
            side=check.side,
            samples=check.samples,
            level=check.level,
            tolerance=check.tolerance,
            bands=tuple(BandRecord.of(band) for band in check.bands),
            warning=check.warning,
        )

    @property
    def worst(self) -> BandRecord:
        """The band with the largest change of variance."""
        return max(self.bands, key=lambda band: abs(band.variance))


@dataclass(frozen=True)
class SolverCheck:
    """A look at the solver on the image at hand, to be taken before the first sample.

    Parameters
    ----------
    share : float
        What it costs, as a share of a whole run in network calls times pixels.
    plane : int
        The plane that is looked at, from 0.
    look : callable
        Takes a function that it calls as ``on_step(done, total)`` after every network call and
        that may raise to end it.
    """

    share: float
    plane: int
    look: Callable[[Callable[[int, int], None]], ImageCheckRecord]
