"""Plant faults in a student that has none, and see which check names them.

    python docs/make_planted_faults.py [--samples 64] [--out docs/planted_faults.md] [--reports DIR]

A part of the sample image of puncta is restored by the reference twice, with two seeds. The second
run stands for a student; each fault changes its samples in a way that is known. Every student is
compared with the first run by the defaults, and the table says what was found. With `--reports` the
page of each is written too. Takes about five minutes of two CPU cores.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

import napari_posterior as npo
from make_sample_data import CAMERA, PSF
from napari_posterior.checks import write_report
from napari_posterior.image import load_image

if TYPE_CHECKING:
    from napari_posterior.checks.report import Report

OUT = Path(__file__).parent / "planted_faults.md"
SAMPLE = Path(__file__).parents[1] / "sample_data" / "puncta.tif"
PART = (slice(64, 160), slice(64, 160))
OTHER = (slice(160, 256), slice(160, 256))
QUESTIONS = ("mean", "variance", "spectrum", "puncta_count", "sites.lost", "likelihood")
QUESTIONS += ("dimension", "diversity", "modes")
MARKS = {"preserved": "kept", "not preserved": "**lost**", "not enough samples": "open"}


@dataclass
class Planted:
    """A run with other samples."""

    run: Any
    samples: np.ndarray

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def __len__(self) -> int:
        return len(self.samples)


def faults(x: np.ndarray, other: np.ndarray, point: np.ndarray) -> dict[str, np.ndarray]:
    """Return the samples of each student by the name of its fault, (K, H, W) float32 each."""
    mean = x.mean(0)
    away = x - mean
    blurred = np.stack([ndimage.gaussian_filter(one, 1.0) for one in away])
    row, column = doubtful_place(x)
    there = x[:, row, column] > np.median(x[:, row, column])
    kept = np.flatnonzero(~there)
    generator = np.random.default_rng(0)
    grain = away[generator.permutation(len(x))]
    found = {
        "none": x,
        "half of the variance": mean + np.sqrt(0.5) * away,
        "fine detail repeated: deviations blurred by 1 px": mean + blurred,
        "5 % too bright": 1.05 * x,
        "a form dropped: no sample with the most doubtful spot": x[np.resize(kept, len(x))],
        "point estimate, again and again": np.repeat(point[None], len(x), axis=0),
        "collapse: one sample with a tenth of the spread": x[0] + 0.1 * grain,
        "another measurement answered": other,
    }
    return {name: samples.astype(np.float32) for name, samples in found.items()}


def doubtful_place(x: np.ndarray) -> tuple[int, int]:
    """Return where samples differ most."""
    spread = ndimage.gaussian_filter(x.std(0), 1.0)
    row, column = np.unravel_index(int(spread.argmax()), spread.shape)
    return int(row), int(column)


def find(report: Report, key: str) -> str:
    """Return the mark of a finding."""
    known = {one.id: one for one in report.findings}
    verdict = known[key].verdict if key in known else None
    return MARKS.get(verdict or "", "–")


def write_page(rows: list[tuple[str, Report]], samples: int, out: Path) -> None:
    """Write the table."""
    head = ["fault", *QUESTIONS, "answer"]
    lines = [
        "# Planted faults",
        "",
        "Made by `docs/make_planted_faults.py`; nothing here is written by hand. A part of the",
        f"sample image of puncta, 96 × 96 pixels, was restored by the reference with {samples}",
        f"samples, and once more with another seed and {samples} samples. The second run stands",
        "for a student without a fault; in each other row its samples were changed in a known way.",
        "*kept* is preserved, ***lost*** not preserved, *open* not enough samples.",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
    ]
    for name, report in rows:
        cells = [name, *(find(report, key) for key in QUESTIONS), report.overall.headline]
        lines.append(f"| {' | '.join(cells)} |")
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--reports", type=Path)
    options = parser.parse_args()
    image = np.asarray(load_image(SAMPLE).data)

    def draw(part: Any, seed: int, sampler: str = "teacher", k: int = options.samples) -> Any:
        return npo.restore(
            np.ascontiguousarray(image[part]),
            sampler=sampler,
            samples=k,
            seed=seed,
            camera=CAMERA,
            psf=PSF,
            progress=False,
        )

    teacher, student, elsewhere = draw(PART, 0), draw(PART, 1), draw(OTHER, 1)
    point = draw(PART, 0, "mse", 1)
    rows = []
    made = faults(*(np.asarray(run.samples[:]) for run in (student, elsewhere)), point.samples[0])
    for name, samples in made.items():
        report = npo.compare(teacher, Planted(student, samples))
        print(f"{name}: {report.overall.headline}")
        rows.append((name, report))
        if options.reports is not None:
            write_report(report, options.reports / name.split(":")[0].replace(" ", "_"))
    write_page(rows, options.samples, options.out)


if __name__ == "__main__":
    main()
