"""Tile, batch and precision of a run where the user leaves them to the program."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.bundles.memory import free_bytes
from napari_posterior.bundles.sizes import Sizes, choose_batch, choose_tile
from napari_posterior.bundles.speed import device_key, measure, recall, remember, usual
from napari_posterior.errors import InputError
from napari_posterior.networks.registry import reach_of
from napari_posterior.sampling.conditioning import MAPS, VECTOR

if TYPE_CHECKING:
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.bundles.speed import Speed

__all__ = ["Sizing", "find_sizing", "find_speed"]

_WORTH_CALLS: Final = 2**26
_WORTH_PLANE: Final = 2**20
_HALO: Final = 96


@dataclass(frozen=True)
class Sizing:
    """What is known of the device, and what follows for a run.

    Parameters
    ----------
    speed : Speed
        Of the network on the device; what is usual, where it was not measured.
    halo : int
        Reach of the network in pixels.
    device : str
        Where the run is drawn.
    """

    speed: Speed
    halo: int
    device: str

    def precision(self, asked: str) -> str:
        """Return the precision that was asked for; of ``"auto"`` the one that pays here."""
        if asked != "auto":
            return asked
        return "bfloat16" if self.speed.bfloat16_pays else "float32"

    def tile(self, asked: int | str | None, shape: tuple[int, int], precision: str) -> int | None:
        """Return the side of a tile in pixels, or None for whole planes.

        Raises
        ------
        InputError
            If neither a number, nor "auto", nor None was asked for.
        """
        if asked == "auto":
            return choose_tile(self._sizes(precision), shape, halo=self.halo)
        if isinstance(asked, str) or (asked is not None and asked < 1):
            raise InputError(
                f"tile is {asked!r}; give a number of pixels, 'auto', or None for no tiles"
            )
        return asked

    def batch(
        self,
        asked: int | str,
        shape: tuple[int, int],
        precision: str,
        *,
        tile: int | None,
        samples: int,
        planes: int,
    ) -> int:
        """Return how many samples are drawn at a time.

        Raises
        ------
        InputError
            If neither a number nor "auto" was asked for.
        """
        if isinstance(asked, int):
            return asked
        if asked != "auto":
            raise InputError(f"batch is {asked!r}; give a number of samples, or 'auto'")
        sizes = self._sizes(precision)
        return choose_batch(sizes, shape, tile=tile, samples=samples, planes=planes)

    def _sizes(self, precision: str) -> Sizes:
        return Sizes(self.speed.rate(precision), free_bytes(self.device), self.device)


def find_sizing(
    bundle: Bundle, info: SamplerInfo, *, device: str, shape: tuple[int, ...], samples: int
) -> Sizing:
    """Recall what the network costs on the device, or measure it where the run is long enough.

    The probe takes about a second, once for a device and a network; a run that is as short as that
    is drawn with what is usual.

    Parameters
    ----------
    bundle : Bundle
        The model.
    info : SamplerInfo
        The sampler with its steps.
    device : str
        Where the run is drawn.
    shape : tuple of int
        Of the image, ending with y and x.
    samples : int
        Of the run.
    """
    if info.role == "point":
        return Sizing(usual(device), _HALO, device)
    calls = info.nfe * samples * math.prod(shape)
    worth = calls >= _WORTH_CALLS or math.prod(shape[-2:]) >= _WORTH_PLANE
    speed = find_speed(bundle, info, device=device, probe=worth)
    reach = reach_of(_network(bundle, info.name, device, "float32"))
    return Sizing(speed or usual(device), _HALO if reach is None else reach, device)


def find_speed(bundle: Bundle, info: SamplerInfo, *, device: str, probe: bool) -> Speed | None:
    """Recall what the network of a sampler costs on a device.

    Parameters
    ----------
    bundle, info, device
        As of `find_sizing`.
    probe : bool
        Whether to measure it where that was not done yet: about a second, then remembered.

    Returns
    -------
    Speed or None
        None where nothing is known.
    """
    # not the steps of the run: the network alone is looked at
    net = _network(bundle, info.name, device, "float32")
    key = device_key(device, hashlib.sha256(repr(net).encode()).hexdigest()[:16])
    speed = recall(key)
    if speed is None and probe:
        nets = {"float32": net, "bfloat16": _network(bundle, info.name, device, "bfloat16")}
        speed = measure(nets, device=device, maps=MAPS, vector=len(VECTOR))
        remember(key, speed)
    return speed


def _network(bundle: Bundle, name: str, device: str, precision: str) -> Any:
    sampler: Any = bundle.sampler(name, device=device, precision=precision)
    return sampler.model.net
