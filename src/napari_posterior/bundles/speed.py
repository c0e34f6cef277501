"""How fast a network is on a device: a short probe of time and memory, remembered per device."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_posterior.bundles.catalogue import cache_folder
from napari_posterior.bundles.device import describe_device
from napari_posterior.bundles.memory import free_bytes, peak_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from napari_posterior.sampling.model import VelocityNet

__all__ = ["SPEED_FILE", "Rate", "Speed", "device_key", "measure", "recall", "remember", "usual"]

_LOG = logging.getLogger(__name__)

SPEED_FILE: Final = "speed.json"
"""Name of the file in the user's cache folder."""

_SIDE: Final = 256
_LARGEST: Final = {"cpu": 2**20, "mps": 2**22, "cuda": 2**25}
_REPEATS: Final = 3
_BETTER: Final = 0.95  # a larger call that is not this much faster per pixel is not worth its size
_PAYS: Final = 1.2
_SLOW: Final = 1.0  # seconds of a call after which no larger one is tried

_USUAL_PIXELS: Final = {"cpu": 2**18, "mps": 2**22, "cuda": 2**23}
_USUAL_BYTES: Final = {"float32": 240.0, "bfloat16": 140.0}


class Rate(BaseModel):
    """What network calls cost in one precision.

    Parameters
    ----------
    pixels : int
        Pixels of the smallest call that is about as fast per pixel as any larger one.
    seconds : float
        Time for one pixel in such a call; 0 where it was not measured.
    bytes : float
        Memory that a call holds at its peak for each pixel.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pixels: int = Field(gt=0)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    bytes: float = Field(gt=0, allow_inf_nan=False)


class Speed(BaseModel):
    """What a network costs on one device.

    Parameters
    ----------
    float32, bfloat16 : Rate
        In each precision.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    float32: Rate
    bfloat16: Rate

    def rate(self, precision: str) -> Rate:
        """Return the rate of ``"float32"`` or ``"bfloat16"``."""
        return self.bfloat16 if precision == "bfloat16" else self.float32

    @property
    def bfloat16_pays(self) -> bool:
        """Whether bfloat16 was measured to be faster by a fifth or more."""
        return 0 < _PAYS * self.bfloat16.seconds < self.float32.seconds


def measure(
    nets: dict[str, VelocityNet],
    *,
    device: str,
    maps: int,
    vector: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Time a network on calls of growing size, and count the memory that one holds.

    Takes about a second. A call is made larger as long as that makes a pixel cheaper by 5 %,
    memory is there, and a call takes less than a second.

    Parameters
    ----------
    nets : dict of str to VelocityNet
        The network in ``"float32"`` and in ``"bfloat16"``.
    device : str
        Where it is.
    maps, vector : int
        Number of condition maps, and length of the condition vector.
    clock : callable
        Gives seconds.

    Returns
    -------
    Speed
    """

    def rate(precision: str) -> Rate:
        net = nets[precision]
        small = _arguments(1, device, maps, vector)
        held = peak_bytes(lambda: net(*small)) / _SIDE**2
        largest = _LARGEST.get(torch.device(device).type, _LARGEST["cpu"])
        largest = min(largest, int(free_bytes(device) / 4 / held))
        best, pixels, batch = float("inf"), _SIDE**2, 1
        while True:
            taken = _time(net, _arguments(batch, device, maps, vector), device, clock)
            each = taken / (batch * _SIDE**2)
            if each > _BETTER * best:
                break
            best, pixels = each, batch * _SIDE**2
            batch *= 4
            if taken > _SLOW or batch * _SIDE**2 > largest:
                break
        return Rate(pixels=pixels, seconds=best, bytes=held)

    return Speed(float32=rate("float32"), bfloat16=rate("bfloat16"))


def usual(device: str) -> Speed:
    """Return what is usual of the shipped network, where nothing was measured."""
    kind = torch.device(device).type
    pixels = _USUAL_PIXELS.get(kind, _USUAL_PIXELS["cpu"])
    rates = {
        precision: Rate(pixels=pixels, seconds=0.0, bytes=held)
        for precision, held in _USUAL_BYTES.items()
    }
    return Speed(**rates)


def device_key(device: str, network: str) -> str:
    """Return the name under which a measurement is kept: host, device, torch and network.

    Parameters
    ----------
    device : str
        Name of a device that is there.
    network : str
        What tells the network from others of another speed.
    """
    words = [platform.node(), platform.machine(), describe_device(device)]
    return "; ".join([*words, f"torch {torch.__version__}", network])


def recall(key: str) -> Speed | None:
    """Return what was measured before; None where nothing was, or it cannot be read."""
    try:
        return Speed.model_validate(json.loads(_file().read_text("utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


def remember(key: str, speed: Speed) -> None:
    """Keep a measurement in the user's cache folder; where that cannot be written, do not."""
    path = _file()
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        told = {}
    kept = {**(told if isinstance(told, dict) else {}), key: speed.model_dump(mode="json")}
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(kept, indent=1), "utf-8")
        beside.replace(path)  # a reader sees the old file or the new one
    except OSError:
        _LOG.debug("the speed of a device could not be kept", exc_info=True)
        with suppress(OSError):
            beside.unlink()


def _file() -> Path:
    return cache_folder() / SPEED_FILE


def _arguments(batch: int, device: str, maps: int, vector: int) -> tuple[Tensor, ...]:
    # normal numbers: with subnormal ones a processor may be slower
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 1 + maps, _SIDE, _SIDE, generator=generator).to(device)
    numbers = torch.randn(batch, vector, generator=generator).to(device)
    times = torch.full((batch,), 0.5, device=device)
    return images[:, :1].contiguous(), times, times, images[:, 1:].contiguous(), numbers


@torch.no_grad()
def _time(
    net: VelocityNet, arguments: tuple[Tensor, ...], device: str, clock: Callable[[], float]
) -> float:
    """Return the seconds of the fastest of some calls, after one that warms up."""
    best = float("inf")
    for repeat in range(1 + _REPEATS):
        _wait(device)
        start = clock()
        net(*arguments)
        _wait(device)
        if repeat:
            best = min(best, clock() - start)
    return best


def _wait(device: str) -> None:
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.synchronize(device)
    elif kind == "mps":
        torch.mps.synchronize()
