"""What one viewer is busy with: its settings, its runs and the jobs that make them; no Qt.

Importing this room brings in neither torch, Qt nor napari. A widget, a notebook and a script use
the same objects: `Controller` turns settings into jobs, `JobQueue` lets them run in turn, and the
events of a job come back in the thread that its runner delivers them to.

The room can be called: ``napari_posterior.session(viewer)`` finds the session of a napari window.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_posterior.widgets.session import Session


class _Room(ModuleType):
    """A module of the name of a public function, which it therefore must be as well.

    Python makes every imported module an attribute of its package, and so would put this one in
    the place of the function sooner or later.
    """

    def __call__(self, viewer: Any) -> Session:
        """Find the session of a viewer; see `napari_posterior.widgets.session.session`."""
        home: Any = importlib.import_module("napari_posterior.widgets.session")
        found: Session = home.session(viewer)
        return found


sys.modules[__name__].__class__ = _Room
