"""Two runs against what is known of the object: the object itself, or a better image of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import number
from napari_posterior.checks.known.rank_histogram import (
    correlation_length,
    coverage_curve,
    map_misses,
    rank_histogram,
)
from napari_posterior.checks.known.truth import (
    KNOWN,
    find_calibration,
    fit_blocks,
    rank_pixels,
    score_blocks,
    sum_blocks,
)
from napari_posterior.checks.reading import BandReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.known.truth import BlockScores
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.source import Stack

__all__ = ["KnownFindings", "compare_with_known"]

_BLOCK: Final = 16  # px
_TIES_SEED: Final = 0


@dataclass(frozen=True, eq=False)
class KnownFindings:
    """What the known object says of both runs.

    Parameters
    ----------
    findings : tuple of Finding
        Coverage of both, and their spread over their error.
    maps : tuple of MapImage
        Where it is missed.
    charts : dict
        ``"coverage"`` and ``"ranks"``, see `charts.plot_report`.
    blocks : int
        Blocks of pixels that intervals are made of.
    """

    findings: tuple[Finding, ...]
    maps: tuple[MapImage, ...]
    charts: dict[str, Any]
    blocks: int


def compare_with_known(
    teacher: Stack,
    student: Stack,
    known: np.ndarray,
    *,
    plane: int,
    level: float,
    paired: bool,
    what: str = KNOWN,
    on_step: Callable[[], None] | None = None,
) -> KnownFindings:
    """Score the samples of two runs against a known object.

    Parameters
    ----------
    teacher, student : Stack
        Samples of the same image; as many of each are used.
    known : ndarray, (P, H, W)
        In the unit and at the resolution of the samples.
    plane : int
        The plane of the map.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    what : str
        What is known, in words: ``"known object"`` or ``"reference image"``.
    on_step : callable, optional
        Called after every sample that was read; may raise to end it.
    """
    reader = BandReader(teacher, student, on_step)
    count = min(teacher.count, student.count)
    generator = np.random.default_rng(_TIES_SEED)
    scores: tuple[list[BlockScores], list[BlockScores]] = ([], [])
    shown = [np.zeros(teacher.plane_shape, np.int64) for _ in range(2)]
    for index in range(teacher.planes):
        for start, rows in reader.bands(index):
            stop = start + rows.shape[1]
            there = known[index, start:stop]
            for scored, kept, part in zip(scores, shown, reader.split(rows), strict=True):
                ranks = rank_pixels(part[:count], there, generator=generator)
                scored.append(
                    score_blocks(
                        part[:count],
                        there,
                        block=_BLOCK,
                        generator=generator,
                        ranks=ranks,
                        plane=index,
                        start=start,
                    )
                )
                if index == plane:
                    kept[start:stop] = ranks
    length = max(map(correlation_length, shown))
    runs = [fit_blocks(sum_blocks(parts), length) for parts in scores]
    findings = find_calibration(runs[0], runs[1], level=level, coupled=paired, known=what)
    curves = [coverage_curve(run, level=level) for run in runs]
    histograms = [rank_histogram(run) for run in runs]
    told = {
        key: f"The ranks of the {what} say that the {name}'s samples are {one.words} on "
        f"this image (p = {number(one.p_value, 2)} if they were calibrated)."
        for key, name, one in zip(
            ("reference.coverage", "student.coverage"),
            ("teacher", "student"),
            histograms,
            strict=True,
        )
        if one.words
    }
    findings = [
        replace(one, notes=(*one.notes, told[one.id])) if one.id in told else one
        for one in findings
    ]
    charts = {
        "coverage": {
            "of": what,
            "nominal": curves[0]["nominal"],
            "teacher": curves[0],
            "student": curves[1],
        },
        "ranks": {
            "of": what,
            "teacher": histograms[0].shares.tolist(),
            "student": histograms[1].shares.tolist(),
            "low": histograms[0].low.tolist(),
            "high": histograms[0].high.tolist(),
        },
    }
    maps = (map_misses(shown[0], shown[1], count, known=what),)
    return KnownFindings(tuple(findings), maps, charts, len(runs[0].pixels))
