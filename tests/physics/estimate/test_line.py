from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.physics.estimate.line import fit_line
from napari_posterior.physics.estimate.points import Points, join, laplacian_points


def points(gain: float, offset: float, read: float, *, seed: int = 0, count: int = 400) -> Points:
    """Blocks of 64 pixels whose variances scatter as chi-square."""
    rng = np.random.default_rng(seed)
    mean = offset + rng.uniform(0, 500, count)
    variance = gain * (mean - offset) + (gain * read) ** 2
    return Points.of(mean, variance * rng.chisquare(64, count) / 64, 64, 64)


def test_slope_and_intercept_of_a_known_line_are_found():
    line = fit_line(points(2.0, 100.0, 1.5))
    assert line.resolved
    assert line.gain == pytest.approx(2.0, rel=0.03)
    assert line.variance(100.0) == pytest.approx(9.0, abs=4.0)


def test_the_interval_holds_the_slope_in_about_19_of_20_cases():
    held = [
        low <= 2.0 <= high
        for low, high in (fit_line(points(2.0, 100.0, 1.5, seed=s)).interval for s in range(40))
    ]
    assert 33 <= sum(held) <= 40


def test_blocks_that_stand_out_do_not_move_the_line():
    clean = points(2.0, 100.0, 1.5)
    variance = clean.variance.copy()
    variance[::10] *= 8
    spoilt = Points(clean.mean, variance, clean.pixels, clean.freedom, clean.group)
    assert fit_line(spoilt).gain == pytest.approx(fit_line(clean).gain, rel=0.03)


def test_a_variance_that_bends_widens_the_interval():
    straight = points(2.0, 100.0, 1.5, count=2000)
    bent = Points(
        straight.mean,
        straight.variance * (1 + 0.3 * np.sin(straight.mean / 60)),
        straight.pixels,
        straight.freedom,
        straight.group,
    )
    low, high = fit_line(bent).interval
    wide_low, wide_high = fit_line(bent, levels=8).interval
    assert wide_high - wide_low > 1.5 * (high - low)
    low, high = fit_line(straight).interval
    wide_low, wide_high = fit_line(straight, levels=8).interval
    assert wide_high - wide_low < 1.6 * (high - low)


def test_too_few_blocks_or_equal_ones_give_no_line():
    few = points(2.0, 100.0, 1.5, count=5)
    alike = Points.of(np.full(50, 3.0), np.full(50, 1.0), 64, 64)
    silent = Points.of(np.arange(50.0), np.zeros(50), 64, 64)
    for blocks in (few, alike, silent):
        assert not fit_line(blocks).resolved


def test_the_laplacian_of_white_noise_has_its_variance_and_its_degrees_of_freedom():
    y = np.random.default_rng(0).normal(50, 3.0, (1, 514, 514))
    found = laplacian_points(y, 16)
    assert found.variance.mean() == pytest.approx(9, rel=0.02)
    expected = np.sqrt(2 / found.freedom[0])
    # residuals of blocks' edges reach beyond them, hence the tolerance
    assert found.variance.std() / found.variance.mean() == pytest.approx(expected, rel=0.1)


def test_joined_blocks_keep_their_groups():
    both = join([points(2.0, 100.0, 1.5, count=3), Points.of(np.ones(2), np.ones(2), 4, 3, 1)])
    assert both.group.tolist() == [0, 0, 0, 1, 1]
    assert len(both) == 5
