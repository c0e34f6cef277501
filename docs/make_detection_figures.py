"""Draw what the puncta detector finds in measured images.

    python docs/make_detection_figures.py [--data ../shared/data] [--out docs/images]

Every image goes through the same rule, `detect_in_measurement` at its default signal to noise
ratio. The width is that of the PSF as `estimate_psf_sigma` reads it from the image where it can,
else the median width of the puncta that are found with 1.3 px (a full width of 3 px, as sharp as
pixels can show); in the stack it is 1.3 planes along z, from the correlation between its planes.
``detected-NAME.png`` shows a part of each without and with circles, and ``detected.md`` names
sources and licences. Images that are not there are left out. Needs matplotlib
(``pip install "napari-posterior[figures]"``).
"""

from __future__ import annotations

import argparse
import io
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from matplotlib.figure import Figure
from PIL import Image

from napari_posterior.errors import InputError
from napari_posterior.physics.widths import estimate_psf_sigma
from napari_posterior.statistics.measured_puncta import MEASURED_SNR, detect_in_measurement

if TYPE_CHECKING:
    from napari_posterior.statistics.puncta import Puncta

HERE = Path(__file__).parent
FIRST_WIDTH = 1.3
"""Where the image does not tell its PSF, in pixels."""
PANEL, GAP, HEADER = 420, 16, 30  # pixels of the picture
LARGEST = 200_000  # bytes of a picture
CIRCLE = "#ff5030"


@dataclass(frozen=True)
class Case:
    """One measured image: where it is, what of it is shown, and whose it is."""

    name: str
    title: str
    file: str
    index: tuple[int | slice, ...]
    crop: tuple[slice, slice]
    source: str
    axial: float | None = None


SIX = "Copyright (c) NEUBIAS, https://github.com/NEUBIAS/training-resources, CC BY 4.0"
CASES = (
    Case(
        "particles",
        "Stuck particles, first of five frames",
        "trackpy_stuck_5frames.tif",
        (0,),
        np.s_[300:512, 0:212],
        "trackpy contributors, Copyright (c) 2013-2014, https://github.com/soft-matter/trackpy, "
        "BSD-3-Clause",
    ),
    Case(
        "h2ax",
        "Gamma-H2AX foci in nuclei",
        "cellprofiler_h2ax_foci_hoechst.tif",
        (0,),
        np.s_[80:290, 250:460],
        "CellProfiler examples, Copyright (c) 2017 CellProfiler, "
        "https://github.com/CellProfiler/examples, BSD-3-Clause",
    ),
    Case(
        "terra",
        "TERRA RNA in nuclei",
        "spotiflow_terra_live.tif",
        (),
        np.s_[150:410, 210:470],
        "Spotiflow, A. Dominguez Mantes et al., Copyright (c) 2023 A. Dominguez Mantes, "
        "M. Weigert, doi:10.1101/2024.02.01.578426, BSD-3-Clause",
    ),
    Case(
        "autophagosomes",
        "Autophagosomes on uneven cells",
        "neubias_autophagosomes.tif",
        (),
        np.s_[20:160, 0:140],
        SIX,
    ),
    Case(
        "condensates",
        "Nuclear condensates, stack of five planes",
        "punctatools_nuclear_condensates.tif",
        (slice(None), 1),
        np.s_[95:245, 30:180],
        "punctatools, Copyright (c) St. Jude Children's Research Hospital 2021, "
        "https://github.com/stjude/punctatools, Apache-2.0",
        axial=1.3,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--out", type=Path, default=HERE / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    captions = []
    for case in CASES:
        path = options.data / case.file
        if not path.exists():
            sys.stdout.write(f"There is no {path}, so {case.name} is left out.\n")
            continue
        image = tifffile.imread(path)[case.index]
        sigma, told = choose_width(image, case.axial)
        found = detect_in_measurement(image, sigma=sigma)
        picture = options.out / f"detected-{case.name}.png"
        write_picture(draw(case, image, found), picture)
        captions.append(caption(case, found, told))
        sys.stdout.write(f"{picture}: {captions[-1]}\n")
    if captions:
        (options.out / "detected.md").write_text(page(captions))


def choose_width(image: np.ndarray, axial: float | None) -> tuple[float | tuple[float, ...], str]:
    """Return the width of the PSF in pixels, and where it is from in words."""
    try:
        width = estimate_psf_sigma(image.astype(np.float64)).sigma
        told = f"{width:.2f} px, from the image"
    except InputError:
        width = float(np.median(detect_in_measurement(image, sigma=FIRST_WIDTH).widths))
        told = f"{width:.2f} px, the median of what is found with {FIRST_WIDTH:g} px"
    if axial is None:
        return width, told
    return (axial, width, width), f"{told}, and {axial:g} planes"


def draw(case: Case, image: np.ndarray, found: Puncta) -> Figure:
    """Return a part of the image, a stack as its brightest plane, without and with circles."""
    rows, columns = case.crop
    plane = (image if image.ndim == 2 else image.max(0))[case.crop]
    dark, bright = np.quantile(plane, (0.02, 0.998))
    size = (2 * PANEL + GAP, PANEL + HEADER)
    figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100, facecolor="white")
    for number in range(2):
        left = number * (PANEL + GAP)
        axes = figure.add_axes((left / size[0], 0, PANEL / size[0], PANEL / size[1]))
        axes.imshow(plane, cmap="gray", vmin=dark, vmax=bright, interpolation="nearest")
        axes.set_axis_off()
        if number:
            row, column = (found.positions[:, -2:] - (rows.start, columns.start)).T
            zoom = PANEL / plane.shape[0] * 0.72  # points of a pixel
            for y, x, width in zip(row, column, found.widths, strict=True):
                axes.plot(
                    x,
                    y,
                    "o",
                    fillstyle="none",
                    color=CIRCLE,
                    mew=1,
                    ms=2 * zoom * max(2.2, 1.8 * width),
                )
            axes.set_xlim(-0.5, plane.shape[1] - 0.5)
            axes.set_ylim(plane.shape[0] - 0.5, -0.5)
    whole = "image" if image.ndim == 2 else "stack, here its brightest pixels"
    figure.text(
        0.005, 1 - 20 / size[1], f"{case.title}: {len(found)} in the whole {whole}", size=12
    )
    return figure


def caption(case: Case, found: Puncta, told: str) -> str:
    return (
        f"{case.title}. {len(found)} puncta in all; width of the filter {told}. "
        f"Source: `{case.file}`, {case.source}; changed: cropped, contrast stretched, "
        f"circles drawn."
    )


def page(captions: list[str]) -> str:
    rule = (
        "Written by `docs/make_detection_figures.py`. One rule for all: an amplitude of "
        f"{MEASURED_SNR:g} times the noise of the filtered image at the level around, and at least "
        "half and at most twice the width of the PSF. The circles are larger for wider puncta."
    )
    head = f"# Puncta found in measured images\n\n{textwrap.fill(rule, 100)}\n\n"
    wrapped = (textwrap.fill(one, 98, subsequent_indent="  ") for one in captions)
    return head + "".join(f"- {one}\n" for one in wrapped)


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure with as many colours as its size in bytes allows."""
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png")
    image = Image.open(pixels).convert("RGB")
    for colours in (128, 64, 32):
        file = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
        if file.tell() < LARGEST:
            break
    path.write_bytes(file.getvalue())


if __name__ == "__main__":
    main()
