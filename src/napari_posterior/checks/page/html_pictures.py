"""Input, means, standard deviations and single samples of both runs, side by side."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.page.html_parts import SIDE, figure, names
from napari_posterior.checks.page.pictures import Scale, shared_limits, shrink, symmetric_limits

if TYPE_CHECKING:
    from napari_posterior.checks.report import Figures, Report


__all__ = ["PHOTOELECTRONS", "Scales", "choose_scales", "interesting_crop", "show_pictures"]

_CROP: Final = 256  # px, side of the detail of single samples of larger images
PHOTOELECTRONS: Final = "photoelectrons/px"


class Scales:
    """The limits and colours that the pictures of a report share."""

    def __init__(self, figures: Figures) -> None:
        runs = figures.teacher, figures.student
        self.input = Scale(*shared_limits([figures.input]), "grey", "ADU")
        limits = shared_limits([run.mean for run in runs])
        self.mean = Scale(*limits, "magma", PHOTOELECTRONS)
        spread = shared_limits([run.sd for run in runs], high=99.5)
        self.sd = Scale(0.0, spread[1], "viridis", PHOTOELECTRONS)
        self.ratio = Scale(
            *symmetric_limits(figures.log2_variance_ratio), "diverging", "log2 ratio"
        )


def choose_scales(figures: Figures) -> Scales:
    """Choose shared limits: means with samples, and both standard deviations."""
    return Scales(figures)


def interesting_crop(image: np.ndarray, side: int) -> tuple[int, int, int, int]:
    """Choose the square of a measurement with the largest variance: top, left, height, width."""
    from scipy import ndimage

    height, width = image.shape
    h, w = min(side, height), min(side, width)
    data = image.astype(np.float64)
    local = ndimage.uniform_filter(data**2, (h, w)) - ndimage.uniform_filter(data, (h, w)) ** 2
    inner = local[h // 2 : height - (h - 1) // 2, w // 2 : width - (w - 1) // 2]
    top, left = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return int(top), int(left), h, w


def show_pictures(report: Report) -> str:
    """Return the section of the pictures."""
    figures = report.figures
    first, second = names(report)
    scales = choose_scales(figures)
    height, width = figures.input.shape
    large = max(height, width) > SIDE
    crop = interesting_crop(figures.input, _CROP) if large else None
    bar = None if figures.pixel_size is None else (figures.pixel_size[1], figures.unit)
    counts = report.teacher.samples, report.student.samples

    def whole(image: np.ndarray, scale: Scale, caption: str, *, box: bool = False) -> str:
        return figure(image, scale, caption, bar=bar, box=crop if box else None)

    maps = [
        whole(figures.input, scales.input, "Input, the measurement, grey levels", box=True),
        whole(figures.teacher.mean, scales.mean, f"Mean of {counts[0]} samples, {first}"),
        whole(figures.student.mean, scales.mean, f"Mean of {counts[1]} samples, {second}"),
        whole(
            figures.log2_variance_ratio,
            scales.ratio,
            "log2 of the variance ratio student / teacher, variances averaged over 3 px; "
            "−1: half, +1: twice; grey: both certain",
        ),
        whole(figures.teacher.sd, scales.sd, f"Standard deviation of samples, {first}"),
        whole(figures.student.sd, scales.sd, f"Standard deviation of samples, {second}"),
    ]
    rows = []
    for run, name in ((figures.teacher, first), (figures.student, second)):
        for index, sample in enumerate(run.gallery):
            shown = sample if crop is None else _cut(sample, crop)
            caption = f"Sample {index + 1}, {name}"
            rows.append(figure(shown, scales.mean, caption, bar=bar))
    columns = max(len(figures.teacher.gallery), 1)
    notes = (
        [f"Plane {figures.plane + 1} of {figures.planes} is shown."] if figures.planes > 1 else []
    )
    if large:
        _, step = shrink(figures.input, SIDE)
        notes.append(
            f"Maps show every {_ordinal(step)} pixel; samples are a detail of {crop[2]} × "  # type: ignore[index]
            f"{crop[3]} pixels, framed in the input, where the measurement varies most."  # type: ignore[index]
        )
    notes.append(
        "Both rows start from the same noise, column by column."
        if report.coupled
        else "The two rows start from different noise, so columns do not correspond."
    )
    return (
        "<section><h2>Pictures</h2><p class='caption'>Means, samples and standard deviations are "
        "in photoelectrons per camera pixel; teacher and student share their limits, and samples "
        "share those of the means.</p>"
        f"<div class='grid three'>{''.join(maps)}</div>"
        f"<h3>Single samples</h3><p class='caption'>{escape(' '.join(notes))}</p>"
        f"<div class='grid' style='--columns:{columns}'>{''.join(rows)}</div></section>"
    )


def _cut(image: np.ndarray, crop: tuple[int, int, int, int]) -> np.ndarray:
    top, left, tall, wide = crop
    return image[top : top + tall, left : left + wide]


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(n, f"{n}th")
