"""Compare teacher and students on real images: verdicts of every look, and the teacher with itself.

    python benchmarks/real_comparisons.py --runs RUNS [--folder FOLDER] [--samples 256]
        [--reports DIR] [--write docs/real_comparisons.md]

FOLDER holds the images that CONTRIBUTING.md speaks of (`NAPARI_POSTERIOR_DATA`, by default
`../shared/data` beside the repository). Of each, the square of 128 pixels that varies most is
restored by the reference twice, with two seeds, and by each shipped student from the noise of the
first. Runs are kept in RUNS and drawn once. Then every pair is compared at 16, 32, 64, 128 and 256
samples as a user would who draws on: in one folder, with tolerances set before. The second run of
the teacher stands for a student without a fault: a check that calls it *not preserved* is wrong,
and one that never calls it *preserved* is of no use. Where a better image of the same field is
there, the coverage of both runs is scored against it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from scipy import ndimage

import napari_posterior as npo
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.checks import write_report
from napari_posterior.physics.estimate import camera_from_repeats
from real_pairs import SIGMAS, add_folder
from timing import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_posterior.checks.report import Report
    from napari_posterior.runs.run import Run

SIZE = 128
LOOKS = (16, 32, 64, 128, 256)
SHOWN = ("mean", "variance", "spectrum", "tiles", "puncta_count", "puncta_count.spread")
SHOWN += ("sites.lost", "sites.invented", "likelihood", "diversity", "dimension", "coverage.90")
SHORT = {
    "preserved": "yes",
    "not preserved": "**no**",
    "not enough samples": "?",
    "not testable": "–",
}

HEAD = [
    "# Comparisons on real images",
    "",
    "Made by `benchmarks/real_comparisons.py`; nothing here is written by hand. Squares of 128",
    "pixels of six real images, the shipped model, tolerances and looks by default. *yes* is",
    "preserved, **no** not preserved, *?* not enough samples, *–* not testable; the number is that",
    "of samples at which the verdict was given that still stood at the end.",
    "",
]


@dataclass(frozen=True)
class Field:
    """A part of a real image with what is known of its camera, PSF, and a better image of it."""

    name: str
    y: np.ndarray
    camera: npo.Camera | None
    psf: npo.Psf
    better: np.ndarray | None = None


def read_fields(folder: Path) -> Iterator[Field]:
    """Read the parts that are compared."""

    def read(name: str) -> np.ndarray:
        return tifffile.imread(folder / f"{name}.tif")

    for name, file, plane in (
        ("er_exit_sites", "neubias_er_exit_sites_noisy", ...),
        ("terra", "spotiflow_terra_live", ...),
        ("autophagosomes", "neubias_autophagosomes", ...),
        ("h2ax", "cellprofiler_h2ax_foci_hoechst", 0),
    ):
        image = read(file)[plane]
        yield Field(name, image[liveliest(image)], None, npo.Psf(1.5))
    gain, offset, variance = read("miro_scmos_calibration")
    y, cut = read("miro_tirf_mito_raw")[2], liveliest(read("miro_tirf_mito_raw")[2])
    camera = npo.Camera(gain[cut], offset[cut], np.sqrt(variance[cut]) / gain[cut])
    better = read("miro_tirf_mito_gt").astype(float)[cut]
    yield Field("miro_mito_50ms", y[cut], camera, npo.Psf(SIGMAS["MIRO"]), better)
    captures, average = (read(f"fmd_confocal_mouse_nuclei_{part}") for part in ("raw4", "avg50"))
    cut = liveliest(captures[0])
    others = (50 * average.astype(float) - captures[0]) / 49
    camera = camera_from_repeats(captures).camera
    psf = npo.Psf(SIGMAS["FMD confocal"])
    yield Field("fmd_nuclei", captures[0][cut], camera, psf, others[cut])


def liveliest(image: np.ndarray) -> tuple[slice, slice]:
    """Return where the square of `SIZE` pixels lies that varies most."""
    data = image.astype(float)
    spread = ndimage.uniform_filter(data**2, SIZE) - ndimage.uniform_filter(data, SIZE) ** 2
    half = SIZE // 2
    inner = spread[half : data.shape[0] - half + 1, half : data.shape[1] - half + 1]
    top, left = np.unravel_index(int(inner.argmax()), inner.shape)
    return slice(top, top + SIZE), slice(left, left + SIZE)


def draw(field: Field, sampler: str, seed: int, samples: int, folder: Path) -> Run:
    """Return a run, from the folder if it is there."""
    path = folder / f"{field.name}-{sampler}-{seed}.posterior.zarr"
    if path.exists():
        return npo.open_run(path)
    return npo.restore(
        np.ascontiguousarray(field.y),
        model="fluo2d",
        sampler=sampler,
        samples=samples,
        seed=seed,
        camera=field.camera,
        psf=field.psf,
        out=path,
        progress=False,
    )


class FirstSamples:
    """The first samples of a run: what a user had when it was drawn so far."""

    def __init__(self, run: Run, count: int) -> None:
        self._run = run
        self.samples = np.asarray(run.samples[:count])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def __len__(self) -> int:
        return len(self.samples)


def compare_looks(field: Field, teacher: Run, student: Run, reports: Path | None) -> Row:
    """Compare two runs at every look, in one folder."""
    seen: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for look in (one for one in LOOKS if one <= min(len(teacher), len(student))):
            report = npo.compare(
                FirstSamples(teacher, look),
                FirstSamples(student, look),
                reference=field.better,
                out=scratch,
                write=False,
            )
            seen.setdefault("overall", []).append(report.overall.verdict)
            for key in SHOWN:
                known = {one.id: one.verdict for one in report.findings}
                seen.setdefault(key, []).append(known.get(key) or "")
    if reports is not None:
        write_report(report, reports)
    return Row(field.name, seen, report)


@dataclass(frozen=True)
class Row:
    """Verdicts of a pair at every look, and the last report."""

    name: str
    verdicts: dict[str, list[str]]
    report: Report

    def cells(self) -> list[str]:
        """Return the last verdict of each finding, with the look that it was first given at."""
        found = []
        for key in ("overall", *SHOWN):
            given = self.verdicts[key]
            last = given[-1]
            first = next(i for i in range(len(given)) if set(given[i:]) == {last})
            mark = SHORT.get(last, "")
            found.append(f"{mark} {LOOKS[first]}" if mark in ("yes", "**no**") else mark)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_folder(parser)
    parser.add_argument("--runs", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--samples", type=int, default=LOOKS[-1])
    parser.add_argument("--reports", type=Path, help="folder to write the last reports to")
    parser.add_argument("--write", type=Path, help="page to write the tables to")
    options = parser.parse_args()
    bundle = open_bundle(find_model("fluo2d"))
    students = [one for one in bundle.card.samplers if one not in ("teacher", "mse")]
    said: dict[str, str] = {}
    lines = [*HEAD, f"Made on {machine()}, {options.samples} samples of each run.", ""]
    for sampler, seed in (("teacher", 1), *((name, 0) for name in students)):
        title = "the teacher, another seed" if sampler == "teacher" else f"`{sampler}`"
        lines += [f"## {title}", "", f"| image | answer | {' | '.join(SHOWN)} |"]
        lines += [f"|{' --- |' * (2 + len(SHOWN))}"]
        for field in read_fields(options.folder):
            start = time.monotonic()
            pair = (
                draw(field, "teacher", 0, options.samples, options.runs),
                draw(field, sampler, seed, options.samples, options.runs),
            )
            place = options.reports and options.reports / f"{field.name}-{sampler}"
            row = compare_looks(field, *pair, place)
            lines.append(f"| {row.name} | {' | '.join(row.cells())} |")
            print(lines[-1], f"{time.monotonic() - start:.0f} s", flush=True)
            doubts = " ".join(row.report.overall.questionable)
            said[row.name] = f"- {row.name}: {doubts or 'nothing against it.'}"
        lines.append("")
        page = [*lines, "## What is said of the reference", "", *said.values()]
        if options.write is not None:
            options.write.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
