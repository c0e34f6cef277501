from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from napari_posterior.api.settings import Settings
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.session.progress import ENDED
from napari_posterior.session.restore_job import RestoreJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

OURS = "napari-posterior"


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Wait for the threads of a test; one that stays alive is a fault."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(OURS):
            thread.join(20)
            assert not thread.is_alive(), thread.name


@pytest.fixture
def make_job(tiny_bundle: Path, measured: np.ndarray) -> Callable[..., RestoreJob]:
    """Make a job of the tiny model: three samples of a one-step student, one at a time."""

    def make(image: Any = None, *, model: Any = None, **changes: Any) -> RestoreJob:
        names = ("out", "resume", "overwrite", "title", "key", "statistics", "before", "after")
        options = {name: changes.pop(name) for name in names if name in changes}
        fields: dict[str, Any] = {
            "sampler": "kd",
            "samples": 3,
            "camera": Camera(2.0, 100.0, 1.5),
            "psf": Psf(1.4),
            "device": "cpu",
            "batch": 1,
        }
        settings = Settings(**{**fields, **changes})
        image = measured if image is None else image
        return RestoreJob(image, model or tiny_bundle, settings, **options)

    return make


@pytest.fixture
def ended() -> Callable[..., None]:
    """Wait until the news of the end of some runs or jobs has arrived where it is shown."""

    def wait(*shown: Any, seconds: float = 60) -> None:
        last = time.monotonic() + seconds
        for one in shown:
            while one.state not in ENDED:
                assert time.monotonic() < last
                time.sleep(0.01)

    return wait


class Gate:
    """Holds every network call of a student until it is let go; notes where and when it drew."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.fault: BaseException | None = None
        self.threads: list[str] = []
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0

    def pass_through(self) -> None:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.append(threading.current_thread().name)
        self.reached.set()
        try:
            assert self.open.wait(20)
            if self.fault is not None:
                raise self.fault
        finally:
            self.at_once -= 1


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate in front of `StudentSampler.draw`; closed."""
    from napari_posterior.sampling.samplers import StudentSampler

    found = Gate()
    draw = StudentSampler.draw

    def gated(self: Any, *args: Any, **options: Any) -> Any:
        found.pass_through()
        return draw(self, *args, **options)

    monkeypatch.setattr(StudentSampler, "draw", gated)
    return found
