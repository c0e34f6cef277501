"""All findings of a question as a table: both runs, the difference, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QTableWidget, QTableWidgetItem

from napari_posterior.checks.finding import number
from napari_posterior.session.verdict_rows import short_number
from napari_posterior.widgets.parts import describe
from napari_posterior.widgets.verdict_marks import icon_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent, QWheelEvent
    from qtpy.QtWidgets import QWidget

    from napari_posterior.checks.finding import Finding
    from napari_posterior.widgets.theme import Palette

__all__ = ["FindingTable"]

_NOTHING: Final = "–"
_HEADS: Final = ("Quantity", "Teacher | student", "Verdict (limit)")
_WIDTHS: Final = (0.3, 0.29)  # shares of the first two columns
_ALONE: Final = 0.4  # of the first one, where there is no second


class FindingTable(QTableWidget):
    """A row for each finding with a verdict; its sentence is the tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        self._findings: tuple[Finding, ...] = ()
        self._palette: Palette | None = None
        describe(self, "statistics_table", "All that was compared on this question, with units")
        self.setHorizontalHeaderLabels(list(_HEADS))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrap(True)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        for policy in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        if (rows := self.verticalHeader()) is not None:
            rows.hide()
        if (heads := self.horizontalHeader()) is not None:
            heads.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            heads.setStretchLastSection(True)
            heads.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            heads.setHighlightSections(False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is shown."""
        return self._findings

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show the findings that have a verdict, in the order in which they come."""
        self._findings = tuple(one for one in findings if one.verdict is not None)
        self._fill()

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._palette = palette
        self._fill()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock, which scrolls."""
        if event is not None:
            event.ignore()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Break lines anew for another width."""
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:
        """Be as high as all rows."""
        return QSize(200, self.height())

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return QSize(120, self.height())

    def _fill(self) -> None:
        if self._palette is None:
            return
        self.setColumnHidden(1, all(_both(one) == _NOTHING for one in self._findings))
        self.setRowCount(len(self._findings))
        for place, one in enumerate(self._findings):
            verdict = str(one.verdict)
            texts = (
                one.title[:1].upper() + one.title[1:],
                _both(one),
                f"{verdict}\n{short_number(one)}",
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(one.sentence)
                self.setItem(place, column, item)
                if column == 2:
                    item.setIcon(icon_of(verdict, self._palette))
        self._fit()

    def _fit(self) -> None:
        width = self.width()
        alone = self.isColumnHidden(1)
        self.setColumnWidth(0, round(width * (_ALONE if alone else _WIDTHS[0])))
        self.setColumnWidth(1, round(width * _WIDTHS[1]))
        self.resizeRowsToContents()
        heads = self.horizontalHeader()
        height = 0 if heads is None else heads.sizeHint().height()
        self.setFixedHeight(height + sum(self.rowHeight(i) for i in range(self.rowCount())) + 2)


def _both(finding: Finding) -> str:
    """Write the number of each run, with its spread over samples where that is known."""
    extra = finding.extra
    parts = []
    for role in ("teacher", "student"):
        mean, sd = extra.get(f"{role}_mean"), extra.get(f"{role}_sd")
        if mean is None:
            return _NOTHING
        parts.append(number(mean) if sd is None else f"{number(mean)} ± {number(sd, 2)}")
    return " |\n".join(parts)
