"""Arrays as pictures: colour maps, limits, PNG, colour and scale bars, composites."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image as Picture

__all__ = [
    "COLOURS",
    "Overlay",
    "Panel",
    "Scale",
    "composite",
    "encode_png",
    "encode_textured",
    "nice_length",
    "shared_limits",
    "short_unit",
    "shrink",
    "symmetric_limits",
]

# Anchors of matplotlib's magma and viridis (CC0) and of ColorBrewer's RdBu (Apache-2.0).
COLOURS: Final[dict[str, tuple[str, ...]]] = {
    "grey": ("000000", "ffffff"),
    "magma": tuple(
        "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c "
        "fc8961 fea772 fec488 fde2a3 fcfdbf".split()
    ),
    "viridis": tuple(
        "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 "
        "5ec962 84d44b addc30 d8e219 fde725".split()
    ),
    "diverging": tuple("2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b".split()),
}

_BLANK: Final = (128, 128, 128)
_LEVELS: Final = 255  # the last palette entry is for pixels without a value
_UNITS: Final = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "meter": "m"}


@dataclass(frozen=True)
class Scale:
    """How values become colours.

    Parameters
    ----------
    low, high : float
        Limits; values beyond take the end colours.
    colours : str
        One of `COLOURS`.
    unit : str
        Unit of the values.
    codes : bool
        Whether values are whole numbers that stand for something.
    """

    low: float
    high: float
    colours: str
    unit: str
    codes: bool = False

    def indices(self, image: np.ndarray) -> np.ndarray:
        """Return palette indices, (H, W) uint8; the last one where there is no value."""
        span = max(self.high - self.low, float(np.finfo(np.float32).tiny))
        shade = np.clip((np.asarray(image, np.float64) - self.low) / span, 0, 1)
        filled = np.where(np.isfinite(shade), shade, 0.0)
        index = np.round(filled * (_LEVELS - 1)).astype(np.uint8)
        return np.where(np.isfinite(shade), index, _LEVELS).astype(np.uint8)

    def palette(self) -> np.ndarray:
        """Return the 256 colours of `indices`, (256, 3) uint8."""
        anchors = np.array(
            [[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in COLOURS[self.colours]]
        )
        where = np.linspace(0, 1, len(anchors))
        steps = np.linspace(0, 1, _LEVELS)
        table = np.stack([np.interp(steps, where, anchors[:, c]) for c in range(3)], axis=1)
        return np.vstack([np.round(table), [_BLANK]]).astype(np.uint8)

    def ticks(self) -> tuple[str, str, str]:
        """Return the labels of the ends and the middle; all codes where values are codes."""
        if self.codes:
            whole = range(round(self.low), round(self.high) + 1)
            return f"{whole[0]}", ", ".join(map(str, whole[1:-1])), f"{whole[-1]}"
        low, middle, high = self.low, (self.low + self.high) / 2, self.high
        step = max(abs(high - low), 1e-12)
        digits = min(max(1 - math.floor(math.log10(step)), 0), 6)
        texts = [f"{value:z.{digits}f}".replace("-", "−") for value in (low, middle, high)]
        return texts[0], texts[1], texts[2]


def shared_limits(
    images: Sequence[np.ndarray], *, low: float = 0.1, high: float = 99.8
) -> tuple[float, float]:
    """Return percentiles of several images together; they always differ."""
    joined = np.concatenate([np.asarray(image, np.float64).ravel() for image in images])
    joined = joined[np.isfinite(joined)]
    if joined.size == 0:
        return 0.0, 1.0
    first, last = (float(v) for v in np.percentile(joined, (low, high)))
    return (first, last) if last > first else (first, first + max(abs(first) * 1e-3, 1e-3))


def symmetric_limits(image: np.ndarray, *, least: float = 1.0) -> tuple[float, float]:
    """Return limits centred at 0 that hold 99 % of the values, `least` or more."""
    values = np.abs(image[np.isfinite(image)])
    reach = max(float(np.percentile(values, 99)) if values.size else 0.0, least)
    return -reach, reach


def shrink(image: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Keep every n-th pixel so that no side is longer than `most`; return the picture and n.

    Averaging instead would make the noise of single samples look smaller than it is.
    """
    step = max(1, math.ceil(max(image.shape[-2:]) / most))
    return image[..., ::step, ::step], step


def encode_png(image: np.ndarray, scale: Scale) -> bytes:
    """Return an 8-bit palette PNG of an image, (H, W)."""
    picture = _picture(image, scale)
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


@dataclass(frozen=True, eq=False)
class Overlay:
    """What is drawn over the values of a picture.

    Parameters
    ----------
    codes : ndarray, (H, W), optional
        Hatching where it is 1 and dots where it is 2; the rest is left clear.
    outlined : ndarray, (H, W), optional
        Regions where it is 1 get an outline.
    """

    codes: np.ndarray | None = None
    outlined: np.ndarray | None = None

    def every(self, step: int) -> Overlay:
        """Keep every n-th pixel."""
        kept = [None if one is None else one[::step, ::step] for one in (self.codes, self.outlined)]
        return Overlay(*kept)


def encode_textured(image: np.ndarray, overlay: Overlay, scale: Scale, *, side: int) -> bytes:
    """Return a PNG of an image, (H, W), with what lies over it.

    Its longer side is `side` or less, by whole factors: textures need room.
    """
    from PIL import Image

    small, step = shrink(image, side)
    out = io.BytesIO()
    colours = _textured(small, overlay.every(step), scale, side)
    Image.fromarray(colours).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _textured(image: np.ndarray, overlay: Overlay, scale: Scale, side: int) -> np.ndarray:
    """Return the colours of an image with its overlay, enlarged by a whole factor."""
    from scipy import ndimage

    zoom = max(1, side // max(image.shape))

    def enlarge(one: np.ndarray) -> np.ndarray:
        return np.repeat(np.repeat(one, zoom, 0), zoom, 1)

    colours = scale.palette()[enlarge(scale.indices(image))]
    rows, columns = np.indices(colours.shape[:2])
    if overlay.codes is not None:
        codes, stripe = enlarge(overlay.codes), (rows + columns) % 12
        colours[(codes == 1) & (stripe < 3)] = 20
        colours[(codes == 1) & ((stripe == 3) | (stripe == 11))] = 255
        colours[(codes == 2) & (rows % 8 < 2) & (columns % 8 < 2)] = 110
    if overlay.outlined is not None:
        inside = enlarge(overlay.outlined) == 1
        core = ndimage.binary_erosion(inside, border_value=1)
        colours[inside & ~ndimage.binary_erosion(core, border_value=1)] = 255
        colours[inside & ~core] = 0
    return np.asarray(colours, np.uint8)


def nice_length(width: int, pixel_size: float, unit: str) -> tuple[float, str]:
    """Return a round length near a fifth of the width: its share of the width and its label."""
    goal = width * pixel_size / 5
    power = 10.0 ** math.floor(math.log10(goal))
    length = max(step * power for step in (1, 2, 5) if step * power <= goal * 1.0001)
    return length / (width * pixel_size), f"{number(length, 1)} {short_unit(unit)}"


def short_unit(unit: str) -> str:
    """Return the symbol of a unit of length, such as ``"µm"``; any other unit as it is."""
    return _UNITS.get(unit, unit)


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a composite, with its title and what lies over it."""

    title: str
    image: np.ndarray
    scale: Scale
    overlay: Overlay | None = None


def composite(
    rows: Sequence[Sequence[Panel]],
    *,
    bar: tuple[float, str] | None = None,
    side: int = 512,
    notes: Sequence[str] = (),
) -> bytes:
    """Return a PNG of titled panels, each with its colour bar, on white.

    Parameters
    ----------
    rows : sequence of sequences of Panel
        The panels row by row.
    bar : tuple of float and str, optional
        Scale bar: share of the width, and label; drawn into the first panel of each row.
    side : int
        Longest side of a panel in pixels; small images are enlarged by a whole factor.
    notes : sequence of str
        Sentences that travel with the picture: written below it, and kept as its ``Description``.
    """
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

    font: Any = ImageFont.load_default(size=16)
    small: Any = ImageFont.load_default(size=14)
    height, width = rows[0][0].image.shape
    step = max(1, math.ceil(max(height, width) / side))
    zoom = max(1, side // max(height, width))
    width, height = -(-width // step) * zoom, -(-height // step) * zoom
    gap, head, foot = 20, 30, 60
    columns = max(len(row) for row in rows)
    across, down = columns * (width + gap) + gap, len(rows) * (height + head + foot) + gap
    lines = [
        line for note in notes for line in _wrap(_plain(note), across - 2 * gap, small.getlength)
    ]
    sheet = Image.new("RGB", (across, down + 20 * len(lines) + (gap if lines else 0)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((gap, down + 20 * i), line, fill="#444444", font=small)
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            left, top = gap + j * (width + gap), gap // 2 + i * (height + head + foot)
            draw.text((left, top + 4), panel.title, fill="black", font=font)
            sheet.paste(_enlarged(panel, step, (width, height)), (left, top + head))
            below = top + head + height + 8
            ramp = np.tile(panel.scale.palette()[:_LEVELS][None], (10, 1, 1))
            sheet.paste(Image.fromarray(ramp).resize((width, 10)), (left, below))
            low, middle, high = (_plain(tick) for tick in panel.scale.ticks())
            draw.text((left, below + 13), low, fill="black", font=font)
            words = f"{middle}  {panel.scale.unit}"
            draw.text((left + width / 2, below + 13), words, fill="black", font=font, anchor="ma")
            draw.text((left + width, below + 13), high, fill="black", font=font, anchor="ra")
            if bar is not None and j == 0:
                end, line = left + width - 12, top + head + height - 14
                start = end - bar[0] * width
                draw.rectangle((start, line, end, line + 4), fill="white", outline="black")
                draw.text(
                    ((start + end) / 2, line - 4), _plain(bar[1]), fill="white", font=font,
                    anchor="ms", stroke_width=2, stroke_fill="black",
                )  # fmt: skip
    info = PngInfo()
    if notes:
        info.add_text("Description", " ".join(notes))
    out = io.BytesIO()
    sheet.save(out, format="PNG", pnginfo=info)
    return out.getvalue()


def _enlarged(panel: Panel, step: int, size: tuple[int, int]) -> Picture:
    from PIL import Image

    shown = panel.image[::step, ::step]
    if panel.overlay is not None:
        return Image.fromarray(_textured(shown, panel.overlay.every(step), panel.scale, max(size)))
    return _picture(shown, panel.scale).convert("RGB").resize(size, Image.Resampling.NEAREST)


def _wrap(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Break a sentence into lines no wider than `width`."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and measure(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _plain(text: str) -> str:
    """Replace what the font that comes with Pillow does not have."""
    return text.replace("−", "-").replace("µ", "u").replace("“", '"').replace("”", '"')


def _picture(image: np.ndarray, scale: Scale) -> Picture:
    from PIL import Image

    picture = Image.fromarray(scale.indices(image))
    picture.putpalette(scale.palette().ravel().tolist())
    return picture
