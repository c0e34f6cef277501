"""A plot with its buttons: save or copy the numbers that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_posterior.widgets.parts import Words, column, describe, side_by_side
from napari_posterior.widgets.saving import Saver

if TYPE_CHECKING:
    from typing import Any

    from napari_posterior.widgets.plots.base import AnyPlot
    from napari_posterior.widgets.plots.pair import Pair

__all__ = ["PlotPanel"]


class PlotPanel(QWidget):
    """A plot in a dock.

    Parameters
    ----------
    plot : Plot
        Draws the numbers.
    name : str
        Prefix of the names of the widgets.
    """

    def __init__(self, plot: AnyPlot, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.plot = plot
        self._shown = ""
        self._folder = Path.home()
        self._saver = Saver(self)
        self._said = Words("", self)
        self._said.setObjectName(f"{name}_said")
        save, copy = QPushButton("Save CSV...", self), QPushButton("Copy values", self)
        tip = "One row for each sample or point, with units"
        describe(save, f"{name}_save", f"Saves the numbers of this plot as a table. {tip}")
        describe(copy, f"{name}_copy", f"Copies the numbers of this plot as a table. {tip}")
        parts = column(self)
        parts.addWidget(plot.widget)
        parts.addLayout(side_by_side(save, copy, stretch=(1, 1)))
        parts.addWidget(self._said)
        save.clicked.connect(self._on_save)
        copy.clicked.connect(self._on_copy)
        self._saver.saved.connect(self._on_saved)
        self._saver.failed.connect(self._said.say)

    def show_pair(self, pair: Pair, *, folder: Path | None = None) -> None:
        """Show other numbers; `folder` is where they are saved by default."""
        self.show_numbers(pair, pair.id, folder=folder)

    def show_numbers(self, shown: Any, name: str, *, folder: Path | None = None) -> None:
        """Show what the plot shows; `name` is that of the file they are saved to by default."""
        self._folder = folder or self._folder
        self._shown = name
        self.plot.show(shown)

    def _on_save(self) -> None:
        if not self._shown:
            return
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save values",
            str(self._folder / f"{self._shown}.csv"),
            "Comma-separated values (*.csv)",
        )
        if path:
            plot = self.plot
            self._saver.save(lambda: plot.export_csv(path))

    def _on_copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None and self._shown:
            clipboard.setText(self.plot.csv())
            self._said.say("The values are on the clipboard.")

    def _on_saved(self, path: Path) -> None:
        self._said.say(f"Saved as {path}.")
