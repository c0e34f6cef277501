"""What the preferences of napari say of this package, as plain values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.bundles.catalogue import CACHE_VARIABLE, MEMORY_VARIABLE

if TYPE_CHECKING:
    from napari_posterior.session.models import RestoreState

__all__ = ["AS_LAST", "Preferences", "apply_preferences", "take_preferences"]

AS_LAST: Final = "as last chosen"
"""The device is the one that was chosen last in the dock."""


@dataclass(frozen=True)
class Preferences:
    """The preferences.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"`` or `AS_LAST`.
    memory_share : float
        Part of the free memory that a network call may take, 0 to 1.
    cache_folder : str
        Of the user's own models; empty for the usual one.
    live_preview : bool
        Whether a sample is shown while it is drawn.
    preview_seconds : float
        Least time between two previews; a run gives one every 0.2 s at most anyway.
    """

    device: str = AS_LAST
    memory_share: float = 0.5
    cache_folder: str = ""
    live_preview: bool = True
    preview_seconds: float = 0.2


def take_preferences(settings: Any) -> Preferences:
    """Read the categories that `napari.yaml` names from the settings of the plugin.

    Parameters
    ----------
    settings : object
        ``napari.settings.get_plugin_settings("napari-posterior")``.
    """
    computing, window = settings.computing, settings.window
    return Preferences(
        device=str(computing.device),
        memory_share=float(computing.memory_share) / 100,
        cache_folder=str(computing.cache_folder).strip(),
        live_preview=bool(window.live_preview),
        preview_seconds=float(window.preview_seconds),
    )


def apply_preferences(preferences: Preferences, restore: RestoreState | None = None) -> None:
    """Let the preferences act: on this process through its environment, and on what is chosen.

    What the user's environment named when the program began stays.

    Parameters
    ----------
    preferences : Preferences
        What the user prefers.
    restore : RestoreState, optional
        What is chosen; to be given in the thread of the window.
    """
    share = preferences.memory_share
    _set_variable(CACHE_VARIABLE, preferences.cache_folder)
    _set_variable(MEMORY_VARIABLE, "" if share == Preferences.memory_share else f"{share:g}")
    if restore is None:
        return
    restore.live_preview = preferences.live_preview
    every = preferences.preview_seconds
    restore.preview_seconds = every if every > Preferences.preview_seconds else 0.0
    if preferences.device != AS_LAST:
        restore.device = preferences.device


def _set_variable(name: str, value: str) -> None:
    """Set a variable of this process; one that the user set is left alone."""
    ours = f"{name}_FROM_PREFERENCES"
    if name in os.environ and ours not in os.environ:
        return
    if value:
        os.environ[name] = os.environ[ours] = value
    else:
        os.environ.pop(name, None)
        os.environ.pop(ours, None)
