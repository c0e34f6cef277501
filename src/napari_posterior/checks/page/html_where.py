"""Where in the image runs differ: maps, and puncta that are lost or invented."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import percent
from napari_posterior.checks.page.html_parts import SIDE, figure
from napari_posterior.checks.page.html_pictures import choose_scales
from napari_posterior.checks.page.pictures import (
    Overlay,
    Scale,
    encode_textured,
    shared_limits,
    symmetric_limits,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.counted.site_changes import SiteTable
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.report import Report

__all__ = ["LayeredMap", "layer_maps", "scale_of", "show_where"]

_CODES: Final = "verdict"
_OUTLINED: Final = "significant"
_LAST: Final = (_CODES, _OUTLINED, "discoveries")
_MARK: Final[Mapping[str, tuple[str, float]]] = {
    "lost": ("#ff8a5c", 1.0),
    "invented": ("#4cc9f0", 1.0),
}
_OTHER: Final = ("#ffffff", 0.6)
_SHOWN: Final = 0.1  # probability in either run from which a punctum is drawn


@dataclass(frozen=True, eq=False)
class LayeredMap:
    """A map of a quantity with what is drawn over it.

    Parameters
    ----------
    base : MapImage
        The quantity.
    over : tuple of MapImage
        Codes (0 clear, 1 hatched, 2 dots), and where something is significant.
    """

    base: MapImage
    over: tuple[MapImage, ...]

    @property
    def overlay(self) -> Overlay | None:
        """What is drawn over the values; None where there is nothing."""
        if not self.over:
            return None
        by = {one.name.rsplit("_", 1)[1]: one.values for one in self.over}
        return Overlay(by.get(_CODES), by.get(_OUTLINED))

    @property
    def words(self) -> str:
        """What is seen, in sentences."""
        words = self.base.words.replace("blank where", "grey where")
        told = [f"{self.base.title[:1].upper()}{self.base.title[1:]}. {words}"]
        for one in self.over:
            outlined = one.name.endswith(_OUTLINED)
            told.append(f"Outlined {one.words.removeprefix('1 ')}" if outlined else one.words)
        return " ".join(told)


def layer_maps(maps: Sequence[MapImage]) -> list[LayeredMap]:
    """Put codes and masks over the quantity that they are about, and leave out what is neither.

    ``tile_verdict`` belongs to ``tile_ratio``, ``mean_significant`` to ``mean_difference``: the
    first map whose name begins alike. Masks without a quantity, and further quantities of the same
    beginning, are files only.
    """
    found: dict[str, LayeredMap] = {}
    for one in maps:
        stem, _, last = one.name.rpartition("_")
        if last not in _LAST and stem not in found:
            over = [m for m in maps if m.name in (f"{stem}_{_CODES}", f"{stem}_{_OUTLINED}")]
            found[stem or one.name] = LayeredMap(one, tuple(over))
    return list(found.values())


def scale_of(found: MapImage) -> Scale:
    """Choose colours: those of a mask, of differences of both signs, or of amounts."""
    values = found.values[np.isfinite(found.values)]
    if values.size and set(np.unique(values).tolist()) <= {0.0, 1.0}:
        return Scale(0.0, 1.0, "grey", found.unit)
    ratio = found.unit.startswith("log2")  # of one sign only too, its colours are those of others
    if values.size and (ratio or values.min() < 0 < values.max()):
        least = 1.0 if ratio else 1e-6
        return Scale(*symmetric_limits(found.values, least=least), "diverging", found.unit)
    if values.size and not found.unit and (values == np.round(values)).all():
        return Scale(0.0, max(float(values.max()), 1.0), "viridis", found.unit, codes=True)
    return Scale(*shared_limits([found.values]), "viridis", found.unit)


def show_where(report: Report) -> str:
    """Return the section of the maps; nothing where there are none."""
    figures = report.figures
    bar = None if figures.pixel_size is None else (figures.pixel_size[1], figures.unit)
    shown = []
    for one in layer_maps(figures.maps):
        scale, values, overlay = scale_of(one.base), one.base.values, one.overlay
        picture = None if overlay is None else encode_textured(values, overlay, scale, side=SIDE)
        shown.append(figure(values, scale, one.words, bar=bar, picture=picture))
    sites = figures.sites
    if sites is not None and len(sites):
        shown.append(
            figure(
                figures.teacher.mean,
                choose_scales(figures).mean,
                "Puncta one by one, on the mean of the teacher: the disc grows with the "
                "probability under the teacher, the ring with that under the student. Orange: "
                "lost; blue: invented; white: shared or undecidable. Those below "
                f"{percent(_SHOWN)} in both runs are left out here and are in sites.csv.",
                bar=bar,
                over=_circles(sites, figures.plane, figures.input.shape),
            )
        )
    if not shown:
        return ""
    return (
        "<section><h2>Where</h2><p class='caption'>Single places are weaker evidence than the "
        "whole image: with few samples, differences of this size come up by chance somewhere."
        f"</p><div class='grid three'>{''.join(shown)}</div>{_changes(report)}</section>"
    )


def _circles(sites: SiteTable, plane: int, shape: tuple[int, ...]) -> str:
    height, width = shape
    unit = max(height, width) / 100
    parts = []
    for (level, row, column), first, second, kind in zip(
        sites.positions,
        sites.teacher_probability,
        sites.student_probability,
        sites.classes,
        strict=True,
    ):
        if round(level) != plane or max(first, second) < _SHOWN:
            continue
        colour, opacity = _MARK.get(str(kind), _OTHER)
        place = f'cx="{column + 0.5:.1f}" cy="{row + 0.5:.1f}"'
        disc, ring = (unit * (0.3 + 1.7 * float(p) ** 0.5) for p in (first, second))
        parts.append(
            f'<circle {place} r="{disc:.2f}" fill="{colour}" fill-opacity="{opacity / 2}"/>'
            f'<circle {place} r="{ring:.2f}" fill="none" stroke="{colour}" '
            f'stroke-width="{0.4 * unit:.2f}" stroke-opacity="{opacity}"/>'
        )
    return (
        f'<svg class="over" viewBox="0 0 {width} {height}" role="img" aria-label="sites of puncta">'
        f"{''.join(parts)}</svg>"
    )


def _changes(report: Report) -> str:
    """List the puncta that change most, in sentences."""
    found = next((one for one in report.findings if one.id == "sites"), None)
    told = () if found is None else found.extra.get("largest", ())
    items = "".join(f"<li>{escape(str(one))}</li>" for one in told)
    return f"<h3>Puncta that change most</h3><ul class='caption'>{items}</ul>" if items else ""
