"""A better image of the field instead of the object: how samples are seen, what it is called."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_posterior.checks import build_report
from napari_posterior.checks.known.reference import SeenStack, fit_reference
from napari_posterior.checks.page.charts import plot_report
from napari_posterior.checks.source import Stack


def told(report) -> str:
    charts = [
        (one.title, one.caption, one.x.label)
        for one in plot_report(report, names=("teacher", "student"))
    ]
    maps = [(one.title, one.words) for one in report.figures.maps]
    sentences = [(one.sentence, *one.notes) for one in report.findings]
    return " ".join(text for part in (charts, maps, sentences) for one in part for text in one)


def test_what_is_scored_against_is_called_what_it_is(two_runs, scene) -> None:
    truth, _ = scene
    seen = two_runs[0].measurement(0).forward.mean(torch.from_numpy(truth)[None])[0].numpy()
    by_object = told(build_report(*two_runs, truth=truth))
    by_image = told(build_report(*two_runs, reference=3 * seen + 50))
    assert "hold the known object at" in by_object
    assert "rank of the known object among" in by_object
    assert "reference image" not in by_object
    assert "hold the reference image at" in by_image
    assert "where the reference image is missed" in by_image
    assert "rank of the reference image among" in by_image
    assert "known object" not in by_image


@pytest.fixture
def volume(fake_run, draw, scene):
    """A run of two planes by three channels."""
    _, y = scene
    samples = np.stack([draw(5, seed) for seed in range(6)], axis=1).reshape(5, 2, 3, 64, 64)
    return fake_run(samples, np.broadcast_to(y, (2, 3, 64, 64)))


def test_samples_are_seen_plane_by_plane_and_band_by_band(volume) -> None:
    stack = Stack(volume.samples, np.array([3, 1]))
    measurements = [volume.measurement(plane) for plane in range(6)]
    seen = SeenStack(stack, measurements)
    assert (seen.count, seen.planes, seen.plane_shape) == (2, 6, (64, 64))
    assert seen.indices.tolist() == [3, 1]
    for sample, row in enumerate((3, 1)):
        for plane in range(6):
            x = torch.from_numpy(volume.samples[row].reshape(6, 64, 64)[plane])[None]
            expected = measurements[plane].forward.mean(x)[0].numpy()
            np.testing.assert_allclose(seen.plane(sample, plane), expected, rtol=1e-5)
            np.testing.assert_array_equal(
                seen.rows(sample, plane, 8, 24), seen.plane(sample, plane)[8:24]
            )


def test_noise_of_the_image_is_that_of_the_sample_wherever_it_is_read(volume) -> None:
    noise = np.full((6, 64, 64), 2.0)
    measurements = [volume.measurement(plane) for plane in range(6)]
    whole = SeenStack(Stack(volume.samples), measurements, noise=noise)
    some = SeenStack(Stack(volume.samples, np.array([4])), measurements, noise=noise)
    np.testing.assert_array_equal(whole.plane(4, 5), some.plane(0, 5))
    bare = SeenStack(Stack(volume.samples), measurements)
    assert np.std(whole.plane(4, 5) - bare.plane(4, 5)) == pytest.approx(2, rel=0.05)


def test_the_image_is_brought_to_what_the_samples_show(two_runs) -> None:
    stack, measurements = Stack(two_runs[0].samples), [two_runs[0].measurement(0)]
    seen = SeenStack(stack, measurements)
    mean = np.mean([seen.plane(sample, 0) for sample in range(stack.count)], axis=0)
    found = fit_reference(stack, measurements, 3 * mean + 50)
    assert (found.gain, found.offset) == pytest.approx((3, 50), rel=1e-5)
    np.testing.assert_allclose(found.values[0], mean, rtol=1e-5)
