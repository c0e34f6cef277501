"""The functions that `napari.yaml` names: thin, and quick to import.

napari imports this module when one of them is first used, and calls them in the thread of the
window, so what they open is small. What acts on a window is in `widgets.actions`, which is
imported at the first call.
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

__all__ = [
    "cancel",
    "compare_newest",
    "copy_debug_report",
    "copy_script",
    "draw_regions",
    "get_run_reader",
    "more_samples",
    "open_filaments",
    "open_log",
    "open_membranes",
    "open_models",
    "open_nuclei",
    "open_puncta",
    "open_run",
    "reset_settings",
    "run_chosen",
    "run_corrected",
    "run_pair",
    "sample_data_layers",
    "save_report",
    "show_puncta",
    "show_samples",
    "show_sd",
    "show_sd_ratio",
    "show_side_by_side",
    "undo_delete",
]

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


def open_membranes() -> list[LayerData]:
    """Open simulated membranes."""
    return sample_data_layers("membranes")


def open_nuclei() -> list[LayerData]:
    """Open simulated nuclei."""
    return sample_data_layers("nuclei")


def run_pair() -> None:
    """Draw teacher and student of the selected layer, then compare them where that is chosen."""
    from napari_posterior.widgets import actions

    actions.run_pair()


def run_chosen() -> None:
    """Draw the sampler that is chosen in the dock Restore, of the selected layer."""
    from napari_posterior.widgets import actions

    actions.run_chosen()


def run_corrected() -> None:
    """Draw few samples of the teacher and many of the student, and correct the latter."""
    from napari_posterior.widgets import actions

    actions.run_corrected()


def more_samples() -> None:
    """Continue the last run, or both runs of the last pair."""
    from napari_posterior.widgets import actions

    actions.more_samples()


def cancel() -> None:
    """Stop the runs, the comparison and the correction that go on or wait; samples are kept."""
    from napari_posterior.widgets import actions

    actions.cancel()


def compare_newest() -> None:
    """Compare the newest runs of teacher and student."""
    from napari_posterior.widgets import actions

    actions.compare_newest()


def draw_regions() -> None:
    """Draw regions that get verdicts of their own."""
    from napari_posterior.widgets import actions

    actions.draw_regions()


def show_samples() -> None:
    """Show the samples of the runs."""
    from napari_posterior.widgets import actions

    actions.show_quantity_of_runs("samples", "run teacher and student first")


def show_sd() -> None:
    """Show the standard deviations of the runs."""
    from napari_posterior.widgets import actions

    actions.show_quantity_of_runs("sd", "run teacher and student first")


def show_sd_ratio() -> None:
    """Show the ratio of the standard deviations of student and teacher."""
    from napari_posterior.widgets import actions

    actions.show_quantity_of_runs("sd ratio", "compare teacher and student first")


def show_side_by_side() -> None:
    """Show the samples of teacher and student beside each other."""
    from napari_posterior.widgets import actions

    actions.show_side_by_side()


def show_puncta() -> None:
    """Show the puncta of the last comparison as points."""
    from napari_posterior.widgets import actions

    actions.show_puncta()


def open_run() -> None:
    """Ask for the folder of a run and open it."""
    from napari_posterior.widgets import actions

    actions.open_stored_run()


def save_report() -> None:
    """Save the report of the last comparison."""
    from napari_posterior.widgets import actions

    actions.save_report()


def open_models() -> None:
    """Open the list of models."""
    from napari_posterior.widgets import actions

    actions.open_models()


def open_log() -> None:
    """Open the log of this package."""
    from napari_posterior.widgets import actions

    actions.open_log_window()


def copy_script() -> None:
    """Copy a Python script that makes the newest run again."""
    from napari_posterior.widgets import actions

    actions.copy_script()


def copy_debug_report() -> None:
    """Copy a report that helps to find a fault."""
    from napari_posterior.widgets import actions

    actions.copy_debug_report()


def undo_delete() -> None:
    """Bring back the run that was deleted last."""
    from napari_posterior.widgets import actions

    actions.undo_delete()


def reset_settings() -> None:
    """Go back to the settings of a first session."""
    from napari_posterior.widgets import actions

    actions.reset_settings()


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
