"""All that is told of the question of diversity: directions, distances, forms, an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.checks.spread.diversity import find_alarm, find_dimension, find_diversity
from napari_posterior.checks.spread.spaces import find_feature_diversity, find_fine_diversity
from napari_posterior.checks.spread.support import find_support

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Values
    from napari_posterior.checks.spread.bands import Bands
    from napari_posterior.checks.stream import Pass

__all__ = ["find_spread"]


def find_spread(
    pixels: Pass,
    bands: Bands,
    modes: Finding,
    values: Sequence[Values],
    *,
    level: float,
    paired: bool,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
) -> list[Finding]:
    """Gather the findings on diversity, those with verdicts first.

    Parameters
    ----------
    pixels : Pass
        What the pixels give.
    bands : Bands
        Of spatial frequency.
    modes : Finding
        Of `find_modes`.
    values : sequence of Values
        What was measured on every sample.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.
    """
    gram = pixels.gram
    counts = gram.n_teacher, gram.n_student
    found = [
        find_dimension(gram, level=level, paired=paired),
        find_diversity(pixels.standardised, level=level, paired=paired),
        modes,
        find_fine_diversity(
            *pixels.powers, bands, level=level, paired=paired, pixel_size=pixel_size, unit=unit
        ),
        find_feature_diversity(values, counts, level=level, paired=paired),
        find_support(gram, level=level, paired=paired),
        find_alarm(gram, level=level, paired=paired),
    ]
    return [one for one in found if one is not None]
