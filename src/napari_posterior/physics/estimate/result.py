"""What an estimate hands over, and what is assumed of offset and read noise without dark frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.physics.camera import Camera, Interval

if TYPE_CHECKING:
    from napari_posterior.physics.estimate.line import NoiseLine
    from napari_posterior.physics.estimate.points import Points

__all__ = ["CameraEstimate", "assume_dark", "gain_note", "own_units"]

_LEAST_READ_NOISE: Final = 0.3
_USUAL_READ_NOISE: Final = 2.0
_ASSUMED_NOISE: Final = 2.0


@dataclass(frozen=True)
class CameraEstimate:
    """An estimated camera.

    Parameters
    ----------
    camera : Camera
        To restore with; its source is ``"estimated"``. It carries 95 % intervals: of the gain, and
        of offset and read noise, which without dark frames cover all that the noise allows, from
        no read noise at all to no light in the darkest part.
    gain_interval : (float, float)
        95 % bootstrap interval of the gain in ADU/e-. It covers the scatter of the blocks, not
        what fine structure adds to one image. Where the gain is resolved the camera carries the
        same; where it is not, the camera's runs from 0 to the gain at which the noise of the
        darkest level is a read noise of 0.3 e-.
    resolved : bool
        Whether the gain could be told. If not, the gain is a choice of units.
    notes : tuple of str
        What the user should know, a sentence each.
    """

    camera: Camera
    gain_interval: Interval
    resolved: bool
    notes: tuple[str, ...]


def gain_note(line: NoiseLine, source: str) -> str:
    """Say the gain, its interval and what it was estimated from."""
    low, high = line.interval
    return (
        f"The gain was estimated from {source}: {line.gain:.3g} ADU/e- (95 % interval {low:.3g} "
        f"to {high:.3g}); give the camera's own numbers where you have them."
    )


def assume_dark(line: NoiseLine, darkest: float, error: float, *, what: str) -> tuple[Camera, str]:
    """Choose offset and read noise, which the line alone confounds, by the darkest level.

    A brighter offset with more read noise gives the same line. The offset is assumed to be the
    darkest level, and the read noise, at least 0.3 e-, is what the variance is there; where that
    would be more than 2 e- the offset is put below, where the line gives 2 e-. Their intervals
    hold every pair on the line: the offset is at least where the noise would vanish, and at most
    the darkest level.

    Parameters
    ----------
    line : NoiseLine
        Resolved.
    darkest : float
        Darkest level in ADU.
    error : float
        Its standard error in ADU.
    what : str
        What was looked at, such as ``"image"``.

    Returns
    -------
    camera : Camera
    note : str
        One sentence.
    """
    gain, intercept = line.gain, line.intercept
    read = float(np.sqrt(line.variance(darkest)) / gain)
    offset = darkest
    if read > _USUAL_READ_NOISE:
        read = _USUAL_READ_NOISE
        offset = gain * read**2 - intercept / gain
        note = (
            f"The darkest level of the {what}, {darkest:.4g} ADU, is too noisy to be dark and is "
            f"assumed to hold background light: with a usual read noise of {read:g} e- the offset "
            f"is {offset:.4g} ADU; the {what} cannot tell, so give the camera's own."
        )
    else:
        read = max(read, _LEAST_READ_NOISE)
        note = (
            f"The offset is assumed to be the darkest level of the {what}, {offset:.4g} ADU, and "
            f"the read noise the noise at that level, {read:.2g} e-, because the {what} cannot "
            "tell them from background light."
        )
    slopes = np.maximum(line.slopes, 0.2 * gain)
    silent = float(np.quantile(-line.intercepts / slopes, 0.025))
    most = np.maximum(line.intercepts + slopes * darkest, 0.0) ** 0.5 / slopes
    camera = Camera(
        gain,
        offset,
        read,
        "estimated",
        gain_interval=line.interval,
        offset_interval=(min(silent, offset), max(darkest + 2 * error, offset)),
        read_noise_interval=(0.0, max(float(np.quantile(most, 0.975)), read)),
    )
    return camera, note


def own_units(
    points: Points, line: NoiseLine, darkest: float, fallback: np.ndarray, *, what: str
) -> CameraEstimate:
    """Choose units in which the noise of the darkest level is 2 e-, as the gain is not resolved.

    `fallback` holds grey levels in ADU whose range is taken where there is no noise at all.
    """
    dark = points.variance[points.mean <= np.quantile(points.mean, 0.2)]
    noise = float(np.sqrt(np.median(dark))) or float(np.sqrt(points.variance.mean()))
    noise = noise or float(np.ptp(fallback)) / 100 or 1.0
    note = (
        f"The gain could not be estimated from this {what}, so photoelectrons are units of the "
        f"image's own, in which the noise of the darkest level is {_ASSUMED_NOISE:g} e-; give the "
        "camera's gain, offset and read noise to have photoelectrons."
    )
    camera = Camera(
        noise / _ASSUMED_NOISE,
        darkest,
        _ASSUMED_NOISE,
        "estimated",
        # noise is a read noise of at least 0.3 e- times the gain: no gain can be higher
        gain_interval=(0.0, noise / _LEAST_READ_NOISE),
    )
    return CameraEstimate(camera, line.interval, False, (note,))
