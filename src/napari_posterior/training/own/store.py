"""Write the user's images as training reads them: checked and scaled once, then left as they are.

They lie beside the checkpoints, so that a training goes on from the same pixels and every process
maps them into memory instead of being sent them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_posterior.bundles.card import DataRecord
from napari_posterior.errors import InputError
from napari_posterior.training.own.places import find_places
from napari_posterior.training.own.streams import DATA_FILE, OwnData

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.training.batches import TrainingRange

__all__ = ["LEAST_SIZE", "DataWriter"]

LEAST_SIZE: Final = 64
"""Smallest height and width of a plane in pixels: that of a training crop."""

_FEW: Final = 4
_STRIP: Final = 5
_LEVEL: Final = 0.005
_BRIGHT: Final = 0.999


class DataWriter:
    """Writes images for training, file by file, and holds a part of them out.

    Of four files or more one in ten is held out, the middle one of every ten. Of fewer the bottom
    fifth of the rows of every plane is, and at least 64 rows.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.npy"):
            file.unlink()

    def __len__(self) -> int:
        """Return how many files were added."""
        return len(self._files)

    def add(self, name: str, clean: np.ndarray, noisy: np.ndarray | None = None) -> None:
        """Write the planes of a file.

        Parameters
        ----------
        name : str
            Name of the file.
        clean : ndarray, (P, H, W)
            Objects: above their level in units of bright structure, or the x of a pair in
            photoelectrons per pixel.
        noisy : ndarray, (P, H, W), optional
            The measurements of a pair in photoelectrons.
        """
        stem = f"{len(self._files):05d}"
        scaled = clean
        if noisy is not None:
            low, high = np.quantile(clean, (_LEVEL, _BRIGHT))
            scaled = (clean - low) / max(high - low, 1e-6)
        arrays = {"clean": clean, "noisy": noisy}
        for part, array in arrays.items():
            if array is not None:
                np.save(self._folder / f"{stem}-{part}.npy", np.ascontiguousarray(array, "f4"))
        np.save(self._folder / f"{stem}-places.npy", find_places(scaled))
        self._files.append({"name": name, "stem": stem, "shape": list(clean.shape)})

    def finish(
        self, kind: Literal["images", "pairs"], trained: TrainingRange
    ) -> tuple[OwnData, str]:
        """Say what was written, and return it and a sentence on what is held out.

        Parameters
        ----------
        kind : str
            ``"images"`` or ``"pairs"``.
        trained : TrainingRange
            Ranges that measurements are drawn from, or were taken in.

        Raises
        ------
        InputError
            If too little is left to train on or to hold out.
        """
        pieces, told = self._split()
        names = sorted(file["name"] for file in self._files)
        record = DataRecord(
            kind=kind,
            files=len(self._files),
            pixels=sum(int(np.prod(file["shape"])) for file in self._files),
            names_sha256=hashlib.sha256("\n".join(names).encode()).hexdigest(),
        )
        content = {"record": record.model_dump(), "trained": asdict(trained), "pieces": pieces}
        scratch = self._folder / f".{DATA_FILE}"
        scratch.write_text(json.dumps(content, indent=2), encoding="utf-8")
        scratch.replace(self._folder / DATA_FILE)
        return OwnData(str(self._folder), record, trained), told

    def _split(self) -> tuple[list[dict[str, Any]], str]:
        count = len(self._files)
        if count >= _FEW:
            aside = max(1, round(count / 10))
            middles = {(2 * i + 1) * count // (2 * aside) for i in range(aside)}
            pieces = [
                {**file, "rows": [0, file["shape"][1]], "held_out": index in middles}
                for index, file in enumerate(self._files)
            ]
            names = ", ".join(piece["name"] for piece in pieces if piece["held_out"])
            return pieces, f"Held out of training, to measure on: {names}."
        pieces = []
        for file in self._files:
            height = file["shape"][1]
            first = height - max(LEAST_SIZE, height // _STRIP)
            if first < LEAST_SIZE:
                pieces.append({**file, "rows": [0, height], "held_out": False})
                continue
            pieces.append({**file, "rows": [0, first], "held_out": False})
            pieces.append({**file, "rows": [first, height], "held_out": True})
        if not any(piece["held_out"] for piece in pieces):
            raise InputError(
                "the images are too few to hold one out and too small to hold a part out; give "
                f"{_FEW} or more, or larger ones, of {2 * LEAST_SIZE} rows or more"
            )
        return pieces, "Held out of training, to measure on: the bottom rows of every plane."
