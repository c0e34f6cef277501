"""Settings that outlive a session: choices and tolerances, never image, seed, camera or region."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal

from napari_posterior.errors import InputError
from napari_posterior.runs.request import MAX_SAMPLES
from napari_posterior.sampling.corrections import (
    Correction,
    correction_from_record,
    correction_to_record,
)
from napari_posterior.session.kept_tolerances import read_tolerances, write_tolerances
from napari_posterior.session.models import CompareState, RestoreState

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.models import SessionState

__all__ = ["SETTINGS_VARIABLE", "Remembered", "read_settings", "settings_file"]

_LOG = logging.getLogger(__name__)

SETTINGS_VARIABLE: Final = "NAPARI_POSTERIOR_SETTINGS"
"""Environment variable with the file that settings are kept in; empty: nothing is kept."""

_RESTORE: Final = ("model", "sampler", "student", "samples", "device", "then_compare", "correction")
_COMPARE: Final = ("statistics", "question")
_TOLERANCES: Final = "tolerances"
_DISMISSED: Final = "dismissed"


def settings_file() -> Path | None:
    """Return the file that settings are kept in; None where they are not kept."""
    given = os.environ.get(SETTINGS_VARIABLE)
    if given is not None:
        return Path(given).expanduser() if given else None
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "napari-posterior" / "settings.json"


def read_settings(path: Path | None) -> dict[str, Any]:
    """Read what was kept; nothing of a file that is missing or damaged. Waits for the disk."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, told: dict[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(told, indent=1), "utf-8")
        beside.replace(path)
    except OSError:
        _LOG.debug("settings could not be kept", exc_info=True)
        with suppress(OSError):
            beside.unlink()


class Remembered:
    """Keeps the choices of a session in a file, and brings them back in the next.

    Parameters
    ----------
    state : SessionState
        What is chosen.
    path : Path or None
        The file; None keeps nothing beyond this session.
    call : callable
        ``call(title, function, then)`` runs a function on a worker, since files are written.
    """

    changed = Signal()
    """Settings were brought back or reset, or a help text was put away."""

    def __init__(
        self,
        state: SessionState,
        *,
        path: Path | None,
        call: Callable[[str, Callable[[], Any], Callable[[Any], None]], None],
    ) -> None:
        self._state, self._path, self._call = state, path, call
        self._dismissed: set[str] = set()
        self._read = False
        self._writing = False
        self._stale = False
        state.restore.events.connect(self._on_change)
        state.compare.events.connect(self._on_change)

    def take(self, told: dict[str, Any]) -> None:
        """Take over what `read_settings` returned; what cannot be used any more is left out."""
        for name, value in self._usable(told):
            place = self._state.restore if name in _RESTORE else self._state.compare
            setattr(place, name, value)
        compare = self._state.compare
        kept = read_tolerances(told.get(_TOLERANCES), compare.question, compare.statistics)
        if kept and not compare.tolerances:  # what a script has set meanwhile stays
            compare.tolerances = kept
        dismissed = told.get(_DISMISSED)
        if isinstance(dismissed, list):
            self._dismissed.update(str(one) for one in dismissed)
        self._read = True
        self.changed.emit()

    def reset(self) -> None:
        """Go back to what a first session begins with, seed and steps included."""
        restore, compare = RestoreState(), CompareState()
        for name in (*_RESTORE, "steps", "seed"):
            setattr(self._state.restore, name, getattr(restore, name))
        for name in (*_COMPARE, _TOLERANCES):
            setattr(self._state.compare, name, getattr(compare, name))
        models = [one.name for one in self._state.restore.models if not one.problem]
        if models and self._state.restore.model not in models:
            self._state.restore.model = models[0]
        self._dismissed.clear()
        self._keep()
        self.changed.emit()

    def is_dismissed(self, name: str) -> bool:
        """Whether a help text was put away, now or in another session."""
        return name in self._dismissed

    def dismiss(self, name: str) -> None:
        """Put a help text away for good."""
        self._dismissed.add(name)
        self._keep()
        self.changed.emit()

    def close(self) -> None:
        """End with the session; what is not kept yet is written now."""
        self._state.restore.events.disconnect(self._on_change)
        self._state.compare.events.disconnect(self._on_change)
        if self._stale and self._path is not None:
            _write(self._path, self._told())

    def _usable(self, told: dict[str, Any]) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        for name in (*_RESTORE, *_COMPARE):
            place = self._state.restore if name in _RESTORE else self._state.compare
            if name not in told or not hasattr(place, name):
                continue
            value, default = told[name], getattr(place, name)
            if name == "correction":
                value = _read_correction(value)
                fits = value is not None
            elif name == "samples":
                fits = type(value) is int and 1 <= value <= MAX_SAMPLES
            elif isinstance(default, tuple):
                fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
                value = tuple(value) if fits else value
            else:
                fits = isinstance(value, str if default is None else type(default))
            if fits:
                found.append((name, value))
        return found

    def _told(self) -> dict[str, Any]:
        places = ((self._state.restore, _RESTORE), (self._state.compare, _COMPARE))
        told = {
            name: _written(getattr(place, name))
            for place, names in places
            for name in names
            if hasattr(place, name)
        }
        tolerances = write_tolerances(self._state.compare.tolerances)
        return {**told, _TOLERANCES: tolerances, _DISMISSED: sorted(self._dismissed)}

    def _on_change(self, info: Any) -> None:
        if info.signal.name in (*_RESTORE, *_COMPARE, _TOLERANCES):
            self._keep()

    def _keep(self) -> None:
        """Write, one file after the other; many changes in a row are written once."""
        if self._path is None or not self._read:
            return
        self._stale = True
        if self._writing:
            return
        self._writing, self._stale = True, False
        path, told = self._path, self._told()
        self._call("keeping the settings", lambda: _write(path, told), self._on_written)

    def _on_written(self, _: object) -> None:
        self._writing = False
        if self._stale:
            self._keep()


def _written(value: Any) -> Any:
    """Return a choice as JSON can hold it."""
    return correction_to_record(value) if isinstance(value, Correction) else value


def _read_correction(record: Any) -> Correction | None:
    """Return a correction that was kept; None for none, and where it cannot be used any more."""
    try:
        return None if record is None else correction_from_record(record)
    except (InputError, TypeError):
        return None
