"""Fixtures of the window: jobs that stop where a test wants, and nothing left behind."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from napari_posterior.api.settings import Settings
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.session.restore_job import RestoreJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from qtpy.QtWidgets import QWidget

LONG = 120  # seconds: the machine may be busy with something else


@pytest.fixture(autouse=True)
def no_widget_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `make_napari_viewer` fail a test that leaves a window, menu or widget behind."""
    monkeypatch.setenv("NAPARI_STRICT_QT", "raise")


@pytest.fixture
def alone(qapp):
    """Keep widgets that are in no window, and delete them before the viewer asked for earlier."""
    from qtpy.QtCore import QEvent

    widgets: list[QWidget] = []
    yield widgets.append
    for widget in widgets:
        with suppress(RuntimeError):  # the test has deleted it
            widget.close()
            widget.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def no_thread_is_left(qapp):
    """Wait for the workers of a test and for what they tell; one that stays alive is a fault."""
    from qtpy.QtCore import QThreadPool

    yield
    assert QThreadPool.globalInstance().waitForDone(1000 * LONG)
    qapp.processEvents()
    for thread in threading.enumerate():
        if thread.name.startswith(("napari-posterior", "keeper of")):
            thread.join(LONG)
            assert not thread.is_alive(), thread.name


class Gate:
    """Stands before every network call of a student; notes where it was passed, and may raise."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.fault: BaseException | None = None
        self.let_go: Callable[[], bool] = lambda: False
        self.then: Callable[[], object] = lambda: None
        self.threads: set[str] = set()
        self.calls = 0
        self._tickets = threading.Semaphore(0)

    def let(self, number: int) -> None:
        """Let so many calls pass."""
        for _ in range(number):
            self._tickets.release()

    def pass_through(self) -> None:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        self.reached.set()
        while not (self.open.is_set() or self.let_go() or self._tickets.acquire(timeout=0.01)):
            pass
        self.then()
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, no_thread_is_left: None):
    """A gate before `StudentSampler.draw`; closed until the test is over."""
    from napari_posterior.sampling.samplers import StudentSampler

    found = Gate()
    draw = StudentSampler.draw

    def gated(self: Any, *args: Any, **options: Any) -> Any:
        found.pass_through()
        return draw(self, *args, **options)

    monkeypatch.setattr(StudentSampler, "draw", gated)
    yield found
    found.open.set()


@pytest.fixture
def quick() -> dict[str, Any]:
    """Options of a run of the tiny student, one sample at a time."""
    return {
        "sampler": "kd",
        "samples": 3,
        "camera": Camera(2.0, 100.0, 1.5),
        "psf": Psf(1.4),
        "device": "cpu",
        "batch": 1,
    }


@pytest.fixture
def make_job(
    tiny_bundle: Path, measured: np.ndarray, quick: dict[str, Any]
) -> Callable[..., RestoreJob]:
    """Make a job of the tiny student."""

    def make(*, title: str | None = None, **changes: Any) -> RestoreJob:
        return RestoreJob(measured, tiny_bundle, Settings(**{**quick, **changes}), title=title)

    return make
