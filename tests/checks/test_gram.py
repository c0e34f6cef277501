"""The Gram matrix and what is computed from it, against NumPy and known covariances."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.gram import GramAccumulator, coupling, group


def gram_of(teacher, student):
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def test_total_variance_and_its_leave_one_out_values() -> None:
    x = np.random.default_rng(0).normal(3, 2, (9, 50))
    found = group(x @ x.T)
    assert found.total_variance == pytest.approx(x.var(0, ddof=1).sum())
    expected = [np.delete(x, i, 0).var(0, ddof=1).sum() for i in range(9)]
    np.testing.assert_allclose(found.without, expected, rtol=1e-10)


@pytest.mark.parametrize("tails", ["gaussian", "t6"])
def test_trace_of_squared_covariance_is_unbiased(tails: str) -> None:
    generator = np.random.default_rng(1)
    variances = np.linspace(0.2, 3, 30)
    found = []
    for _ in range(600):
        z = generator.normal(size=(8, 30))
        if tails == "t6":
            z = generator.standard_t(6, size=(8, 30)) / np.sqrt(1.5)
        x = z * np.sqrt(variances)
        found.append(group(x @ x.T).square)
    se = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - (variances**2).sum()) < 3 * se


def test_effective_dimension_of_white_noise_is_not_bounded_by_the_samples() -> None:
    generator = np.random.default_rng(2)
    x = generator.normal(size=(100, 16, 100))
    found = [group(one @ one.T).dimension for one in x]
    assert np.median(found) == pytest.approx(100, rel=0.05)


def test_tiles_precision_and_shift_leave_the_gram_matrix() -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(5, 1, (10, 700))
    whole, tiles = GramAccumulator(4, 6), GramAccumulator(4, 6)
    whole.add(x)
    for start in range(0, 700, 93):
        tiles.add((x[:, start : start + 93] + 1000.0).astype(np.float32))
    a, b = whole.result(), tiles.result()
    assert a.n_pixels == b.n_pixels == 700
    np.testing.assert_allclose(a.matrix, b.matrix, atol=2e-4 * np.abs(a.matrix).max())


def test_order_of_samples_only_permutes() -> None:
    x = np.random.default_rng(4).normal(size=(7, 40))
    order = np.random.default_rng(5).permutation(7)
    a, b = group(x @ x.T), group(x[order] @ x[order].T)
    assert a.total_variance == pytest.approx(b.total_variance)
    assert a.square == pytest.approx(b.square)


def test_coupling_is_the_correlation_of_pairs() -> None:
    generator = np.random.default_rng(6)
    common = generator.normal(size=(40, 900))
    other = generator.normal(size=(40, 900))
    student = 0.6 * common + 0.8 * other
    assert coupling(gram_of(common, student)) == pytest.approx(0.6, abs=0.02)
    assert coupling(gram_of(common, other)) == pytest.approx(0.0, abs=0.02)
    assert coupling(gram_of(common, common)) == pytest.approx(1.0, abs=1e-6)
