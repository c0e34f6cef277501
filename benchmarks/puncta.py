"""What counting puncta costs, against scikit-image's blob_log at equal scales and threads.

    python benchmarks/puncta.py [--samples 256] [--threads 2] [--rounds 5]

The samples are 512 x 512 with 300 spots each, some of them overlapping, and a little noise. All
detectors work on the same ones in turn, with a pool of threads over samples; blob_log, which is
slower, on an eighth of them. Prints seconds of all samples and milliseconds a sample, the medians
of the rounds with the least and the largest in brackets, their ratios, and how many spots of one
detector lie within half a pixel of one of the other along each axis (blob_log rounds to pixels,
so that a tenth is allowed for its rounding).
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from skimage.feature import blob_log

from napari_posterior.statistics.puncta import count_curve, detect_puncta
from timing import machine, middle

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE, SPOTS, THRESHOLD, NOISE = 512, 300, 5.0, 0.3
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0)
HALF = 0.6  # px


def make_sample(seed: int, widths: tuple[float, ...]) -> np.ndarray:
    """Return spots of amplitude 10 to 40 on a level of 10, (SIZE, SIZE) float32."""
    generator = np.random.default_rng(seed)
    places = generator.uniform(4, SIZE - 5, (SPOTS, 2))
    x = 10 + generator.normal(0, NOISE, (SIZE, SIZE))
    for y0, x0 in places:
        width, amplitude = generator.choice(widths), generator.uniform(10, 40)
        top, left = max(int(y0) - 15, 0), max(int(x0) - 15, 0)
        window = x[top : int(y0) + 16, left : int(x0) + 16]
        rows, columns = np.indices(window.shape)
        away = (rows + top - y0) ** 2 + (columns + left - x0) ** 2
        window += amplitude * np.exp(-away / (2 * width**2))
    return x.astype(np.float32)


def blobs(x: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Return rows and columns that blob_log finds; its response is half the amplitude."""
    found = blob_log(
        x,
        min_sigma=scales[0],
        max_sigma=scales[-1],
        num_sigma=len(scales),
        threshold=THRESHOLD / 2,
    )
    return found[:, :2]


def ours(x: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Return the positions of the puncta."""
    several = {"sigmas": scales} if len(scales) > 1 else {}
    return detect_puncta(x, THRESHOLD, sigma=scales[0], **several).positions


def seconds(work: Callable[[np.ndarray], object], samples: list[np.ndarray], threads: int) -> float:
    """Return the wall time of the work on all samples."""
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        list(pool.map(work, samples))
        return time.perf_counter() - start


def agreement(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int, int]:
    """Return how many spots of each are near one of the other, and how many there are."""
    near = np.abs(a[:, None] - b[None]).max(-1) <= HALF
    return int(near.any(1).sum()), len(a), int(near.any(0).sum()), len(b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{machine()}; {os.cpu_count()} cores, {options.threads} threads over samples")
    print(f"{options.samples} samples of {SIZE} x {SIZE}, {SPOTS} spots each")
    for scales, target in ((SCALES[:1], 2), (SCALES, 5)):
        some = [make_sample(seed, scales) for seed in range(16)]
        samples = [some[number % len(some)].copy() for number in range(options.samples)]
        few = samples[: max(1, options.samples // 8)]
        works = {
            "puncta": (lambda x, s=scales: ours(x, s), samples),
            "blob_log": (lambda x, s=scales: blobs(x, s), few),
        }
        if len(scales) == 1:
            works["count only"] = (lambda x: count_curve(x, [THRESHOLD]), samples)
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(options.rounds):
            for name, (work, given) in works.items():
                times[name].append(seconds(work, given, options.threads) / len(given))
        print(f"\n{len(scales)} scale{'s' * (len(scales) > 1)}")
        for name, taken in times.items():
            whole = middle(np.array(taken) * options.samples, 2)
            print(f"{name:12s}{whole:>24s} s   {middle(np.array(taken) * 1e3, 1):>22s} ms a sample")
        ratios = np.array(times["blob_log"]) / np.array(times["puncta"])
        print(f"blob_log over puncta        {middle(ratios, 2)}   target {target}")
        counts = np.array([agreement(ours(x, scales), blobs(x, scales)) for x in some]).sum(0)
        print(f"puncta near a blob          {counts[0]} of {counts[1]}")
        print(f"blobs near a punctum        {counts[2]} of {counts[3]}")


if __name__ == "__main__":
    main()
