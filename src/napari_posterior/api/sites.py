"""Each punctum of two runs: how often it is there, and what the student lost or invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.api.measuring import measure_objects, prepare_run
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic
    from napari_posterior.statistics.changes import Changes
    from napari_posterior.statistics.existence import Existence

__all__ = ["PunctaComparison", "compare_puncta"]


@dataclass(frozen=True, eq=False)
class PunctaComparison:
    """What became of each punctum, and of all together.

    Parameters
    ----------
    existence : Existence
        Probabilities, intervals and class of each site.
    changes : Changes
        Expected numbers of puncta lost and invented, with bounds.
    pixel_size : tuple of float or None
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.
    """

    existence: Existence
    changes: Changes
    pixel_size: tuple[float, float] | None
    unit: str

    def to_frame(self) -> pd.DataFrame:
        """Return a table of one row a punctum; see `Existence.to_frame`."""
        return self.existence.to_frame(pixel_size=self.pixel_size, unit=self.unit)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, in words; estimates with bounds and no verdict."""
        from napari_posterior.checks.counted.site_changes import bounds_in_words

        classes = self.existence.count_classes()
        changes = self.changes
        told = ", ".join(f"{number} {name}" for name, number in classes.items())
        return (
            f"A teacher sample has {changes.teacher_count:.1f} puncta at the sites of both runs, a "
            f"student sample {changes.student_count:.1f}.",
            f"Lost by the student: {bounds_in_words(changes.lost)}; invented: "
            f"{bounds_in_words(changes.invented)}.",
            f"Of {sum(classes.values())} sites: {told} (within "
            f"±{self.existence.tolerance:g} of each other or not).",
        )


def compare_puncta(
    teacher_run: Run | str | os.PathLike[str],
    student_run: Run | str | os.PathLike[str],
    *,
    statistic: str | Statistic = "puncta",
    radius: float | None = None,
    regions: Any = None,
    tolerance: float = 0.2,
) -> PunctaComparison:
    """Find the puncta of two runs together, and how often each run has each of them.

    Puncta of all samples of **both** runs are pooled into sites, so that neither run decides where
    to look. Planes are kept apart.

    Parameters
    ----------
    teacher_run, student_run : Run or path
        Two runs of one image.
    statistic : str or Statistic
        The detector: one that gives objects, ``"puncta"`` by default.
    radius : float, optional
        How far in pixels a detection may lie from its site; by default the full width at half
        maximum at which x is seen.
    regions : optional
        Where to look, as of `measure`.
    tolerance : float
        Difference of two existence probabilities that does not matter.

    Returns
    -------
    PunctaComparison

    Raises
    ------
    InputError
        If the runs are of different images, or the statistic gives no objects.
    RunError
        If a run cannot be opened.
    """
    from napari_posterior.checks.counted.site_changes import pool_planes
    from napari_posterior.statistics.changes import estimate_changes
    from napari_posterior.statistics.existence import compare_sites
    from napari_posterior.statistics.sites import default_radius

    runs, contexts, found = [], [], []
    for given in (teacher_run, student_run):
        run, its = prepare_run(given)
        runs.append(run)
        contexts.append(its)
        table = measure_objects(run, statistic, regions=regions)
        found.append(_positions(table, run.samples.indices))
    first, second = (run.request.image for run in runs)
    if first.sha256 != second.sha256 or first.shape != second.shape:
        raise InputError("the runs are of two images or regions; give two of one")
    reach = default_radius(contexts[0][0]) if radius is None else radius
    sites = pool_planes(found[0], found[1], radius=reach)
    drawn = [(run.request.seed, tuple(run.samples.indices)) for run in runs]
    return PunctaComparison(
        compare_sites(sites, tolerance=tolerance),
        estimate_changes(sites.teacher, sites.student, paired=drawn[0] == drawn[1]),
        contexts[0][0].pixel_size,
        contexts[0][0].unit,
    )


def _positions(table: pd.DataFrame, samples: Sequence[int]) -> list[np.ndarray]:
    """Return plane, row and column of the detections of each sample, (n, 3)."""
    places = table[["plane", "row [px]", "column [px]"]].to_numpy(np.float64)
    of = table["sample"].to_numpy()
    return [places[of == sample] for sample in samples]
