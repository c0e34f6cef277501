"""What a session does beside the docks: settings, preferences, looking ahead, what opens itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject

from napari_posterior.session.choices import read_models
from napari_posterior.session.outlook import LookAhead
from napari_posterior.session.preferences import Preferences, apply_preferences
from napari_posterior.session.problems import find_model, sentence_of
from napari_posterior.session.remembered import Remembered, read_settings, settings_file
from napari_posterior.widgets.canvas_context import CanvasContext
from napari_posterior.widgets.docks import COMPARE, open_dock
from napari_posterior.widgets.preferences import PreferencesWatch, find_preferences
from napari_posterior.widgets.preferences import read as read_preferences
from napari_posterior.widgets.window import main_window_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.session.choices import DeviceChoice, ModelChoice
    from napari_posterior.widgets.session import Session

__all__ = ["Beginning", "Housekeeping"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beginning:
    """What a session reads before anything is chosen.

    Attributes
    ----------
    models : tuple of ModelChoice
        What there is.
    settings : dict
        What was remembered.
    preferences : object or None
        What napari keeps.
    """

    models: tuple[ModelChoice, ...]
    settings: dict[str, Any]
    preferences: Any


class Housekeeping(QObject):
    """Keeps settings, follows preferences, and looks ahead.

    Parameters
    ----------
    session : Session
        Ends with it.
    call : callable
        Runs a function on a worker and hands over what it returns.

    Attributes
    ----------
    remembered : Remembered
        The choices that outlive the session.
    """

    def __init__(self, session: Session, call: Callable[..., None]) -> None:
        super().__init__(session)
        self._session, self._call = session, call
        CanvasContext(session.viewer, main_window_of(session.viewer))  # a child of the window
        self._watch: PreferencesWatch | None = None
        self._cache = ""
        self._asked = False
        controller = session.controller
        self.remembered = Remembered(session.state, path=settings_file(), call=self._beside)
        self._ahead = LookAhead(
            session.state, rates=controller.rates, call=self._beside, learned=controller.look_again
        )
        controller.asked.comparing.connect(self._on_comparing)
        controller.asked.refused.connect(self._on_refused)

    def begin(self, then: Callable[[], None]) -> None:
        """Read models, settings and preferences on a worker; call `then` when they are there."""
        path = settings_file()

        def take(found: Beginning) -> None:
            self._take(found)
            then()

        self._call("reading the models", lambda: _read(path), take)

    @property
    def knows_devices(self) -> bool:
        """Whether torch was asked for devices."""
        return self._asked

    def take_devices(self, devices: tuple[DeviceChoice, ...]) -> None:
        """Hear which devices there are; one that was remembered and has gone is not kept."""
        restore = self._session.state.restore
        first, self._asked = not self._asked, True
        if first and any(one.name == restore.device and not one.available for one in devices):
            restore.device = "auto"
        self._ahead.begin()

    def close(self) -> None:
        """End with the viewer."""
        self._ahead.let_go()
        self.remembered.close()

    def _take(self, found: Beginning) -> None:
        self.remembered.take(found.settings)
        self._watch = PreferencesWatch(found.preferences, self)
        self._watch.changed.connect(self._on_preferences)
        current = self._watch.current
        self._cache = current.cache_folder
        apply_preferences(current, self._session.state.restore)
        self._take_models(found.models)

    def _take_models(self, models: tuple[ModelChoice, ...]) -> None:
        restore = self._session.state.restore
        self._session.controller.set_models(models)
        model = find_model(restore)
        if model is not None and model.samplers and model.sampler(restore.sampler) is None:
            restore.sampler = "teacher"

    def _on_preferences(self, preferences: Preferences) -> None:
        apply_preferences(preferences, self._session.state.restore)
        if preferences.cache_folder != self._cache:
            self._cache = preferences.cache_folder
            self._beside("reading the models", read_models, self._take_models)

    def _on_comparing(self) -> None:
        """Bring the comparison that begins by itself to the eye."""
        viewer = self._session.viewer
        if viewer is None or self._session.closed:
            return
        try:
            open_dock(viewer, COMPARE)
        except Exception:  # the comparison goes on all the same
            _LOG.exception("the dock Compare cannot be opened")

    def _on_refused(self, sentence: str) -> None:
        if not self._session.closed:
            show_error(f"The runs are there, but are not compared: {sentence_of(sentence)}")

    def _beside(self, title: str, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        if not self._session.closed:
            self._call(title, work, then)


def _read(path: Path | None) -> Beginning:
    """Read everything; the preferences first, as they may name the folder of the models."""
    settings = find_preferences()
    apply_preferences(read_preferences(settings))
    return Beginning(read_models(), read_settings(path), settings)
