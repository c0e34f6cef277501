"""Colormaps of the layers: lightness says the value, grey is the teacher and blue the student."""

from __future__ import annotations

from functools import cache

from napari.utils.colormaps import Colormap

from napari_posterior.checks.page.pictures import COLOURS

__all__ = ["SPREAD", "difference_colormap", "sample_colormap"]

SPREAD = "viridis"
"""Perceptual colormap of standard deviations and variances; a name that napari knows."""

_NOT_DRAWN = (0.13, 0.11, 0.17, 1.0)  # opaque, or the noisy input would shine through
_NO_VALUE = (0.5, 0.5, 0.5, 1.0)
# The same lightness as grey at every value, so that both can be compared by eye.
_GREY = ("000000", "3b3b3b", "777777", "b9b9b9", "ffffff")
_BLUE = ("000000", "153d6a", "3d7ec0", "93c0ec", "ffffff")


@cache
def sample_colormap(role: str) -> Colormap:
    """Colormap of samples and means of a role; samples not drawn yet are dark violet."""
    anchors, name = (_BLUE, "posterior blue") if role == "student" else (_GREY, "posterior grey")
    return Colormap(_rgba(anchors), name=name, nan_color=_NOT_DRAWN)


@cache
def difference_colormap() -> Colormap:
    """Diverging colormap, blue below and red above; pixels without a value are grey."""
    return Colormap(_rgba(COLOURS["diverging"]), name="posterior difference", nan_color=_NO_VALUE)


def _rgba(anchors: tuple[str, ...]) -> list[tuple[float, ...]]:
    return [(*(int(one[i : i + 2], 16) / 255 for i in (0, 2, 4)), 1.0) for one in anchors]
