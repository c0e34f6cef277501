"""How much memory there is on a device, and how much a network call holds at its peak."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["free_bytes", "give_back", "memory_words", "peak_bytes"]

_UNKNOWN: Final = 4 * 2**30
"""Free memory in bytes where the system does not tell."""

_CGROUP: Final = Path("/sys/fs/cgroup")


def free_bytes(device: str) -> int:
    """Return the memory that can still be taken on a device, in bytes.

    Of a CPU it is what the system can give without swapping, within the limit of its container.

    Parameters
    ----------
    device : str
        Name of a device that is there.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(kept)
    if kind == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return min(_free_of_the_system(), _free_of_the_container())


def memory_words(device: str) -> str:
    """Say how much memory is free on a device: ``"12 of 16 GB free"``, on a CPU ``"5.1 GB free"``.

    Parameters
    ----------
    device : str
        Name of a device that is there.
    """
    free = f"{free_bytes(device) / 1e9:.3g}"
    if torch.device(device).type == "cuda":
        _, total = torch.cuda.mem_get_info(torch.device(device))
        return f"{free} of {total / 1e9:.3g} GB free"
    return f"{free} GB free"


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the bytes that the tensors made by `call` hold together at the worst moment.

    Counted from the storages that torch functions return, on any device; the scratch space of a
    single operation is not seen.
    """
    held = _Held()
    with torch.no_grad(), held:
        call()
    return held.peak


class _Held(TorchFunctionMode):
    """Follows the storages of all tensors that torch functions return while they live."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._live = 0
        self._holders: dict[int, list[int]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor):
                self._follow(value)
        return result

    def _follow(self, value: torch.Tensor) -> None:
        storage = value.untyped_storage()
        place = storage.data_ptr()
        if place not in self._holders:
            self._holders[place] = [storage.nbytes(), 0]
            self._live += storage.nbytes()
            self.peak = max(self.peak, self._live)
        self._holders[place][1] += 1
        weakref.finalize(value, self._let_go, place).atexit = False

    def _let_go(self, place: int) -> None:
        entry = self._holders[place]
        entry[1] -= 1
        if entry[1] == 0:
            self._live -= entry[0]
            del self._holders[place]


def _free_of_the_system() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        told = dict(line.split(":", 1) for line in lines)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        pass
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _free_of_the_container() -> int:
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        return max(limit - int((_CGROUP / "memory.current").read_text()), 0)
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return 2**63 - 1


def give_back() -> int:
    """Give back the memory that torch keeps of devices though nothing uses it.

    What torch took of a GPU for a model it keeps when the model is let go, so that the next run
    need not ask for it again, and other programs cannot have it.

    Returns
    -------
    int
        Bytes that were given back.
    """
    gc.collect()  # what is referred to in circles is still held
    given = 0
    if torch.cuda.is_available():
        before = torch.cuda.memory_reserved()
        torch.cuda.empty_cache()
        given += before - torch.cuda.memory_reserved()
    if torch.backends.mps.is_available():
        before = torch.mps.driver_allocated_memory()
        torch.mps.empty_cache()
        given += max(0, before - torch.mps.driver_allocated_memory())
    return int(given)
