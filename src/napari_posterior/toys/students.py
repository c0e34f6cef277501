"""Students with planted faults of known size: the positive controls of the checks.

Each function turns the law of a teacher, see `napari_posterior.toys.laws`, into that of a student
with one fault. Nothing but tests and docs uses this module.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.toys.laws import frequencies

if TYPE_CHECKING:
    from napari_posterior.toys.laws import Law

__all__ = [
    "collapsed",
    "coupled_noise",
    "repeated",
    "with_doubled_logits",
    "with_gain",
    "with_variance",
    "without_detail",
    "without_faint_puncta",
    "without_form",
]

_SDS_SPREAD: Final = 0.05


def coupled_noise(noise: np.ndarray, rho: float, generator: np.random.Generator) -> np.ndarray:
    """Return white noise of correlation `rho` with the one given, of its shape."""
    fresh = generator.standard_normal(noise.shape)
    return np.asarray(rho * noise + np.sqrt(1 - rho**2) * fresh)


def with_variance(law: Law, ratio: float, *, where: np.ndarray | None = None) -> Law:
    """Return a law whose field has `ratio` times the variance, at all scales.

    Parameters
    ----------
    law : Law
        The teacher.
    ratio : float
        Of the variances.
    where : ndarray, (n, n) bool, optional
        At these pixels; by default everywhere.
    """
    if where is None:
        return replace(law, spectrum=ratio * law.spectrum)
    envelope = 1.0 if law.envelope is None else law.envelope
    return replace(law, envelope=np.where(where, np.sqrt(ratio), 1.0) * envelope)


def without_detail(law: Law, kept: float, *, above: float) -> Law:
    """Return a law that keeps a share of the power above a frequency in cycles per pixel."""
    fine = frequencies(law.size) > above
    return replace(law, spectrum=np.where(fine, kept, 1.0) * law.spectrum)


def with_gain(law: Law, gain: float) -> Law:
    """Return a law whose samples are `gain` times as bright."""
    return replace(law, gain=gain * law.gain)


def with_doubled_logits(law: Law) -> Law:
    """Return a law that decides too much: the odds of every punctum are squared."""
    if law.puncta is None:
        raise ValueError("the law has no puncta; add some first")
    p = law.puncta.probabilities
    sharper = p**2 / (p**2 + (1 - p) ** 2)
    return replace(law, puncta=replace(law.puncta, probabilities=sharper))


def without_faint_puncta(law: Law, least: float) -> Law:
    """Return a law that never shows puncta of a probability of `least` or less."""
    if law.puncta is None:
        raise ValueError("the law has no puncta; add some first")
    p = law.puncta.probabilities
    return replace(law, puncta=replace(law.puncta, probabilities=np.where(p > least, p, 0.0)))


def without_form(law: Law, form: int) -> Law:
    """Return a law that never shows one of its forms, and the others the more often."""
    if law.forms is None:
        raise ValueError("the law has no forms; add some first")
    weights = law.forms.weights.copy()
    weights[form] = 0.0
    return replace(law, forms=replace(law.forms, weights=weights / weights.sum()))


def collapsed(law: Law, *, spread: float = _SDS_SPREAD) -> Law:
    """Return a law that seeks the mode: its most frequent form and puncta, hardly any spread.

    Parameters
    ----------
    law : Law
        The teacher.
    spread : float
        Standard deviation that is left of the field, as a share.
    """
    forms, puncta = law.forms, law.puncta
    if forms is not None:
        best = np.arange(len(forms.weights)) == int(np.argmax(forms.weights))
        forms = replace(forms, weights=best.astype(np.float64))
    if puncta is not None:
        likely = (puncta.probabilities > 0.5).astype(np.float64)
        puncta = replace(puncta, probabilities=likely)
    return replace(law, spectrum=spread**2 * law.spectrum, forms=forms, puncta=puncta)


def repeated(law: Law) -> Law:
    """Return what a network trained for the mean gives: its mean image, however often asked."""
    nothing = np.zeros_like(law.spectrum)
    return replace(law, mean=law.expected / law.gain, spectrum=nothing, puncta=None, forms=None)
