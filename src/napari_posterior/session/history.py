"""What can be done with the runs on the list: go on with them, save, delete and open them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from psygnal import Signal

from napari_posterior.api import open_run, run_folder
from napari_posterior.errors import RunError
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.damage import prove_readable, telling_damage
from napari_posterior.runs.provenance import to_script
from napari_posterior.session.aside import Aside, at_once
from napari_posterior.session.more_samples import MoreSamples, use_of
from napari_posterior.session.report_for_help import report_for_help
from napari_posterior.session.run_files import copy_run, empty, folder_bytes, move_aside, move_back

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.runs.run import Run
    from napari_posterior.session.following import RunFollower
    from napari_posterior.session.layer_side import LayerSide
    from napari_posterior.session.models import RunEntry, SessionState
    from napari_posterior.session.queue import JobQueue

    T = TypeVar("T")

__all__ = ["Deleted", "History"]


@dataclass(frozen=True, eq=False)
class Deleted:
    """A run that was deleted and can be brought back.

    Attributes
    ----------
    entry : RunEntry
        The run.
    place : int
        Where it was on the list, from 0.
    folder, aside : Path
        Where it was on disk, and where it is now.
    shown : bool
        Whether it had layers.
    """

    entry: RunEntry
    place: int
    folder: Path
    aside: Path
    shown: bool


class History:
    """The runs of one viewer after they were drawn.

    Parameters
    ----------
    state : SessionState
        Holds the list.
    queue : JobQueue
        Where jobs go.
    runs : RunFollower
        Takes what jobs tell into the list.
    layers : LayerSide or None
        Shows runs.
    add_run, forget : callable
        Put a run on the list, and take one off.
    aside : callable
        Does what reads or writes files: `QtRunner.call` in a window. By default that is done at
        once, and what goes wrong is raised.
    """

    changed = Signal()
    """There is another run that can be brought back, or none any more."""

    refused = Signal(Exception)
    """Something could not be done with a file; emitted in the thread of the window."""

    def __init__(
        self,
        state: SessionState,
        queue: JobQueue,
        runs: RunFollower,
        layers: LayerSide | None,
        *,
        add_run: Callable[[Run], RunEntry],
        forget: Callable[[RunEntry], None],
        aside: Aside = at_once,
    ) -> None:
        self._state, self._layers = state, layers
        self._more = MoreSamples(state, queue, runs)
        self._add_run, self._forget = add_run, forget
        self._token = CancelToken()
        self._deleted: Deleted | None = None
        self.aside = aside

    @property
    def deleted(self) -> Deleted | None:
        """The run that `undo` would bring back."""
        return self._deleted

    def problem_of_more(self, entry: RunEntry) -> str:
        """Say in one sentence why no more samples of a run can be drawn; empty if they can."""
        return self._more.problem_of(entry)

    def draw_more(self, entry: RunEntry, samples: int) -> RunEntry:
        """Go on with a run until it holds so many samples in all; see `MoreSamples.draw`."""
        return self._more.draw(entry, samples)

    def seconds_for(self, entry: RunEntry, samples: int) -> float | None:
        """Return how long that may take, in seconds; None where it is not known."""
        return self._more.seconds_for(entry, samples)

    def save_as(self, entry: RunEntry, folder: str | os.PathLike[str]) -> None:
        """Copy the folder of a run, beside the window; the line of the run says when it is there.

        Parameters
        ----------
        entry : RunEntry
            A run that has ended.
        folder : path
            ``NAME.posterior.zarr``, which must not exist; the ending is added.

        Raises
        ------
        InputError
            If the name is empty.
        RunError
            If the run holds nothing or is in use.
        OutputError
            If there is something of that name, or it cannot be written; in a window that is told
            by `refused`.
        """
        run, target = self._run_of(entry), run_folder(folder)
        entry.busy = f"is being saved as {target.name}"

        def saved(path: Path) -> None:
            entry.saved, entry.busy = path, ""

        work = partial(copy_run, run.path, target, token=self._token)
        self._do(entry, f"saving {entry.title}", work, saved)

    def script_of(self, entry: RunEntry) -> str:
        """Return a run as a Python script that makes it again.

        Raises
        ------
        RunError
            If it has not begun.
        """
        if entry.run is not None:
            run = entry.run
            if entry.saved is not None:
                return to_script(run.request, run=entry.saved)
            return run.to_script()
        live = None if entry.job is None else entry.job.live
        if live is None:
            raise RunError(f"{entry.title} has not begun, so nothing is known of it; wait for it")
        return to_script(live.request)

    def debug_report(self, entry: RunEntry | None = None) -> str:
        """Return what helps others to help, as plain text: versions, devices, settings, the log.

        It names files but not the folders that they are in. It reads what is installed, so a
        window asks for it on a worker.

        Parameters
        ----------
        entry : RunEntry, optional
            A run to be told of.
        """
        return report_for_help(self._state, entry)

    def measure(self, entry: RunEntry, then: Callable[[int], None]) -> None:
        """Tell how many bytes the folder of a run takes."""
        folder = self._folder_of(entry)
        self.aside(f"measuring {entry.title}", partial(folder_bytes, folder), then)

    def problem_of_deleting(self, entry: RunEntry) -> str:
        """Say in one sentence why a run cannot be deleted; empty if it can."""
        if entry.folder is None:
            return f"{entry.title} has no folder; forget it instead"
        return use_of(self._state, entry)

    def delete(self, entry: RunEntry) -> None:
        """Take a run off the list, and its folder out of sight; `undo` brings both back.

        The folder is removed for good when the next run is deleted, or the session ends. The
        layers of the run are taken away.

        Raises
        ------
        RunError
            If the run is being drawn or in use, or has no folder; if the folder cannot be moved,
            which is told by `refused` in a window.
        """
        if problem := self.problem_of_deleting(entry):
            raise RunError(problem)
        folder = self._folder_of(entry)
        entry.busy = "is being deleted"

        def deleted(aside: Path) -> None:
            entry.busy = ""
            shown = self._layers is not None and bool(self._layers.remove_run(entry))
            runs = self._state.runs
            place = runs.index(entry) if entry in runs else len(runs)
            self._forget(entry)
            self._empty()
            self._deleted = Deleted(entry, place, folder, aside, shown)
            self.changed.emit()

        self._do(entry, f"deleting {entry.title}", partial(move_aside, folder), deleted)

    def undo(self, then: Callable[[RunEntry], None] | None = None) -> None:
        """Bring the run back that was deleted last, with its folder.

        Parameters
        ----------
        then : callable, optional
            Gets the run where it had layers, to show it again.

        Raises
        ------
        RunError
            If there is none; if its name is taken, which is told by `refused` in a window.
        """
        deleted = self._deleted
        if deleted is None:
            raise RunError("no run was deleted that could be brought back")

        def back(_: Path) -> None:
            if self._deleted is deleted:
                self._deleted = None
            runs = self._state.runs
            runs.insert(min(deleted.place, len(runs)), deleted.entry)
            self.changed.emit()
            if deleted.shown and then is not None:
                then(deleted.entry)

        work = partial(move_back, deleted.aside, deleted.folder)
        self._do(deleted.entry, f"bringing back {deleted.entry.title}", work, back)

    def open_run(
        self, folder: str | os.PathLike[str], then: Callable[[RunEntry], None] | None = None
    ) -> None:
        """Put a run on the list that lies on disk, also one that was cut short.

        Parameters
        ----------
        folder : path
            ``NAME.posterior.zarr``.
        then : callable, optional
            Gets the run; of one that is on the list already, the line that is there.

        Raises
        ------
        RunError
            If there is no run in that folder, which is told by `refused` in a window.
        """

        def opened(run: Run) -> None:
            known = (one for one in self._state.runs if one.folder == run.path)
            entry = next(known, None) or self._add_run(run)
            if then is not None:
                then(entry)

        self._do(None, "opening a run", partial(_open, folder), opened)

    def close(self) -> None:
        """End with the viewer: stop copying, and remove for good what was deleted."""
        self._layers = None
        self._token.cancel()
        deleted, self._deleted = self._deleted, None
        if deleted is not None:
            # not on a worker of the window, which starts none any more
            name = "napari-posterior emptying the trash"
            threading.Thread(target=empty, args=(deleted.aside,), name=name).start()

    def _empty(self) -> None:
        deleted, self._deleted = self._deleted, None
        if deleted is not None:
            self.aside("removing a run", partial(empty, deleted.aside), lambda _: None)

    def _do(
        self,
        entry: RunEntry | None,
        title: str,
        work: Callable[[], T],
        then: Callable[[T], None],
    ) -> None:
        """Do something with the folder of a run beside the window."""

        def refuse(error: Exception) -> None:
            if entry is not None:
                entry.busy = ""
            self.refused.emit(error)

        self.aside(title, work, then, refuse)

    def _run_of(self, entry: RunEntry) -> Run:
        if problem := use_of(self._state, entry):
            raise RunError(problem)
        if entry.run is None:
            raise RunError(f"{entry.title} holds no samples; restore the image again")
        return entry.run

    def _folder_of(self, entry: RunEntry) -> Path:
        if entry.folder is None:
            raise RunError(f"{entry.title} has no folder yet; wait until it has begun")
        return entry.folder


def _open(folder: str | os.PathLike[str]) -> Run:
    with telling_damage(folder):
        run = open_run(folder)
        if not len(run):
            raise RunError(f"{run.path} holds no samples; restore the image again")
        prove_readable(run)
        return run
