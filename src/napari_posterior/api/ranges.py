"""Say which numbers of an image lie outside the range that a model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_posterior.bundles.card import TrainingRange
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.sampling.conditioning import PlaneStats

__all__ = ["range_warnings"]

# A number given at the very end of a range is inside of it, rounding or not.
_SLACK = 1e-6


def range_warnings(
    trained: TrainingRange, measurement: Measurement, stats: Iterable[PlaneStats]
) -> list[str]:
    """Compare an image with what the networks were trained on.

    Parameters
    ----------
    trained : TrainingRange
        Of the model.
    measurement : Measurement
        A plane of the image, for camera and PSF.
    stats : iterable of PlaneStats
        Background level and photon scale, one pair for each channel.

    Returns
    -------
    list of str
        One sentence for each number that is outside, naming it and the range.
    """
    numbers = [
        ("The PSF sigma", measurement.psf.sigma, "px", trained.psf_sigma),
        ("The read noise", measurement.camera.typical.read_noise, "e-", trained.read_noise),
    ]
    pairs = list(stats)
    for channel, pair in enumerate(pairs):
        where = f" of channel {channel}" if len(pairs) > 1 else ""
        unit = "photoelectrons per pixel"
        scale, level = float(pair.photon_scale), float(pair.background)
        numbers.append((f"The photon scale{where}", scale, unit, trained.photon_scale))
        numbers.append((f"The background level{where}", level, unit, trained.background))
    return [
        f"{what} is {_short(value)} {unit}, outside the trained range of {low:g} to {high:g}; "
        "take the samples as an extrapolation of the model."
        for what, value, unit, (low, high) in numbers
        if not _inside(value, low, high)
    ]


def _short(value: float) -> str:
    """Three digits, and as many zeros as it takes: 4, 4480, −44.6."""
    return f"{float(f'{value:.3g}'):g}".replace("-", "−")


def _inside(value: float, low: float, high: float) -> bool:
    slack = _SLACK * max(abs(low), abs(high))
    return low - slack <= value <= high + slack
