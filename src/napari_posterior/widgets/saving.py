"""Write files in a thread, and say in one sentence what came of it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_posterior.runs.faults import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.report import Report

__all__ = ["Saver", "folder_for"]


class Saver(QObject):
    """Writes one file after another without making the window wait."""

    saved = Signal(object)
    """The `Path` that was written."""

    failed = Signal(str)
    """One sentence."""

    def save(self, write: Callable[[], Path]) -> None:
        """Call `write` in a thread; `saved` or `failed` tells of its end in this one."""
        create_worker(_attempt, write, _start_thread=True, _connect={"returned": self._on_returned})

    def _on_returned(self, outcome: Path | str) -> None:
        if isinstance(outcome, Path):
            self.saved.emit(outcome)
        else:
            self.failed.emit(outcome)


def folder_for(report: Report, parent: Path) -> Path:
    """Return a folder for a report that is not there yet: ``cell, kd with teacher``."""
    name = f"{report.teacher.image_name or 'image'}, {report.student.sampler} with teacher"
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", name)
    folder = parent / name
    for count in itertools.count(2):
        if not folder.exists():
            break
        folder = parent / f"{name} {count}"
    return folder


def _attempt(write: Callable[[], Path]) -> Path | str:
    try:
        return write()
    except Exception as error:  # a worker has nobody above it who could be told
        return explain(error, "saving")
