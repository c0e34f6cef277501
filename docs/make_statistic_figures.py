"""Draw the pictures of docs/statistics.md: what is counted, on samples of the shipped model.

    python docs/make_statistic_figures.py [--out docs/images] [--samples 24]

The scenes of the sample images, in less light, are restored by the reference and by the student
``kd`` from the same noise; every statistic is measured on every sample, with thresholds fixed
from the measurement. Needs matplotlib (``pip install "napari-posterior[figures]"``); takes about
five minutes of one CPU core.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

import napari_posterior as npo
from make_family_figures import FAINT, INK
from make_sample_data import CAMERA, PSF, Recipe, simulate
from napari_posterior.image import Geometry, Image
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.statistics import (
    Region,
    StatisticContext,
    detect_puncta,
    evaluate,
    get_statistic,
    make_context,
)
from napari_posterior.statistics.existence import CLASSES, compare_sites
from napari_posterior.statistics.filaments import filament_threshold, trace_filaments
from napari_posterior.statistics.segmentation import segment
from napari_posterior.statistics.sites import default_radius, pool_sites

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from napari_posterior.runs.run import Run

OUT = Path(__file__).parent / "images"
SEED = 11
SCENES = {
    "puncta": Recipe(kind="puncta", peak=30.0, seed=6),
    "filaments": Recipe(kind="filaments", peak=25.0, seed=7),
    "nuclei": Recipe(kind="nuclei", peak=15.0, seed=19),
}
"""Those of the sample data, in a quarter of their light: what is uncertain is to be seen."""
PART = (slice(64, 192), slice(64, 192))
"""Rows and columns of the samples that are shown: half of the height and width."""

# Okabe and Ito's colours: told apart with any colour vision
TEACHER, STUDENT, MARK = "#0072B2", "#D55E00", "#E69F00"
OF_CLASS = dict(zip(CLASSES, ("#0072B2", "#D55E00", "#CC79A7", "0.55"), strict=True))
SHAPES = dict(zip(CLASSES, ("o", "v", "^", "x"), strict=True))


@dataclass(frozen=True)
class Pair:
    """One measurement with samples of teacher and student; (H, W) photoelectrons per pixel."""

    measured: np.ndarray
    teacher: Run
    student: Run
    context: StatisticContext

    @property
    def runs(self) -> tuple[tuple[str, Run, str], ...]:
        """Names, runs and colours."""
        return ("teacher", self.teacher, TEACHER), ("kd", self.student, STUDENT)


def main() -> None:
    """Draw every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=tuple(PICTURES))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pairs: dict[str, Pair] = {}
    for name in options.only:
        image, draw = PICTURES[name]
        if image not in pairs:
            pairs[image] = restore(simulate(SCENES[image])[0], options.samples)
        path = options.out / f"statistic-{name}.png"
        draw(pairs[image]).savefig(path, format="png", pil_kwargs={"optimize": True})
        sys.stdout.write(f"{path}\n")


def restore(y: np.ndarray, samples: int) -> Pair:
    """Draw samples of teacher and student from the same noise."""
    options = {"samples": samples, "camera": CAMERA, "psf": PSF, "seed": SEED, "progress": False}
    runs = [npo.restore(y, sampler=name, **options) for name in ("teacher", "kd")]
    context = make_context(runs[0].measurement(0), pixel_size=(0.1, 0.1), unit="micrometer")
    return Pair(CAMERA.to_electrons(y.astype(np.float32)), *runs, context)


def draw_puncta(pair: Pair) -> Figure:
    """Mark the puncta of two samples, and draw the count as a curve over the threshold."""
    figure, (first, second, third) = three_panels()
    for axes, number in ((first, 0), (second, 1)):
        show(axes, pair.teacher.samples[number], f"sample {number + 1} of the teacher")
        found = detect_puncta(pair.teacher.samples[number], pair.context.puncta_threshold)
        mark(axes, found.positions)
    curve = get_statistic("puncta_curve")
    for name, run, colour in pair.runs:
        rows = [curve.measure(x, pair.context) for x in run.samples[:]]
        factors = np.array([float(key.removeprefix("x")) for key in rows[0]])
        counts = np.array([list(row.values()) for row in rows])
        third.plot(factors, counts.mean(0), color=colour, label=name, linestyle=line_of(name))
        third.fill_between(
            factors, *np.quantile(counts, (0.1, 0.9), axis=0), color=colour, alpha=0.25, lw=0
        )
    third.axvline(1, color=FAINT, lw=1, ls=":")
    third.set_ylim(0)
    label(third, "threshold, in units of the fixed one", "puncta in a sample")
    third.legend(frameon=False, fontsize=14)
    return figure


def draw_sites(pair: Pair) -> Figure:
    """Show how often each punctum is there: on the image, and teacher against student."""
    threshold = pair.context.puncta_threshold
    found = [
        [detect_puncta(x, threshold).positions for x in run.samples[:]] for _, run, _ in pair.runs
    ]
    sites = pool_sites(*found, default_radius(pair.context))
    compared = compare_sites(sites)
    figure, (first, second, third) = three_panels()
    show(first, pair.measured, "measurement")
    show(second, pair.teacher.mean, "sites on the mean of the teacher")
    listed = compared.listed
    place = sites.positions[listed] - [PART[0].start, PART[1].start]
    chance = compared.teacher_probability[listed]
    inside = ((place > 0) & (place < 127)).all(1)
    colours = mpl.colormaps["plasma"](chance[inside])
    second.scatter(
        place[inside, 1], place[inside, 0], s=70, facecolors="none", edgecolors=colours, lw=2
    )
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), "plasma"), cax=figure.add_axes((0.617, 0.16, 0.008, 0.73))
    )
    bar.set_ticks([0, 0.5, 1], labels=["0", "½", "1"])
    bar.ax.tick_params(labelsize=13, labelcolor=FAINT, color=FAINT)
    bar.ax.set_title("share", fontsize=12, color=FAINT, loc="left")
    for name in CLASSES:
        of = listed & (compared.classes == name)
        third.scatter(
            compared.teacher_probability[of],
            compared.student_probability[of],
            c=OF_CLASS[name],
            marker=SHAPES[name],
            s=36,
            alpha=0.7,
            label=f"{name} ({int(of.sum())})",
        )
    third.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
    label(third, "share of teacher samples that have it", "share of kd samples")
    third.legend(frameon=False, fontsize=13, loc="upper left", borderpad=0, handletextpad=0)
    return figure


def draw_filaments(pair: Pair) -> Figure:
    """Trace the filaments of a sample, and count their length in every sample."""
    figure, (first, second, third) = three_panels()
    show(first, pair.measured, "measurement")
    x = pair.teacher.samples[0]
    show(second, x, "a sample of the teacher, traced")
    lines = trace_filaments(x, filament_threshold(pair.context))
    for start, end in lines.steps:
        ends = lines.positions[[start, end]] - [PART[0].start, PART[1].start]
        if ((ends >= 0) & (ends < 128)).all():
            second.plot(ends[:, 1], ends[:, 0], color=MARK, lw=2)
    histogram(third, pair, "filament_length_um", "length of all filaments, µm")
    return figure


def draw_objects(pair: Pair) -> Figure:
    """Outline the nuclei of a sample, and measure their mean area in every sample."""
    figure, (first, second, third) = three_panels()
    show(first, pair.measured, "measurement", part=None)
    x = pair.teacher.samples[0]
    show(second, x, "a sample of the teacher, outlined", part=None)
    outlined = segment(x, pair.context.object_threshold)
    for one in range(1, int(outlined.max()) + 1):
        second.contour(outlined == one, levels=[0.5], colors=[MARK], linewidths=2)
    histogram(third, pair, "objects", "mean area, µm²", key="mean_area_um2")
    return figure


def draw_intensity(pair: Pair) -> Figure:
    """Draw a region, and measure the light in it above the background in every sample."""
    figure, (first, second, third) = three_panels()
    rows, columns = np.indices(pair.measured.shape)
    mask = (rows - 128) ** 2 + (columns - 128) ** 2 < 30**2
    for axes, image, title in (
        (first, pair.measured, "measurement with a region"),
        (second, pair.teacher.samples[0], "a sample of the teacher"),
    ):
        show(axes, image, title)
        axes.contour(mask[PART], levels=[0.5], colors=[MARK], linewidths=2)
    region = Region("disc", mask)
    histogram(third, pair, "corrected_intensity", "photoelectrons above background", region=region)
    return figure


def draw_colocalisation(pair: Pair) -> Figure:
    """Show two channels that hold the same puncta in the left half, and what says so."""
    x = simulate(SCENES["puncta"])[1]
    other = simulate(replace(SCENES["puncta"], seed=72))[1]
    other += np.median(x) - np.median(other)  # on one background
    half = x.shape[1] // 2
    second = torch.from_numpy(np.concatenate([x[:, :half], other[:, half:]], axis=1))
    noise = torch.Generator().manual_seed(SEED)
    channels = [CAMERA.to_adu(pair.measured), ForwardModel(CAMERA, PSF, 0.0).sample(second, noise)]
    units = ("pixel", "micrometer", "micrometer")
    geometry = Geometry(("c", "y", "x"), (1.0, 0.1, 0.1), units, (0.0, 0.0, 0.0))
    image = Image(np.stack(channels).astype(np.float32), geometry, "two channels")
    options = {"camera": CAMERA, "psf": PSF, "seed": SEED, "progress": False}
    run = npo.restore(image, sampler="kd", samples=len(pair.student), **options)
    labels = np.ones(x.shape, int)
    labels[:, half:] = 2
    table = npo.colocalise(run, regions=labels)
    figure, (one, two, third) = three_panels()
    for axes, channel in ((one, 0), (two, 1)):
        show(axes, run.samples[0][channel], f"channel {channel + 1} of a sample")
        axes.axvline(half - PART[1].start - 0.5, color=MARK, lw=2, ls="--")
    keys = ["pearson", "manders_1", "manders_2", "neighbours_excess"]
    for place, (side, colour) in enumerate((("left", TEACHER), ("right", STUDENT))):
        rows = table[table["region"] == f"label {place + 1}"].set_index("statistic").loc[keys]
        across = np.arange(len(keys)) + (place - 0.5) / 5
        look = {"fmt": "os"[place], "color": colour, "label": f"{side} half"}
        third.errorbar(across, rows["value"], 2 * rows["se"], ms=8, capsize=4, **look)
    third.axhline(0, color=FAINT, lw=1, ls=":")
    label(third, "", "value ± 2 standard errors")
    third.set_xticks(range(len(keys)), ["Pearson", "M1", "M2", "near"])
    third.set_xlim(-0.5, len(keys) - 0.5)
    third.legend(frameon=False, fontsize=14)
    return figure


def histogram(
    axes: Axes, pair: Pair, name: str, words: str, *, key: str = "", region: Region | None = None
) -> None:
    """Draw the distribution of a number over the samples of both runs."""
    statistic = get_statistic(name)
    values = [
        np.array(
            [evaluate(statistic, [x], [pair.context], region=region)[key] for x in run.samples[:]]
        )
        for _, run, _ in pair.runs
    ]
    edges = np.histogram_bin_edges(np.concatenate(values), bins=14)
    for (run, _, colour), found in zip(pair.runs, values, strict=True):
        axes.hist(found, edges, color=colour, alpha=0.25)
        axes.hist(found, edges, color=colour, histtype="step", lw=2, ls=line_of(run), label=run)
    axes.margins(y=0.3)  # room for the legend
    label(axes, words, "samples")
    axes.legend(frameon=False, fontsize=14)


def line_of(run: str) -> str:
    """Return the style of a run's line: told apart without colours too."""
    return "-" if run == "teacher" else "--"


def three_panels() -> tuple[Figure, list[Axes]]:
    """Make a figure of two pictures and a plot."""
    figure = Figure(figsize=(13.2, 4.4), dpi=100, facecolor="white")
    places = [(0.012, 0.02, 0.29, 0.87), (0.322, 0.02, 0.29, 0.87), (0.725, 0.16, 0.26, 0.73)]
    return figure, [figure.add_axes(place) for place in places]


def show(
    axes: Axes, image: np.ndarray, title: str, *, part: tuple[slice, slice] | None = PART
) -> None:
    """Show a part of an image under its title."""
    shown = image if part is None else image[part]
    axes.imshow(shown, cmap="gray", vmin=0, vmax=np.quantile(shown, 0.998), interpolation="nearest")
    axes.autoscale(False)
    axes.set_axis_off()
    axes.set_title(title, loc="left", fontsize=15, color=INK)


def mark(axes: Axes, positions: np.ndarray) -> None:
    """Put circles around the positions that lie in the part that is shown."""
    place = positions - [PART[0].start, PART[1].start]
    place = place[((place >= 0) & (place < 128)).all(1)]
    axes.scatter(place[:, 1], place[:, 0], s=60, facecolors="none", edgecolors=MARK, linewidths=1.5)


def label(axes: Axes, below: str, beside: str) -> None:
    """Write what a plot shows."""
    axes.set_xlabel(below, fontsize=14, color=INK)
    axes.set_ylabel(beside, fontsize=14, color=INK)
    axes.tick_params(labelsize=13, labelcolor=FAINT, color=FAINT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


PICTURES: dict[str, tuple[str, Callable[[Pair], Figure]]] = {
    "puncta": ("puncta", draw_puncta),
    "sites": ("puncta", draw_sites),
    "filaments": ("filaments", draw_filaments),
    "objects": ("nuclei", draw_objects),
    "intensity": ("puncta", draw_intensity),
    "colocalisation": ("puncta", draw_colocalisation),
}


if __name__ == "__main__":
    main()
