from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.correction.comoments import CoMoments
from napari_posterior.errors import InputError


def _pairs(count: int = 40, shape: tuple[int, ...] = (3, 5), seed: int = 0):
    generator = np.random.default_rng(seed)
    first = generator.gamma(2.0, size=(count, *shape)).astype(np.float32) + 1000
    second = (0.7 * first + generator.standard_normal((count, *shape))).astype(np.float32)
    return first, second


def _stream(first, second, *, order: int = 4) -> CoMoments:
    moments = CoMoments(order=order)
    for pair in zip(first, second, strict=True):
        moments.add(*pair)
    return moments


@pytest.mark.parametrize("order", [2, 4])
def test_moments_are_those_of_all_samples_at_once(order):
    first, second = _pairs()
    moments = _stream(first, second, order=order)
    a, b = (x.astype(np.float64) - x.mean(0, dtype=np.float64) for x in (first, second))
    assert moments.count == 40 and moments.shape == (3, 5)
    assert np.allclose(moments.mean(1), second.mean(0, dtype=np.float64), rtol=1e-12)
    assert np.allclose(moments.covariance(0, 1), (a * b).sum(0) / 39, rtol=1e-9)
    assert np.allclose(moments.covariance(1, 1), (b * b).sum(0) / 39, rtol=1e-9)
    if order == 4:
        for i, j in ((3, 0), (2, 1), (1, 2), (0, 3), (4, 0), (2, 2), (0, 4)):
            assert np.allclose(moments.sum_of(i, j), (a**i * b**j).sum(0), rtol=1e-8)


def test_students_alone_have_the_moments_of_one_variable():
    first, _ = _pairs()
    moments = CoMoments(variables=1, order=4)
    for sample in first:
        moments.add(sample)
    a = first.astype(np.float64) - first.mean(0, dtype=np.float64)
    assert np.allclose(moments.sum_of(4), (a**4).sum(0), rtol=1e-9)
    assert np.allclose(moments.covariance(), a.var(0, ddof=1), rtol=1e-9)


@pytest.mark.parametrize("cut", [0, 1, 17, 40])
def test_two_streams_merge_into_the_one_that_saw_all(cut):
    first, second = _pairs()
    whole = _stream(first, second)
    parts = [_stream(first[part], second[part]) for part in (slice(cut), slice(cut, None))]
    parts[0].merge(parts[1])
    assert parts[0].count == whole.count
    for key in ((2, 0), (1, 1), (2, 2), (0, 4), (1, 2)):
        assert np.allclose(parts[0].sum_of(*key), whole.sum_of(*key), rtol=1e-8)
    assert np.allclose(parts[0].mean(0), whole.mean(0), rtol=1e-12)


def test_merging_leaves_the_other_stream_as_it_was():
    one, other = _stream(*_pairs()), _stream(*_pairs(seed=1))
    before = other.sum_of(2, 0).copy(), other.mean(0).copy()
    empty = CoMoments(order=4)
    empty.merge(other)
    empty.merge(one)
    assert np.array_equal(other.sum_of(2, 0), before[0])
    assert np.array_equal(other.mean(0), before[1])


def test_numbers_are_taken_as_images_are():
    moments = CoMoments()
    for pair in ((1.0, 2.0), (3.0, 1.0), (5.0, 6.0)):
        moments.add(*pair)
    assert moments.mean(0) == pytest.approx(3)
    assert moments.covariance(0, 0) == pytest.approx(4)
    assert moments.covariance(0, 1) == pytest.approx(4)


def test_large_maps_are_read_in_blocks_without_a_seam():
    generator = np.random.default_rng(3)
    samples = generator.standard_normal((5, 300, 200)).astype(np.float32)
    moments = CoMoments(variables=1)
    for sample in samples:
        moments.add(sample)
    assert np.allclose(moments.covariance(), samples.var(0, ddof=1, dtype=np.float64), atol=1e-12)


@pytest.mark.parametrize(
    ("sample", "said"), [(np.ones(4), "one shape"), (np.array([1, np.nan, 2]), "not finite")]
)
def test_samples_that_do_not_belong_are_refused_and_leave_no_trace(sample, said):
    moments = CoMoments()
    moments.add(np.zeros(3), np.ones(3))
    with pytest.raises(InputError, match=said):
        moments.add(np.zeros(3), sample)
    assert moments.count == 1 and not moments.mean(0).any()


def test_one_sample_has_no_variance():
    moments = CoMoments(variables=1)
    moments.add(1.0)
    with pytest.raises(InputError, match="two samples"):
        moments.covariance()
