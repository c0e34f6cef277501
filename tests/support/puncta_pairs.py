"""Runs of teacher and student with puncta that one of them lacks, and a report of these."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.runs.run import Run

SHARED, LOST, INVENTED, NEAR_THE_EDGE = (20.0, 30.0), (40.0, 22.0), (33.0, 52.0), (4.0, 60.0)
SIZES = {"t": 3, "c": 2, "z": 4, "y": 56, "x": 72}
STEPS = {"t": (2.0, "second"), "c": (1.0, "pixel"), "z": (0.4, "micrometer")}
PLANE = 1  # where the puncta are, of a stack of one more axis


def make_pair(
    folder: Path, *, axes: str = "yx", samples: int = 12, unit: str = "micrometer"
) -> tuple[Run, Run]:
    """Write two runs of an image; puncta lie in the plane `PLANE` alone."""
    from stored_runs import make_asked

    from napari_posterior.image import Geometry, Image
    from napari_posterior.runs.provenance import collect_provenance
    from napari_posterior.runs.store import RunWriter

    shape = tuple(SIZES[axis] for axis in axes)
    steps = [STEPS.get(axis, (0.11, unit)) for axis in axes]
    geometry = Geometry(
        tuple(axes),
        tuple(step for step, _ in steps),
        tuple(unit for _, unit in steps),
        tuple(0.0 if axis == "c" else 1.5 + i for i, axis in enumerate(axes)),
    )
    rng = np.random.default_rng(1)
    image = Image((2 * rng.poisson(10, shape) + 100).astype(np.uint16), geometry, "cell")
    runs = []
    for role, sampler, mine in (("teacher", "teacher", LOST), ("student", "kd", INVENTED)):
        request = make_asked(image, role=role, sampler=sampler, samples=samples)
        path = folder / f"{sampler}-{axes}.posterior.zarr"
        writer = RunWriter.create(path, request, image, provenance=collect_provenance(request))
        for index in range(samples):
            noise = np.random.default_rng([index, sampler == "kd"])
            sample = (10 + noise.normal(0, 0.5, shape)).astype(np.float32)
            plane = sample.reshape(-1, *shape[-2:])[PLANE if len(shape) > 2 else 0]
            for place in (SHARED, mine, NEAR_THE_EDGE):
                plane += spot(shape[-2:], place, 60 + noise.normal(0, 4))
            writer.write_sample(index, sample)
        writer.finish("finished")
        runs.append(writer.open())
    return runs[0], runs[1]


def spot(shape: tuple[int, ...], place: tuple[float, float], amplitude: float) -> np.ndarray:
    """Return a punctum of the width at which samples are seen."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    away = (rows - place[0]) ** 2 + (columns - place[1]) ** 2
    return (amplitude * np.exp(-away / 2)).astype(np.float32)


def report_of_pair(teacher: Run, student: Run, **changes: Any) -> Any:
    """Return what a report holds of the puncta of two runs, found as a comparison does."""
    from napari_posterior.api.measuring import planes_reader, prepare_run
    from napari_posterior.checks.counted.site_changes import find_site_changes, locate

    _, contexts = prepare_run(teacher)
    found = []
    for run in (teacher, student):
        read = planes_reader(run)
        found.append([locate(read(index), contexts) for index in run.samples.indices])
    _, table = find_site_changes(*found, level=0.95, paired=False)
    indices = tuple(np.asarray(run.samples.indices) for run in (teacher, student))
    figures = SimpleNamespace(sites=table, values=(SimpleNamespace(samples=indices),))
    return SimpleNamespace(**{"figures": figures, "findings": (), **changes})


def rank_of(report: Any, place: tuple[float, float]) -> int:
    """Return the rank of the punctum at a place."""
    positions = report.figures.sites.positions[:, 1:]
    return int(np.hypot(*(positions - place).T).argmin())
