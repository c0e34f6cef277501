"""Against a pipeline of the diffusers package: a network of as many parameters and calls.

    python benchmarks/diffusers_pipeline.py [--size 512] [--samples 2] [--steps 15] [--rounds 3]

Needs the package diffusers. Both draw the same number of samples in one batch on a straight path
with one network evaluation a step, as many here as there, by DPM-Solver++(2M) and by Euler's
method: here a run of `restore`, with all that belongs to one, samples on disk included; there a
`DiffusionPipeline` around a `UNet2DModel` without attention, concatenating four condition images,
and its own flow-matching scheduler, samples in memory. The weights of the latter are random: only
time is compared. It is timed as diffusers makes it and with its channels last; taken in turn.
Printed, for each precision: median [least, largest] of the seconds of a draw, and theirs over ours
by the wall clock and in processor seconds. The target is 3.5.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, UNet2DModel

from engine import CAMERA, PSF, simulate
from napari_posterior import api
from timing import Clock, machine, middle, set_threads

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 3.5
MAPS = 4


class ConditionalPipeline(DiffusionPipeline):
    """Noise to an image by the scheduler, four maps concatenated to every state."""

    def __init__(self, unet: UNet2DModel, scheduler: FlowMatchEulerDiscreteScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(self, maps: torch.Tensor, steps: int, generator: torch.Generator) -> Any:
        """Return images (B, 1, H, W), float32, for maps (B, 4, H, W)."""
        shape = (maps.shape[0], 1, *maps.shape[2:])
        x = torch.randn(shape, generator=generator)
        self.scheduler.set_timesteps(steps)
        for t in self.scheduler.timesteps:
            F = self.unet(torch.cat([x, maps], dim=1), t).sample.float()
            x = self.scheduler.step(F, t, x).prev_sample
        return x.numpy()


def make_pipeline(widths: list[int]) -> ConditionalPipeline:
    """Return a pipeline with random weights; diffusers' own block for every level."""
    torch.manual_seed(0)
    unet = UNet2DModel(
        in_channels=1 + MAPS,
        out_channels=1,
        block_out_channels=tuple(widths),
        down_block_types=("DownBlock2D",) * len(widths),
        up_block_types=("UpBlock2D",) * len(widths),
        layers_per_block=2,
        norm_num_groups=4,
        add_attention=False,
    )
    return ConditionalPipeline(unet.eval(), FlowMatchEulerDiscreteScheduler())


def parameters(net: torch.nn.Module) -> int:
    """Count the parameters of a network."""
    return sum(parameter.numel() for parameter in net.parameters())


def main() -> None:
    """Draw with each in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo2d")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--widths", type=int, nargs="+", default=[20, 44, 64])
    options = parser.parse_args()
    set_threads(options.threads)
    bundle, image = api.load_model(options.model), simulate(options.size)
    plain = make_pipeline(options.widths)
    last = copy.deepcopy(plain)
    last.unet.to(memory_format=torch.channels_last)
    maps = torch.randn(options.samples, MAPS, options.size, options.size)
    net: Any = bundle.sampler("teacher").model.net  # type: ignore[attr-defined]
    ours, theirs = parameters(net), parameters(plain.unet)
    print(machine())
    print(f"{options.size} x {options.size}, {options.samples} samples, {options.steps} steps each")
    print(f"parameters: {ours} here, {theirs} in diffusers ({theirs / ours:.3f} of them)")
    if not 0.97 < theirs / ours < 1.03:
        raise SystemExit("choose other --widths: the networks differ by more than 3 % in size")

    def restore(precision: str, folder: str, steps: int) -> None:
        api.restore(
            image,
            model=bundle,
            steps=steps,
            samples=options.samples,
            batch=options.samples,
            precision=precision,
            camera=CAMERA,
            psf=PSF,
            device="cpu",
            out=Path(folder) / "run",
            overwrite=True,
            progress=False,
        )

    def draw(pipeline: ConditionalPipeline, precision: str, steps: int) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            pipeline(maps, steps, torch.Generator().manual_seed(0))

    with tempfile.TemporaryDirectory() as folder:
        for precision in options.precision:
            ways: dict[str, Callable[[int], None]] = {
                "here": lambda steps, p=precision: restore(p, folder, steps),
                "diffusers": lambda steps, p=precision: draw(plain, p, steps),
                "diffusers, channels last": lambda steps, p=precision: draw(last, p, steps),
            }
            tell(precision, measure(ways, options.steps, options.rounds))


def measure(
    ways: dict[str, Callable[[int], None]], steps: int, rounds: int
) -> dict[str, list[Clock]]:
    """Time every way in every round, after a short draw of each."""
    clocks: dict[str, list[Clock]] = {name: [] for name in ways}
    for draw in ways.values():
        draw(1)
    for _ in range(rounds):
        for name, draw in ways.items():
            clocks[name].append(Clock())
            with clocks[name][-1].running():
                draw(steps)
    return clocks


def tell(precision: str, clocks: dict[str, list[Clock]]) -> None:
    """Print seconds and ratios; ratios are of one round."""
    print(f"{precision:26s}{'seconds':>24s}{'over here, wall':>26s}{'processor':>24s}")
    for name, found in clocks.items():
        wall = [a.wall / b.wall for a, b in zip(found, clocks["here"], strict=True)]
        cpu = [a.cpu / b.cpu for a, b in zip(found, clocks["here"], strict=True)]
        seconds = middle([clock.wall for clock in found], 2)
        print(f"  {name:24s}{seconds:>24s}{middle(wall, 2):>26s}{middle(cpu, 2):>24s}")
    print(f"  target: {TARGET} over here")


if __name__ == "__main__":
    main()
