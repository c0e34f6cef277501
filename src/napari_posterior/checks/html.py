"""The report as one page that holds its pictures and needs no other file."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import Finding, rounded
from napari_posterior.checks.pictures import (
    Scale,
    encode_png,
    nice_length,
    shared_limits,
    shrink,
    symmetric_limits,
)
from napari_posterior.checks.svg import CHART_STYLE, histogram, strip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_posterior.checks.report import Figures, Report
    from napari_posterior.checks.source import Description

__all__ = ["Scales", "choose_scales", "interesting_crop", "names", "render"]

_SIDE: Final = 512  # px, longest side of a picture in the page
_CROP: Final = 256  # px, side of the detail of single samples of larger images
PHOTOELECTRONS: Final = "photoelectrons/px"

_STYLE: Final = Path(__file__).with_name("report.css")


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


def names(report: Report) -> tuple[str, str]:
    """Return what teacher and student are called in the report, as in ``"student kd"``."""
    runs = report.teacher, report.student
    found = [
        run.sampler if run.sampler in (role, run.role) else f"{role} {run.sampler}"
        for run, role in zip(runs, ("teacher", "student"), strict=True)
    ]
    if found[0] == found[1]:
        return f"{found[0]}, 1st run", f"{found[1]}, 2nd run"
    return found[0], found[1]


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


def render(report: Report) -> str:
    """Return the page."""
    first, second = names(report)
    image = report.teacher.image_name or "image"
    title = f"{image}: {second} compared with {first}"
    body = [
        _header(report, image, first, second),
        _summary(report),
        _warnings(report.warnings),
        _table(report),
        _pictures(report),
        _charts(report),
        _provenance(report),
        f"<footer><p>{escape(report.footer)}</p><p>napari-posterior report, "
        f"{escape(report.created)}</p></footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}{CHART_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _header(report: Report, image: str, first: str, second: str) -> str:
    noise = (
        f"same noise canvases (correlation of pairs {report.rho:.2f})"
        if report.coupled and report.rho is not None
        else "independent noise"
    )
    chips = [
        f"{report.teacher.samples} + {report.student.samples} samples",
        noise,
        f"{report.level * 100:g} % intervals",
        "estimates, no verdict",
    ]
    return (
        '<header><p class="kicker">napari-posterior · comparison of two samplers</p>'
        f"<h1>{escape(image)}</h1><p class='lead'>How far is "
        f"<b class='s'>{escape(second)}</b> from <b class='t'>{escape(first)}</b> "
        "on this image?</p><p class='chips'>"
        + "".join(f"<span>{escape(chip)}</span>" for chip in chips)
        + "</p></header>"
    )


def _summary(report: Report) -> str:
    primary = [f for f in report.findings if "." not in f.id]
    known = f"<span class='floor'>{escape(report.solver.phrase)}</span>"
    items = "".join(
        f"<li><b>{_capital(f.title)}.</b> {escape(f.sentence)}{known}</li>" for f in primary
    )
    return (
        "<section class='card'><h2>In plain words</h2><p>Each sampler drew several restorations "
        "of one image that are all plausible given the measurement. The teacher is the slow "
        "sampler, the student the fast one. These are estimates of how far the student's set "
        "of restorations is from the teacher's.</p>"
        f"<ul>{items}</ul>"
        "<p class='soft'>An interval is the range that a limited number of samples leaves open. "
        "One that holds the value of no difference means that these samples do not show a "
        "difference; it does not mean that there is none.</p></section>"
    )


def _warnings(warnings: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return (
        f"<section class='card note'><h2>Keep in mind</h2><ul>{items}</ul></section>"
        if items
        else ""
    )


def _table(report: Report) -> str:
    rows = "".join(_row(finding, report.solver.phrase) for finding in report.findings)
    return (
        "<section><h2>Findings</h2><div class='scroll'><table><thead><tr><th>Quantity</th>"
        f"<th class='n'>Estimate</th><th class='n'>{report.level * 100:g} % interval</th>"
        "<th>● estimate &nbsp; ┊ no difference</th><th>Unit</th><th class='n'>Samples</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div><p class='caption'>Each row has its own "
        "scale. A difference is student − teacher, no difference is 0; a ratio is student / "
        "teacher, no difference is 1. Samples: teacher + student, “pairs” where samples of one "
        "noise canvas were compared with each other.</p></section>"
    )


def _row(finding: Finding, known: str) -> str:
    ratio = finding.no_difference == 1.0
    signed = not ratio and finding.id != "mean"
    value, span = rounded(finding.estimate, finding.interval, sign=signed)
    drawn = strip(
        finding.estimate, finding.interval, no_difference=finding.no_difference, ratio=ratio
    )
    counts = (
        f"{finding.n_teacher} pairs"
        if finding.coupled
        else " + ".join(str(n) for n in (finding.n_teacher, finding.n_student) if n)
    )
    return (
        f"<tr title='{escape(finding.method, quote=True)}'><td><b>{_capital(finding.title)}</b>"
        f"<small>{escape(finding.estimand)}</small><small class='floor'>{escape(known)}</small>"
        f"</td><td class='n'>{value}</td>"
        f"<td class='n'>{span}</td><td class='strip-cell'>{drawn}</td>"
        f"<td>{escape(finding.unit) or 'ratio'}</td><td class='n'>{counts}</td></tr>"
    )


def _pictures(report: Report) -> str:
    figures = report.figures
    first, second = names(report)
    scales = choose_scales(figures)
    height, width = figures.input.shape
    large = max(height, width) > _SIDE
    crop = interesting_crop(figures.input, _CROP) if large else None
    bar = None if figures.pixel_size is None else (figures.pixel_size[1], figures.unit)
    counts = report.teacher.samples, report.student.samples

    def whole(image: np.ndarray, scale: Scale, caption: str, *, box: bool = False) -> str:
        return _figure(image, scale, caption, bar=bar, box=crop if box else None)

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
            rows.append(_figure(shown, scales.mean, caption, bar=bar))
    columns = max(len(figures.teacher.gallery), 1)
    notes = (
        [f"Plane {figures.plane + 1} of {figures.planes} is shown."] if figures.planes > 1 else []
    )
    if large:
        _, step = shrink(figures.input, _SIDE)
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


def _figure(
    image: np.ndarray,
    scale: Scale,
    caption: str,
    *,
    bar: tuple[float, str] | None,
    box: tuple[int, int, int, int] | None = None,
) -> str:
    height, width = image.shape
    small, _ = shrink(image, _SIDE)
    data = base64.b64encode(encode_png(small, scale)).decode()
    over = ""
    if bar is not None:
        share, label = nice_length(width, *bar)
        over += f"<span class='bar' style='width:{share:.2%}'>{escape(label)}</span>"
    if box is not None:
        top, left, tall, wide = box
        over += (
            f"<span class='box' style='top:{top / height:.2%};left:{left / width:.2%};"
            f"height:{tall / height:.2%};width:{wide / width:.2%}'></span>"
        )
    colours = ",".join(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in scale.palette()[:255:15])
    low, middle, high = scale.ticks()
    words = escape(caption, quote=True)
    return (
        f'<figure><div class=\'picture\'><img alt="{words}" src="data:image/png;base64,{data}">'
        f"{over}</div><div class='ramp' style='background:linear-gradient(90deg,{colours})'></div>"
        f"<div class='ticks'><span>{low}</span><span>{middle} <i>{escape(scale.unit)}</i></span>"
        f"<span>{high}</span></div><figcaption>{words}</figcaption></figure>"
    )


def _charts(report: Report) -> str:
    charts = []
    for values in report.figures.values:
        caption = f"{_capital(values.title)} of every sample, {escape(values.unit or 'no unit')}"
        if values.expected is not None:
            caption += (
                ". 1 is expected of a draw from the posterior; the band is ± 2 SD over "
                "repeated measurements. Too low means fitting the noise, too high missing the data"
            )
        charts.append(
            f"<figure class='wide'>{histogram(values, names=names(report))}"
            f"<figcaption>{caption}.</figcaption></figure>"
        )
    return (
        f"<section><h2>Sample by sample</h2><div class='grid two'>{''.join(charts)}</div></section>"
    )


def _provenance(report: Report) -> str:
    keys = (
        "role",
        "sampler",
        "steps",
        "nfe",
        "samples",
        "seed",
        "model",
        "bundle_hash",
        "precision",
    )
    titles = {"nfe": "network evaluations per sample", "bundle_hash": "bundle"}

    def cell(run: Description, key: str) -> str:
        value: Any = getattr(run, key)
        text = "–" if value is None else str(value)
        return f"<td>{escape(text[:12] if key == 'bundle_hash' else text)}</td>"

    rows = "".join(
        f"<tr><th>{titles.get(key, key)}</th>{cell(report.teacher, key)}{cell(report.student, key)}"
        "</tr>"
        for key in keys
    )
    shared = [report.solver.sentence]
    if report.teacher.camera_words is not None:
        shared.append(f"camera: {report.teacher.camera_words}")
    if report.teacher.psf_words is not None:
        shared.append(f"PSF: {report.teacher.psf_words}")
    limits = report.thresholds.get("puncta_amplitude")
    if limits:
        inputs = report.thresholds["puncta_amplitude_input"]
        plane = report.figures.plane
        shared.append(
            f"smallest punctum that is counted: {limits[plane]:.3g} photoelectrons/px "
            f"({inputs[plane]:.3g} ADU), SNR 5 at the background of the measurement, fixed before "
            "sampling"
        )
    if report.familiar is not None:
        shared.append(report.familiar.words())
    if report.teacher.image_sha256:
        shared.append(f"image: SHA-256 {report.teacher.image_sha256[:12]}…")
    items = "".join(f"<li>{escape(text)}</li>" for text in shared)
    return (
        "<section><h2>How the samples were made</h2><div class='scroll'><table class='plain'>"
        "<thead><tr><th></th><th>Teacher</th><th>Student</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div><ul class='caption'>{items}</ul></section>"
    )


def _cut(image: np.ndarray, crop: tuple[int, int, int, int]) -> np.ndarray:
    top, left, tall, wide = crop
    return image[top : top + tall, left : left + wide]


def _capital(text: str) -> str:
    return escape(text[:1].upper() + text[1:])


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(n, f"{n}th")
