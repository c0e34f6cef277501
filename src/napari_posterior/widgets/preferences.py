"""The preferences of napari that the manifest of this package names; napari has them since 0.9."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_posterior.session.preferences import Preferences, take_preferences
from napari_posterior.widgets.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PreferencesWatch", "find_preferences"]

_LOG = logging.getLogger(__name__)
_PLUGIN = "napari-posterior"


def find_preferences() -> Any:
    """Return the settings that napari keeps for this package; None where it keeps none.

    The first call reads files.
    """
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # napari before 0.9
        return None
    try:
        return get_plugin_settings(_PLUGIN)
    except Exception:  # the plugin is not installed or disabled, or its file is damaged
        _LOG.debug("there are no preferences", exc_info=True)
        return None


class PreferencesWatch(QObject):
    """Tells of the preferences, now and whenever the user changes them.

    Parameters
    ----------
    settings : object or None
        From `find_preferences`.
    parent : QObject
        Ends with it.
    """

    changed = Signal(object)
    """The new `Preferences`."""

    def __init__(self, settings: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._settings = settings
        self._connections = Connections(self)
        for name in ("computing", "window"):
            if (category := getattr(settings, name, None)) is not None:
                self._connections.add(category.events, self._on_change)

    @property
    def current(self) -> Preferences:
        """The preferences as they are; the defaults where napari keeps none."""
        return read(self._settings)

    def _on_change(self, *_: object) -> None:
        self.changed.emit(self.current)


def read(settings: Any, take: Callable[[Any], Preferences] = take_preferences) -> Preferences:
    """Return the preferences; the defaults where there are none, or others than expected."""
    if settings is None:
        return Preferences()
    try:
        return take(settings)
    except (AttributeError, TypeError, ValueError):
        _LOG.debug("preferences cannot be read", exc_info=True)
        return Preferences()
