"""What the blur of the forward model costs, by FFT and directly, and that both give the same.

    python benchmarks/forward.py [--threads 1] [--repeats 7]

Prints CPU milliseconds (the least of the repeats, both ways taken in turn), their ratio, the way
that "auto" takes, and the largest difference over the largest value, for float32.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import torch

from napari_posterior.physics.blur import blur_gaussian
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Callable

PLANES = ((64, 64, 64), (64, 256, 256), (64, 512, 512), (4, 2048, 2048))
STACKS = ((4, 32, 256, 256),)
SIGMAS = (1.5, 2.8, 6.0, 12.0)


def milliseconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return 1e3 * (time.process_time() - start)


def main() -> None:
    """Time both ways over sizes and widths, and the whole forward model, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    told = f"{'':22s}{'sigma':>6s}{'fft':>10s}{'direct':>10s}{'ratio':>8s}{'auto':>8s}"
    print(f"{told}{'difference':>12s}")
    for shape in (*PLANES, *STACKS):
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        for sigma in SIGMAS:
            widths = [sigma] * (2 if shape in PLANES else 3)
            best, seen = {}, {}
            for _ in range(options.repeats):
                for way in ("fft", "direct"):
                    took = milliseconds(
                        lambda x=x, w=widths, way=way: blur_gaussian(x, w, method=way)
                    )
                    best[way] = min(best.get(way, took), took)
            seen = {way: blur_gaussian(x, widths, method=way) for way in ("fft", "direct", "auto")}
            auto = "fft" if torch.equal(seen["auto"], seen["fft"]) else "direct"
            off = float((seen["fft"] - seen["direct"]).abs().max() / seen["fft"].abs().max())
            name = " x ".join(str(n) for n in shape)
            times = f"{best['fft']:8.1f}ms{best['direct']:8.1f}ms"
            ratio = best["direct"] / best["fft"]
            print(f"{name:22s}{sigma:6.1f}{times}{ratio:8.2f}{auto:>8s}{off:12.1e}")
    x = torch.rand(64, 512, 512, generator=torch.Generator().manual_seed(0))
    print("\nwall time of ForwardModel.mean, 64 x 512 x 512 float32")
    for told, psf in (
        ("Gaussian, sigma 1.3 px", Psf(1.3)),
        ("Gaussian, sigma 2.5 px", Psf(2.5)),
        (
            "Airy, 37 x 37 px",
            Psf.widefield(na=1.4, wavelength=0.52, pixel_size=0.065, sampled=True),
        ),
    ):
        forward, least = ForwardModel(Camera(), psf, background=1.0), float("inf")
        for _ in range(options.repeats):
            start = time.perf_counter()
            forward.mean(x)
            least = min(least, time.perf_counter() - start)
        print(f"{told:24s}{1e3 * least:8.0f}ms")


if __name__ == "__main__":
    main()
