"""Many plausible restorations of a fluorescence image, and what a fast sampler keeps of them.

Importing the package is quick and brings in neither torch, Qt nor napari: every public name is
resolved when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_posterior.api import list_models, load_model, open_run, restore
    from napari_posterior.api.calibration import calibrate_camera
    from napari_posterior.api.choosing import choose_hand_over
    from napari_posterior.api.colocalising import colocalise
    from napari_posterior.api.comparing import compare, compare_images
    from napari_posterior.api.correcting import correct
    from napari_posterior.api.correcting_levels import correct_levels
    from napari_posterior.api.experiments import (
        check_dependence,
        check_self_calibration,
        estimate_cost,
    )
    from napari_posterior.api.measuring import measure, measure_objects
    from napari_posterior.api.planning import plan_correction
    from napari_posterior.api.recalibrating import recalibrate
    from napari_posterior.api.restoring_corrected import restore_corrected
    from napari_posterior.api.saved_corrections import open_corrections
    from napari_posterior.api.sites import compare_puncta
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.camera_files import read_camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.sampling.corrections import Guided, HandOver, Refine
    from napari_posterior.statistics import statistic
    from napari_posterior.widgets.session import session

__version__ = "0.1.0"

__all__ = [
    "Camera",
    "Guided",
    "HandOver",
    "Psf",
    "Refine",
    "__version__",
    "calibrate_camera",
    "check_dependence",
    "check_self_calibration",
    "choose_hand_over",
    "colocalise",
    "compare",
    "compare_images",
    "compare_puncta",
    "correct",
    "correct_levels",
    "estimate_cost",
    "list_models",
    "load_model",
    "measure",
    "measure_objects",
    "open_corrections",
    "open_run",
    "plan_correction",
    "read_camera",
    "recalibrate",
    "restore",
    "restore_corrected",
    "session",
    "statistic",
]

_HOME_OF = {
    "Camera": "napari_posterior.physics.camera",
    "Guided": "napari_posterior.sampling.corrections",
    "HandOver": "napari_posterior.sampling.corrections",
    "Psf": "napari_posterior.physics.psf",
    "Refine": "napari_posterior.sampling.corrections",
    "calibrate_camera": "napari_posterior.api.calibration",
    "check_dependence": "napari_posterior.api.experiments",
    "check_self_calibration": "napari_posterior.api.experiments",
    "choose_hand_over": "napari_posterior.api.choosing",
    "colocalise": "napari_posterior.api.colocalising",
    "compare": "napari_posterior.api.comparing",
    "compare_images": "napari_posterior.api.comparing",
    "compare_puncta": "napari_posterior.api.sites",
    "correct": "napari_posterior.api.correcting",
    "correct_levels": "napari_posterior.api.correcting_levels",
    "estimate_cost": "napari_posterior.api.experiments",
    "list_models": "napari_posterior.api",
    "load_model": "napari_posterior.api",
    "measure": "napari_posterior.api.measuring",
    "measure_objects": "napari_posterior.api.measuring",
    "open_corrections": "napari_posterior.api.saved_corrections",
    "open_run": "napari_posterior.api",
    "plan_correction": "napari_posterior.api.planning",
    "read_camera": "napari_posterior.physics.camera_files",
    "recalibrate": "napari_posterior.api.recalibrating",
    "restore": "napari_posterior.api",
    "restore_corrected": "napari_posterior.api.restoring_corrected",
    "statistic": "napari_posterior.statistics",
}


def __getattr__(name: str) -> object:
    """Resolve a public name on first use (PEP 562) and keep it for the next one."""
    if name == "session":  # a room that can be called
        return importlib.import_module("napari_posterior.session")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(set(globals()) | set(__all__))
