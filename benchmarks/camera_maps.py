"""What the maps of an sCMOS camera bring to a restoration, beside its median pixel.

    python benchmarks/camera_maps.py [--scenes 12] [--size 128] [--sampler lmd] [--samples 6]

Simulated scenes are seen by a camera whose read noise, gain and offset differ from pixel to pixel
(read noise log-normal around 1.6 e-; one pixel in 200 is hot, 8 to 25 e-), and restored in three
ways: with the maps; with the maps, but the network told the median noise at every pixel; and with
the medians. Prints the root mean square error of the mean of samples, their variance / K taken off,
in photoelectrons per pixel, over all pixels and over the hot ones, and the standard error over
scenes of the difference from "maps".
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

import napari_posterior as npo
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.scenes import Dice, draw_scenes
from napari_posterior.sampling import conditioning

if TYPE_CHECKING:
    import torch

PSF = npo.Psf(1.4)
KINDS = ("puncta", "filaments", "nuclei")
PEAK, BACKGROUND = 60.0, 4.0


def scmos(size: int) -> tuple[npo.Camera, np.ndarray]:
    """Return a camera with maps, and where its pixels are hot."""
    rng = np.random.default_rng(0)
    read = np.exp(rng.normal(np.log(1.6), 0.25, (size, size)))
    hot = rng.random((size, size)) < 0.005
    read[hot] = rng.uniform(8, 25, int(hot.sum()))
    shape = size, size
    return npo.Camera(rng.normal(2.1, 0.06, shape), rng.normal(100, 2, shape), read), hot


def median_noise(*inputs: torch.Tensor, **_: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Make the inputs of the network without the noise of single pixels."""
    return MAKE_INPUTS(*inputs)


MAKE_INPUTS = conditioning.make_inputs


def main() -> None:
    """Restore every kind of scene in three ways and print the errors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--sampler", default="lmd")
    parser.add_argument("--samples", type=int, default=6)
    options = parser.parse_args()
    maps, hot = scmos(options.size)
    medians = npo.Camera(*maps.typical)
    print(
        f"{options.scenes} scenes a kind, {options.samples} samples of {options.size} x "
        f"{options.size} by {options.sampler}, {int(hot.sum())} hot pixels"
    )
    print(f"{'scene':10} {'told':20} {'RMSE':>6} {'(SE)':>7} {'hot':>7} {'(SE)':>7}   e- per pixel")
    ways = (
        ("maps", maps, MAKE_INPUTS),
        ("maps, median noise", maps, median_noise),
        ("medians", medians, MAKE_INPUTS),
    )
    for kind in KINDS:
        scenes = draw_scenes(kind, options.scenes, options.size, PEAK, Dice.seeded(3))[:, 0]
        squares = np.zeros((len(ways), options.scenes, 2))
        for scene, x in enumerate(scenes + BACKGROUND):
            y = ForwardModel(maps, PSF).sample(x[None], seed=scene)[0].numpy()
            for way, (_, camera, make) in enumerate(ways):
                with mock.patch.object(conditioning, "make_inputs", make):
                    run = npo.restore(
                        y, sampler=options.sampler, samples=options.samples, camera=camera,
                        psf=PSF, progress=False,
                    )  # fmt: skip
                square = (run.mean - x.numpy()) ** 2 - run.sd**2 / options.samples
                squares[way, scene] = square.mean(), square[hot].mean()
        errors = np.sqrt(np.maximum(squares.mean(1), 0.0))
        gaps = (squares - squares[0]).std(1, ddof=1) / np.sqrt(options.scenes)
        for (told, *_), error, gap in zip(ways, errors, gaps, strict=True):
            se = gap / (2 * error)  # of the root, to first order
            print(
                f"{kind:10} {told:20} {error[0]:6.3f} {se[0]:7.3f} {error[1]:7.3f} {se[1]:7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
