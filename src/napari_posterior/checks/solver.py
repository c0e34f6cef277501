"""What is known of the teacher's solver: its error is part of every difference that is found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_posterior.checks.finding import as_json, confidence, percent

if TYPE_CHECKING:
    from napari_posterior.checks.source import SampleSource

__all__ = ["BandChange", "ImageCheck", "OpenBand", "SolverTrust", "solver_trust"]


@dataclass(frozen=True)
class OpenBand:
    """What is left open in one band of spatial frequency.

    Parameters
    ----------
    low, high : float
        Its edges, in cycles per pixel.
    left_open : float
        Bias of variance or mean that the intervals leave open, as a share of the variance there.
    """

    low: float
    high: float
    left_open: float


@dataclass(frozen=True)
class BandChange:
    """What twice the steps changed in one band of spatial frequency.

    Parameters
    ----------
    low, high : float
        Its edges, in cycles per pixel.
    variance : float
        Variance with the steps of the run over that with twice as many, less 1.
    variance_interval : tuple of float
        Its interval.
    """

    low: float
    high: float
    variance: float
    variance_interval: tuple[float, float]


@dataclass(frozen=True)
class ImageCheck:
    """The solver on the image at hand, with its steps and with twice as many.

    Parameters
    ----------
    plane : int
        Which plane was looked at, from 0.
    place, side : tuple of int
        First row and column of the part, and its height and width, in pixels.
    samples : int
        Samples of it with either number of steps.
    level, tolerance : float
        Confidence level of the intervals, and the change beyond which the run warned.
    bands : tuple of BandChange
        In increasing order of frequency.
    warning : str or None
        What the run warned of.
    """

    plane: int
    place: tuple[int, int]
    side: tuple[int, int]
    samples: int
    level: float
    tolerance: float
    bands: tuple[BandChange, ...]
    warning: str | None

    @property
    def sentence(self) -> str:
        """What was seen, in words."""
        worst = max(self.bands, key=lambda band: abs(band.variance))
        change, low, high = (
            percent(share, 1, sign=True) for share in (worst.variance, *worst.variance_interval)
        )
        plane = f"plane {self.plane + 1}, " if self.plane else ""
        told = (
            f"On this image the variance at {worst.low:g} to {worst.high:g} cycles per pixel, the "
            f"band that changes most, is {change} ({confidence(self.level)} interval {low} to "
            f"{high}) off that with twice the steps, seen with {self.samples} samples of "
            f"{self.side[0]} × {self.side[1]} pixels ({plane}row {self.place[0]}, column "
            f"{self.place[1]})."
        )
        if self.warning is None:
            return told
        return f"{told} The run warned, since that is beyond {percent(self.tolerance)}."


@dataclass(frozen=True)
class SolverTrust:
    """How far the samples of a teacher's run follow the teacher's law.

    Parameters
    ----------
    reference : bool or None
        Whether the run is of the reference of its bundle; None where the run does not say so.
    certified : bool
        Whether what it leaves open is below the tolerance in every band.
    words : str
        That and the bound, such as ``"certified: up to 1.72 % of the variance left open"``; empty
        where nothing was measured.
    solver, ruler : str
        The solver that was measured and the one it was measured against.
    left_open : tuple of OpenBand
        What was left open on simulated scenes, in increasing order of frequency.
    mean_gap : float or None
        RMS bias of the mean that is left open in any band, in posterior standard deviations.
    tolerance, level : float
        What `left_open` has to stay below, and the confidence level of its intervals.
    scenes, samples : int
        Scenes that were measured, and samples of each.
    image_check : ImageCheck or None
        The solver on this image; None where it was not looked at.
    """

    reference: bool | None = None
    certified: bool = False
    words: str = ""
    solver: str = ""
    ruler: str = ""
    left_open: tuple[OpenBand, ...] = ()
    mean_gap: float | None = None
    tolerance: float = 0.0
    level: float = 0.0
    scenes: int = 0
    samples: int = 0
    image_check: ImageCheck | None = None

    @property
    def remaining(self) -> float | None:
        """Largest bias left open in any band, as a share of its variance; None: not measured."""
        return max((band.left_open for band in self.left_open), default=None)

    @property
    def phrase(self) -> str:
        """A few words to stand beside a finding."""
        told = self._bound()
        if self.image_check is not None and self.image_check.warning is not None:
            told += "; its steps are coarse on this image"
        return told

    @property
    def sentence(self) -> str:
        """What was measured of the solver, and on what, in words."""
        return f"{self._measured()} {self._seen()}"

    def to_dict(self) -> dict[str, Any]:
        """Return what is known as JSON values; ``remaining_bias`` is null where not measured."""
        values: dict[str, Any] = as_json(
            {
                **asdict(self),
                "remaining_bias": self.remaining,
                "sentence": self.sentence,
            }
        )
        return values

    def _bound(self) -> str:
        if self.reference is None:
            return "the run does not say whether its solver was certified"
        if not self.reference:
            return "not the reference: the teacher's solver was not certified"
        if not self.words:
            return "reference: the teacher's solver was not certified"
        return f"reference, {self.words}"

    def _measured(self) -> str:
        if self.reference is None:
            return (
                "The teacher's run does not say whether its solver was certified, so how much of "
                "a difference is the solver's own error is not known."
            )
        if not self.words:
            which = "is the reference of its model" if self.reference else "is not the reference"
            return (
                f"The teacher's solver {which} and was not certified, so how much of a difference "
                "is the solver's own error is not known."
            )
        return (
            f"The teacher's solver is the reference, {self.words} in any band of spatial "
            f"frequency: {self.solver}, measured against {self.ruler}, refined, on {self.scenes} "
            f"held-out scenes with {self.samples} samples each ({confidence(self.level)} intervals "
            f"over scenes; certified means less than {percent(self.tolerance)}). A difference in "
            "variance of that size need not be the student's; what it makes of other quantities "
            "was not measured."
        )

    def _seen(self) -> str:
        if self.image_check is None:
            return "On this image the solver was not checked."
        return self.image_check.sentence


def solver_trust(source: SampleSource) -> SolverTrust:
    """Read what a teacher's run knows of its solver; what is missing counts as not known.

    Parameters
    ----------
    source : SampleSource
        A run, with ``solver_bias`` and ``image_check`` where it has them.
    """
    check = _image_check(getattr(source, "image_check", None))
    bias = getattr(source, "solver_bias", None)
    if bias is None:
        return SolverTrust(image_check=check)
    known = bias.certificate
    if known is None:
        return SolverTrust(reference=bias.reference, image_check=check)
    return SolverTrust(
        reference=bias.reference,
        certified=known.certified,
        words=known.words,
        solver=known.reference.solver,
        ruler=known.ruler.solver,
        left_open=tuple(
            OpenBand(band.low, band.high, share)
            for band, share in zip(known.reference.bands, known.left_open, strict=True)
        ),
        mean_gap=math.sqrt(
            max(
                max(band.mean_interval[1], 0.0) + max(ruler.mean_interval[1], 0.0)
                for band, ruler in zip(known.reference.bands, known.ruler.bands, strict=True)
            )
        ),
        tolerance=known.tolerance,
        level=known.level,
        scenes=known.scenes,
        samples=known.samples,
        image_check=check,
    )


def _image_check(found: Any) -> ImageCheck | None:
    if found is None:
        return None
    return ImageCheck(
        plane=found.plane,
        place=tuple(found.place),
        side=tuple(found.side),
        samples=found.samples,
        level=found.level,
        tolerance=found.tolerance,
        bands=tuple(
            BandChange(band.low, band.high, band.variance, tuple(band.variance_interval))
            for band in found.bands
        ),
        warning=found.warning,
    )
