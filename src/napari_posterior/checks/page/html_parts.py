"""What the sections of a report's page share: names, numbers and pictures as HTML."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.page.pictures import Scale, encode_png, nice_length, shrink
from napari_posterior.checks.verdicts.tolerances import PRESETS

if TYPE_CHECKING:
    import numpy as np

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Report

__all__ = [
    "SIDE",
    "capital",
    "counts",
    "figure",
    "is_signed",
    "join",
    "names",
    "say_origin",
    "say_time",
]

SIDE: Final = 512
"""Longest side in pixels of a picture in the page."""

_UNSIGNED: Final = ("mean", "resolution")  # a distance, and a length

Box = tuple[int, int, int, int]


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


def capital(text: str) -> str:
    """Escape words and begin them with a capital letter."""
    return escape(text[:1].upper() + text[1:])


def join(words: list[str]) -> str:
    """Join words with commas and an ``and``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def counts(finding: Finding) -> str:
    """Say how many samples entered a finding, as in ``"16 + 24"`` or ``"16 pairs"``."""
    if finding.coupled:
        return f"{finding.n_teacher} pairs"
    return " + ".join(str(n) for n in (finding.n_teacher, finding.n_student) if n)


def is_signed(finding: Finding) -> bool:
    """Return whether the numbers of a finding are differences, and so written with a sign."""
    plain = finding.distance or finding.id in _UNSIGNED
    return finding.no_difference == 0.0 and not plain


def say_time(stamp: str) -> str:
    """Write a time, ISO 8601, as ``"2026-11-20 09:12 UTC"``; what is no time stays as it is."""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when.tzinfo else stamp


def say_origin(origin: str) -> str:
    """Say who set a tolerance."""
    known = {
        "default": "default",
        "user": "set by you",
        "post hoc": "changed after a look",
        **{name: f"for “{preset.title}”" for name, preset in PRESETS.items()},
    }
    return known.get(origin, origin)


def figure(
    image: np.ndarray,
    scale: Scale,
    caption: str,
    *,
    bar: tuple[float, str] | None,
    box: Box | None = None,
    picture: bytes | None = None,
    over: str = "",
) -> str:
    """Show an image with its colours, their limits and a caption.

    Parameters
    ----------
    image : ndarray, (H, W)
        The values.
    scale : Scale
        Their colours.
    caption : str
        What is seen.
    bar : tuple of float and str, optional
        Size of a pixel and its unit, for the scale bar.
    box : tuple of int, optional
        Top, left, height and width of a frame.
    picture : bytes, optional
        PNG to be shown for the values.
    over : str
        HTML that lies over the picture.
    """
    height, width = image.shape
    small, _ = shrink(image, SIDE)
    data = base64.b64encode(encode_png(small, scale) if picture is None else picture).decode()
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
