"""Fields to choose from and to enter numbers in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.session.choices import StepControl

__all__ = ["NumberField", "Picker", "StepField"]


class Picker(QComboBox):
    """A list to choose from that is never wider than its place, whatever its items are called."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)
        self.setMinimumContentsLength(4)

    def set_items(self, items: Sequence[tuple[str, str, str]], current: str | None) -> None:
        """Show these items without telling anybody.

        Parameters
        ----------
        items : sequence of (key, text, problem)
            `key` is returned by `current`; an item with a problem is greyed and says it.
        current : str or None
            The key to choose.
        """
        before = self.blockSignals(True)
        try:
            self.clear()
            for place, (key, text, problem) in enumerate(items):
                self.addItem(text, key)
                self.setItemData(place, problem or text, Qt.ItemDataRole.ToolTipRole)
                entry = self.model().item(place)  # type: ignore[union-attr]
                entry.setEnabled(not problem)
            self.setCurrentIndex(self.findData(current))
        finally:
            self.blockSignals(before)

    def choose(self, key: Any) -> None:
        """Choose the item of this key without telling anybody."""
        before = self.blockSignals(True)
        self.setCurrentIndex(self.findData(key))
        self.blockSignals(before)

    def initStyleOption(self, option: QStyleOptionComboBox | None) -> None:
        """End a name that is too long with an ellipsis."""
        super().initStyleOption(option)
        style = self.style()
        if option is None or style is None:
            return
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, field.width() - 2
        )

    def showPopup(self) -> None:
        """Open the list as wide as its longest item."""
        view = self.view()
        if view is not None:
            room = view.sizeHintForColumn(0) + 2 * self.fontMetrics().averageCharWidth()
            view.setMinimumWidth(room)
        super().showPopup()


class NumberField(QDoubleSpinBox):
    """A number with its unit, without the zeros that say nothing."""

    def __init__(
        self,
        low: float,
        high: float,
        *,
        unit: str,
        step: float,
        decimals: int = 3,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setDecimals(decimals)
        self.setRange(low, high)
        self.setSingleStep(step)
        self.setSuffix(f" {unit}")
        self.setKeyboardTracking(False)  # a number is taken when it is complete

    def show_value(self, value: float) -> None:
        """Show a value without telling anybody."""
        before = self.blockSignals(True)
        self.setValue(value)
        self.blockSignals(before)

    def textFromValue(self, value: float) -> str:
        """Write ``2.1`` and not ``2.100``."""
        text = super().textFromValue(value)
        point = self.locale().decimalPoint()
        return text.rstrip("0").removesuffix(point) if point in text else text

    def sizeHint(self) -> QSize:
        """Take no more than a usual number needs, however wide the range is."""
        hint = super().sizeHint()
        return QSize(min(hint.width(), 16 * self.fontMetrics().averageCharWidth()), hint.height())

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return self.sizeHint()


class StepField(QSpinBox):
    """A number of steps out of those that a sampler can take."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: tuple[int, ...] = (1,)
        self.setKeyboardTracking(False)

    def show_control(self, control: StepControl, value: int) -> None:
        """Offer these values, and show one, without telling anybody."""
        before = self.blockSignals(True)
        self._values = control.values
        self.setRange(control.values[0], control.values[-1])
        self.setValue(value)
        self.setEnabled(control.enabled)
        self.blockSignals(before)

    def stepBy(self, steps: int) -> None:
        """Go on to the next value that there is."""
        place = min(range(len(self._values)), key=lambda i: abs(self._values[i] - self.value()))
        self.setValue(self._values[max(0, min(place + steps, len(self._values) - 1))])

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Accept only values that there are."""
        state, text, position = super().validate(text, position)
        if state == QValidator.State.Acceptable and int(text) not in self._values:
            state = QValidator.State.Intermediate
        return state, text, position

    def fixup(self, text: str | None) -> str:
        """Go back to the value before where what was typed cannot be taken."""
        return str(self.value())
