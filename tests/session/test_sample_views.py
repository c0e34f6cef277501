"""Samples in another order, and what varies most among them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.session import sample_views
from napari_posterior.session.models import RunEntry, SessionState
from napari_posterior.session.sample_views import (
    SortedStack,
    find_variation,
    measure_run,
    order_by,
    sort_choices,
)
from napari_posterior.session.statistic_choices import StatisticChoice
from napari_posterior.session.watch import SampleValues


class Counted:
    """A stack that notes which samples were read."""

    def __init__(self, data):
        self.data, self.read = data, []
        self.shape, self.dtype = data.shape, data.dtype

    def __len__(self):
        return len(self.data)

    def __getitem__(self, key):
        self.read.append(key[0])
        return self.data[key]


@pytest.fixture
def stack():
    return np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)


@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        slice(1, 4),
        [0, 3],
        (2, 3),
        (slice(None), slice(2, 5), 3),
        (np.int64(1), slice(None), slice(None)),
        Ellipsis,
        (Ellipsis, 2),
    ],
)
def test_sorted_stack_is_indexed_as_the_sorted_array(stack, key):
    order = [3, 0, 4, 2, 1]
    np.testing.assert_array_equal(SortedStack(stack, order)[key], stack[order][key])


def test_sorting_reads_and_copies_nothing(stack):
    given = Counted(stack)
    view = SortedStack(given, [3, 0, 4, 2, 1])
    assert (view.shape, view.ndim, view.dtype, len(view)) == (stack.shape, 3, stack.dtype, 5)
    assert given.read == []
    view[1, 2:4]
    assert given.read == [0]
    assert view.stack is given


def test_order_that_leaves_a_sample_out_is_refused(stack):
    with pytest.raises(ValueError, match="every sample once"):
        SortedStack(stack, [0, 0, 1, 2, 3])


def test_order_is_of_increasing_values_and_keeps_equal_ones_as_drawn():
    values = np.array([3.0, np.nan, 1.0, 3.0, 2.0])
    assert order_by(values).tolist() == [2, 4, 0, 3, 1]


def test_samples_of_a_stored_run_are_sorted_without_loading_them(stored_run):
    run = stored_run()
    view = SortedStack(run.samples, [4, 3, 2, 1, 0])
    np.testing.assert_array_equal(np.asarray(view), np.asarray(run.samples)[::-1])


def test_what_was_measured_is_offered_and_the_light_always():
    entry, compare = RunEntry(1, "teacher", "teacher", "cell", 3), SessionState().compare
    compare.offered = (StatisticChoice("puncta_count", "puncta count", "puncta"),)
    assert [one.key for one in sort_choices(entry, compare)] == ["puncta_count", "total_intensity"]
    entry.measured = (SampleValues("likelihood", "likelihood residual", "", np.zeros(3)),)
    assert [one.key for one in sort_choices(entry, compare)] == ["likelihood", "total_intensity"]


def test_run_is_measured_sample_by_sample(stored_run):
    run = stored_run()
    found = {one.id: one for one in measure_run(run, ("total_intensity",))}
    np.testing.assert_allclose(
        found["total_intensity"].values, np.asarray(run.samples).sum((1, 2)), rtol=1e-5
    )
    assert "likelihood" in found


@pytest.mark.parametrize("axes", ["yx", "zyx"])
@pytest.mark.parametrize("bytes_at_once", [2**26, 4 * 6 * 32 * 5])
def test_components_are_those_of_a_singular_value_decomposition(
    axes, bytes_at_once, stored_run, monkeypatch
):
    monkeypatch.setattr(sample_views, "_AT_ONCE", bytes_at_once)
    run = stored_run(axes=axes, samples=6)

    found = find_variation(run, most=3)

    rows = np.asarray(run.samples, np.float64).reshape(6, -1)
    centred = rows - rows.mean(0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    assert found.components.shape == (3, *run.samples.shape[1:])
    assert found.components.dtype == np.float32
    np.testing.assert_allclose(found.mean.ravel(), rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.shares, (s**2 / (s**2).sum())[:3], rtol=1e-4)
    for i in range(3):
        wanted = vt[i] * s[i] / np.sqrt(5)  # one standard deviation
        wanted *= np.sign(wanted.sum())
        np.testing.assert_allclose(found.components[i].ravel(), wanted, atol=2e-3)
    np.testing.assert_allclose(found.scores.std(0, ddof=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        found.scores[:, 0] @ centred / 5, found.components[0].ravel(), atol=2e-3
    )


def test_image_is_the_mean_and_the_weighted_components(stored_run):
    found = find_variation(stored_run(), most=2)
    np.testing.assert_array_equal(found.image((0, 0)), found.mean)
    wanted = found.mean + 1.5 * found.components[0] - found.components[1]
    out = np.empty_like(found.mean)
    assert found.image((1.5, -1), out=out) is out
    np.testing.assert_allclose(out, wanted, atol=2e-6)  # of terms near 10, in float32


def test_all_components_make_a_sample_again(stored_run):
    run = stored_run()
    found = find_variation(run)
    assert len(found) == 4
    assert found.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.image(found.scores[2]), run.samples[2], atol=1e-3)


def test_too_few_or_equal_samples_and_a_large_image_are_told(stored_run, monkeypatch):
    with pytest.raises(InputError, match="draw 3 or more"):
        find_variation(stored_run(samples=2))
    with pytest.raises(InputError, match="all samples of this run are the same"):
        find_variation(stored_run(spread=0.0, seed=1))
    monkeypatch.setattr(sample_views, "_MOST_BYTES", 100)
    with pytest.raises(InputError, match="restore a plane"):
        find_variation(stored_run(seed=2))
