"""Models of Spotiflow: loaded from a folder, or by name if a download is asked for.

Spotiflow (Dominguez Mantes et al., Nature Methods 2025, doi:10.1038/s41592-025-02662-x;
https://github.com/weigertlab/spotiflow, BSD-3-Clause) is an optional extra. The calls are those of
``spotiflow/model/spotiflow.py``, version 0.6.5, which reads weights as tensors only.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    import numpy as np

__all__ = ["Device", "Predictor", "load_spotiflow", "require_spotiflow"]

_FILES: Final = ("config.yaml", "best.pt")

Device = Literal["auto", "cpu", "cuda", "mps"]


class Predictor(Protocol):
    """What is used of a ``spotiflow.model.Spotiflow``."""

    def predict(
        self,
        img: np.ndarray,
        prob_thresh: float | None = ...,
        n_tiles: tuple[int, ...] = ...,
        *,
        normalizer: Callable[[np.ndarray], np.ndarray] | None = ...,
        verbose: bool = ...,
    ) -> tuple[np.ndarray, Any]:
        """Return positions (n, 2) in pixels and details with ``prob``, (n,)."""
        ...


def load_spotiflow(
    *,
    folder: str | PathLike[str] | None = None,
    pretrained: str | None = None,
    device: Device = "auto",
) -> Predictor:
    """Load a Spotiflow model for planes: one of your own, or one of Spotiflow's by name.

    Parameters
    ----------
    folder : path, optional
        Folder of a trained model, with ``config.yaml`` and ``best.pt``; nothing is downloaded.
    pretrained : str, optional
        Name of one of Spotiflow's models, such as ``"general"``. Spotiflow **downloads** it at
        the first use, from its own release page into ``~/.spotiflow``.
    device : {"auto", "cpu", "cuda", "mps"}
        Where it runs.

    Raises
    ------
    InputError
        If not exactly one model is asked for, Spotiflow is not installed, or the model cannot be
        loaded or is not one for planes of one channel.
    """
    if (folder is None) == (pretrained is None):
        raise InputError(
            "Spotiflow needs a model; give either the folder of one, or with pretrained the name "
            "of one of its own to download, such as 'general'"
        )
    if folder is not None and (
        missing := [one for one in _FILES if not (Path(folder) / one).is_file()]
    ):
        raise InputError(
            f"{Path(folder).name!r} is no folder of a Spotiflow model, {' and '.join(missing)} "
            "missing; give the folder that Spotiflow's training has written"
        )
    kind = _import_spotiflow()
    try:
        if folder is not None:
            model = kind.from_folder(str(folder), map_location=device, verbose=False)
        else:
            model = kind.from_pretrained(pretrained, map_location=device, verbose=False)
    except Exception as error:
        raise InputError(
            f"Spotiflow cannot load {pretrained if folder is None else Path(folder).name!r} "
            f"({_first_line(error)}); check the folder, the name or the network"
        ) from error
    if model.config.is_3d or model.config.in_channels != 1:
        raise InputError(
            "this Spotiflow model is not one for planes of one channel; samples are measured "
            "plane by plane, so give such a one"
        )
    return model  # type: ignore[no-any-return]


def require_spotiflow() -> None:
    """Raise `InputError` if Spotiflow is not installed; nothing of it is imported."""
    if "spotiflow" not in sys.modules and importlib.util.find_spec("spotiflow") is None:
        raise InputError(
            "Spotiflow is not installed; install it with pip install 'napari-posterior[spotiflow]'"
        )


def _import_spotiflow() -> Any:
    require_spotiflow()
    try:
        return importlib.import_module("spotiflow.model").Spotiflow
    except Exception as error:  # its dependencies fail in many ways, torchvision with RuntimeError
        raise _broken(error) from error


def _broken(error: Exception) -> InputError:
    return InputError(
        f"Spotiflow is installed but cannot be started ({_first_line(error)}); install it again "
        "with pip install 'napari-posterior[spotiflow]'"
    )


def _first_line(error: Exception) -> str:
    lines = f"{type(error).__name__}: {error}".splitlines()
    return lines[0][:200]
