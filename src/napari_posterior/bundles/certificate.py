"""The certificate of a reference, as ``sampler.json`` keeps it: what was measured, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from napari_posterior.sampling.bands import BandBias
    from napari_posterior.sampling.certify import Certification

__all__ = ["BandRecord", "Certificate", "SolverRecord"]

_DIGITS = 5


class _Frozen(BaseModel):
    """A frozen model that refuses unknown keys and non-finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BandRecord(_Frozen):
    """Bias in one band of spatial frequency, as a share of the variance there.

    Attributes
    ----------
    low, high : float
        Edges of the band in cycles per pixel.
    share : float
        Share of all variance that lies in the band.
    variance, mean : float
        Relative bias of the variance; squared difference of the means over the variance.
    variance_interval, mean_interval : tuple of float
        Their intervals.
    """

    low: float
    high: float
    share: float
    variance: float
    variance_interval: tuple[float, float]
    mean: float
    mean_interval: tuple[float, float]

    @classmethod
    def of(cls, band: BandBias) -> Self:
        """Make it from what was measured, rounded to what the measurement is worth."""
        return cls(
            low=band.low,
            high=band.high,
            share=round(band.share, _DIGITS),
            variance=round(band.variance, _DIGITS),
            variance_interval=_round(band.variance_interval),
            mean=round(band.mean, _DIGITS),
            mean_interval=_round(band.mean_interval),
        )


class SolverRecord(_Frozen):
    """A solver and its bias in every band.

    Attributes
    ----------
    solver : str
        In words.
    nfe : int
        Network evaluations per sample.
    bands : tuple of BandRecord
        In increasing order of frequency.
    """

    solver: str
    nfe: int
    bands: tuple[BandRecord, ...]


class Certificate(_Frozen):
    """What was measured of the solver that is a teacher's reference.

    Attributes
    ----------
    reference : SolverRecord
        The reference against the refined ruler.
    ruler : SolverRecord
        The ruler against its own refinement: steps doubled, last noise level halved.
    doubled : SolverRecord or None
        The reference against its own refinement.
    self_check : SolverRecord or None
        A stochastic solver against the refined ruler: it tells of the teacher, not of its solver.
    left_open : tuple of float
        The bias of the reference that is left open in each band, as a share of the variance.
    tolerance : float
        What that has to stay below for a reference that is certified.
    level : float
        Confidence level of the intervals, over scenes.
    scenes, samples : int
        Scenes, and samples of each, from shared noise.
    """

    reference: SolverRecord
    ruler: SolverRecord
    doubled: SolverRecord | None = None
    self_check: SolverRecord | None = None
    left_open: tuple[float, ...]
    tolerance: Annotated[float, Field(gt=0)]
    level: Annotated[float, Field(gt=0, lt=1)]
    scenes: Annotated[int, Field(ge=2)]
    samples: Annotated[int, Field(ge=3)]

    @property
    def certified(self) -> bool:
        """Whether what is left open is below the tolerance in every band."""
        return max(self.left_open) < self.tolerance

    @property
    def worst(self) -> str:
        """What is left open in the worst band, in per cent, to three digits."""
        return f"{100 * max(self.left_open):.3g}"

    @property
    def words(self) -> str:
        """Such as ``"not certified: up to 3.45 % of the variance left open"``."""
        word = "certified" if self.certified else "not certified"
        return f"{word}: up to {self.worst} % of the variance left open"

    @classmethod
    def of(cls, found: Certification) -> Self:
        """Make the certificate of what a certification has chosen, whether it passes or not."""
        reference = found.chosen
        rows = {
            "reference": reference,
            "ruler": found.ruler,
            "doubled": found.doubled,
            "self_check": found.self_check,
        }
        records = {
            name: None
            if row is None
            else SolverRecord(
                solver=row.choice.label,
                nfe=row.choice.nfe,
                bands=tuple(BandRecord.of(band) for band in row.bands),
            )
            for name, row in rows.items()
        }
        return cls.model_validate(
            {
                **records,
                "left_open": tuple(round(v, _DIGITS) for v in found.remaining(reference)),
                "tolerance": found.tolerance,
                "level": found.level,
                "scenes": found.scenes,
                "samples": found.samples,
            }
        )


def _round(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return round(low, _DIGITS), round(high, _DIGITS)
