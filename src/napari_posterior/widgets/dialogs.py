"""What the dialogs of this package share: one of a kind for each viewer, that ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from napari_posterior.widgets.window import main_window_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject
    from qtpy.QtWidgets import QDialog, QPushButton, QWidget

    D = TypeVar("D", bound=QDialog)

__all__ = ["ask", "look_like_a_menu", "open_once", "while_there"]


def open_once(viewer: Any, kind: type[D], make: Callable[[QWidget], D]) -> D:
    """Open a dialog beside a viewer, or bring the one that is open to the front.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    kind : type
        Of the dialog.
    make : callable
        Makes one, as a child of the window that it gets.

    Returns
    -------
    QDialog
        It holds up nothing, and is deleted when it is closed.
    """
    window = main_window_of(viewer)
    found = next((one for one in window.findChildren(kind) if one.isVisible()), None)
    if found is None:
        found = make(window)
        found.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        found.show()
    found.raise_()
    found.activateWindow()
    return found


def ask(
    parent: QWidget,
    name: str,
    question: str,
    details: str,
    *,
    agree: str,
    then: Callable[[], object],
) -> QMessageBox:
    """Ask before something is lost; returns at once.

    Parameters
    ----------
    parent : QWidget
        Who asks.
    name : str
        The `objectName` of the box.
    question, details : str
        What is asked, and what it means; plain text.
    agree : str
        The button that does it, a verb; the other one is *Cancel*, which is taken by default.
    then : callable
        Called if the answer is yes.
    """
    box = QMessageBox(parent)
    box.setObjectName(name)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setInformativeText(details)
    yes = box.addButton(agree, QMessageBox.ButtonRole.AcceptRole)
    no = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(no)
    box.setEscapeButton(no)
    box.buttonClicked.connect(lambda button: then() if button is yes else None)
    box.open()
    return box


def look_like_a_menu(button: QPushButton) -> None:
    """Let a button that opens a menu show its own words, without an arrow over them."""
    button.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; }")


def while_there(owner: QObject, function: Callable[..., object]) -> Callable[..., None]:
    """Return a function that does nothing once `owner` is gone, for what comes from a worker."""
    there = [True]
    owner.destroyed.connect(lambda *_: there.clear())

    def call(*arguments: object) -> None:
        if there:
            function(*arguments)

    return call
