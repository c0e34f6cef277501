"""What the dock needs of a plot, whatever library draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_posterior.widgets.plots.pair import Pair
    from napari_posterior.widgets.theme import Palette

__all__ = ["DistributionPlot"]


class DistributionPlot(Protocol):
    """Shows the distributions of a number over the samples of teacher and student."""

    @property
    def widget(self) -> QWidget:
        """What is put into the dock."""
        ...

    def show(self, pair: Pair) -> None:
        """Show other numbers; called up to 10 times a second."""
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
