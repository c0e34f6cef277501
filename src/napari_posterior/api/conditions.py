"""The conditions of a stack, made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, overload

from napari_posterior.sampling.conditioning import Condition

if TYPE_CHECKING:
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.sampling.conditioning import PlaneStats

__all__ = ["Conditions"]

_HELD_VALUES: Final = 2**28
"""Values of conditions that are held at a time: 1 GiB of float32."""

_VALUES_PER_PIXEL: Final = 6


class Conditions(Sequence[Condition]):
    """The conditions of all planes; made when asked for, and kept where they fit into memory.

    Parameters
    ----------
    bundle : Bundle
        Gives the point estimate.
    measurements : sequence of Measurement
        One for each plane.
    stats : sequence of PlaneStats
        One for each plane; planes of one channel share theirs.
    device : str
        Where they are made.
    blind : bool
        Withhold camera and PSF.
    tile : int or None
        Side in pixels of the tiles they are computed on; None for whole planes.
    """

    def __init__(
        self,
        bundle: Bundle,
        measurements: Sequence[Measurement],
        stats: Sequence[PlaneStats],
        *,
        device: str,
        blind: bool,
        tile: int | None,
    ) -> None:
        self._conditioner = bundle.conditioner(device, tile=tile)
        self._measurements = measurements
        self._stats = stats
        self._device = device
        self._blind = blind
        values = sum(m.y.size for m in measurements) * _VALUES_PER_PIXEL
        self._keep = values <= _HELD_VALUES
        self._made: dict[int, Condition] = {}

    def __len__(self) -> int:
        return len(self._measurements)

    @overload
    def __getitem__(self, index: int) -> Condition: ...
    @overload
    def __getitem__(self, index: slice) -> list[Condition]: ...
    def __getitem__(self, index: int | slice) -> Condition | list[Condition]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        plane = range(len(self))[index]
        if plane in self._made:
            return self._made[plane]
        condition = self._conditioner.prepare(
            self._measurements[plane],
            stats=self._stats[plane],
            device=self._device,
            blind=self._blind,
        )
        if not self._keep:
            self._made.clear()
        self._made[plane] = condition
        return condition
