"""Looks: what deciding several times costs, by integration, and which look samples belong to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.verdicts.looks import ALPHA, DEFAULT_LOOKS, FEWEST, Looks
from napari_posterior.errors import InputError

WORST = (16, 39, 101, 255, 1023)  # samples at the looks, found by ascent over all slots
SLOTS = ((16, 31), (32, 63), (64, 127), (128, 255), (256, 1023))


def wrong(samples: tuple[int, ...], tail: float, *, points: int = 201) -> float:
    """Probability that a sum of so many normal terms is beyond its quantile at some look.

    Armitage, McPherson & Rowe (1969), JRSS A 132:235, by Gauss-Legendre quadrature.
    """
    bound = stats.norm.isf(tail)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    z, w = (nodes + 1) / 2 * (bound + 8) - 8, weights * (bound + 8) / 2
    density = stats.norm.pdf(z)
    for before, after in pairwise(samples):
        spread = np.sqrt(after - before)
        step = (z[:, None] * np.sqrt(after) - z[None] * np.sqrt(before)) / spread
        density = (stats.norm.pdf(step) * np.sqrt(after) / spread) @ (w * density)
    return float(1 - w @ density)


def test_integration_agrees_with_what_is_known() -> None:
    """Pocock (1977), Biometrika 64:191: five equal steps, two-sided 5 % at z = 2.413."""
    assert wrong((16,), 0.03) == pytest.approx(0.03, abs=1e-9)
    one_sided = wrong((20, 40, 60, 80, 100), float(stats.norm.sf(2.413)))
    assert 2 * one_sided == pytest.approx(0.05, abs=2e-4)


def test_the_worst_choice_of_samples_keeps_the_error() -> None:
    assert wrong(WORST, Looks().tail) <= ALPHA
    assert wrong(DEFAULT_LOOKS, Looks().tail) <= wrong(WORST, Looks().tail)


def test_no_neighbouring_choice_is_worse() -> None:
    worst = wrong(WORST, Looks().tail, points=81)
    for look, (least, most) in enumerate(SLOTS):
        for samples in {least, (least + most) // 2, most, WORST[look] - 1, WORST[look] + 1}:
            if least <= samples <= most:
                choice = (*WORST[:look], samples, *WORST[look + 1 :])
                assert wrong(choice, Looks().tail, points=81) <= worst + 1e-9


def test_the_tail_is_not_needlessly_small() -> None:
    assert wrong(WORST, 1.02 * Looks().tail) > ALPHA


@pytest.mark.parametrize("samples", [(16,), (20, 40), (16, 64, 256), (16, 17, 5000), (30, 31, 90)])
def test_other_plans_keep_the_error_whatever_their_numbers(samples: tuple[int, ...]) -> None:
    looks = Looks(samples)
    assert wrong(samples, looks.tail) <= ALPHA + 1e-9
    # independent looks are the worst there is, and are paid for exactly
    assert 1 - (1 - looks.tail) ** len(samples) == pytest.approx(ALPHA)
    assert looks.level == pytest.approx(1 - 2 * looks.tail)


def test_one_look_costs_nothing() -> None:
    assert Looks((64,)).tail == pytest.approx(ALPHA)


@pytest.mark.parametrize(
    ("samples", "look"),
    [(1, None), (15, None), (16, 16), (31, 16), (32, 32), (255, 128), (256, 256), (9999, 256)],
)
def test_samples_belong_to_the_last_look_they_reach(samples: int, look: int | None) -> None:
    assert Looks().find(samples) == look


@pytest.mark.parametrize(("samples", "look"), [(1, 16), (16, 16), (16.5, 32), (200, 256)])
def test_the_next_look_is_the_first_with_enough_samples(samples: float, look: int) -> None:
    assert Looks().after(samples) == look


def test_after_the_last_look_none_is_planned() -> None:
    assert Looks((16, 32)).after(33) is None


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ((), "plan one to 5"),
        ((16, 32, 64, 128, 256, 512), "plan one to 5"),
        ((FEWEST - 1, 32), f"plan the first at {FEWEST}"),
        ((16, 64, 32), "from small to large"),
        ((16, 16), "from small to large"),
    ],
)
def test_plans_that_cannot_be_are_refused(samples: tuple[int, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Looks(samples)
