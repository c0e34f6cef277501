"""What the engine costs beside the network's own arithmetic; see `benchmarks/engine.py`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_posterior.api.begin import begin
from napari_posterior.api.settings import Settings
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.runs.events import Finished, StepDone
from napari_posterior.runs.runner import run_sampling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 1.10
EVALUATIONS = 15


@dataclass
class Spent:
    """Wall and processor seconds, and of how many network calls."""

    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()

    def __exit__(self, *error: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


@dataclass(frozen=True)
class Costs:
    """A run, the network calls in it, and bare calls between its batches, which are not of it."""

    run: Spent
    inside: Spent
    bare: Spent


def draw(image: np.ndarray, settings: Settings, folder: Path) -> Costs:
    run, inside, bare = Spent(), Spent(), Spent()
    seen: tuple[torch.Tensor, ...] = ()

    def net(*inputs: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen = inputs
        with inside:
            out: torch.Tensor = plain(*inputs)
        inside.calls += 1
        return out

    def after_a_batch(event: Any) -> None:
        if not (isinstance(event, StepDone) and event.call == event.calls):
            return
        run.__exit__()
        inputs = [value.clone(memory_format=torch.contiguous_format) for value in seen]
        with bare, torch.no_grad():
            for _ in range(2):
                plain(*inputs)
        bare.calls += 2
        run.__enter__()

    bundle = open_bundle(find_model("fluo2d"))
    plain: Any = bundle.sampler("teacher").model.net  # the weights are loaded before
    bundle.conditioner()
    with run:
        begun = begin(image, bundle, settings, out=folder)
        sampler: Any = begun.job.sampler
        plain = sampler.model.net
        sampler = replace(sampler, model=replace(sampler.model, net=net))
        # the look at the solver before the first sample is no cost of the engine: it draws too
        job = replace(begun.job, sampler=sampler, check=None)
        end = run_sampling(job, sink=begun.writer, on_event=after_a_batch)
    assert isinstance(end, Finished), end
    return Costs(run, inside, bare)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for each other count as busy: with one, seconds are seconds of work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_run_takes_hardly_longer_than_the_forward_passes_it_contains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(tmp_path / "cache"))
    y = np.random.default_rng(0).poisson(20, (512, 512)).astype(np.uint16) * 2 + 100
    settings = Settings(
        steps=EVALUATIONS,
        samples=8,
        camera=Camera(gain=2.0, offset=100.0, read_noise=1.6),
        psf=Psf(1.6),
        device="cpu",
        precision="float32",
    )
    draw(y, replace(settings, samples=1, steps=1), tmp_path / "first.posterior.zarr")

    costs = draw(y, settings, tmp_path / "run.posterior.zarr")

    batches = costs.inside.calls / EVALUATIONS
    assert batches == int(batches)
    # what is not computing, such as waiting for the disk, by the clock on the wall; what is, in
    # processor seconds, which other programs on the machine hardly change
    waiting = costs.run.wall / costs.inside.wall
    computing = costs.run.cpu / (costs.inside.calls * costs.bare.cpu / costs.bare.calls)
    assert computing <= LIMIT, f"{computing:.3f} of the processor seconds of bare calls"
    assert waiting <= LIMIT, f"{waiting:.3f} of the wall time of its network calls"
