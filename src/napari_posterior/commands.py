"""The functions that `napari.yaml` names: thin, and quick to import.

napari imports this module when one of them is first used, and calls them in the thread of the
window, so what they open is small.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import tifffile

from napari_posterior.errors import InputError
from napari_posterior.image import load_image

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    LayerData: TypeAlias = tuple[np.ndarray, dict[str, Any], str]

__all__ = ["get_run_reader", "open_filaments", "open_nuclei", "open_puncta", "sample_data_layers"]

_FOLDER = Path(__file__).with_name("sample_data")
_NUMBERS = ("gain", "offset", "read_noise", "psf_sigma", "background")


def get_run_reader(path: Any) -> Callable[[str], list[Any]] | None:
    """Return the reader of a stored run, ``NAME.posterior.zarr``; None for any other path."""
    from napari_posterior.layers.reader import get_reader

    return get_reader(path)


def sample_data_layers(name: str) -> list[LayerData]:
    """Read one sample of the package as napari layers: the measurement and, hidden, its truth.

    Parameters
    ----------
    name : str
        Name of the sample: the file without ``.tif``.

    Returns
    -------
    list of (data, attributes, "image")
        The measurement, (H, W) uint16 in ADU, and the simulated object x, (H, W) float32 in
        photoelectrons per pixel. Both carry scale, units and axis labels; the metadata of the
        measurement hold the camera (`gain` in ADU per photoelectron, `offset` in ADU,
        `read_noise` in photoelectrons), `psf_sigma` in pixels and `background` in photoelectrons.

    Raises
    ------
    InputError
        If there is no such sample.
    """
    measured = _FOLDER / f"{name}.tif"
    truth = _FOLDER / f"{name}_truth.tif"
    if not (measured.is_file() and truth.is_file()):
        at_hand = sorted(path.stem.removesuffix("_truth") for path in _FOLDER.glob("*_truth.tif"))
        raise InputError(f"there is no sample called {name!r}: open one of {', '.join(at_hand)}")
    return [
        _layer(measured, name=name, metadata={"sample": name, **_simulation(measured)}),
        _layer(truth, name=f"{name} truth", metadata={"sample": name}, visible=False),
    ]


def open_puncta() -> list[LayerData]:
    """Open simulated puncta."""
    return sample_data_layers("puncta")


def open_filaments() -> list[LayerData]:
    """Open simulated filaments."""
    return sample_data_layers("filaments")


def open_nuclei() -> list[LayerData]:
    """Open simulated nuclei."""
    return sample_data_layers("nuclei")


def _layer(path: Path, *, name: str, metadata: dict[str, Any], visible: bool = True) -> LayerData:
    image = load_image(path)
    data = image.data
    attributes: dict[str, Any] = {
        "name": name,
        "scale": image.geometry.scale,
        "units": image.geometry.units,
        "translate": image.geometry.translate,
        "axis_labels": image.geometry.axes,
        "contrast_limits": (float(data.min()), float(data.max())),
        "colormap": "gray",
        "visible": visible,
        "metadata": {"napari_posterior": metadata},
    }
    return data, attributes, "image"


def _simulation(path: Path) -> dict[str, float]:
    """Read the camera and PSF that `docs/make_sample_data.py` wrote beside the pixels."""
    with tifffile.TiffFile(path) as tif:
        written = tif.imagej_metadata or {}
    return {key: float(written[key]) for key in _NUMBERS if key in written}
