"""The table of models: rows as a Qt model, and a filter over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.session.model_rows import ModelRow

__all__ = ["COLUMNS", "ModelTable", "RowsModel", "size_words"]

COLUMNS: Final = ("Name", "Version", "State", "Size", "Samplers")
_SIZE: Final = COLUMNS.index("Size")
_ORDER: Final = Qt.ItemDataRole.UserRole
_STATES: Final = {
    "shipped": "It came with napari-posterior.",
    "cached": "It is in your cache folder.",
}


def size_words(number: int) -> str:
    """Write bytes for people: ``"12.3 MB"``, ``"1.2 GB"``."""
    if number < 1e6:
        return f"{number / 1e3:.0f} kB"
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.2f} GB"


class RowsModel(QAbstractTableModel):
    """Models by line, what is known of them by column."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[ModelRow, ...] = ()

    def set_rows(self, rows: Sequence[ModelRow]) -> None:
        """Show other models."""
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many models there are."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return how many things are told of each."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the title of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _words(row)[index.column()]
        if role == _ORDER:
            return row.bytes if index.column() == _SIZE else _words(row)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            told = row.reason or _STATES.get(row.state, "")
            return f"{', '.join(row.samplers)}" if index.column() == 4 else told
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == _SIZE:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class ModelTable(QTableView):
    """Shows models; one is selected at a time, and stays so while the table is read again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = RowsModel(self)
        self.filtered = QSortFilterProxyModel(self)
        self.filtered.setSourceModel(self.source)
        self.filtered.setFilterKeyColumn(-1)
        self.filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filtered.setSortRole(_ORDER)
        self.setModel(self.filtered)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab goes on to the buttons
        if (side := self.verticalHeader()) is not None:
            side.hide()
        if (head := self.horizontalHeader()) is not None:
            head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            head.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
            head.setHighlightSections(False)

    @property
    def chosen(self) -> ModelRow | None:
        """The model that is selected."""
        selection = self.selectionModel()
        places = [] if selection is None else selection.selectedRows()
        return self.source.rows[self.filtered.mapToSource(places[0]).row()] if places else None

    def show_rows(self, rows: Sequence[ModelRow]) -> None:
        """Show these; the same model is selected as before, else the first."""
        if tuple(rows) == self.source.rows:
            return
        before = self.chosen
        self.source.set_rows(rows)
        self.choose(None if before is None else before.name)

    def choose(self, name: str | None) -> None:
        """Select a model by name; the first one where there is none of it."""
        names = [self.filtered.index(i, 0).data() for i in range(self.filtered.rowCount())]
        if names:
            self.selectRow(names.index(name) if name in names else 0)

    def filter(self, text: str) -> None:
        """Show the models only that hold this text in any column."""
        before = self.chosen
        self.filtered.setFilterFixedString(text)
        if self.chosen is None:
            self.choose(None if before is None else before.name)


def _words(row: ModelRow) -> tuple[str, ...]:
    size = "" if row.folder is None else size_words(row.bytes)
    return row.name, row.version, row.state, size, ", ".join(row.samplers)
