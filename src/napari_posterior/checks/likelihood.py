"""Do the samples explain the measurement: reduced chi-squared of every sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, rounded
from napari_posterior.checks.intervals import delete_one, mean_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.trust import NoiseTrust
    from napari_posterior.physics.measurement import Measurement

__all__ = [
    "ResidualMeter",
    "Residuals",
    "find_reference_residual",
    "find_residual_difference",
    "residual_map",
]


@dataclass(frozen=True)
class Residuals:
    """Agreement of one sample with its measurement.

    Parameters
    ----------
    chi2 : float
        Reduced chi-squared; 1 is expected of a draw from the posterior.
    chi2_sd : float
        Its standard deviation over measurements of one object.
    floored : float
        Fraction of pixels whose expected electrons had to be raised to be positive.
    """

    chi2: float
    chi2_sd: float
    floored: float


class ResidualMeter:
    """Measures samples against the planes of one measurement.

    Parameters
    ----------
    measurements : sequence of Measurement
        One for each plane.
    """

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        from napari_posterior.physics.likelihood import Likelihood

        self._likelihoods = [Likelihood(measurement) for measurement in measurements]

    def measure(self, planes: Sequence[np.ndarray]) -> Residuals:
        """Return the residuals of one sample, averaged over its planes.

        Parameters
        ----------
        planes : sequence of ndarray, (H, W)
            The sample in photoelectrons per pixel.
        """
        import torch

        rows = []
        with torch.inference_mode():
            for plane, one in zip(planes, self._likelihoods, strict=True):
                x = torch.from_numpy(np.array(plane, np.float32, order="C"))[None]
                rows.append(one.agreement(x))
        table = np.array([[float(value) for value in row] for row in rows])
        spread = float(np.sqrt((table[:, 1] ** 2).sum()) / len(table))
        return Residuals(float(table[:, 0].mean()), spread, float(table[:, 2].mean()))


def residual_map(measurement: Measurement, x: np.ndarray) -> np.ndarray:
    """Return what an object leaves unexplained of a measurement, (H, W) float32.

    In units of the noise, ``(z - lambda) / sqrt(lambda + read_noise^2)`` per pixel.

    Parameters
    ----------
    measurement : Measurement
        One plane with camera, PSF and background.
    x : ndarray, (H, W)
        The object in photoelectrons per pixel: a sample, or the mean of samples.
    """
    import torch

    from napari_posterior.physics.likelihood import Likelihood

    plane = torch.from_numpy(np.ascontiguousarray(x, np.float32))[None]
    with torch.inference_mode():
        # the Gaussian model spares choosing the pixels of the exact sum, which residuals do not use
        residuals = Likelihood(measurement, model="gaussian").standardised_residuals(plane)
    return np.asarray(residuals[0].numpy())


def find_residual_difference(
    teacher: Sequence[Residuals],
    student: Sequence[Residuals],
    *,
    level: float,
    paired: bool,
    trust: NoiseTrust,
) -> Finding:
    """Compare the reduced chi-squared of the samples of two runs.

    Parameters
    ----------
    teacher, student : sequence of Residuals
        One for each sample; in pairs, the same length.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    trust : NoiseTrust
        What is known of the noise: doubt makes the distance from 1 uncertain, but hardly the
        difference.
    """
    values = [np.array([r.chi2 for r in run]) for run in (teacher, student)]
    estimate = mean_difference(values[0], values[1], level=level, paired=paired)
    means = [float(v.mean()) for v in values]
    value, span = rounded(estimate.value, estimate.interval, sign=True)
    sentence = (
        f"Reduced chi-squared of a sample against the measurement: student {means[1]:.3f}, "
        f"teacher {means[0]:.3f} ({trust.words()}). The difference is "
        f"{value} ({confidence(level)} interval {span})."
    )
    sd = float(np.mean([r.chi2_sd for r in [*teacher, *student]]))
    return Finding(
        id="likelihood",
        title="likelihood residual",
        estimand="mean reduced chi-squared of student samples − that of teacher samples",
        unit="reduced chi-squared",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=sentence,
        question="likelihood",
        kind="likelihood",
        evidence=estimate.evidence,
        p_value=estimate.p_value(0.0),
        p_method=estimate.method,
        correlation=estimate.correlation,
        extra={
            # no measurement of this size tells less from none
            "least_limit": sd,
            "se": estimate.se,
            "df": estimate.df,
            "teacher_mean": means[0],
            "student_mean": means[1],
            "expected": trust.expected,
            "sd_over_measurements": sd,
            "teacher_floored_fraction": float(np.mean([r.floored for r in teacher])),
            "student_floored_fraction": float(np.mean([r.floored for r in student])),
            "expected_sd_of_the_camera": trust.doubt if math.isfinite(trust.doubt) else None,
            "saturated_pixels": trust.saturated,
            "noise": "correlated" if trust.correlated else "independent",
        },
    )


def find_reference_residual(
    teacher: Sequence[Residuals], *, level: float, trust: NoiseTrust
) -> Finding:
    """Compare the reduced chi-squared of the teacher's samples with what a draw should have.

    Parameters
    ----------
    teacher : sequence of Residuals
        One for each sample.
    level : float
        Confidence level.
    trust : NoiseTrust
        What is known of the noise.

    Notes
    -----
    1 is expected, within ``2 sqrt(2/n + u^2)``, with n pixels and u the relative error of the
    noise variance that the camera leaves open; ``extra["limits"]`` holds that band, or None where
    nothing is expected.
    """
    values = np.array([one.chi2 for one in teacher])
    estimate = delete_one(
        float(values.mean()),
        (values.sum() - values) / (len(values) - 1),
        level=level,
        method="mean over samples, t",
    )
    sd = float(np.hypot(np.mean([one.chi2_sd for one in teacher]), trust.doubt))
    limits = None if trust.expected is None else [1 - 2 * sd, 1 + 2 * sd]
    value, span = rounded(estimate.value, estimate.interval)
    expected = (
        trust.words()
        if limits is None
        else f"a draw from the posterior of this camera has {limits[0]:.3f} to {limits[1]:.3f}"
    )
    return Finding(
        id="reference.likelihood",
        title="likelihood residual of the teacher",
        estimand="mean reduced chi-squared of teacher samples",
        unit="reduced chi-squared",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=len(teacher),
        n_student=0,
        coupled=False,
        sentence=(
            f"The teacher's own samples have a reduced chi-squared of {value} on this image "
            f"({confidence(level)} interval {span}); {expected}."
        ),
        no_difference=1.0,
        question="likelihood",
        extra={"limits": limits, "se": estimate.se},
    )
