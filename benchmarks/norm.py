"""What the per-pixel norm costs against GroupNorm, in the network as it is.

    python benchmarks/norm.py [--threads 1] [--repeats 7]

Prints CPU milliseconds (the least of the repeats, the variants taken in turn) of a forward pass at
256 x 256 and of a training step on 16 crops of 64 x 64, float32 and bfloat16, and their ratio.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch.nn import functional as nnf

from napari_posterior.networks import unet
from napari_posterior.networks.registry import build

NORMS = {"per pixel": unet.pixel_norm, "group": lambda x: nnf.group_norm(x, 8)}


def forward(net: torch.nn.Module, count: int, size: int, *, train: bool) -> None:
    """Evaluate the network once, with gradients if it is to be trained."""
    x = torch.ones(count, 1, size, size)
    t = torch.full((count,), 0.5)
    with torch.set_grad_enabled(train):
        loss = net(x, t, t, torch.ones(count, 4, size, size), torch.ones(count, 4)).square().mean()
    if train:
        loss.backward()


def main() -> None:
    """Time both norms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = build("velocity-unet-1", {"channels": [48, 72, 96]}).to(memory_format=torch.channels_last)
    print(f"{'':24s}{'per pixel':>12s}{'group':>10s}{'ratio':>8s}")
    for what, count, size, train in (("forward", 1, 256, False), ("training step", 16, 64, True)):
        for dtype in ("float32", "bfloat16"):
            best = dict.fromkeys(NORMS, float("inf"))
            for _ in range(options.repeats):
                for name, norm in NORMS.items():
                    unet.pixel_norm = norm
                    start = time.process_time()
                    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                        forward(net, count, size, train=train)
                    best[name] = min(best[name], 1e3 * (time.process_time() - start))
            ratio = best["per pixel"] / best["group"]
            times = f"{best['per pixel']:10.1f}ms{best['group']:8.1f}ms"
            print(f"{what:14s}{dtype:10s}{times}{ratio:8.2f}")


if __name__ == "__main__":
    main()
