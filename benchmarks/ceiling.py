"""How much of the machine's convolution ceiling does the network reach, and where the rest goes.

    python benchmarks/ceiling.py [--sizes 256 512] [--batch 2] [--rounds 9] [--threads 0]
                                 [--device cpu] [--profile]

The ceiling is the fastest of a few plain 3 x 3 convolutions, channels last, of 64 to 128 channels,
measured in the same run and taken in turn with the network. FLOPs are those of the convolutions and
matrix products, two for each multiply-add; norms and activations count as nothing and cost time.
Printed for each precision and size: GFLOP/s of the ceiling and of the network, and their ratio,
median [least, largest] of the rounds; by processor seconds where one thread computes (which other
programs disturb less), else by the wall clock. The targets are 60 % in float32 and 50 % in
bfloat16.
`--profile` adds the share of every kind of operation in the network's time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from timing import machine, middle, set_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[], Any]

TARGETS = {"float32": 0.60, "bfloat16": 0.50}
PLAIN = ((64, 128), (64, 256), (96, 128), (128, 128))
"""Channels and side of the plain convolutions; at a batch of 4 their work does not fit a cache."""

SHOWN = 8


def make_convolution(channels: int, side: int, dtype: torch.dtype, device: str) -> Call:
    """Return a call of a 3 x 3 convolution, channels last, on a batch of 4."""
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1, device=device, dtype=dtype)
    layer = layer.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(4, channels, side, side, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    return lambda: layer(x)


def make_network(model: str, batch: int, side: int, dtype: torch.dtype, device: str) -> Call:
    """Return a call of the teacher's network, as the engine calls it."""
    sampler: Any = open_bundle(find_model(model)).sampler("teacher", device=device)
    shape = (batch, 1, side, side)
    x, maps = (
        torch.randn(shape, device=device),
        torch.randn(shape, device=device).expand(-1, 4, -1, -1),
    )
    t, vector = torch.full((batch,), 0.5, device=device), torch.zeros(batch, 4, device=device)

    def call() -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=dtype == torch.bfloat16):
            out: torch.Tensor = sampler.model.net(x, t, t, maps, vector)
            return out

    return call


def count_flops(call: Call) -> float:
    """Count the FLOPs of a call, in units of 1e9."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops()) / 1e9


def seconds_of(call: Call, *, device: str, clock: Callable[[], float]) -> float:
    """Time one call; on a GPU until it is done."""
    start = clock()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def measure(calls: dict[str, Call], rounds: int, device: str) -> dict[str, np.ndarray]:
    """Return GFLOP/s of every call in every round, taken in turn."""
    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    flops = {name: count_flops(call) for name, call in calls.items()}
    speeds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        seconds_of(call, device=device, clock=clock)  # warm up
    for _ in range(rounds):
        for name, call in calls.items():
            took = seconds_of(call, device=device, clock=clock)
            speeds[name].append(flops[name] / took)
    return {name: np.array(values) for name, values in speeds.items()}


def tell_profile(call: Call, device: str) -> None:
    """Print the share of every kind of operation in the time of a call."""
    on_gpu = device == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=kinds) as profiler:
        for _ in range(5):
            seconds_of(call, device=device, clock=time.perf_counter)
    spent: Counter[str] = Counter()
    for row in profiler.key_averages():
        spent[row.key] += row.self_device_time_total if on_gpu else row.self_cpu_time_total
    total = sum(spent.values())
    for name, took in spent.most_common(SHOWN):
        print(f"      {took / total:7.1%}  {name}")


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo2d")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    set_threads(options.threads)
    print(f"{machine()}, on {options.device}; GFLOP/s")
    print(f"{'':34s}{'ceiling':>26s}{'network':>26s}{'fraction':>24s}  target")
    for precision in options.precision:
        dtype, device = getattr(torch, precision), options.device
        plain = {f"{c} at {s}": make_convolution(c, s, dtype, device) for c, s in PLAIN}
        for size in options.sizes:
            network = make_network(options.model, options.batch, size, dtype, device)
            speeds = measure({**plain, "network": network}, options.rounds, device)
            best = max(plain, key=lambda name: float(np.median(speeds[name])))
            fraction = speeds["network"] / speeds[best]
            what = f"{precision}, {options.batch} x {size} x {size} ({best})"
            print(
                f"{what:34s}{middle(speeds[best], 0):>26s}{middle(speeds['network'], 0):>26s}"
                f"{middle(fraction, 2):>24s}  {TARGETS[precision]:.2f}"
            )
            if options.profile:
                tell_profile(network, device)


if __name__ == "__main__":
    main()
