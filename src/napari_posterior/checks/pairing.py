"""Which samples of two runs are compared: pairs of one noise canvas, or samples apart.

Sample k of two runs of one seed starts from the noise canvas (seed, k), so the numbers that both
hold are pairs, however many samples either run has. A difference over N pairs whose samples have
the correlation r is ``1 / (1 - r)`` times as precise as that of N and N independent samples.

What the R further samples of the larger run, most often the student's, could add: of all estimates
``mean_N(S) - mean_N(T) + c (mean_R(S) - mean_N(S))``, free of bias for any fixed c, the one with
``c = (1 - b) R / (N + R)`` has the least variance, b the slope of T on S. With equal variances it
is ``1 - (1 - r) / 2 R / (N + R)`` times that of the pairs alone: 1 % less at r = .98, at most 5 %
at .9. That is not worth a slope estimated from few pairs, so pairs stand alone. Where r is low the
pairs waste most samples, and at ``2 (1 - r) / N > 1 / K_T + 1 / R`` they lose to the whole run of
the one and the further samples of the other, which share no noise at all and are independent. The
two limits leave little between them: at r = .5 the best c would narrow an interval by 13 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.checks.source import MIN_SAMPLES, Stack
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.checks.source import SampleSource

__all__ = ["Chosen", "choose_samples"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The samples that are compared.

    Parameters
    ----------
    teacher, student : Stack
        Of each run; in pairs, as many of each, partners at the same place.
    paired : bool
        Whether sample i of both start from one noise canvas.
    further : tuple of int
        Samples of teacher and student that are left out, because their partner is missing.
    apart : tuple of Stack, optional
        Samples of teacher and student without any noise in common, where the runs share some.
    rho : float or None
        Correlation of the samples of a pair, where it has been measured.
    """

    teacher: Stack
    student: Stack
    paired: bool
    further: tuple[int, int] = (0, 0)
    apart: tuple[Stack, Stack] | None = None
    rho: float | None = None

    @property
    def stacks(self) -> tuple[Stack, Stack]:
        """Teacher and student."""
        return self.teacher, self.student

    @property
    def counts(self) -> tuple[int, int]:
        """Samples of teacher and student."""
        return self.teacher.count, self.student.count

    def settle(self, rho: float | None) -> Chosen:
        """Return what is compared, now that the correlation of the pairs is known.

        Parameters
        ----------
        rho : float or None
            Correlation of the samples of a pair, `coupling`; None where there are no pairs.

        Returns
        -------
        Chosen
            The pairs, or samples apart where these tell more; see the notes of the module. Every
            difference of statistics that depend on the noise no more than the images do is then
            told more precisely, too.
        """
        if not self.paired or rho is None:
            return self
        if self.apart is None:
            return replace(self, rho=rho)
        first, second = (one.count for one in self.apart)
        if 2 * (1 - rho) / self.teacher.count <= 1 / first + 1 / second:
            return replace(self, rho=rho)
        left = self.counts[0] + self.further[0] - first, self.counts[1] + self.further[1] - second
        return Chosen(*self.apart, paired=False, further=left, rho=rho)

    def tell(self) -> str:
        """Say which samples are left out and what that costs; empty where none is."""
        rho = 0.0 if self.rho is None else self.rho
        if not self.paired and self.rho is not None:
            return (
                f"The runs have one seed, but pairs of one noise canvas hardly agree (correlation "
                f"{rho:.2f}), so {self.teacher.count} teacher and {self.student.count} student "
                "samples that share no noise are compared as independent ones."
            )
        if not any(self.further):
            return ""
        if not self.paired:
            return "Samples that start from the same noise as one of the other run are left out."
        share = max(self.further) / (self.teacher.count + max(self.further))
        lost = 1 - math.sqrt(max(1 - (1 - rho) / 2 * share, 0.0))
        return (
            f"The runs start from the same noise and are compared in {self.teacher.count} pairs; "
            f"samples without a partner are left out. At a correlation of {rho:.2f} they would "
            f"narrow the interval between the means by about {100 * lost:.1f} %."
        )


def choose_samples(teacher: SampleSource, student: SampleSource) -> Chosen:
    """Choose the samples of two runs that are compared.

    Runs of one seed start from the same canvases. Their samples are not independent and are never
    taken as such: even a weak correlation biases the gap between the means. Those without a
    partner are left out.

    Parameters
    ----------
    teacher, student : SampleSource
        Two runs that can be compared.

    Returns
    -------
    Chosen
        Pairs where there are 4 or more; else samples without noise in common.

    Raises
    ------
    InputError
        If the runs share some noise and have too few other samples.
    """
    whole = Stack(teacher.samples), Stack(student.samples)
    if not _share_noise(teacher, student):
        return Chosen(*whole, paired=False)
    numbers = whole[0].indices, whole[1].indices
    shared, first, second = np.intersect1d(*numbers, return_indices=True)
    if not len(shared):
        return Chosen(*whole, paired=False)
    apart = _set_apart(teacher, student, whole, shared)
    if len(shared) >= MIN_SAMPLES:
        further = whole[0].count - len(shared), whole[1].count - len(shared)
        pairs = Stack(teacher.samples, first), Stack(student.samples, second)
        return Chosen(*pairs, paired=True, further=further, apart=apart)
    if apart is None:
        raise InputError(
            f"the runs share the noise of {len(shared)} samples and have too few others; draw "
            f"{MIN_SAMPLES} or more samples of each run from one number on"
        )
    left = whole[0].count - apart[0].count, whole[1].count - apart[1].count
    return Chosen(*apart, paired=False, further=left)


def _share_noise(teacher: SampleSource, student: SampleSource) -> bool:
    """Return whether samples of one number start from one canvas, as far as the runs say so."""
    seeds, bundles = (
        [getattr(run.request, name, None) for run in (teacher, student)]
        for name in ("seed", "bundle_hash")
    )
    same_bundle = None in bundles or bundles[0] == bundles[1]
    return seeds[0] is not None and seeds[0] == seeds[1] and same_bundle


def _set_apart(
    teacher: SampleSource,
    student: SampleSource,
    whole: tuple[Stack, Stack],
    shared: np.ndarray,
) -> tuple[Stack, Stack] | None:
    """Return samples without noise in common: all of the run with fewer others, and the others."""
    others = [np.flatnonzero(~np.isin(one.indices, shared)) for one in whole]
    if max(map(len, others)) < MIN_SAMPLES:
        return None
    if len(others[1]) >= len(others[0]):
        return whole[0], Stack(student.samples, others[1])
    return Stack(teacher.samples, others[0]), whole[1]
