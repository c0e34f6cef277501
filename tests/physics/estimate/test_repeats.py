from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.image import load_image
from napari_posterior.physics.estimate import camera_from_repeats
from napari_posterior.physics.estimate.frames import fit_drift, measure
from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes

GAIN, OFFSET, READ = 2.1, 100.0, 1.2


def scene(kind: str = "nuclei", peak: float = 100.0, seed: int = 0) -> np.ndarray:
    return draw_scenes(kind, 1, 256, peak, Dice.seeded(seed))[0, 0].numpy().astype(float)


def expose(x: np.ndarray, scales: tuple[float, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light = np.multiply.outer(np.array(scales), x)
    return GAIN * (rng.poisson(light) + rng.normal(0, READ, light.shape)) + OFFSET


@pytest.mark.parametrize("kind", KINDS)
def test_the_gain_is_found_whatever_the_structure(kind):
    estimate = camera_from_repeats(expose(scene(kind), (1.0,) * 4))
    low, high = estimate.gain_interval
    assert estimate.resolved
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.08)
    assert low < estimate.camera.gain < high
    assert estimate.camera.gain_interval == estimate.gain_interval
    for name, given in (("offset", OFFSET), ("read_noise", READ)):
        least, most = getattr(estimate.camera, f"{name}_interval")
        assert least <= given <= most


def test_intervals_hold_the_gain_in_most_cases_and_shrink_with_frames():
    widths = []
    for frames in (2, 16):
        intervals = [
            camera_from_repeats(expose(scene(seed=s), (1.0,) * frames, s)).gain_interval
            for s in range(5)
        ]
        assert sum(low <= GAIN <= high for low, high in intervals) >= 4
        widths.append(np.mean([high - low for low, high in intervals]))
    assert widths[1] < 0.6 * widths[0]


def test_fading_from_frame_to_frame_is_fitted_out_and_said():
    scales = (1.2, 1.05, 0.95, 0.8)
    y = expose(scene(peak=200.0), scales)
    drift = fit_drift(y)
    assert drift.scale == pytest.approx(np.array(scales) / np.mean(scales), rel=0.02)
    assert drift.shift.sum() == pytest.approx(0, abs=1e-6)
    estimate = camera_from_repeats(y)
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.05)
    assert any("0.80 to 1.20" in note for note in estimate.notes)
    # without the fit, fading is taken for noise
    naive = y.var(axis=0, ddof=1).mean()
    assert measure(y, drift).variance.mean() < 0.8 * naive


def test_a_few_bright_blocks_on_a_dark_ground_are_enough():
    x = np.full((256, 256), 0.1)
    x[96:136, 96:136] = 60.0  # 25 of 1024 blocks
    estimate = camera_from_repeats(expose(x, (1.0,) * 16))
    assert estimate.resolved
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.05)


def test_the_variance_belongs_to_the_mean_at_any_fading():
    x = np.full((256, 256), 50.0) + np.linspace(0, 100, 256)
    y = expose(x, (1.3, 0.7))
    moments = measure(y, fit_drift(y))
    expected = GAIN * (moments.mean.mean() - OFFSET) + (GAIN * READ) ** 2
    assert moments.variance.mean() == pytest.approx(expected, rel=0.02)


def test_the_same_frames_in_another_type_or_order_of_strips_give_the_same(monkeypatch):
    y = np.round(expose(scene(), (1.0, 1.0, 1.0)))
    whole = camera_from_repeats(y)
    monkeypatch.setattr("napari_posterior.physics.estimate.frames._STRIP", 7 * 3 * 256)
    strips = camera_from_repeats(y.astype(np.uint16))
    assert strips.camera.gain == pytest.approx(whole.camera.gain, rel=1e-9)


def test_copies_are_left_out_and_a_single_exposure_is_refused():
    y = expose(scene(), (1.0, 1.0))
    estimate = camera_from_repeats(y[[0, 0, 1]])
    assert any("1 copy of another frame" in note for note in estimate.notes)
    assert estimate.camera == camera_from_repeats(y).camera
    for single in (y[:1], y[0], y[[0, 0, 0]]):
        with pytest.raises(InputError, match="two or more exposures"):
            camera_from_repeats(single)


def test_saturated_pixels_are_left_out():
    y = expose(scene(peak=200.0), (1.0,) * 4)
    clipped = np.minimum(y, np.quantile(y, 0.98))
    estimate = camera_from_repeats(clipped)
    assert any("saturated" in note for note in estimate.notes)
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.08)


def test_frames_without_light_do_not_tell_the_gain():
    estimate = camera_from_repeats(np.random.default_rng(0).normal(100, 3.0, (5, 128, 128)))
    assert not estimate.resolved
    assert estimate.camera.gain_doubt > 1


@pytest.mark.parametrize(
    "stack",
    [np.zeros((2, 8, 8)), np.zeros((2, 2, 32, 32)), np.zeros(5), np.zeros((0, 32, 32))],
)
def test_what_is_not_a_stack_of_frames_is_refused(stack):
    with pytest.raises(InputError, match="give frames x height x width"):
        camera_from_repeats(stack)


def test_nan_is_refused():
    with pytest.raises(InputError, match="not finite"):
        camera_from_repeats(np.full((2, 32, 32), np.nan))


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["fmd_confocal_mouse_nuclei", "fmd_twophoton_bpae_mito"])
def test_the_interval_of_real_repeats_holds_the_gain_of_each_frame_against_the_mean_of_50(
    real_data, name
):
    frames = load_image(real_data / f"{name}_raw4.tif").data
    mean = load_image(real_data / f"{name}_avg50.tif").data.astype(float)
    estimate = camera_from_repeats(frames)
    low, high = estimate.gain_interval
    assert low < gain_against_mean(frames.astype(float), mean) < high
    assert (high - low) / 2 < 0.1 * estimate.camera.gain


def gain_against_mean(frames: np.ndarray, mean: np.ndarray) -> float:
    """Plain binned line of squared difference on the mean of 50, of which a frame is one."""
    lines = [np.polyfit(mean.ravel(), frame.ravel(), 1) for frame in frames]
    squares = np.mean(
        [(f - np.polyval(p, mean)) ** 2 for f, p in zip(frames, lines, strict=True)], axis=0
    ) / (1 - 1 / 50)
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, 21)))[1:-1]
    index = np.digitize(mean, edges).ravel()
    count = np.bincount(index)
    level = np.bincount(index, mean.ravel()) / count
    variance = np.bincount(index, squares.ravel()) / count
    return float(np.polyfit(level, variance, 1, w=np.sqrt(count) / variance)[0])
