"""What the engine costs beside the network: wall time of a run over its bare forward passes.

    python benchmarks/engine.py [--size 512] [--samples 8] [--steps 15] [--rounds 5] [--threads 0]

A run is all of `restore` with an opened model: image, camera, point estimate, noise, solver,
events, samples and moments on disk. After every batch bare calls of the same network on tensors of
the same shape are timed, with the clock of the run stopped, so that both see the machine in the
same state. Printed for each set of samplers and precisions:

overhead
    seconds of the run over those of the bare passes it contains, at the mean of those timed:
    median [least, largest] of the rounds, by the wall clock and in processor seconds; the target is
    1.05 for the teacher with 15 evaluations.
parts
    where the seconds of the run went, in percent of the bare passes; by wall clock, medians.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_posterior.api.begin import begin
from napari_posterior.api.settings import Settings
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.runs.events import Finished, StepDone
from napari_posterior.runs.runner import run_sampling
from timing import Clock, machine, middle, set_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.runs.events import Event

TARGET = 1.05
NETWORK = "network calls"
CAMERA, PSF = Camera(gain=2.0, offset=100.0, read_noise=1.6), Psf(1.6)


@dataclass
class Round:
    """One run and its bare passes, by parts."""

    run: Clock = field(default_factory=Clock)
    bare: Clock = field(default_factory=Clock)
    timed_calls: int = 0
    parts: dict[str, Clock] = field(default_factory=dict)

    @property
    def passes(self) -> tuple[float, float]:
        """Wall and processor seconds of as many bare calls as the run made."""
        scale = self.parts[NETWORK].calls / self.timed_calls
        return scale * self.bare.wall, scale * self.bare.cpu

    @property
    def overhead(self) -> tuple[float, float]:
        """Wall and processor seconds of the run over those of its bare passes."""
        (wall, cpu), (bare_wall, bare_cpu) = self.run.without(self.bare), self.passes
        return wall / bare_wall, cpu / bare_cpu

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time counted as a part."""
        clock = self.parts.setdefault(name, Clock())

        def call(*args: Any, **options: Any) -> Any:
            with clock.running():
                return function(*args, **options)

        return call

    def shares(self) -> dict[str, float]:
        """Parts of the run in percent of the bare passes; the rest is the solver and the events."""
        shares = {name: 100 * clock.wall / self.passes[0] for name, clock in self.parts.items()}
        total = 100 * self.overhead[0]
        return {**shares, "solver, events, the rest": total - sum(shares.values())}


def simulate(size: int) -> np.ndarray:
    """Return a measurement of spots on a background, (size, size) uint16 in ADU."""
    rng = np.random.default_rng(0)
    x = np.full((size, size), 6.0)
    rows, columns = np.mgrid[-4:5, -4:5]
    spot = 60 * np.exp(-(rows**2 + columns**2) / 5)
    for row, column in rng.integers(4, size - 5, (size * size // 500, 2)):
        x[row - 4 : row + 5, column - 4 : column + 5] += spot
    return (2 * rng.poisson(x) + 100).astype(np.uint16)


def measure(image: np.ndarray, bundle: Bundle, settings: Settings, folder: Path) -> Round:
    """Draw one run, with bare passes after each of its batches."""
    found = Round()
    bare_net: Any = None
    inputs: tuple[torch.Tensor, ...] = ()

    def replay(event: Event) -> None:
        if isinstance(event, StepDone) and event.call == event.calls:
            again = math.ceil(event.calls / 3)
            found.timed_calls += again
            with found.bare.running(), torch.no_grad():
                for _ in range(again):
                    bare_net(*inputs)

    def noted(*args: torch.Tensor) -> torch.Tensor:
        nonlocal inputs
        if not inputs or inputs[0].shape != args[0].shape:
            inputs = tuple(value.clone(memory_format=torch.contiguous_format) for value in args)
        out: torch.Tensor = calls(*args)
        return out

    with found.run.running():
        begun = found.timed("image, point estimate", begin)(
            image, bundle, settings, out=folder / "run.posterior.zarr", overwrite=True
        )
        job, sink = begun.job, begun.writer
        sampler: Any = job.sampler
        bare_net = sampler.model.net
        calls = found.timed(NETWORK, bare_net)
        job = replace(
            job,
            sampler=replace(sampler, model=replace(sampler.model, net=noted)),
            canvas=found.timed("noise", job.canvas),
            check=None,  # the look at the solver draws too, it is no cost of the engine
        )
        sink.write_sample = found.timed("samples to disk", sink.write_sample)
        sink.finish = found.timed("mean and sd to disk", sink.finish)
        end = run_sampling(job, sink=sink, on_event=replay)
    if not isinstance(end, Finished):
        raise SystemExit(f"the run did not finish: {end}")
    return found


def tell(name: str, rounds: list[Round]) -> None:
    """Print the overhead and the parts of some rounds."""
    wall, cpu = zip(*(one.overhead for one in rounds), strict=True)
    seconds = [one.passes[0] for one in rounds]
    print(f"{name}: bare passes {middle(seconds, 2)} s")
    print(f"  overhead, wall       {middle(wall)}   target {TARGET}")
    print(f"  overhead, processor  {middle(cpu)}")
    shares = [one.shares() for one in rounds]
    for part in shares[0]:
        print(f"    {part:26s}{np.median([share[part] for share in shares]):8.2f} %")


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo2d")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--steps", type=int, default=15, help="of the teacher")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--student", help="measure this student with one step too")
    options = parser.parse_args()
    set_threads(options.threads)
    bundle = open_bundle(find_model(options.model))
    image = simulate(options.size)
    asked = {"samples": options.samples, "camera": CAMERA, "psf": PSF, "device": "cpu"}
    cases = {}
    for precision in options.precision:
        samplers = {"teacher": options.steps} | ({options.student: 1} if options.student else {})
        for name, steps in samplers.items():
            cases[f"{name}, {precision}"] = Settings(
                sampler=name, steps=steps, precision=precision, **asked
            )
    print(machine())
    print(f"{options.size} x {options.size}, K = {options.samples}, {options.steps} steps")
    rounds: dict[str, list[Round]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        for settings in cases.values():
            measure(image, bundle, replace(settings, samples=1), Path(folder))  # warm up
        for _ in range(options.rounds):
            for name, settings in cases.items():
                rounds[name].append(measure(image, bundle, settings, Path(folder)))
    for name, found in rounds.items():
        tell(name, found)


if __name__ == "__main__":
    main()
