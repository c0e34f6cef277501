"""Measure how near the teacher's mean comes to a better image of the same real field.

    python benchmarks/real_pairs.py [MODEL] [--folder FOLDER] [--samples 16] [--size 256] [--write]

FOLDER holds the images that CONTRIBUTING.md speaks of (`NAPARI_POSTERIOR_DATA`, by default
`../shared/data` beside the repository). The better image (a longer exposure, or the mean of 49
other captures) is as blurred as the measurement, so what is compared with it is the restored object
seen through the PSF again, k * x; and its gain and offset are not those of the measurement, so each
candidate is brought to it by the straight line that fits best, on the same pixels. A capture that
is in the average is taken out of it. Printed, and with `--write` put into the model's card as
`real_pairs`:

PSNR
    on the range of the better image, its 0.1 to 99.9 % quantiles, in dB; of the measurement itself,
    the teacher's mean, and the best Richardson-Lucy deconvolution (number of iterations) and
    non-local means (filter strength, with and without variance stabilisation) of scikit-image, and
    the best Gaussian blur. Those are tuned on the better image itself, which no user could do. The
    teacher's mean is also scored without the Monte Carlo part var/K of its error, as a mean of many
    samples would be: of 16 samples of a posterior it costs up to 0.26 dB.
gain
    of the teacher's mean over the better of Richardson-Lucy and non-local means, in dB.
chi-squared
    of single samples, per pixel, mean over samples [least, largest], and the interval in which it
    lies where the samples are what the camera saw. The camera is known for MIRO alone; for the
    others it is measured from repeats or the image, so that only the PSNR says something.

The PSFs are not known; the sigmas that are assumed are at the top of the file.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch
from skimage.restoration import denoise_nl_means, richardson_lucy

import napari_posterior as npo
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.checks.trust import noise_trust
from napari_posterior.physics.estimate import camera_from_repeats, estimate_camera
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.psf import gaussian_blur
from timing import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARGIN = 8
EXPOSURES = ("10", "20", "50", "100")
CAPTURES = 4
AVERAGED = 50
ITERATIONS = (1, 2, 3, 5, 8, 12, 20, 30, 50)
WIDTHS = (0.7, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0)
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2)
OTHERS = ("richardson_lucy", "non_local_means", "gaussian_blur")
COLUMNS = ("y", "teacher", "of many", "RL", "NLM", "blur", "gain", "of many")
HEAD = f"{'':30s}{''.join(f'{name:>8s}' for name in COLUMNS)}   chi-squared"
SIGMAS = {"MIRO": 1.3, "FMD confocal": 1.5, "FMD two-photon": 1.5, "GigaDB": 1.5}
"""PSF sigma that is assumed, in pixels."""


@dataclass(frozen=True)
class Pair:
    """A measurement and a better image of the same field, both (H, W)."""

    name: str
    y: np.ndarray
    better: np.ndarray
    camera: npo.Camera
    psf: npo.Psf
    known: bool


def read_pairs(folder: Path, size: int) -> Iterator[Pair]:
    """Read all pairs, the middle `size` pixels of each."""

    def read(name: str) -> np.ndarray:
        return tifffile.imread(folder / f"{name}.tif")

    gain, offset, variance = read("miro_scmos_calibration")
    cut = _middle(gain.shape, size)
    camera = npo.Camera(gain[cut], offset[cut], np.sqrt(variance[cut]) / gain[cut])
    for channel in ("mito", "nuclei"):
        truth = read(f"miro_tirf_{channel}_gt").astype(float)[cut]
        for exposure, y in zip(EXPOSURES, read(f"miro_tirf_{channel}_raw"), strict=True):
            name, psf = f"MIRO {channel}, {exposure} ms", npo.Psf(SIGMAS["MIRO"])
            yield Pair(name, y[cut], truth, camera, psf, known=True)
    for kind, file in (
        ("FMD confocal", "fmd_confocal_mouse_nuclei"),
        ("FMD two-photon", "fmd_twophoton_bpae_mito"),
    ):
        captures, average = read(f"{file}_raw4"), read(f"{file}_avg50").astype(float)
        camera, cut = camera_from_repeats(captures).camera, _middle(average.shape, size)
        for number in (0, CAPTURES - 1):
            y = captures[number]
            others = (AVERAGED * average - y) / (AVERAGED - 1)
            name, psf = f"{kind}, capture {number + 1}", npo.Psf(SIGMAS[kind])
            yield Pair(name, y[cut], others[cut], camera, psf, known=False)
    low, high = read("gigadb_mito60x_lowsnr"), read("gigadb_mito60x_highsnr").astype(float)
    cut = _middle(low.shape, size)
    camera, psf = estimate_camera(low).camera, npo.Psf(SIGMAS["GigaDB"])
    yield Pair("GigaDB mitochondria", low[cut], high[cut], camera, psf, known=False)


def measure(pair: Pair, model: str, samples: int) -> dict[str, object]:
    """Restore a measurement in every way and return the figures."""
    options = {"camera": pair.camera, "psf": pair.psf, "samples": samples, "seed": 1}
    run = npo.restore(pair.y, model=model, progress=False, **options)
    measurement = run.measurement()
    electrons = measurement.electrons.astype(np.float64)
    seen = np.stack([_blurred(x, pair.psf.blur_sigma) for x in run.samples])
    mean, variance = seen.mean(0), seen.var(0, ddof=1) / samples
    deconvolved = _best(pair.better, lambda n: _richardson_lucy(pair, electrons, n), ITERATIONS)
    noise = float(np.sqrt(np.median(electrons.clip(0)) + pair.camera.typical.read_noise**2))
    averaged = _best(pair.better, lambda h: _non_local_means(electrons, h, noise), STRENGTHS)
    stable = _stabilised(electrons)
    stabilised = _best(
        pair.better, lambda h: _unstabilised(_non_local_means(stable, h, 1.0)), STRENGTHS
    )
    smoothed = _best(pair.better, lambda width: _blurred(electrons, width), WIDTHS)
    trust = noise_trust([measurement])
    chi2 = Likelihood(measurement).reduced_chi2(torch.from_numpy(np.asarray(run.samples)))
    figures: dict[str, object] = {
        "psf_sigma": pair.psf.sigma,
        "measurement": psnr(electrons, pair.better),
        "teacher_mean": psnr(mean, pair.better),
        "teacher_mean_of_many": psnr(mean, pair.better, variance=variance),
        "richardson_lucy": deconvolved[0],
        "richardson_lucy_iterations": deconvolved[1],
        "non_local_means": max(averaged, stabilised)[0],
        "gaussian_blur": smoothed[0],
        "gaussian_blur_sigma": smoothed[1],
        "chi2": round(float(chi2.mean()), 3),
        "chi2_range": [round(float(end), 3) for end in (chi2.min(), chi2.max())],
        "camera_known": pair.known,
        "trust": trust.words(),
    }
    best = max(figures["richardson_lucy"], figures["non_local_means"])
    figures["gain"] = round(figures["teacher_mean"] - best, 2)
    figures["gain_of_many"] = round(figures["teacher_mean_of_many"] - best, 2)
    return figures


def print_row(name: str, row: dict[str, object]) -> None:
    """Print the figures of a pair below `HEAD`."""
    keys = ("measurement", "teacher_mean", "teacher_mean_of_many", *OTHERS)
    told = "".join(f"{row[key]:8.2f}" for key in keys)
    gains = f"{row['gain']:+8.2f}{row['gain_of_many']:+8.2f}"
    print(f"{name:30s}{told}{gains}   {row['chi2']:.3f} {row['chi2_range']}  {row['trust']}")


def psnr(image: np.ndarray, better: np.ndarray, *, variance: np.ndarray | float = 0.0) -> float:
    """PSNR in dB of an image after the straight line that fits best, edges left out.

    `variance` (H, W) of the image itself is removed from its error.
    """
    inner = (slice(MARGIN, -MARGIN),) * 2
    x, r = image[inner].ravel(), better[inner].ravel()
    slope, offset = np.polyfit(x, r, 1)
    low, high = np.quantile(r, (0.001, 0.999))
    own = np.broadcast_to(variance, image.shape)[inner].mean()
    error = np.mean((slope * x + offset - r) ** 2) - slope**2 * own
    return round(float(10 * np.log10((high - low) ** 2 / error)), 2)


def _best(
    better: np.ndarray, make: Callable[[float], np.ndarray], values: tuple[float, ...]
) -> tuple[float, float]:
    return max((psnr(make(value), better), value) for value in values)


def _richardson_lucy(pair: Pair, electrons: np.ndarray, iterations: float) -> np.ndarray:
    """Deconvolve and see through the PSF again, so that it is compared like the samples."""
    sigma = pair.psf.sigma
    reach = int(np.ceil(4 * sigma))
    squares = np.arange(-reach, reach + 1) ** 2
    kernel = np.exp(-(squares[:, None] + squares) / (2 * sigma**2))
    floor = float(np.quantile(electrons, 0.001))
    positive = np.maximum(electrons - min(floor, 0.0), 1e-3)
    padded = np.pad(positive, 2 * reach, mode="reflect")
    sharp = richardson_lucy(padded, kernel / kernel.sum(), int(iterations), clip=False)
    seen = _blurred(sharp, sigma)
    return seen[2 * reach : -2 * reach, 2 * reach : -2 * reach]


def _non_local_means(image: np.ndarray, strength: float, sigma: float) -> np.ndarray:
    options = {"patch_size": 5, "patch_distance": 9, "fast_mode": True}
    return denoise_nl_means(image, h=strength * sigma, sigma=sigma, **options)


def _stabilised(electrons: np.ndarray) -> np.ndarray:
    """Anscombe's transform: noise of sd 1 at any brightness."""
    return 2 * np.sqrt(np.maximum(electrons + 3 / 8, 0))


def _unstabilised(values: np.ndarray) -> np.ndarray:
    return (values / 2) ** 2


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_blur(torch.from_numpy(np.asarray(image, np.float64)), sigma).numpy()


def _middle(shape: tuple[int, int], size: int) -> tuple[slice, slice]:
    starts = [max(length - size, 0) // 2 for length in shape]
    return slice(starts[0], starts[0] + size), slice(starts[1], starts[1] + size)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the real images lie."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument(
        "--folder", type=Path, default=Path(os.environ.get("NAPARI_POSTERIOR_DATA", beside))
    )


def main() -> None:
    """Measure all pairs, print and perhaps write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    add_folder(parser)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    options = parser.parse_args()
    print(f"{machine()}; K = {options.samples}, {options.size} x {options.size}; PSNR in dB")
    print(HEAD)
    table = {}
    for pair in read_pairs(options.folder, options.size):
        row = table[pair.name] = measure(pair, options.model, options.samples)
        print_row(pair.name, row)
    if options.write:
        bundle = open_bundle(find_model(options.model))
        write_evaluation(bundle.folder, {**bundle.card.evaluation, "real_pairs": table})


if __name__ == "__main__":
    main()
