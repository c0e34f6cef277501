"""What counting puncta costs, against scikit-image's blob_log at equal scales and threads.

    python benchmarks/puncta.py [--samples 256] [--threads 2] [--rounds 5]

The samples are 512 x 512 with 300 spots each, some of them overlapping, and a little noise. All
detectors work on the same ones in turn, with a pool of threads over samples; blob_log, which is
slower, on an eighth of them. Prints seconds of all samples and milliseconds a sample, the medians
of the rounds with the least and the largest in brackets, and their ratios.

Then how many spots are the same: nearest to each other, and half a pixel apart at most. blob_log
answers in whole pixels, which alone are up to 0.7 px from a spot, so that its places are first
refined by a parabola through its own response. How many are the same without that, when our
places are rounded to pixels as well, and how many of each lie within half a pixel of a spot that
was put there, is printed too.

The last lines set reading a sample of a stored run (`SampleStack`), from the operating system's
memory, which a disk only adds to, against the filter: what a faster one could save at most.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy.ndimage import gaussian_laplace
from scipy.spatial import cKDTree
from skimage.feature import blob_log

from napari_posterior.image import Geometry
from napari_posterior.runs.ome import round_mantissa, write_image
from napari_posterior.runs.record import SAMPLES, sample_folder
from napari_posterior.runs.stack import SampleStack
from napari_posterior.statistics.puncta import count_curve, detect_puncta, spot_response
from timing import machine, middle

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SIZE, SPOTS, THRESHOLD, NOISE = 512, 300, 5.0, 0.3
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0)
HALF = 0.5  # px


def make_sample(seed: int, widths: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return spots of amplitude 10 to 40 on a level of 10, (SIZE, SIZE) float32, and places."""
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
    return x.astype(np.float32), places


def blobs(x: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Return row, column and scale that blob_log finds; its response is half the amplitude."""
    return blob_log(
        x,
        min_sigma=scales[0],
        max_sigma=scales[-1],
        num_sigma=len(scales),
        threshold=THRESHOLD / 2,
    )


def refined(x: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return places between pixels: a parabola along each axis through blob_log's response."""
    places = found[:, :2].copy()
    for scale in np.unique(found[:, 2]):
        response = np.pad(-gaussian_laplace(x, scale), 1, mode="symmetric").astype(np.float64)
        here = found[:, 2] == scale
        pixels = found[here, :2].astype(int) + 1
        for axis, step in enumerate(np.eye(2, dtype=int)):
            before, middle_one, after = (response[tuple((pixels + k * step).T)] for k in (-1, 0, 1))
            bend = np.minimum(before - 2 * middle_one + after, -1e-9)
            places[here, axis] += np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return places


def ours(x: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Return the positions of the puncta."""
    several = {"sigmas": scales} if len(scales) > 1 else {}
    return detect_puncta(x, THRESHOLD, sigma=scales[0], **several).positions


def seconds(work: Callable[[T], object], samples: list[T], threads: int) -> float:
    """Return the wall time of the work on all samples."""
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        list(pool.map(work, samples))
        return time.perf_counter() - start


def same(a: np.ndarray, b: np.ndarray) -> int:
    """Return how many places are each other's nearest, and half a pixel apart at most."""
    away, nearest = cKDTree(b).query(a)
    back = cKDTree(a).query(b)[1]
    return int(((away <= HALF) & (back[nearest] == np.arange(len(a)))).sum())


def compare(samples: list[tuple[np.ndarray, np.ndarray]], scales: tuple[float, ...]) -> None:
    """Print how many spots both detectors find, and how many of those that are there."""
    counts = []
    for x, places in samples:
        mine, found = ours(x, scales), blobs(x, scales)
        between = refined(x, found)
        counts.append(
            (
                *(len(mine), len(found), same(mine, between)),
                *(same(np.rint(mine), found[:, :2]), same(mine, places), same(between, places)),
            )
        )
    n_mine, n_found, both, rounded, right, right_found = np.sum(counts, axis=0)
    print(f"puncta {n_mine}, blobs {n_found}, of them the same within half a pixel {both}")
    print(f"  in the same pixel                {rounded}")
    print(f"  within half a pixel of a planted spot: puncta {right}, blobs {right_found}")


def read_samples(samples: list[np.ndarray], threads: int, rounds: int) -> None:
    """Print what it takes to read samples as runs keep them, and to find their puncta."""
    geometry = Geometry.default((SIZE, SIZE))
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / SAMPLES).mkdir()
        for index, x in enumerate(samples):
            folder = sample_folder(Path(name), index)
            write_image(folder, round_mantissa(x), geometry, name=folder.name)
        stack = SampleStack(Path(name), tuple(range(len(samples))), geometry, (SIZE, SIZE))
        works = {
            "read": lambda index: stack[index],
            "filter": lambda index: spot_response(samples[index]),
            "filter and find": lambda index: ours(samples[index], SCALES[:1]),
            "read, filter and find": lambda index: ours(stack[index], SCALES[:1]),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            for key, work in works.items():
                taken = seconds(work, list(range(len(samples))), threads)
                times[key].append(taken / len(samples) * 1e3)
    print("\nstored run, 1 scale")
    for key, taken in times.items():
        print(f"{key:24s}{middle(taken, 1):>22s} ms a sample")


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
        samples = [some[number % len(some)][0].copy() for number in range(options.samples)]
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
        compare(some, scales)
    read_samples([make_sample(seed, SCALES[:1])[0] for seed in range(64)], options.threads, 5)


if __name__ == "__main__":
    main()
