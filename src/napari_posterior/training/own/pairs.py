"""Two folders of paired images: noisy ones, and clean ones of the same fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.estimate import estimate_camera
from napari_posterior.physics.nuisance import fit_nuisance
from napari_posterior.physics.psf import TARGET_SIGMA, Psf, gaussian_blur
from napari_posterior.physics.records import to_record
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.own.folder import list_images, match_names, read_image
from napari_posterior.training.own.store import LEAST_SIZE, DataWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.physics.camera import Camera
    from napari_posterior.training.own.streams import OwnData

__all__ = ["PairFolders", "fit_pair"]

_MOST_MISFIT: Final = 2.0
_UNEXPLAINED: Final = 0.5
_MOST_PIXELS: Final = 2**22
_BRIGHT: Final = 0.999


@dataclass(frozen=True)
class PairFolders:
    """Noisy images with clean ones of the same fields and names.

    Parameters
    ----------
    noisy, clean : pathlib.Path
        Folders of TIFF, PNG and NPY files.
    camera : Camera, optional
        Of the noisy images; estimated from them by default.
    psf : Psf
        Of the noisy images, if the clean ones are sharper: its square is the square of their blur
        beyond the clean ones, plus that of the target. By default the two are equally sharp.
    """

    noisy: Path
    clean: Path
    camera: Camera | None = None
    psf: Psf = field(default_factory=Psf)

    def settings(self) -> dict[str, Any]:
        """Return what training depends on besides the files, of JSON types."""
        return {
            "kind": "pairs",
            "camera": None if self.camera is None else to_record(self.camera),
            "psf": to_record(self.psf),
        }

    def files(self) -> list[Path]:
        """Return the files of both folders."""
        return [*list_images(self.noisy), *list_images(self.clean)]

    def prepare(self, into: Path, note: Callable[[str], None]) -> OwnData:
        """Match, fit and write the pairs.

        Parameters
        ----------
        into : pathlib.Path
            Folder to write.
        note : callable
            Called with a sentence for each file that is left out.

        Raises
        ------
        InputError
            If too few pairs are left, or the camera cannot be estimated.
        """
        names = [[file.name for file in list_images(side)] for side in (self.noisy, self.clean)]
        pairs, alone = match_names(*names)
        for told in alone:
            note(told)
        camera = self.camera or self._estimate([first for first, _ in pairs], note)
        writer = DataWriter(into)
        peaks: list[float] = []
        for first, second in pairs:
            try:
                x, electrons = self._read(first, second, camera)
            except InputError as error:
                note(f"The pair {first} and {second} is left out: {error}.")
                continue
            writer.add(first, x, electrons)
            peaks.append(float(np.quantile(x, _BRIGHT)))
        if not len(writer):
            raise InputError(
                f"no pair of {self.noisy} and {self.clean} can be used; give images of the same "
                "fields with the same file names"
            )
        read = float(np.median(np.asarray(camera.noise_floor)))
        trained = TrainingRange(
            peak=(min(peaks), max(peaks)),
            psf_sigma=(self.psf.sigma, self.psf.sigma),
            read_noise=(read, read),
            background=(0.0, 0.0),
        )
        data, held_out = writer.finish("pairs", trained)
        note(held_out)
        return data

    def _estimate(self, names: list[str], note: Callable[[str], None]) -> Camera:
        planes: list[np.ndarray] = []
        for name in names:
            try:
                image = read_image(self.noisy / name)
            except InputError:
                continue
            same = [p for p in image.planes() if not planes or p.shape == planes[0].shape]
            planes.extend(np.asarray(plane, np.float64) for plane in same)
            if sum(plane.size for plane in planes) > _MOST_PIXELS:
                break
        if not planes:
            raise InputError(f"no image of {self.noisy} can be used to estimate the camera")
        found = estimate_camera(np.stack(planes))
        if not found.resolved:
            raise InputError(
                "the camera cannot be estimated from the noisy images; give --gain, --offset and "
                "--read-noise, or --camera"
            )
        for told in found.notes:
            note(told)
        return found.camera

    def _read(self, first: str, second: str, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        noisy, clean = read_image(self.noisy / first), read_image(self.clean / second)
        repeats = clean.data.ndim == 2
        same = noisy.plane_shape == clean.plane_shape if repeats else (
            noisy.data.shape == clean.data.shape
        )  # fmt: skip
        if not same:
            raise InputError(
                f"their shapes are {noisy.data.shape} and {clean.data.shape}; give two of one "
                "shape, or several noisy planes of one clean one"
            )
        fitted = [
            fit_pair(plane, clean.plane(0 if repeats else number), camera, self.psf)
            for number, plane in enumerate(noisy.planes())
        ]
        edge = max(reach for _, _, reach in fitted)
        inner = [slice(edge, side - edge) for side in noisy.plane_shape]
        if min(noisy.plane_shape) - 2 * edge < LEAST_SIZE:
            raise InputError(f"less than {LEAST_SIZE} pixels are left where they overlap")
        clean_planes = [x[inner[0], inner[1]] for x, _, _ in fitted]
        noisy_planes = [electrons[inner[0], inner[1]] for _, electrons, _ in fitted]
        return np.stack(clean_planes), np.stack(noisy_planes)


def fit_pair(
    noisy: np.ndarray, clean: np.ndarray, camera: Camera, psf: Psf
) -> tuple[np.ndarray, np.ndarray, int]:
    """Bring a clean plane to the photoelectrons, level and place of a noisy one, once.

    Parameters
    ----------
    noisy : ndarray, (H, W)
        In ADU.
    clean : ndarray, (H, W)
        In any unit.
    camera, psf : Camera, Psf
        Of the noisy plane; the blur of `psf` beyond the target is laid on the clean one for the
        fit.

    Returns
    -------
    x : ndarray, (H, W)
        The clean plane in photoelectrons per pixel of the noisy one, its level included.
    electrons : ndarray, (H, W)
        The noisy plane in photoelectrons.
    edge : int
        Pixels at each edge that the clean plane does not show.

    Raises
    ------
    InputError
        If the clean plane does not explain the noisy one up to its noise.
    """
    blur = math.sqrt(max(psf.sigma**2 - TARGET_SIGMA**2, 0.0))
    plain = np.asarray(clean, np.float64)
    seen = gaussian_blur(torch.from_numpy(plain.copy()), blur).numpy() if blur > 0 else plain
    found = fit_nuisance(seen, noisy, camera=camera, blur=False)
    if found.chi2 is None or found.chi2 > _MOST_MISFIT:
        raise InputError(
            f"what is left after gain, offset and shift were fitted is {found.chi2:.3g} times the "
            "noise of the camera; give two images of one field, equally sharp, and their camera"
        )
    electrons = np.asarray(camera.to_electrons(np.asarray(noisy, np.float64)))
    expected = np.asarray(found.apply(seen))
    noise = float(np.mean(expected.clip(min=0.0) + np.asarray(camera.noise_floor) ** 2))
    left, structure = (float(np.var(part)) - noise for part in (electrons - expected, electrons))
    if left > _UNEXPLAINED * structure:
        raise InputError(
            "the clean image explains less than half of the structure of the noisy one; give two "
            "images of one field"
        )
    edge = math.ceil(max(abs(part) for part in found.shift))
    return np.asarray(found.apply(plain)), electrons, edge
