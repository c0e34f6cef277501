"""Estimate the camera: from one image, from repeats of one field, or from flat and dark frames."""

from __future__ import annotations

from napari_posterior.physics.estimate.flats import camera_from_flats
from napari_posterior.physics.estimate.noise import NoiseCorrelation, noise_correlation
from napari_posterior.physics.estimate.repeats import camera_from_repeats
from napari_posterior.physics.estimate.result import CameraEstimate
from napari_posterior.physics.estimate.single import estimate_camera

__all__ = [
    "CameraEstimate",
    "NoiseCorrelation",
    "camera_from_flats",
    "camera_from_repeats",
    "estimate_camera",
    "noise_correlation",
]
