"""Numbers that other tools give too, for comparison with them: RSE and RSP of SQUIRREL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.physics.measurement import Measurement

__all__ = ["Familiar", "familiar_numbers"]

_FITTED: Final = 512
"""Side of the middle of a plane on which the fit is made; more pixels would only take longer."""


@dataclass(frozen=True)
class Familiar:
    """SQUIRREL of the means of two runs; familiar, and no ground for a verdict.

    Parameters
    ----------
    rsp : (float, float)
        Resolution-scaled Pearson coefficient of the teacher's and the student's mean.
    rse : (float, float)
        Resolution-scaled error in ADU.
    """

    rsp: tuple[float, float]
    rse: tuple[float, float]

    def words(self) -> str:
        """Say the numbers in one sentence without a full stop."""
        return (
            f"SQUIRREL of the means of teacher and student: RSP {self.rsp[0]:.4f} and "
            f"{self.rsp[1]:.4f}, RSE {self.rse[0]:.4g} and {self.rse[1]:.4g} ADU; gain, offset and "
            "blur were fitted once, on the teacher's mean; familiar numbers, which decide nothing"
        )


def familiar_numbers(
    measurement: Measurement, teacher: np.ndarray, student: np.ndarray
) -> Familiar | None:
    """Return RSE and RSP of two means; None where they cannot be fitted to the measurement.

    Parameters
    ----------
    measurement : Measurement
        One plane, (H, W).
    teacher, student : ndarray, (H, W)
        Means in photoelectrons per pixel.
    """
    from napari_posterior.physics.squirrel import Squirrel

    y, valid = np.asarray(measurement.y, np.float64), measurement.valid
    middle = tuple(slice(max(0, (n - _FITTED) // 2), (n + _FITTED + 1) // 2) for n in y.shape)
    try:
        fit = Squirrel.fitted_on(teacher[middle], y[middle], valid=valid[middle])
    except InputError:  # such as a mean that shows nothing of the measurement
        return None
    whole = Squirrel(y, fit.nuisance, valid)
    (rse, rsp) = ([float(f(mean)) for mean in (teacher, student)] for f in (whole.rse, whole.rsp))
    return Familiar((rsp[0], rsp[1]), (rse[0], rse[1]))
