"""What training reads from bundles and writes into them: parts, their networks, the licence."""

from __future__ import annotations

from importlib import resources
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from napari_posterior.bundles.card import NetworkConfig
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.write import Part

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from napari_posterior.bundles.bundle import Bundle

__all__ = ["licence", "network", "read_part", "read_weights", "work_folder"]


def read_part(bundle: Bundle, name: str) -> Part:
    """Return a part of a bundle with its weights in float32."""
    files = read_parts(bundle.folder, bundle.card)[name]
    return Part(read_weights(bundle.folder / files.weights_path), files.config, files.sampler)


def read_weights(file: FilePath) -> dict[str, Tensor]:
    """Return the weights of a safetensors file in float32."""
    return {key: value.float() for key, value in load_file(file).items()}


def network(arch: str, kwargs: dict[str, Any]) -> NetworkConfig:
    """Say how a network is stored: its weights in float16."""
    return NetworkConfig(arch=arch, arch_kwargs=kwargs, dtype="float16")


def work_folder(out: str | os.PathLike[str], work: str | os.PathLike[str] | None) -> FilePath:
    """Return where checkpoints are kept: `work`, else ``OUT.training``."""
    target = FilePath(out)
    return target.with_name(f"{target.name}.training") if work is None else FilePath(work)


def licence() -> str:
    """Return the licence of the weights."""
    return (
        resources.files("napari_posterior.bundles").joinpath("LICENSE.weights").read_text("utf-8")
    )
