"""A region as a plan keeps it: with its pixels, so that a later look measures the same ones."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from typing import Self

    from napari_posterior.statistics import Region

__all__ = ["PlannedRegion"]


class PlannedRegion(BaseModel):
    """A region that was declared.

    Parameters
    ----------
    name : str
        What tables call it.
    shape : tuple of int
        Height and width of the plane.
    sha256 : str
        Of the bits of its mask, row by row, eight to a byte.
    pixels : str
        These bits, compressed by zlib, in base 64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    shape: tuple[int, int]
    sha256: str
    pixels: str = Field(repr=False)

    @classmethod
    def of(cls, region: Region) -> PlannedRegion:
        """Take it from a region."""
        bits = np.packbits(region.mask).tobytes()
        height, width = region.mask.shape
        return cls(
            name=region.name,
            shape=(height, width),
            sha256=hashlib.sha256(bits).hexdigest(),
            pixels=base64.b64encode(zlib.compress(bits, 9)).decode("ascii"),
        )

    @property
    def region(self) -> Region:
        """The region itself."""
        from napari_posterior.statistics import Region

        bits = np.frombuffer(zlib.decompress(base64.b64decode(self.pixels)), np.uint8)
        height, width = self.shape
        flags = np.unpackbits(bits, count=height * width).reshape(height, width)
        return Region(self.name, flags.astype(bool))

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            bits = zlib.decompress(base64.b64decode(self.pixels, validate=True))
        except (ValueError, zlib.error) as error:
            raise ValueError("these are no pixels of a region") from error
        height, width = self.shape
        whole = len(bits) == -(-height * width // 8)
        if not whole or hashlib.sha256(bits).hexdigest() != self.sha256:
            raise ValueError("these are not the pixels of the region that was declared")
        return self
