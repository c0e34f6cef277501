"""Weights in and out: safetensors only, strict keys, float32 in memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from napari_posterior.bundles.card import FileRecord

__all__ = ["load_weights", "pack_weights", "unpack_weights"]

_STORED = {"float16": torch.float16, "float32": torch.float32}


def pack_weights(state: Mapping[str, Tensor], dtype: str) -> bytes:
    """Serialise weights as safetensors, with the same bytes for the same weights.

    Parameters
    ----------
    state : mapping of str to Tensor
        Floating-point tensors.
    dtype : str
        ``"float16"`` or ``"float32"``, the type in which they are stored.

    Raises
    ------
    ModelError
        If a weight is not a finite floating-point number in the stored type.
    """
    stored = {}
    for key in sorted(state):
        value = state[key].detach().to("cpu")
        if not value.is_floating_point():
            raise ModelError(f"the weight {key} is {value.dtype}; only floating point is stored")
        value = value.to(_STORED[dtype]).contiguous().clone()
        if not torch.isfinite(value).all():
            raise ModelError(f"the weight {key} is not finite as {dtype}; store it as float32")
        stored[key] = value
    return bytes(save(stored))


def unpack_weights(data: bytes, path: Path) -> dict[str, Tensor]:
    """Read safetensors bytes as float32 tensors.

    Parameters
    ----------
    data : bytes
        Content of the file.
    path : Path
        Where it came from, for messages.

    Raises
    ------
    ModelError
        If the bytes are not safetensors or hold anything but finite floating-point weights.
    """
    try:
        state = load(data)
    except SafetensorError as error:
        raise ModelError(f"the file {path} is not a safetensors file ({error})") from error
    for key, value in state.items():
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise ModelError(f"the tensor {key} in {path} is not a finite number")
    return {key: value.to(torch.float32) for key, value in state.items()}


def load_weights(net: nn.Module, path: Path, expected: FileRecord) -> None:
    """Fill a network from a file whose bytes are checked in the same reading.

    Parameters
    ----------
    net : nn.Module
        Network whose parameters are replaced.
    path : Path
        The safetensors file.
    expected : FileRecord
        Its checksum.

    Raises
    ------
    ModelError
        If the file changed, or its keys or shapes are not exactly those of the network.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the file {path} cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise ModelError(f"the file {path} does not match its checksum; get the bundle again")
    state, wanted = unpack_weights(data, path), net.state_dict()
    for key in sorted(wanted.keys() | state.keys()):
        if key not in state:
            raise ModelError(f"the file {path} lacks the weight {key} of its network")
        if key not in wanted:
            raise ModelError(f"the file {path} holds the weight {key} that its network lacks")
        if wanted[key].shape != state[key].shape:
            raise ModelError(
                f"the weight {key} in {path} has shape {tuple(state[key].shape)} and its network "
                f"needs {tuple(wanted[key].shape)}"
            )
    net.load_state_dict(state, strict=True)
