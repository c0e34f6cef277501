"""How well an object explains the measurement, pixel by pixel and as a whole.

With z = (y - offset) / gain in electrons and lambda = k * x + background, the camera gives

    p(z | lambda) = sum_n Poisson(n; lambda) Normal(z; n, noise^2),

where the noise is that of reading and, with known bits, of rounding. `exact` sums it, `densities`
holds what approximates it, `residuals` its quantiles, `law` what it gives for the object itself,
`anscombe` a transform for display; `model` puts them together as `Likelihood`.
"""

from napari_posterior.physics.likelihood.anscombe import anscombe
from napari_posterior.physics.likelihood.densities import LAMBDA_FLOOR
from napari_posterior.physics.likelihood.exact import NOISE_FLOOR
from napari_posterior.physics.likelihood.law import Band, Law
from napari_posterior.physics.likelihood.mask import (
    EXACT_BELOW_ELECTRONS,
    EXACT_BELOW_NOISE,
    Model,
)
from napari_posterior.physics.likelihood.model import Likelihood

__all__ = [
    "EXACT_BELOW_ELECTRONS",
    "EXACT_BELOW_NOISE",
    "LAMBDA_FLOOR",
    "NOISE_FLOOR",
    "Band",
    "Law",
    "Likelihood",
    "Model",
    "anscombe",
]
