"""How large an experiment is where nothing else is asked for."""

from __future__ import annotations

from typing import Final

__all__ = ["CALIBRATION_SAMPLES", "DEPENDENCE_SAMPLES", "MEASUREMENTS", "SIMULATIONS"]

MEASUREMENTS: Final = 4
"""Redraws of the camera noise, for the dependence on the measurement."""

DEPENDENCE_SAMPLES: Final = 8
"""Samples of each sampler for each of them."""

SIMULATIONS: Final = 50
"""Teacher samples that are measured anew, for self-calibration; at most as many as there are."""

CALIBRATION_SAMPLES: Final = 15
"""Samples that each of them is ranked among."""
