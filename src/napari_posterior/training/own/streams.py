"""Batches of the user's images: crops that are measured anew, or crops of measured pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import torch

from napari_posterior.bundles.card import DataRecord
from napari_posterior.physics.scenes import Dice
from napari_posterior.training.batches import (
    MARGIN,
    SceneStream,
    TrainingRange,
    make_batch,
    mix,
    orient,
)
from napari_posterior.training.own.places import draw_crops, mirrored

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.training.batches import Batch, BatchStream

__all__ = ["DATA_FILE", "ImageScenes", "OwnData", "PairStream", "open_data"]

DATA_FILE: Final = "data.json"
"""What the folder of the user's images says of them; written last."""

_FLOOR: Final = 0.3


@dataclass(frozen=True)
class _Pieces:
    """Arrays of the training or the held-out part, mapped into memory and not read."""

    clean: list[np.ndarray]
    noisy: list[np.ndarray]
    places: list[np.ndarray]

    @classmethod
    def open(cls, folder: Path, *, held_out: bool) -> _Pieces:
        told = json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))
        found = cls([], [], [])
        for piece in told["pieces"]:
            if piece["held_out"] != held_out:
                continue
            first, last = piece["rows"]
            stem = folder / piece["stem"]
            found.clean.append(np.load(f"{stem}-clean.npy", mmap_mode="r")[:, first:last])
            if told["record"]["kind"] == "pairs":
                found.noisy.append(np.load(f"{stem}-noisy.npy", mmap_mode="r")[:, first:last])
            places = np.load(f"{stem}-places.npy")
            inside = (places[:, 1] >= first) & (places[:, 1] < last)
            found.places.append(places[inside] - np.array([0, first, 0]))
        return found

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [planes.shape for planes in self.clean]


class _Mapped:
    """What opens its arrays when they are first used, and is pickled without them."""

    folder: str
    held_out: bool

    @cached_property
    def pieces(self) -> _Pieces:
        """The stored arrays."""
        return _Pieces.open(Path(self.folder), held_out=self.held_out)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "pieces"}


@dataclass(frozen=True)
class ImageScenes(_Mapped):
    """Crops of clean images as scenes, a ``SceneSource``.

    A clean image cannot tell its camera's offset from light that is everywhere. Its level was taken
    off, and light that is everywhere is put back at random, as much as in simulated scenes.

    Parameters
    ----------
    folder : str
        Written by a ``DataWriter``.
    held_out : bool
        Draw from what is held out.
    """

    folder: str
    held_out: bool = False
    overlays: ClassVar[bool] = False

    def draw(self, count: int, size: int, dice: Dice) -> Tensor:
        """Draw scenes; the margin of one at the edge of its image is mirrored."""
        pieces = self.pieces
        inner = size - 2 * MARGIN
        floor = dice.uniform(count, 1, 1, 1) ** 3 * _FLOOR
        scenes = np.empty((count, 1, size, size), np.float32)
        crops = draw_crops(pieces.shapes, pieces.places, count, inner, dice)
        for scene, crop in zip(scenes, crops, strict=True):
            plane = pieces.clean[crop.piece][crop.plane]
            rows, columns = (
                mirrored(start - MARGIN, start + inner + MARGIN, length)
                for start, length in zip((crop.row, crop.column), plane.shape, strict=True)
            )
            scene[0] = plane[rows[:, None], columns[None, :]]
        return torch.from_numpy(scenes).to(floor.device) + floor


@dataclass
class PairStream(_Mapped):
    """An endless stream of crops of paired images, measured noise included.

    Parameters
    ----------
    seed, batch, stream, size, device
        As those of :class:`~napari_posterior.training.batches.SceneStream`.
    folder : str
        Written by a ``DataWriter``.
    acquisition : (float, float)
        Read noise in photoelectrons and PSF sigma in pixels, of all noisy images.
    held_out : bool
        Draw from what is held out.
    blind : float
        Share of images whose acquisition conditions are withheld.
    """

    seed: int
    batch: int
    stream: int
    size: int
    device: str
    folder: str
    acquisition: tuple[float, float]
    held_out: bool = False
    blind: float = 0.1

    def seed_of(self, step: int) -> int:
        """Return a seed for whatever else a recipe draws at `step`."""
        return mix(self.seed, self.stream, 3, step)

    def batch_at(self, step: int) -> Batch:
        """Return the batch of one step."""
        pieces, size = self.pieces, self.size
        dice = Dice.seeded(mix(self.seed, self.stream, 1, step), self.device)
        both = np.empty((self.batch, 2, size, size), np.float32)
        crops = draw_crops(pieces.shapes, pieces.places, self.batch, size, dice)
        for pair, crop in zip(both, crops, strict=True):
            rows = slice(crop.row, crop.row + size)
            columns = slice(crop.column, crop.column + size)
            pair[0] = pieces.clean[crop.piece][crop.plane, rows, columns]
            pair[1] = pieces.noisy[crop.piece][crop.plane, rows, columns]
        turned = orient(torch.from_numpy(both).to(self.device), dice)
        told = torch.tensor([*self.acquisition, 0.0], device=self.device).expand(self.batch, 3)
        return make_batch(turned[:, :1], turned[:, 1:], told, dice, blind=self.blind)


@dataclass(frozen=True)
class OwnData:
    """The user's images as ``TrainingData``.

    Parameters
    ----------
    folder : str
        Written by a ``DataWriter``.
    record : DataRecord
        What the card says of them.
    trained : TrainingRange
        Ranges that measurements are drawn from, or were taken in.
    """

    folder: str
    record: DataRecord
    trained: TrainingRange

    def stream(
        self,
        *,
        seed: int,
        batch: int,
        stream: int,
        size: int,
        device: str,
        trained: TrainingRange,
        held_out: bool = False,
    ) -> BatchStream:
        """Return a stream of batches."""
        if self.record.kind == "images":
            source = ImageScenes(self.folder, held_out)
            return SceneStream(seed, batch, stream, size, device, trained, source=source)
        acquisition = self.trained.read_noise[0], self.trained.psf_sigma[0]
        return PairStream(seed, batch, stream, size, device, self.folder, acquisition, held_out)


def open_data(folder: Path) -> OwnData | None:
    """Return the data that were written into a folder; None where that was not finished."""
    file = folder / DATA_FILE
    if not file.exists():
        return None
    told = json.loads(file.read_text(encoding="utf-8"))
    trained = {name: tuple(span) for name, span in told["trained"].items()}
    return OwnData(str(folder), DataRecord.model_validate(told["record"]), TrainingRange(**trained))
