"""Restore real objects from simulated measurements, where object, camera and PSF are known.

    python benchmarks/real_objects.py [MODEL] [--folder FOLDER] [--samples 8] [--write]

What `real_pairs.py` finds has three causes that cannot be told apart: the model, a camera or PSF
that is not quite what is assumed, and the noise of the better image. Here the first is alone. Real
images in FOLDER (see there) whose noise is small are taken as the object x, measured with a
PSF of 1.5 px and a camera that are given to the model, at two levels of light, and restored; what
is compared is the object seen through the PSF, as there. The objects are as blurred as their own
microscope made them, and what noise they have counts as theirs. Printed beside the gain of the
teacher's mean over Richardson-Lucy and non-local means, both tuned on the truth:

coarse
    share of the signal's power in the measurement, noise removed, at periods of more than 64 px,
    the size of the crops that the networks were trained on.
detail
    power at shorter periods over that of the noise.

With `--write` the table is put into the model's card as `real_objects`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch

import napari_posterior as npo
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.physics.psf import gaussian_blur
from real_pairs import HEAD, Pair, add_folder, measure, print_row
from timing import machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 192
BLOCK = 128
CROP = 64
DARK = 0.42
"""Cycles a pixel: no PSF of 1 px or more lets a thousandth of the power pass beyond."""
PEAKS = (15.0, 100.0)
SMOOTHING = 0.7
CAMERA = npo.Camera(gain=2.1, offset=100.0, read_noise=0.8)
PSF = npo.Psf(1.5)


@dataclass(frozen=True)
class Field:
    """Where an object comes from: a file, its plane, and the corner of a crop of it."""

    name: str
    file: str
    plane: int = 0
    corner: tuple[int, int] | None = None


FIELDS = (
    Field("nuclei, TIRF", "miro_tirf_nuclei_gt", corner=(100, 100)),
    Field("inside of a nucleus, TIRF", "miro_tirf_nuclei_gt", corner=(200, 10)),
    Field("nuclei, widefield", "cellprofiler_h2ax_foci_hoechst", 1),
    Field("nuclei, confocal", "fmd_confocal_mouse_nuclei_avg50"),
    Field("nucleus, confocal", "neubias_nucleus_confocal_vs_widefield_zstack", 44),
    Field("nucleus, widefield", "neubias_nucleus_confocal_vs_widefield_zstack", 45),
    Field("DNA", "neubias_cell_dna_mts_actin", 0),
    Field("microtubules", "neubias_cell_dna_mts_actin", 1),
    Field("actin", "neubias_cell_dna_mts_actin", 2),
    Field("mitochondria, TIRF", "miro_tirf_mito_gt"),
    Field("mitochondria, two-photon", "fmd_twophoton_bpae_mito_avg50"),
    Field("mitochondria, widefield", "gigadb_mito60x_highsnr"),
    Field("foci", "cellprofiler_h2ax_foci_hoechst", 0),
    Field("RNA puncta", "spotiflow_terra_live"),
    Field("autophagosomes", "neubias_autophagosomes"),
    Field("condensates, one", "punctatools_nuclear_condensates", 7),
    Field("condensates, two", "punctatools_nuclear_condensates", 8),
)


def read_object(field: Field, folder: Path) -> np.ndarray:
    """Read an object: from 0, with its 99.8 % quantile at 1."""
    stack = tifffile.imread(folder / f"{field.file}.tif")
    plane = stack.reshape(-1, *stack.shape[-2:])[field.plane].astype(float)
    top, left = field.corner or (max((n - SIZE) // 2, 0) for n in plane.shape)
    x = blurred(plane[top : top + SIZE, left : left + SIZE], SMOOTHING)
    x = np.maximum(x - 0.9 * np.quantile(x, 0.005), 0)
    return x / np.quantile(x, 0.998)


def simulated(folder: Path) -> Iterator[tuple[str, float, Pair]]:
    """Measure every object at every level of light; the better image is k * x."""
    generator = np.random.default_rng(5)
    for field in FIELDS:
        x = read_object(field, folder)
        for peak in PEAKS:
            seen = np.maximum(blurred(peak * x, PSF.blur_sigma), 0)
            noisy = generator.poisson(seen) + CAMERA.read_noise * generator.normal(size=x.shape)
            y = np.asarray(CAMERA.gain * noisy + CAMERA.offset, np.float32)
            yield field.name, peak, Pair(f"{field.name}, {peak:g}", y, seen, CAMERA, PSF, True)


def coarse_and_detail(electrons: np.ndarray) -> tuple[float, float]:
    """Return the two descriptors of a measurement; see the top of the file."""
    window = np.sin(np.pi * (np.arange(BLOCK) + 0.5) / BLOCK) ** 2
    window = np.outer(window, window)
    starts = [np.unique([0, (n - BLOCK) // 2, n - BLOCK]) for n in electrons.shape]
    blocks = [electrons[i : i + BLOCK, j : j + BLOCK] for i in starts[0] for j in starts[1]]
    levelled = [window * (b - (window * b).sum() / window.sum()) for b in blocks]
    power = np.mean([np.abs(np.fft.fft2(b)) ** 2 for b in levelled], axis=0)
    frequency = np.fft.fftfreq(BLOCK)
    radius = np.hypot(frequency[:, None], frequency)
    noise = power[radius > DARK].mean()
    signal = np.where((radius > 0) & (radius < DARK), power - noise, 0)
    coarse, whole = signal[radius <= 1 / CROP].sum(), signal.sum()
    return float(coarse / whole), float((whole - coarse) / (noise * power.size))


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur an image."""
    return gaussian_blur(torch.from_numpy(np.asarray(image, np.float64)), sigma).numpy()


def main() -> None:
    """Measure all objects, print and perhaps write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    add_folder(parser)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    options = parser.parse_args()
    print(f"{machine()}; K = {options.samples}, PSF {PSF.sigma:g} px; PSNR in dB")
    print(f"{HEAD}   coarse, detail")
    kept = ("teacher_mean_of_many", "richardson_lucy", "non_local_means", "gaussian_blur")
    table: dict[str, dict[str, float]] = {}
    for name, peak, pair in simulated(options.folder):
        row = measure(pair, options.model, options.samples)
        coarse, detail = coarse_and_detail(CAMERA.to_electrons(pair.y))
        print_row(pair.name, row)
        print(f"{'':30s}{coarse:8.2f}{detail:8.2f}", flush=True)
        table[f"{name}, peak {peak:g}"] = {
            **{key: row[key] for key in kept},
            "gain_of_many": row["gain_of_many"],
            "chi2": row["chi2"],
            "coarse": round(coarse, 2),
            "detail": round(detail, 2),
        }
    if options.write:
        bundle = open_bundle(find_model(options.model))
        write_evaluation(bundle.folder, {**bundle.card.evaluation, "real_objects": table})


if __name__ == "__main__":
    main()
