"""Which axis of a layer is which: read from its labels, or said by the user."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QWidget

from napari_posterior.errors import InputError
from napari_posterior.session.axes import axes_offered, parse_axes, write_axes
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.parts import Notice, column, describe, side_by_side

__all__ = ["AxesRow"]


class AxesRow(QWidget):
    """A list of orders of axes that can also be typed into, and what is wrong with what is typed.

    The layer itself is not changed before the user presses *Write*.
    """

    given = Signal(str)
    """Axes that can be used: ``"TZYX"``."""

    to_be_written = Signal()
    """The user wants the layer to have these labels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ndim = 2
        self._shown = ""
        self._box = QComboBox()
        self._box.setEditable(True)
        self._box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._box.setMinimumContentsLength(6)
        self._box.setCompleter(None)
        describe(
            self._box,
            "axes",
            "Which axis is which: T time, C channel, Z depth, and last Y and X. Type another order "
            "where the labels of the layer are missing or wrong; the layer is not changed.",
            spoken="Axes",
        )
        self._write = QPushButton("Write to layer")
        describe(self._write, "write_axes", "Give the layer these axis labels.")
        self._fault = Notice()
        self._fault.setObjectName("axes_fault")
        layout = column(self, spacing=2)
        layout.addLayout(side_by_side(self._box, self._write, stretch=(1,)))
        layout.addWidget(self._fault)
        self._box.textActivated.connect(self._on_typed)
        if (line := self._box.lineEdit()) is not None:
            line.editingFinished.connect(self._on_left)
            line.textEdited.connect(self._on_edited)
        self._write.clicked.connect(self.to_be_written)

    def show_axes(self, axes: str, ndim: int, *, differs: bool) -> None:
        """Show the axes of a layer.

        Parameters
        ----------
        axes : str
            As they are taken.
        ndim : int
            How many the layer has.
        differs : bool
            Whether the labels of the layer say something else.
        """
        before = self._box.blockSignals(True)
        if ndim != self._ndim or not self._box.count():
            self._box.clear()
            self._box.addItems(axes_offered(ndim))
        self._box.setEditText(axes)
        self._box.blockSignals(before)
        self._ndim, self._shown = ndim, axes
        self._write.setVisible(differs)
        self._fault.say("")

    def _on_left(self) -> None:
        self._on_typed(self._box.currentText())

    def _on_edited(self, text: str) -> None:
        """Say while it is typed what is still missing, once it is as long as it should be."""
        self._fault.say(self._problem(text) if len(text.strip()) >= self._ndim else "")

    def _on_typed(self, text: str) -> None:
        if write_axes(text.strip()) == self._shown:
            self._fault.say("")
            return
        problem = self._problem(text)
        self._fault.say(problem)
        if not problem:
            self.given.emit(write_axes(text.strip()))

    def _problem(self, text: str) -> str:
        try:
            parse_axes(text, self._ndim)
        except InputError as error:
            return sentence_of(str(error))
        return ""
