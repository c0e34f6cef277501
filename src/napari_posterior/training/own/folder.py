"""Folders of images: which files there are, which belong together, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.image import check_image, load_image
from napari_posterior.training.own.store import LEAST_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.image import Image

__all__ = ["SUFFIXES", "list_images", "match_names", "read_image"]

SUFFIXES: Final = (".tif", ".tiff", ".png", ".npy")
"""Files that are taken; JPEG is not, as it changes the noise."""

_SATURATED: Final = 0.005


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder by name; folders in it are not looked into.

    Raises
    ------
    InputError
        If it is not a folder or holds no image.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder that holds the images")
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
    ]
    if not files:
        raise InputError(
            f"{folder} holds no images; give a folder of files that end with {', '.join(SUFFIXES)}"
        )
    return sorted(files, key=lambda file: file.name)


def match_names(
    noisy: Sequence[str], clean: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Match file names without their endings.

    Parameters
    ----------
    noisy, clean : sequence of str
        Names of files.

    Returns
    -------
    pairs : list of (noisy, clean)
        By name.
    alone : list of str
        A sentence for each name that has no partner, or more than one.
    """
    sides = {"noisy": _by_stem(noisy), "clean": _by_stem(clean)}
    pairs, alone = [], []
    for stem in sorted(set(sides["noisy"]) | set(sides["clean"])):
        here, there = (sides[side].get(stem, []) for side in ("noisy", "clean"))
        if len(here) == 1 and len(there) == 1:
            pairs.append((here[0], there[0]))
        elif here and there:
            told = " and ".join([*here, *there])
            alone.append(f"{told} have one name, so which are a pair is not clear; leave one each.")
        else:
            side = "clean" if here else "noisy"
            alone.extend(
                f"{name} has no {side} image of that name and is left out."
                for name in [*here, *there]
            )
    return pairs, alone


def read_image(path: Path) -> Image:
    """Read an image that can be trained on.

    Raises
    ------
    InputError
        If it cannot be read or restored, has planes smaller than a training crop, or is saturated:
        more than 0.5 % of its pixels have its highest value.
    """
    image = load_image(path)
    check_image(image)
    height, width = image.plane_shape
    if min(height, width) < LEAST_SIZE:
        raise InputError(
            f"{path.name} has planes of {height} x {width} pixels; give at least {LEAST_SIZE} x "
            f"{LEAST_SIZE}"
        )
    share = float(np.mean(image.data == image.data.max()))
    if share > _SATURATED:
        raise InputError(
            f"{path.name} is saturated ({share:.1%} of its pixels have the highest value); give an "
            "image with less light"
        )
    return image


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(Path(name).stem, []).append(name)
    return found
