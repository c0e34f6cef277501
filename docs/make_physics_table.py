"""Measure the physics on real images and put the tables into docs/physics.md.

    python docs/make_physics_table.py [FOLDER]

FOLDER holds the images that CONTRIBUTING.md speaks of (`NAPARI_POSTERIOR_DATA`, by default
`../shared/data` beside the repository). What is between the two marks of docs/physics.md is written
anew; every number comes from the functions that restoring and comparing use. Takes a minute.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import tifffile
import torch

from napari_posterior import Camera, Psf
from napari_posterior.physics.estimate import camera_from_flats, camera_from_repeats
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.nuisance import fit_nuisance
from napari_posterior.physics.psf import TARGET_SIGMA, gaussian_blur
from napari_posterior.physics.widths import estimate_psf_sigma

PAGE = Path(__file__).parent / "physics.md"
MARKS = "<!-- tables: made by make_physics_table.py -->", "<!-- tables: end -->"
EXPOSURES = ("10", "20", "50", "100")
LOW_PASS = 16.0
OTHER_LOW_PASS = (8.0, 64.0)
SOLUTIONS = ("1nM", "31p6nM", "5p62uM", "100uM")
REPEATS = {
    "confocal, mouse nuclei": "fmd_confocal_mouse_nuclei",
    "two-photon, mitochondria": "fmd_twophoton_bpae_mito",
}
BEAD_PIXEL, BEAD_STEP = 0.022, 0.125


def make_tables(folder: Path) -> str:
    """Return the tables in Markdown."""
    parts = (noise_table(folder), shift_table(folder), gain_table(folder), width_table(folder))
    return "\n\n".join(parts)


def noise_table(folder: Path) -> str:
    """Return the SD of z-scores of real frames around the mean that a long exposure gives."""
    gain, offset, variance = read(folder, "miro_scmos_calibration")
    camera = Camera(gain, offset, np.sqrt(variance) / gain)
    numbers = Camera(*camera.typical)
    rows = []
    for channel in ("mito", "nuclei"):
        truth = read(folder, f"miro_tirf_{channel}_gt")
        for exposure, y in zip(EXPOSURES, read(folder, f"miro_tirf_{channel}_raw"), strict=True):
            main = z_scores(y, truth, camera, LOW_PASS)
            others = [z_scores(y, truth, camera, width).std() for width in OTHER_LOW_PASS]
            middle = 1.4826 * np.median(np.abs(main - np.median(main)))
            rows.append(
                (
                    channel,
                    f"{exposure} ms",
                    f"{camera.to_electrons(y).mean():.1f}",
                    f"**{main.std():.3f}**",
                    f"{others[0]:.3f} to {others[1]:.3f}",
                    f"{middle:.3f}",
                    f"{grey_level_z_scores(y, truth, gain, offset, variance).std():.3f}",
                    f"{z_scores(y, truth, numbers, LOW_PASS).std():.3f}",
                )
            )
    head = (
        "channel",
        "exposure",
        "mean e-",
        "SD of z",
        f"with low-pass of {OTHER_LOW_PASS[0]:g} to {OTHER_LOW_PASS[1]:g} px",
        "robust SD",
        "gain map in the variance alone",
        "medians of the maps",
    )
    return table("The noise of an sCMOS camera", head, rows)


def z_scores(y: np.ndarray, truth: np.ndarray, camera: Camera, low_pass: float) -> np.ndarray:
    """Return the standardised residuals of a frame around the fitted, corrected truth.

    The long exposure is scaled to the frame (gain and offset, weighted by the noise), and what is
    smooth of the difference (Gaussian of sigma `low_pass` px) is added: bleaching and drifting
    background between the exposures.
    """
    line = fit_nuisance(truth, y, camera=camera, blur=False, shift=False)
    mean = corrected(camera.to_electrons(y), line.apply(truth), low_pass)
    likelihood = Likelihood(Measurement(y, camera, Psf(TARGET_SIGMA)), model="gaussian")
    return likelihood.standardised_residuals(torch.from_numpy(mean)[None])[0].numpy()


def grey_level_z_scores(
    y: np.ndarray, truth: np.ndarray, gain: np.ndarray, offset: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Return the same for a mean in ADU: the gain map is used for the variance only."""
    line = fit_nuisance(truth, y - offset, blur=False, shift=False)
    mean = corrected(y - offset, line.apply(truth), LOW_PASS)
    return (y - offset - mean) / np.sqrt(gain * mean.clip(min=0) + variance)


def corrected(data: np.ndarray, mean: np.ndarray, low_pass: float) -> np.ndarray:
    """Return the mean with the low-passed residual added."""
    return mean + gaussian_blur(torch.from_numpy(data - mean), low_pass).numpy()


def shift_table(folder: Path) -> str:
    """Return blur and shift that the nuisance fit finds between long and short exposures."""
    gain, offset, variance = read(folder, "miro_scmos_calibration")
    camera = Camera(gain, offset, np.sqrt(variance) / gain)
    rows = []
    for channel in ("mito", "nuclei"):
        truth = read(folder, f"miro_tirf_{channel}_gt")
        for exposure, y in zip(EXPOSURES, read(folder, f"miro_tirf_{channel}_raw"), strict=True):
            fit = fit_nuisance(truth, y, camera=camera)
            (down, right), errors = fit.shift, fit.errors
            rows.append(
                (
                    channel,
                    f"{exposure} ms",
                    f"{fit.gain:.4g} ± {errors[0]:.1g}",
                    f"{fit.sigma:.2f}",
                    f"{down:+.2f} ± {errors[3]:.3f}",
                    f"{right:+.2f} ± {errors[4]:.3f}",
                )
            )
    head = ("channel", "exposure", "gain (e- per unit)", "blur, px", "shift down, px", "right, px")
    return table("What differs between the exposures", head, rows)


def gain_table(folder: Path) -> str:
    """Return gains by photon transfer from solutions and from repeats."""
    flats = [read(folder, f"punctatools_gfp_solution_{name}") for name in SOLUTIONS]
    estimate = camera_from_flats(flats)
    dim, bright = (
        ((stack[0] + stack[1]).mean() / 2, (stack[0] - stack[1]).var() / 2) for stack in flats[2:]
    )
    by_hand = (bright[1] - dim[1]) / (bright[0] - dim[0])
    rows = [("GFP solutions, 4 levels", *gain_cells(estimate), f"{by_hand:.3f} (two levels)")]
    for told, name in REPEATS.items():
        frames, mean = read(folder, f"{name}_raw4"), read(folder, f"{name}_avg50")
        against = f"{gain_against_mean(frames, mean):.3f} (mean of 50)"
        rows.append((f"{told}, 4 repeats", *gain_cells(camera_from_repeats(frames)), against))
    head = ("images", "gain, ADU/e-", "95 % interval", "half width", "another way")
    return table("Gains", head, rows)


def gain_cells(estimate: object) -> tuple[str, str, str]:
    """Return gain, interval and its half width in per cent."""
    camera = estimate.camera
    low, high = estimate.gain_interval
    return (
        f"**{camera.gain:.3f}**",
        f"{low:.3f} to {high:.3f}",
        f"{(high - low) / 2 / camera.gain:.1%}",
    )


def gain_against_mean(frames: np.ndarray, mean: np.ndarray, bins: int = 20) -> float:
    """Return the slope of squared deviation on the mean of 50 captures, each frame one of them."""
    squares = np.zeros_like(mean)
    for frame in frames:
        line = np.polyfit(mean.ravel(), frame.ravel(), 1)
        squares += (frame - np.polyval(line, mean)) ** 2 / (1 - 1 / 50) / len(frames)
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, bins + 1)))[1:-1]
    index = np.digitize(mean, edges).ravel()
    count = np.bincount(index)
    level, variance = (np.bincount(index, v.ravel()) / count for v in (mean, squares))
    return float(np.polyfit(level, variance, 1, w=np.sqrt(count) / variance)[0])


def width_table(folder: Path) -> str:
    """Return PSF widths from beads, particles and puncta, and of the measured PSF."""
    beads = read(folder, "mpicbg_beads_confocal_zstack")
    psf = Psf.measured(beads)
    rows = [
        (
            "confocal beads, averaged (`Psf.measured`)",
            f"{psf.sigma:.2f}",
            f"{psf.axial_sigma:.2f} planes",
            "",
            f"{1000 * BEAD_PIXEL * psf.sigma:.0f} nm, {1000 * BEAD_STEP * psf.axial_sigma:.0f} nm",
        )
    ]
    for told, name in (
        ("confocal beads, fitted", "mpicbg_beads_confocal_zstack"),
        ("stuck particles, fitted", "trackpy_stuck_5frames"),
        ("RNA puncta, fitted", "spotiflow_terra_live"),
    ):
        found = estimate_psf_sigma(read(folder, name))
        low, high = found.interval
        axial = "" if found.axial_sigma is None else f"{found.axial_sigma:.2f} planes"
        size = ""
        if found.axial_sigma is not None:
            nm = 1000 * BEAD_PIXEL * found.sigma, 1000 * BEAD_STEP * found.axial_sigma
            size = f"{nm[0]:.0f} nm, {nm[1]:.0f} nm"
        number = f"{found.spots} spots, {low:.2f} to {high:.2f}"
        rows.append((told, f"{found.sigma:.2f}", axial, number, size))
    head = ("images", "sigma, px", "along z", "spots and 95 % interval", "sigma in nm")
    return table("PSF widths", head, rows)


def read(folder: Path, name: str) -> np.ndarray:
    """Return an image as float64."""
    return tifffile.imread(folder / f"{name}.tif").astype(np.float64)


def table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table under its title."""
    lines = [head, ("---",) * len(head), *rows]
    return f"### {title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(folder: Path) -> None:
    """Write the tables between the marks of the page."""
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    tables = make_tables(folder)
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{tables}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    beside = Path(__file__).parents[2] / "shared" / "data"
    main(Path(sys.argv[1] if sys.argv[1:] else os.environ.get("NAPARI_POSTERIOR_DATA") or beside))
