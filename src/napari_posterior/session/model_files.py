"""The models on this computer: which there are, and what can be done with their files."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_posterior.bundles.importing import import_bundle, remove_bundle
from napari_posterior.errors import InputError, ModelError, RunError
from napari_posterior.runs.events import Failed, Finished
from napari_posterior.runs.faults import explain
from napari_posterior.session.compare_job import ANALYSIS
from napari_posterior.session.estimate_job import ESTIMATES
from napari_posterior.session.model_rows import ModelRow, needed_models, read_rows
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.verify_job import VerifyJob

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.bundles.unloading import Unloaded
    from napari_posterior.runs.events import Event
    from napari_posterior.session.aside import Aside
    from napari_posterior.session.controller import Controller

__all__ = ["ModelFiles"]


class ModelFiles:
    """The models of a session. What reads or writes files is done beside the window.

    Parameters
    ----------
    controller : Controller
        Of the session; it is told of models that come and go.
    aside : callable
        Does what reads or writes files: `QtRunner.call` in a window.

    Attributes
    ----------
    rows : tuple of ModelRow
        What there was when that was last looked at.
    words : str
        What came of the last thing that was done, in one sentence.
    busy : str
        What is being done, in words; empty if nothing is.
    job : VerifyJob or None
        The model that is looked at closely, or the last one.
    """

    changed = Signal()
    """`rows`, `words`, `busy` or `job` are others now."""

    def __init__(self, controller: Controller, aside: Aside) -> None:
        self._controller = controller
        self._aside = aside
        self._refused: dict[str, str] = {}
        self.rows: tuple[ModelRow, ...] = ()
        self.words = ""
        self.busy = ""
        self.job: VerifyJob | None = None

    def find(self, name: str) -> ModelRow:
        """Return the model of this name.

        Raises
        ------
        InputError
            If there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(row.name for row in self.rows)
        raise InputError(f"there is no model called {name!r}; choose one of: {names}")

    def refresh(self) -> None:
        """Look again which models there are."""
        work = partial(read_rows, needed_models(self._controller.state), dict(self._refused))
        self._aside("reading the models", work, self._take)

    def import_model(self, path: str | os.PathLike[str]) -> None:
        """Copy a bundle into the user's cache, from a folder or a zip archive.

        Every file is compared with its checksum, nothing of it is executed, and a path that leads
        outside of the archive is refused.

        Raises
        ------
        ModelError, OutputError
            As `napari_posterior.bundles.importing.import_bundle`; in a window `words` tells.
        RunError
            If something else is being done with models.
        """

        def taken(folder: Path) -> None:
            self._refused.pop(folder.name, None)
            self._end(f"{folder.name} was imported; its files match their checksums.")

        self._do("importing a model", partial(import_bundle, path), taken)

    def remove(self, name: str) -> None:
        """Remove a model from the user's cache.

        Raises
        ------
        InputError
            If there is no such model, or it came with the package.
        RunError
            If a run is being drawn, or something else is being done with models.
        """
        row = self.find(name)
        if not row.removable:
            raise InputError(f"{name} came with napari-posterior and stays; only imported ones go")
        self._stop_if_drawing()

        def gone(_: object) -> None:
            self._refused.pop(name, None)
            self._end(f"{name} was removed from the cache.")

        self._do(f"removing {name}", partial(remove_bundle, row.name), gone)

    def verify(self, name: str) -> VerifyJob:
        """Compare every file of a model with its checksum, and draw its self-test.

        Returns
        -------
        VerifyJob
            Its `progress` tells how far it is, its `result()` is a sentence.

        Raises
        ------
        InputError
            If there is no such model, or it is missing.
        RunError
            If it is being looked at already.
        """
        row = self.find(name)
        if row.folder is None:
            raise InputError(f"{name} is missing; import it first")
        job = VerifyJob(name, row.folder)
        self._controller.queue.submit(job, deliver=partial(self._follow, job))
        self.job, self.words = job, ""
        self.changed.emit()
        return job

    def unload(self) -> None:
        """Let go of the networks that are kept in memory, and give back what torch keeps of GPUs.

        Raises
        ------
        RunError
            If a run is being drawn, a model is looked at, or something else is being done with
            models.
        """
        self._stop_if_drawing()

        def freed(found: Unloaded | None) -> None:
            self._end(_freed_words(found), look=False)

        self._do("giving back memory", _unload, freed)

    def _do(self, title: str, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        if self.busy:
            raise RunError(f"{self.busy} is going on; wait for it")
        self.busy, self.words = title, ""
        self.changed.emit()

        def refuse(error: Exception) -> None:
            self._end(sentence_of(explain(error, title)))

        self._aside(title, work, then, refuse)

    def _end(self, words: str, *, look: bool = True) -> None:
        self.busy, self.words = "", words
        self.changed.emit()
        if look:
            self.refresh()

    def _take(self, found: tuple[tuple[ModelRow, ...], Any]) -> None:
        self.rows, choices = found
        self._controller.set_models(choices)
        self.changed.emit()

    def _follow(self, job: VerifyJob, event: Event) -> None:
        if isinstance(event, Failed):
            self.words = sentence_of(event.message, name=job.name)
            if isinstance(event.exception, ModelError):  # not where memory ran out
                self._refused[job.name] = self.words
                self.refresh()
        elif isinstance(event, Finished):
            self.words = job.progress.sentence
            if self._refused.pop(job.name, None) is not None:
                self.refresh()
        self.changed.emit()

    def _stop_if_drawing(self) -> None:
        jobs = self._controller.queue.jobs
        if any(job.lane not in (ANALYSIS, ESTIMATES) for job in jobs):
            raise RunError("a run is being drawn with a model; wait for it, or stop it first")
        if any(isinstance(job, VerifyJob) for job in jobs):
            raise RunError("a model is being looked at; wait for it, or stop it first")


def _unload() -> Unloaded | None:
    if "torch" not in sys.modules:
        return None
    from napari_posterior.bundles.unloading import unload_models

    return unload_models()


def _freed_words(found: Unloaded | None) -> str:
    gpu = 0 if found is None else found.device_bytes
    told = f"{gpu / 1e6:.3g} MB of GPU memory were given back" if gpu else ""
    if found is None or not found.models:
        nothing = "Nothing is loaded: no model is kept in memory between runs"
        return f"{nothing}{'; ' if told else ''}{told}."
    verb = "was" if len(found.models) == 1 else "were"
    size = f"its networks took {found.network_bytes / 1e6:.3g} MB of memory"
    size = size if verb == "was" else size.replace("its", "their", 1)
    parts = [f"{', '.join(found.models)} {verb} unloaded: {size}", told]
    return f"{'; '.join(filter(None, parts))}."
