"""The forms of the answer as rows of small pictures, and the samples farthest from the other run.

The numbers beside a form are those of the finding ``modes``; pictures decide nothing.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.finding import number
from napari_posterior.checks.page.html_parts import capital, names
from napari_posterior.checks.page.html_pictures import choose_scales
from napari_posterior.checks.page.pictures import encode_png, nice_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.page.pictures import Scale
    from napari_posterior.checks.report import Report
    from napari_posterior.checks.spread.examples import Example

__all__ = ["show_forms"]

_CLASSES: Final = ("t", "s")


def show_forms(report: Report) -> str:
    """Return the section of the forms; nothing where no samples were kept for it."""
    found = report.figures.forms
    if found is None:
        return ""
    scale, both = choose_scales(report.figures).mean, names(report)
    size, unit = report.figures.pixel_size, report.figures.unit
    bar = None if size is None else nice_length(found.crop[3], size[1], unit)
    parts = []
    for i, form in enumerate(found.forms):
        groups = [
            _group(examples, scale, run, both[run], bar=bar, none=f"in {total} samples, never")
            for run, (examples, total) in enumerate(
                ((found.teacher[i], form.n_teacher), (found.student[i], form.n_student))
            )
        ]
        told = capital(form.sentence.removeprefix(f"Form {i + 1}: "))
        parts.append(f"<h3>Form {i + 1}</h3><p class='caption'>{told}</p>")
        parts.append(f"<div class='thumbs'>{''.join(groups)}</div>")
    far = [
        _group(examples, scale, run, both[run], bar=bar, none="none")
        for run, examples in enumerate((found.far_teacher, found.far_student))
    ]
    parts.append(
        "<h3>Farthest from the other run</h3><p class='caption'>Left, samples of the "
        f"{escape(both[0])} that are farthest from any sample of the {escape(both[1])}: what the "
        "student never draws would be among them. Right, the other way round: what only the "
        "student draws. One sample is always the farthest, so that these alone show no fault.</p>"
        f"<div class='thumbs'>{''.join(far)}</div>"
    )
    lead = (
        "Samples nearest to the middle of each form, and how often each run draws it on this image."
        if found.forms
        else "The samples form one cloud on this image, so that there are no forms to show."
    )
    return (
        f"<section><h2>Forms of the answer</h2><p class='caption'>{lead} {_place(report)}</p>"
        f"{''.join(parts)}{_ramp(scale)}</section>"
    )


def _place(report: Report) -> str:
    """Say which part of the image is shown."""
    assert report.figures.forms is not None
    top, left, tall, wide = report.figures.forms.crop
    if (tall, wide) == report.figures.input.shape:
        return ""
    return (
        f"Shown are {tall} × {wide} pixels from row {top}, column {left} on, where the samples "
        "vary most; the forms are those of the whole image."
    )


def _group(
    examples: Sequence[Example],
    scale: Scale,
    run: int,
    name: str,
    *,
    bar: tuple[float, str] | None,
    none: str,
) -> str:
    """Show a few samples of one run."""
    who = f"<b class='{_CLASSES[run]}'>{escape(name)}</b>"
    if not examples:
        return f"<div class='thumb-row'><p class='caption'>{who}: {escape(none)}.</p></div>"
    shown = []
    for i, one in enumerate(examples):
        words = f"sample {one.sample + 1}"
        if one.apart is not None:
            words += f", {number(one.apart)} × the median distance"
        data = base64.b64encode(encode_png(one.image, scale)).decode()
        over = ""
        if bar is not None and i == 0:
            over = f"<span class='bar' style='width:{bar[0]:.2%}'>{escape(bar[1])}</span>"
        told = escape(f"{name}, {words}", quote=True)
        shown.append(
            f"<figure><div class='picture'><img alt=\"{told}\" "
            f'src="data:image/png;base64,{data}">{over}</div>'
            f"<figcaption>{who}, {escape(words)}</figcaption></figure>"
        )
    return f"<div class='thumb-row'>{''.join(shown)}</div>"


def _ramp(scale: Scale) -> str:
    """Show the colours that all small pictures share."""
    colours = ",".join(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in scale.palette()[:255:15])
    low, middle, high = scale.ticks()
    return (
        "<div class='thumb-ramp'><div class='ramp' "
        f"style='background:linear-gradient(90deg,{colours})'></div><div class='ticks'>"
        f"<span>{low}</span><span>{middle} <i>{escape(scale.unit)}</i></span><span>{high}</span>"
        "</div></div>"
    )
