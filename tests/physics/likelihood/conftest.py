from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def measure() -> Callable[..., Measurement]:
    """From electrons to a measurement, by a camera of gain 2.1 ADU/e- and offset 100 ADU."""

    def make(electrons, *, sigma: float = 1.0, background: float = 0.0, **camera) -> Measurement:
        known = Camera(**{"gain": 2.1, "offset": 100.0, "read_noise": 1.0, **camera})
        y = known.to_adu(np.asarray(electrons, np.float64))
        return Measurement(y, known, Psf(sigma), background)

    return make
