from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_posterior.errors import InputError
from napari_posterior.image import load_image
from napari_posterior.physics.estimate import estimate_camera
from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes

GAIN, OFFSET, READ = 2.1, 100.0, 1.6


def expose(x: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return GAIN * (rng.poisson(x) + rng.normal(0, READ, x.shape)) + OFFSET


def photograph(peak: float, *, size: int = 512, seed: int = 0) -> np.ndarray:
    """Smooth bodies on a dark ground."""
    field = gaussian_filter(np.random.default_rng(seed + 100).normal(size=(size, size)), 8.0)
    x = np.clip(field / field.std(), 0, None)
    return expose(peak * x / x.max(), seed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gain_of_a_bright_simulated_scene_is_found_within_fifteen_percent(kind):
    scenes = draw_scenes(kind, 2, 256, 200.0, Dice.seeded(0))[:, 0].numpy()
    found = [estimate_camera(expose(x, seed)) for seed, x in enumerate(scenes)]
    assert all(estimate.resolved for estimate in found)
    assert np.mean([estimate.camera.gain for estimate in found]) == pytest.approx(GAIN, rel=0.15)
    for estimate in found:
        low, high = estimate.gain_interval
        assert low < estimate.camera.gain < high
        assert high / low < 2
        assert estimate.camera.source == "estimated"


def test_the_noise_model_is_right_even_where_offset_and_read_noise_are_confounded():
    y = photograph(200.0)
    camera = estimate_camera(y).camera
    for level in (0.0, 20.0, 150.0):
        adu = GAIN * level + OFFSET
        expected = GAIN**2 * (level + READ**2)
        found = camera.gain * (adu - camera.offset) + (camera.gain * camera.read_noise) ** 2
        assert np.sqrt(found / expected) == pytest.approx(1, abs=0.12)


def test_the_offset_is_near_the_dark_level_where_there_is_dark():
    estimate = estimate_camera(photograph(200.0))
    assert estimate.camera.offset == pytest.approx(OFFSET, abs=8)
    assert 0.3 <= estimate.camera.read_noise <= 2.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("background", [0.0, 40.0])
def test_the_camera_carries_intervals_that_hold_offset_and_read_noise(kind, background):
    x = draw_scenes(kind, 1, 256, 100.0, Dice.seeded(1))[0, 0].numpy()
    camera = estimate_camera(expose(x + background)).camera
    assert camera.gain_interval[0] < camera.gain < camera.gain_interval[1]
    for name, given in (("offset", OFFSET), ("read_noise", READ)):
        low, high = getattr(camera, f"{name}_interval")
        assert low <= given <= high
        assert low <= getattr(camera, name) <= high


def test_where_the_gain_is_not_resolved_the_camera_says_how_little_is_known():
    estimate = estimate_camera(np.random.default_rng(1).normal(500, 6.0, (256, 256)))
    low, high = estimate.camera.gain_interval
    assert low == 0
    # noise of 6 ADU is a read noise of at least 0.3 e-
    assert high == pytest.approx(20, rel=0.1)
    assert estimate.camera.gain_doubt > 1


def test_background_light_everywhere_is_not_taken_for_read_noise():
    lit = photograph(200.0) * 1.0
    rng = np.random.default_rng(5)
    lit += GAIN * rng.poisson(150.0, lit.shape)
    estimate = estimate_camera(lit)
    assert estimate.camera.read_noise <= 2.0
    assert estimate.camera.offset == pytest.approx(OFFSET, abs=30)
    assert any("background light" in note for note in estimate.notes)


def test_an_image_without_contrast_does_not_tell_the_gain_and_gets_units_of_its_own():
    noise = np.random.default_rng(1).normal(500, 6.0, (256, 256))
    estimate = estimate_camera(noise)
    assert not estimate.resolved
    assert "could not be estimated" in estimate.notes[0]
    camera = estimate.camera
    assert camera.read_noise == 2.0
    assert camera.gain * camera.read_noise == pytest.approx(6.0, rel=0.1)
    assert camera.offset == pytest.approx(500, abs=5)


@pytest.mark.parametrize(
    "plane",
    [
        np.random.default_rng(0).random((8, 8)),
        np.arange(100.0).reshape(10, 10),
        np.eye(64) * 9,
        np.pad(np.full((1, 1), 7), 20),
    ],
    ids=["tiny", "ramp", "diagonal", "one bright pixel"],
)
def test_any_finite_image_gets_a_usable_camera(plane):
    estimate = estimate_camera(plane)
    assert not estimate.resolved
    assert estimate.camera.gain > 0
    assert np.isfinite([estimate.camera.gain, estimate.camera.offset]).all()


@pytest.mark.parametrize("plane", [np.zeros((2, 9)), np.zeros(9), np.full((9, 9), np.nan)])
def test_what_cannot_be_looked_at_is_refused(plane):
    with pytest.raises(InputError, match="give finite planes of 3 x 3 pixels or more"):
        estimate_camera(plane)


def test_saturated_pixels_are_left_out_and_said_so():
    y = photograph(200.0)
    clipped = np.minimum(y, np.quantile(y, 0.97))
    estimate = estimate_camera(clipped)
    assert any("saturated" in note for note in estimate.notes)
    assert estimate.camera.gain == pytest.approx(estimate_camera(y).camera.gain, rel=0.15)


def test_smoothed_noise_is_said_to_be_so():
    y = photograph(100.0)
    smooth = (y + np.roll(y, 1, 0) + np.roll(y, 1, 1) + np.roll(y, (1, 1), (0, 1))) / 4
    words = "Neighbouring pixels vary together"
    assert any(words in note for note in estimate_camera(smooth).notes)
    assert not any(words in note for note in estimate_camera(y).notes)


def test_the_same_image_gives_the_same_estimate_and_planes_pool():
    y = photograph(100.0, size=256)
    assert estimate_camera(y) == estimate_camera(y.copy())
    stack = np.stack([photograph(100.0, size=256, seed=seed) for seed in range(4)])
    (low, high), (low4, high4) = (
        estimate_camera(y).gain_interval,
        estimate_camera(stack).gain_interval,
    )
    assert high4 - low4 < high - low


def test_of_a_large_stack_some_planes_are_enough(monkeypatch):
    stack = np.stack([photograph(100.0, size=256, seed=seed) for seed in range(6)])
    monkeypatch.setattr("napari_posterior.physics.estimate.single._MOST_PIXELS", 3 * 256**2)
    assert estimate_camera(stack) == estimate_camera(stack[[0, 2, 5]])


def test_every_note_is_one_sentence():
    for y in (photograph(200.0), np.random.default_rng(0).normal(5, 1, (64, 64))):
        for note in estimate_camera(y).notes:
            assert note.endswith(".")
            assert note[0].isupper()
            assert "\n" not in note


@pytest.mark.realdata
def test_the_calibrated_camera_of_a_real_tirf_field_is_found_from_each_exposure(real_data):
    # calibration maps: gain 2.10 ADU/e- (mean), offset 100 ADU; variance against mean of the
    # same frames, done with the maps: slopes of 2.1 to 2.5 ADU/e-
    for plane in load_image(real_data / "miro_tirf_mito_raw.tif").planes():
        estimate = estimate_camera(plane)
        assert estimate.resolved
        assert 2.0 < estimate.camera.gain < 2.6
        assert estimate.camera.offset == pytest.approx(100, abs=10)


@pytest.mark.realdata
def test_a_real_structureless_solution_leaves_the_gain_open(real_data):
    # 1.13 ADU/e- follows only with the known offset of 100 ADU: one image does not tell
    estimate = estimate_camera(
        load_image(real_data / "punctatools_gfp_solution_5p62uM.tif").plane(0)
    )
    assert not estimate.resolved
    low, high = estimate.gain_interval
    assert low < 1.13 < high


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("neubias_er_exit_sites_noisy", True),
        ("fmd_confocal_mouse_nuclei_raw4", True),
        ("neubias_autophagosomes", True),
        ("trackpy_stuck_5frames", False),
    ],
)
def test_real_images_give_a_camera_or_say_that_they_do_not(real_data, name, resolved):
    estimate = estimate_camera(load_image(real_data / f"{name}.tif").plane(0))
    assert estimate.resolved is resolved
    assert estimate.camera.read_noise <= 2.0
    assert estimate.notes
