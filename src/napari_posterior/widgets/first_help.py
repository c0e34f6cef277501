"""A few lines for those who see a dock for the first time; once dismissed they stay away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QPushButton, QWidget

from napari_posterior.widgets.parts import Words, column, describe, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.session.remembered import Remembered

__all__ = ["DOCS", "FirstHelp"]

DOCS: Final = "https://github.com/napari-posterior/napari-posterior/blob/main/docs/"
"""Where the pages of the documentation are."""


class FirstHelp(QWidget):
    """Three lines, a link and a way to be rid of both.

    Parameters
    ----------
    name : str
        Of the dock; what is dismissed is remembered under it.
    lines : sequence of str
        What to do, a line each.
    page : str
        File of the documentation that says more.
    remembered : Remembered
        Knows what was dismissed, now or another time.
    """

    def __init__(
        self,
        name: str,
        lines: Sequence[str],
        page: str,
        *,
        remembered: Remembered,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._name, self._page, self._remembered = name, page, remembered
        self.setObjectName(f"help_{name}")
        self._more, self._away = QPushButton("Read more", self), QPushButton("Got it", self)
        describe(self._more, "help_more", f"Opens {DOCS}{page} in the browser")
        describe(self._away, "help_away", "Hides these lines, also the next time")
        self._more.clicked.connect(self._on_more)
        self._away.clicked.connect(self._on_away)
        rows = column(self, spacing=3)
        for line in lines:
            rows.addWidget(Words(line, self))
        rows.addLayout(side_by_side(self._more, self._away, stretch=(1, 1)))
        self.refresh()

    def refresh(self, *, wanted: bool = True) -> None:
        """Show the lines where they are wanted, unless they were dismissed."""
        self.setVisible(wanted and not self._remembered.is_dismissed(self._name))

    def _on_more(self) -> None:
        QDesktopServices.openUrl(QUrl(f"{DOCS}{self._page}"))

    def _on_away(self) -> None:
        self._remembered.dismiss(self._name)
        self.refresh()
