"""Does this punctum exist? Its probability under teacher and student, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import false_discovery_control

from napari_posterior.errors import InputError
from napari_posterior.statistics.lengths import in_micrometres
from napari_posterior.statistics.proportions import (
    fisher_mid_p,
    newcombe_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    import pandas as pd

    from napari_posterior.statistics.sites import Sites

__all__ = ["CLASSES", "TOLERANCE", "Existence", "classify", "compare_sites"]

CLASSES: Final = ("shared", "lost", "invented", "undecidable")

TOLERANCE: Final = 0.2
"""Difference of two existence probabilities that does not matter, unless told otherwise."""

_LISTED: Final = 2  # detections over both runs
_AXES: Final = ("plane", "row", "column")


@dataclass(frozen=True, eq=False)
class Existence:
    """How often each punctum exists under teacher and student; arrays over sites (S,).

    Parameters
    ----------
    sites : Sites
        The sites compared.
    teacher_probability, student_probability : ndarray, (S,) float64
        Share of the samples that have the punctum; NaN without samples.
    teacher_interval, student_interval : ndarray, (S, 2) float64
        Their Wilson intervals.
    level : float
        Confidence level of these.
    difference : ndarray, (S,) float64
        Student minus teacher.
    difference_interval : ndarray, (S, 2) float64
        Its Newcombe interval, of level 1 - 2 `tail`: the one that decides the class.
    tail : float
        Error allowed on either side.
    tolerance : float
        Difference that does not matter.
    classes : ndarray, (S,) str
        One of `CLASSES`; see `compare_sites`.
    p_value : ndarray, (S,) float64
        Fisher mid-p of no difference; shown, and never decides.
    q_value : ndarray, (S,) float64
        The same after Benjamini and Hochberg over the listed sites; NaN for the others.
    listed : ndarray, (S,) bool
        Whether a site has two detections or more: the others count in sums and are not shown.
    """

    sites: Sites
    teacher_probability: np.ndarray
    student_probability: np.ndarray
    teacher_interval: np.ndarray
    student_interval: np.ndarray
    level: float
    difference: np.ndarray
    difference_interval: np.ndarray
    tail: float
    tolerance: float
    classes: np.ndarray
    p_value: np.ndarray
    q_value: np.ndarray
    listed: np.ndarray

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.sites)

    def count_classes(self) -> dict[str, int]:
        """Return the number of listed sites of each class."""
        return {name: int((self.classes[self.listed] == name).sum()) for name in CLASSES}

    def describe(self, site: int) -> str:
        """Say what is known of a site, counted from 0; in words puncta are counted from 1.

        Returns
        -------
        str
            For example "Punctum 17: teacher 29/32 (76-97 %), student 11/32 (20-52 %): lost."

        Raises
        ------
        InputError
            If there is no such site.
        """
        if not 0 <= site < len(self):
            raise InputError(f"there is no site {site}; choose one from 0 to {len(self) - 1}")
        parts = []
        for name, present, interval in (
            ("teacher", self.sites.teacher, self.teacher_interval),
            ("student", self.sites.student, self.student_interval),
        ):
            low, high = (round(100 * float(end)) for end in interval[site])
            of = f"{int(present[:, site].sum())}/{len(present)} ({low}-{high} %)"
            parts.append(f"{name} {of if len(present) else 'no samples'}")
        merged = ", perhaps two close puncta" if self.sites.merged[site] else ""
        return f"Punctum {site + 1}: {parts[0]}, {parts[1]}: {self.classes[site]}{merged}."

    def to_frame(
        self,
        *,
        pixel_size: tuple[float, float] | None = None,
        unit: str = "pixel",
        hidden: bool = False,
    ) -> pd.DataFrame:
        """Make a table of one row a site, by decreasing difference.

        Positions and the spread are in pixels, positions in the plane also in micrometres where
        the pixel size is known; the unit is in the name of the column. The ends of the intervals
        are the columns ``... low`` and ``... high``.

        Parameters
        ----------
        pixel_size : tuple of float, optional
            Height and width of a pixel in `unit`.
        unit : str
            UDUNITS name.
        hidden : bool
            Whether sites of a single detection are included.
        """
        import pandas as pd

        sites = self.sites
        axes = _AXES[-sites.positions.shape[1] :]
        columns: dict[str, Any] = {"punctum": np.arange(len(self)) + 1}
        for name, values in zip(axes, sites.positions.T, strict=True):
            columns[name if name == "plane" else f"{name} [px]"] = values
        micrometres = in_micrometres(pixel_size, unit)
        if micrometres is not None:
            for name, step, values in zip(
                _AXES[1:], micrometres, sites.positions.T[-2:], strict=True
            ):
                columns[f"{name} [um]"] = values * step
        for name, present, probability, interval in (
            ("teacher", sites.teacher, self.teacher_probability, self.teacher_interval),
            ("student", sites.student, self.student_probability, self.student_interval),
        ):
            columns |= {
                f"{name} detections": present.sum(0),
                f"{name} samples": len(present),
                f"{name} probability": probability,
                f"{name} low": interval[:, 0],
                f"{name} high": interval[:, 1],
            }
        columns |= {
            "difference": self.difference,
            "difference low": self.difference_interval[:, 0],
            "difference high": self.difference_interval[:, 1],
            "class": self.classes,
            "p value": self.p_value,
            "q value": self.q_value,
            "spread [px]": sites.spread,
            "merged": sites.merged,
        }
        table = pd.DataFrame(columns)
        table = table if hidden else table[self.listed]
        order = np.argsort(-table["difference"].abs().to_numpy(), kind="stable")
        table = table.iloc[order].reset_index(drop=True)
        table.attrs.update(level=self.level, tail=self.tail, tolerance=self.tolerance)
        return table


def compare_sites(
    sites: Sites, *, tolerance: float = TOLERANCE, level: float = 0.95, tail: float = 0.05
) -> Existence:
    """Compare the existence probabilities of teacher and student site by site.

    The class of a site follows from the Newcombe interval of the difference, student minus
    teacher, of level ``1 - 2 tail``:

    - *shared*: wholly inside -tolerance ... +tolerance;
    - *lost*: wholly below -tolerance;
    - *invented*: wholly above +tolerance;
    - *undecidable*: any other.

    So each class but the last errs with a chance of about `tail`. At the defaults, puncta that
    exist with probability 0.9 under both are found shared in .14, .63 and .95 of cases at 16, 32
    and 64 samples each; at probability 0.5 in 0, .10 and .47.

    Parameters
    ----------
    sites : Sites
        Of both runs; from `pool_sites`.
    tolerance : float
        Difference that does not matter.
    level : float
        Confidence level of the intervals of teacher and student that are shown.
    tail : float
        Error allowed on either side of a class.

    Returns
    -------
    Existence

    Raises
    ------
    InputError
        If the tolerance is not between 0 and 1, the level not between 0 and 1, or the tail not
        between 0 and 1/2.
    """
    if not 0 < tolerance < 1:
        raise InputError(f"the tolerance is {tolerance}; give a number between 0 and 1")
    if not 0 < tail < 0.5:
        raise InputError(f"the tail is {tail}; give a number between 0 and 0.5")
    counts = sites.teacher.sum(0), sites.student.sum(0)
    totals = len(sites.teacher), len(sites.student)
    shares = [
        count / total if total else np.full(len(sites), np.nan)
        for count, total in zip(counts, totals, strict=True)
    ]
    intervals = [
        np.stack(wilson_interval(count, total, level=level), axis=1)
        for count, total in zip(counts, totals, strict=True)
    ]
    low, high = newcombe_interval(counts[1], totals[1], counts[0], totals[0], level=1 - 2 * tail)
    classes = classify(low, high, tolerance)
    listed = sites.detection_count >= _LISTED
    p_value = fisher_mid_p(counts[1], totals[1], counts[0], totals[0])
    q_value = np.full(len(sites), np.nan)
    # Which sites are listed depends on both runs together, so leaving the others out is no choice.
    if listed.any():
        q_value[listed] = false_discovery_control(p_value[listed])
    return Existence(
        sites=sites,
        teacher_probability=shares[0],
        student_probability=shares[1],
        teacher_interval=intervals[0],
        student_interval=intervals[1],
        level=level,
        difference=shares[1] - shares[0],
        difference_interval=np.stack([low, high], axis=1),
        tail=tail,
        tolerance=tolerance,
        classes=classes,
        p_value=p_value,
        q_value=q_value,
        listed=listed,
    )


def classify(low: np.ndarray, high: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the class of each site from the interval of its difference; see `compare_sites`."""
    return np.select(
        [(low > -tolerance) & (high < tolerance), high < -tolerance, low > tolerance],
        CLASSES[:3],
        CLASSES[3],
    )
