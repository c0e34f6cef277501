"""What an experiment with redraws of the noise asks for: redraws, and enough of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.experiments.redraw_evidence import RedrawEvidence
from napari_posterior.checks.verdicts.evidence import TEvidence
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.planning import plan, tell_plan

TAIL = Looks().tail
LIMITS = ((0.9, 1.1), (0.9, 1.1))


def known(value: float = 1.0, se: float = 0.04, df: float = 5.0) -> RedrawEvidence:
    return RedrawEvidence(value, se, df, redraws=4, each=8)


def test_so_many_redraws_tell_it_from_a_limit_with_80_percent() -> None:
    growth = known().growth(1.1, TAIL)
    se, df = 0.04 / math.sqrt(growth), 5 * growth
    away = 0.1 / se - stats.t.isf(TAIL, df)
    assert stats.norm.cdf(away) == pytest.approx(0.8, abs=0.001)


def test_degrees_of_freedom_grow_with_the_redraws() -> None:
    fixed = TEvidence(1.0, 0.04, 5.0)
    assert 1 < known().growth(1.1, TAIL) < fixed.growth(1.1, TAIL)
    many = RedrawEvidence(1.0, 0.04, math.inf, redraws=4, each=8)
    assert many.growth(1.1, TAIL) == pytest.approx(TEvidence(1.0, 0.04, math.inf).growth(1.1, TAIL))


def test_an_estimate_on_the_limit_is_never_told_and_one_without_error_at_once() -> None:
    assert known(1.1).growth(1.1, TAIL) == math.inf
    assert known(se=0.0).growth(1.1, TAIL) == 0


def test_redraws_are_asked_for_by_name() -> None:
    more = plan(known(), 1.0, LIMITS, (32, 32), Looks(), no_difference=1.0)
    assert more is not None and more.teacher > 0
    redraws = math.ceil(4 + more.teacher / 8)
    told = tell_plan(more, (32, 32), Looks(), counted="restorations of each sampler")
    assert told.startswith(f"about {redraws} redraws of the camera noise instead of 4")
    assert "8 samples of each, should settle it" in told
    assert "more samples of the same redraws may not" in told


def test_the_redraws_asked_for_tell_an_exact_student_in_80_percent() -> None:
    """Ratios with an error of the redraws that samples do not shrink."""
    generator = np.random.default_rng(0)

    def measured(redraws: int) -> RedrawEvidence:
        drawn = generator.normal(1, 0.08, redraws)
        se = float(drawn.std(ddof=1)) / math.sqrt(redraws)
        return RedrawEvidence(float(drawn.mean()), se, redraws - 1, redraws=redraws, each=4)

    asked = []
    for _ in range(100):
        pilot = measured(4)
        more = plan(pilot, pilot.value, LIMITS, (16, 16), Looks(), no_difference=1.0)
        asked.append(math.inf if more is None or more.borderline else 4 + more.teacher / 4)
    redraws = math.ceil(float(np.median(asked)))
    told = []
    for _ in range(300):
        found = measured(redraws)
        told.append(max(found.below(1.1), found.above(0.9)) < TAIL)
    assert np.mean(told) > 0.75
    assert redraws < 30
