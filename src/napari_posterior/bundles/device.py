"""Where to compute."""

from __future__ import annotations

import torch

from napari_posterior.errors import InputError

__all__ = ["describe_device", "pick_device"]


def pick_device(name: str = "auto") -> str:
    """Return the device to compute on.

    Parameters
    ----------
    name : str
        ``"auto"`` takes CUDA, else MPS, else the CPU; or a torch device such as ``"cuda:1"``.

    Returns
    -------
    str
        Name of a device that is there.

    Raises
    ------
    InputError
        If the name is not that of a device, or the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{name!r} is not a device; use 'auto', 'cpu', 'cuda' or 'mps'") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise InputError(f"the device {name!r} is not there; use 'auto' or 'cpu'")
    return str(device)


def describe_device(name: str) -> str:
    """Return words for a device: the model of a GPU, or the number of CPU threads."""
    device = torch.device(name)
    if device.type == "cuda":
        return f"{name} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread)" if threads == 1 else f"cpu ({threads} threads)"
    return name
