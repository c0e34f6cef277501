"""Shows the maps of a report as layers; they are made beside the window."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_posterior.errors import InputError
from napari_posterior.layers.out import add_layers
from napari_posterior.layers.report_maps import REPORT_MAPS, map_layer
from napari_posterior.widgets.maps import map_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.layers.out import LayerData
    from napari_posterior.widgets.session import Session

__all__ = ["MapMaker"]

_LOG = logging.getLogger(__name__)


class MapMaker(QObject):
    """Adds the map of a question to the viewer, or shows the layers that are there.

    Parameters
    ----------
    session : Session
        With the report and the viewer; ends with it.
    call : callable
        Runs a function on a worker and hands over what it returns.
    """

    def __init__(self, session: Session, call: Callable[..., None]) -> None:
        super().__init__(session)
        self._session, self._call = session, call

    def show(self, question: str) -> None:
        """Show where the answer to a question comes from; returns at once.

        Parameters
        ----------
        question : str
            Key of `finding.QUESTIONS`, such as ``"mean"``.

        Raises
        ------
        InputError
            If there is no report, or it has no map of this question.
        """
        state, viewer = self._session.state.compare, self._session.viewer
        report = state.report
        if report is None or state.compared is None or viewer is None:
            raise InputError("nothing was compared yet; compare two runs first")
        there = map_layers(viewer.layers, question, sha256=report.teacher.image_sha256)
        for layer in there:
            layer.visible = True
        if there:
            return
        name, run = REPORT_MAPS.get(question), state.compared[1].run
        if name is None or run is None or all(one.name != name for one in report.figures.maps):
            raise InputError(f"this comparison has no map of {question!r}; look at another answer")
        self._call("making a map", partial(map_layer, report, name, run), self._take, self._fail)

    def _take(self, made: LayerData | None) -> None:
        viewer = self._session.viewer
        if made is None or viewer is None or self._session.closed:
            return
        active = viewer.layers.selection.active
        add_layers(viewer, [made])
        if active is not None:
            viewer.layers.selection.active = active

    def _fail(self, error: Any) -> None:
        _LOG.error("a map could not be made", exc_info=error)
