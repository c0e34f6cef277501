"""What belongs to one viewer: its settings, its runs, and the jobs that make them."""

from __future__ import annotations

import logging
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QThread, QTimer

from napari_posterior.errors import RunError
from napari_posterior.layers.regions import regions_of_layer
from napari_posterior.layers.sample_views import SampleViews
from napari_posterior.layers.side import ViewerLayers
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.layers.units import load_units
from napari_posterior.session.choices import find_devices
from napari_posterior.session.controller import Controller
from napari_posterior.session.model_files import ModelFiles
from napari_posterior.session.models import SessionState
from napari_posterior.session.queue import JobQueue
from napari_posterior.session.statistic_choices import read_statistics
from napari_posterior.widgets.activity import ActivityBars
from napari_posterior.widgets.comparing_console import declare
from napari_posterior.widgets.console import compare_runs, find_image, find_layer, find_run
from napari_posterior.widgets.correcting_console import correct_runs
from napari_posterior.widgets.housekeeping import Housekeeping
from napari_posterior.widgets.map_maker import MapMaker
from napari_posterior.widgets.pace import Pace
from napari_posterior.widgets.runner import QtRunner
from napari_posterior.widgets.telling import Telling
from napari_posterior.widgets.window import WindowWatch, main_window_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_posterior.session.choices import DeviceChoice
    from napari_posterior.session.compare_job import CompareJob
    from napari_posterior.session.correct_job import CorrectJob
    from napari_posterior.session.layer_side import LayerSide
    from napari_posterior.session.models import RunEntry
    from napari_posterior.session.restore_job import RestoreJob
    from napari_posterior.statistics import Region

__all__ = ["Session", "session"]

_LOG = logging.getLogger(__name__)

_IDLE_MS = 1500
"""Milliseconds before torch is asked for devices: long after the dock that wants them is up."""


def session(viewer: Any) -> Session:
    """Find the session of a viewer, or begin it.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window; as it is, or as napari hands it to a plugin.

    Returns
    -------
    Session
        The same one for every call, until the viewer is closed.

    Raises
    ------
    InputError
        If the viewer has no window, or is closed.
    RunError
        If the viewer is closing.
    WrongThreadError
        Off the main thread.
    """
    in_main_thread("a session is asked for")
    for child in main_window_of(viewer).children():
        if isinstance(child, Session):
            if child.closed:
                raise RunError("this viewer is closing; open a new one")
            return child
    return Session(viewer)


class Session(QObject):
    """The runs of one viewer, as `session` finds them.

    It is a child of the viewer's window: it is found there, and ends with it. All of it belongs
    to the main thread.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window, and no session yet.
    layers : LayerSide, optional
        Shows runs; by default in the viewer.

    Attributes
    ----------
    state : SessionState
        What is chosen and shown.
    controller : Controller
        What can be done.
    remembered : Remembered
        What outlives the session.
    maps : MapMaker
        Shows where an answer of a comparison comes from.
    models : ModelFiles
        Which models there are, and what can be done with their files.
    views : SampleViews
        Ways to look through the samples that are shown, and at the puncta.
    """

    def __init__(self, viewer: Any, *, layers: LayerSide | None = None) -> None:
        in_main_thread("a session is made")
        window = main_window_of(viewer)
        load_units()  # before a worker wants one
        super().__init__(window)
        self._viewer = weakref.ref(unwrapped(viewer))
        self._closed = False
        self._asked_for_devices = False
        later = partial(QTimer.singleShot, 5)  # ms; with 0 all would come before a painting
        self._layers: LayerSide = layers or ViewerLayers(viewer, later=later)
        self._runner = QtRunner()
        self._activity = ActivityBars(window)
        self.state = SessionState()
        self.controller = Controller(
            self.state,
            queue=JobQueue(self._runner),
            layers=self._layers,
            aside=self._runner.call,
        )
        self._telling = Telling(viewer, self.controller, self)
        self.models = ModelFiles(self.controller, self._runner.call)
        self.views = SampleViews(viewer, self.state, self._runner.call)
        self._pace = Pace(window)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._idle = QTimer(self)
        self._idle.setInterval(_IDLE_MS)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self.look_for_devices)
        self._runner.busy_changed.connect(self._on_busy)
        WindowWatch(window).closed.connect(self.close)
        self._house = Housekeeping(self, self._runner.call)
        self.remembered, self.maps = self._house.remembered, MapMaker(self, self._runner.call)
        self._house.begin(self._idle.start)
        self._runner.call("reading the statistics", read_statistics, self.controller.set_statistics)

    def __repr__(self) -> str:
        if self._closed:
            return "<Session of a closed viewer>"
        models = ", ".join(one.name for one in self.state.restore.models) or "not read yet"
        runs = "; ".join(f"{one.title}: {one.progress.sentence}" for one in self.state.runs)
        return f"<Session with the models: {models}; runs: {runs or 'none yet'}>"

    @property
    def viewer(self) -> Viewer | None:
        """The viewer; None when it is gone."""
        return self._viewer()

    @property
    def closed(self) -> bool:
        """Whether the viewer was closed."""
        return self._closed

    def restore(
        self,
        image: Any = None,
        *,
        model: str | None = None,
        sampler: str = "teacher",
        **options: Any,
    ) -> RestoreJob:
        """Draw restorations of an image; returns at once, layers appear as samples are drawn.

        Parameters
        ----------
        image : str, napari Image layer, array or path, optional
            The name of a layer, else a file; by default the layer that is selected.
        model : str, optional
            By default the one that is chosen in the dock.
        sampler : str
            ``"teacher"``, the name of a student, or ``"mse"`` for the point estimate.
        **options
            As of :func:`napari_posterior.restore`: steps, samples, seed, camera, psf, device, ...

        Returns
        -------
        RestoreJob
            With `progress`, `cancel()` and `result()`.

        Raises
        ------
        InputError
            If there is no such image, or it cannot be restored.
        RunError
            If the same run is being drawn, or the viewer is closed.
        WrongThreadError
            Off the main thread.
        """
        viewer = self._ready("a run is asked for")
        source = find_image(viewer, image, axes=self.state.restore.axes)
        return self.controller.restore(source, model=model, sampler=sampler, **options)

    def restore_pair(
        self, image: Any = None, *, student: str | None = None, **options: Any
    ) -> tuple[RestoreJob, RestoreJob]:
        """Draw the teacher, then a student, of one image from the same noise; returns at once.

        Parameters
        ----------
        image : str, napari Image layer, array or path, optional
            As of `restore`.
        student : str, optional
            By default the one that is chosen in the dock, else the first of the model.
        **options
            As of `restore`, for both; `steps` are those of the teacher.

        Returns
        -------
        teacher, student : RestoreJob
            Where the teacher fails or is cancelled, the student is cancelled.

        Raises
        ------
        InputError, RunError, WrongThreadError
            As of `restore`, and if the model has no student.
        """
        viewer = self._ready("a pair of runs is asked for")
        source = find_image(viewer, image, axes=self.state.restore.axes)
        return self.controller.restore_pair(source, student=student, **options)

    def compare(self, teacher: Any = None, student: Any = None, **declared: Any) -> CompareJob:
        """Compare a run of the teacher with one of a student; returns at once.

        Parameters
        ----------
        teacher, student : RestoreJob, Run, RunEntry or path, optional
            By default those that are chosen in the dock: the newest.
        **declared
            `question`, `statistics`, `tolerances`, `looks`, `truth` and `regions` as of
            `comparing_console.declare`; by default what is chosen in the dock.

        Returns
        -------
        CompareJob
            Its `result()` is the report.

        Raises
        ------
        InputError
            If the two cannot be compared.
        RunError
            If the same comparison is going on, or the viewer is closed.
        WrongThreadError
            Off the main thread.
        """
        declare(self._ready("a comparison is asked for"), self.state.compare, **declared)
        return compare_runs(self.controller, teacher, student)

    def correct(
        self, teacher: Any = None, student: Any = None, *, statistics: Any = None
    ) -> CorrectJob:
        """Estimate the teacher's mean and uncertainty from two runs of one seed; returns at once.

        Parameters
        ----------
        teacher, student : RestoreJob, Run, RunEntry or path, optional
            As of `compare`; the student's holds more samples, and is waited for.
        statistics : sequence of str or Statistic, optional
            What else is estimated; by default what the dock Compare measures.

        Returns
        -------
        CorrectJob
            Its `result()` is what :func:`napari_posterior.correct` returns.

        Raises
        ------
        InputError, RunError, WrongThreadError
            As of `compare`.
        """
        self._ready("a correction is asked for")
        return correct_runs(self.controller, teacher, student, statistics)

    def regions(self, layer: Any, run: Any) -> tuple[Region, ...]:
        """Take the shapes or labels of a layer as regions, for `napari_posterior.measure`.

        Parameters
        ----------
        layer : str or napari Shapes or Labels layer
            Where they were drawn.
        run : RestoreJob, Run, RunEntry or path
            What will be measured.

        Returns
        -------
        tuple of Region

        Raises
        ------
        InputError
            If there is no such layer, or it holds no region on the image of the run.
        RunError
            If the run is not there yet, or the viewer is closed.
        WrongThreadError
            Off the main thread.
        """
        viewer = self._ready("a layer is looked at")
        found = find_run(self.controller, run).run
        if found is None:
            raise RunError("this run has not ended; wait for it")
        return regions_of_layer(find_layer(viewer, layer), found)

    def bring_back(self, entry: RunEntry) -> None:
        """Show a run of which no layer is there; returns at once, it is read on a worker."""
        run = entry.run
        if self._closed or run is None:
            return
        self._runner.call(
            f"reading {entry.title}",
            partial(self._layers.gather, run),
            partial(self._layers.show_run, entry, run),
            partial(self._telling.tell, doing="reading the run"),
        )

    def look_for_statistics(self) -> None:
        """List the statistics again: quick, once they were read when the session began."""
        if self.state.compare.offered:
            self.controller.set_statistics(read_statistics())

    def look_for_devices(self) -> None:
        """Ask torch, on a worker, which devices there are; the first call only."""
        if not self._closed and not self._asked_for_devices:
            self._asked_for_devices = True
            self._runner.call("looking for devices", find_devices, self._take_devices)

    def close(self) -> None:
        """End with the viewer: cancel what runs, drop what waits, touch the viewer no more.

        Samples that were drawn stay on disk. A network call that is going on ends by itself. It is
        waited for where no event loop runs, as in a script, for 10 s at most; else napari waits
        when the loop ends.
        """
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        self._idle.stop()
        self._house.close()
        self._telling.close()
        self.controller.close(0)
        self._runner.close()
        self._activity.close()
        self._layers.close()
        self.views.close()
        thread = QThread.currentThread()
        if thread is not None and thread.loopLevel() == 0:
            self._runner.wait()

    def _ready(self, what: str) -> Viewer:
        """Return the viewer, if this is the right thread and it is still there."""
        in_main_thread(what)
        viewer = self.viewer
        if self._closed or viewer is None:
            raise RunError("the viewer of this session is closed; open a new one")
        return viewer

    def _take_devices(self, devices: tuple[DeviceChoice, ...]) -> None:
        self.controller.set_devices(devices)
        self._house.take_devices(devices)

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self._timer.start(self._pace.wait())
            self.look_for_devices()  # the job brings in torch anyway
        else:
            self._timer.stop()
            self._tick()
            self._look_at_memory()

    def _look_at_memory(self) -> None:
        """Say anew how much memory the devices have, once they are known."""
        if not self._closed and self._house.knows_devices:
            self._runner.call("looking for devices", find_devices, self._take_devices)

    def _tick(self) -> None:
        """Bring up to date what shows how far things are."""
        if self._closed:
            return
        try:
            self.controller.refresh()
            self._layers.refresh()
            self._activity.refresh(self.state.runs)
            self._timer.setInterval(self._pace.wait())
        except Exception:  # ten times a second would be too often to tell of it
            self._timer.stop()
            _LOG.exception("progress is not shown any more")
