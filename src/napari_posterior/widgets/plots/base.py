"""What the dock needs of a plot, whatever library draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_posterior.widgets.plots.pair import Pair

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_posterior.widgets.theme import Palette

__all__ = ["AnyPlot", "DistributionPlot", "Plot"]

Shown = TypeVar("Shown", contravariant=True)


class Plot(Protocol[Shown]):
    """Shows something in a dock, and gives its numbers as a table."""

    @property
    def widget(self) -> QWidget:
        """What is put into the dock."""
        ...

    def show(self, shown: Shown, /) -> None:
        """Show other numbers."""
        ...

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        ...

    def csv(self) -> str:
        """Return the numbers that are shown as a table."""
        ...

    def export_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers that are shown as a table."""
        ...


class DistributionPlot(Plot[Pair], Protocol):
    """Shows the distributions of a number over the samples of teacher and student.

    Its `show` is called up to 10 times a second.
    """


AnyPlot = Plot[Any]
