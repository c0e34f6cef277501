"""Closed-form posteriors, and students with known faults: the ruler that nothing else uses.

`posteriors` measures samplers and students, `laws` and `students` measure the checks.
"""

from __future__ import annotations

from napari_posterior.toys.posteriors import (
    Family,
    GaussianFamily,
    GaussianPosterior,
    MixtureFamily,
    MixturePosterior,
    Toy,
    blur_matrix,
    exact_student,
    exact_teacher,
    smooth_covariance,
)

__all__ = [
    "Family",
    "GaussianFamily",
    "GaussianPosterior",
    "MixtureFamily",
    "MixturePosterior",
    "Toy",
    "blur_matrix",
    "exact_student",
    "exact_teacher",
    "smooth_covariance",
]
