"""A certification that takes a second with tiny networks, for tests that train a bundle."""

from __future__ import annotations

from napari_posterior.sampling.certify import SolverChoice
from napari_posterior.training.reference import CertifyPlan

__all__ = ["QUICK"]

QUICK = CertifyPlan(
    scenes=2,
    samples=3,
    candidates=(SolverChoice("heun", "uniform", 16),),
    ruler=SolverChoice("heun", "uniform", 28),
    stochastic=None,
)
