"""How bright each punctum of a comparison is, over the samples that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.session.punctum import compared_samples

if TYPE_CHECKING:
    from napari_posterior.checks.report import Report
    from napari_posterior.session.pixels import NamedRun

__all__ = ["MOST_MEASURED", "mean_light"]

MOST_MEASURED: Final = 32
"""Samples of each run that the light of all puncta is averaged over."""


def mean_light(report: Report, teacher: NamedRun, student: NamedRun) -> np.ndarray:
    """Return the mean light of each listed punctum over the samples of both runs that show it.

    Of each run the first `MOST_MEASURED` samples count, so that a comparison of many samples need
    not wait for what is shown of it.

    Returns
    -------
    ndarray, (n,) float64
        Photoelectrons, in the order of ``report.figures.sites``; NaN where none of them shows it.
    """
    from napari_posterior.api.measuring import planes_reader, prepare_run
    from napari_posterior.statistics import Objects, get_statistic
    from napari_posterior.statistics.evaluate import measure_planes
    from napari_posterior.statistics.sites import match_points

    table = report.figures.sites
    if table is None:
        return np.zeros(0)
    positions = table.existence.sites.positions
    planes_of_sites = np.round(positions[:, 0])
    total, count = np.zeros(len(positions)), np.zeros(len(positions), int)
    _, contexts = prepare_run(teacher.run)
    statistic = get_statistic("puncta")
    for named, rows in zip((teacher, student), compared_samples(report), strict=True):
        read = planes_reader(named.run)
        for index in (named.run.samples.indices if rows is None else rows)[:MOST_MEASURED]:
            for plane, found in enumerate(measure_planes(statistic, read(index), contexts)):
                assert isinstance(found, Objects)
                own = np.flatnonzero(planes_of_sites == plane)
                if not (len(own) and len(found)):
                    continue
                matched = match_points(
                    found.positions, positions[own, 1:], table.existence.sites.radius[-2:]
                )
                there = matched >= 0
                total[own[matched[there]]] += found.columns["intensity"][there]
                count[own[matched[there]]] += 1
    mean = np.full(len(positions), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return np.asarray(mean[table.order])
