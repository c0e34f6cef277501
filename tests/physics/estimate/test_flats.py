from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.image import load_image
from napari_posterior.physics.estimate import camera_from_flats

GAIN, OFFSET, READ = 2.1, 100.0, 1.2
SHAPE = (128, 128)
FIELD = 1 - 0.3 * np.hypot(*np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]) ** 2 / 2

Levels = tuple[np.ndarray | float, np.ndarray | float, np.ndarray | float]


def shoot(
    level: float,
    frames: int,
    rng: np.random.Generator,
    camera: Levels = (GAIN, OFFSET, READ),
    flicker: float = 0.0,
) -> np.ndarray:
    gain, offset, read = camera
    light = level * np.multiply.outer(1 + flicker * rng.normal(size=frames), FIELD)
    noise = rng.normal(0, 1, light.shape) * read
    return np.round(gain * (rng.poisson(light) + noise) + offset).astype(np.uint16)


def series(frames: int, *, camera: Levels = (GAIN, OFFSET, READ), seed: int = 0, **options):
    rng = np.random.default_rng(seed)
    flats = [shoot(level, frames, rng, camera, **options) for level in (20, 100, 400, 1500)]
    return flats, shoot(0, frames, rng, camera)


@pytest.fixture(scope="module")
def uneven() -> Levels:
    """A camera whose every pixel differs."""
    rng = np.random.default_rng(7)
    return (
        GAIN * np.exp(0.06 * rng.normal(size=SHAPE)),
        OFFSET + 3 * rng.normal(size=SHAPE),
        READ * np.exp(0.4 * rng.normal(size=SHAPE)),
    )


@pytest.mark.parametrize("frames", [2, 8])
def test_flats_and_darks_give_all_three_numbers_with_narrow_intervals(frames):
    flats, dark = series(frames)
    camera = camera_from_flats(flats, dark).camera
    assert camera.gain == pytest.approx(GAIN, rel=0.02)
    assert camera.offset == pytest.approx(OFFSET, abs=0.1)
    # rounding to grey levels adds 1/12 ADU^2
    assert camera.read_noise == pytest.approx(np.sqrt(READ**2 + 1 / 12 / GAIN**2), rel=0.03)
    assert camera.gain_doubt < 0.03
    assert camera.shape is None
    assert camera.source == "estimated"


def test_intervals_hold_the_gain_in_most_series():
    intervals = [camera_from_flats(*series(3, seed=s)).gain_interval for s in range(10)]
    assert sum(low <= GAIN <= high for low, high in intervals) >= 8


def test_flicker_of_the_lamp_is_fitted_out():
    flats, dark = series(8, flicker=0.05)
    assert camera_from_flats(flats, dark).camera.gain == pytest.approx(GAIN, rel=0.02)
    # without the fit it adds 0.05^2 * level^2, here 1.4 times the shot noise
    assert flats[3].var(axis=0, ddof=1).mean() > 1.5 * GAIN**2 * 1500 * FIELD.mean()


def test_maps_of_many_frames_are_closer_to_the_camera_than_numbers(uneven):
    flats, dark = series(60, camera=uneven)
    camera = camera_from_flats(flats, dark).camera
    assert set(camera.maps) == {"gain", "offset", "read_noise"}
    for given, name, most in zip(
        uneven, ("gain", "offset", "read_noise"), (0.9, 0.2, 0.4), strict=True
    ):
        error = np.sqrt(np.mean((getattr(camera, name) - given) ** 2))
        assert error < most * given.std()
    assert camera.typical.gain == pytest.approx(np.median(uneven[0]), rel=0.02)
    numbers = camera_from_flats(flats, dark, maps=False).camera
    assert numbers.shape is None
    assert numbers.gain == pytest.approx(GAIN, rel=0.02)


def test_few_frames_of_an_uneven_camera_give_only_the_maps_they_can(uneven):
    flats, dark = series(4, camera=uneven)
    camera = camera_from_flats(flats, dark).camera
    assert set(camera.maps) == {"offset"}
    error = np.sqrt(np.mean((camera.offset - uneven[1]) ** 2))
    raw = np.sqrt(np.mean((dark.mean(axis=0) - uneven[1]) ** 2))
    assert error < raw < uneven[1].std()


def test_an_even_camera_gets_no_maps_from_many_frames():
    assert camera_from_flats(*series(30)).camera.shape is None


def test_a_hot_pixel_keeps_its_read_noise_in_the_map(uneven):
    gain, offset, read = uneven
    hot = read.copy()
    hot[5, 7] = 12.0
    flats, dark = series(40, camera=(gain, offset, hot))
    found = camera_from_flats(flats, dark).camera.read_noise
    # the sd of 40 frames is known to 11 %, and is shrunk towards the other pixels
    assert found[5, 7] == pytest.approx(12, rel=0.3)


def test_without_darks_offset_and_read_noise_are_assumed_and_their_intervals_wide():
    flats, _ = series(8)
    estimate = camera_from_flats(flats)
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.02)
    low, high = estimate.camera.offset_interval
    assert low <= OFFSET <= high
    assert any("cannot tell" in note for note in estimate.notes)


def test_single_frames_are_used_and_said_to_hold_fixed_pattern():
    flats, dark = series(1)
    estimate = camera_from_flats([flat[0] for flat in flats], dark[0])
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.1)
    assert sum("single exposure" in note for note in estimate.notes) == 5


def test_a_saturated_flat_is_left_out():
    flats, dark = series(4)
    clipped = [np.minimum(flat, 2600) for flat in flats]
    estimate = camera_from_flats(clipped, dark)
    assert estimate.camera.gain == pytest.approx(GAIN, rel=0.03)
    assert any("flat 4 look saturated" in note for note in estimate.notes)
    with pytest.raises(InputError, match="every flat is saturated"):
        camera_from_flats([np.full((3, *SHAPE), 255) - np.eye(3)[:, :1, None]])


def test_one_level_of_light_does_not_tell_the_gain():
    even = np.random.default_rng(0).normal(500, 20, (2, *SHAPE))
    assert not camera_from_flats([even]).resolved


@pytest.mark.parametrize(
    ("flats", "dark", "words"),
    [
        ([], None, "there are no flats"),
        ([np.zeros((2, 32, 32)), np.zeros((2, 32, 40))], None, "same part of the sensor"),
        ([np.ones((2, 32, 32))], np.zeros((2, 16, 16)), "same part of the sensor"),
        ([np.ones((2, 32, 32))], np.full((2, 32, 32), 5.0), "not brighter than the dark"),
        ([1.0, 2.0], None, "give a list of stacks"),
        ([np.full((2, 32, 32), np.inf)], None, "not finite"),
    ],
)
def test_stacks_that_cannot_be_used_are_refused(flats, dark, words):
    with pytest.raises(InputError, match=words):
        camera_from_flats(flats, dark)


@pytest.mark.realdata
def test_real_solutions_of_gfp_give_their_gain(real_data):
    # by hand: (5828 - 377) / (5176 - 332) = 1.13 ADU/e- between the two bright ones
    stacks = [
        load_image(real_data / f"punctatools_gfp_solution_{name}.tif").data
        for name in ("1nM", "31p6nM", "5p62uM", "100uM")
    ]
    for estimate in (
        camera_from_flats(stacks),
        camera_from_flats(stacks[1:], dark=stacks[0]),
        camera_from_flats(stacks[2:]),
    ):
        low, high = estimate.gain_interval
        assert estimate.resolved
        assert estimate.camera.gain == pytest.approx(1.13, rel=0.05)
        assert low < 1.13 < high
        assert estimate.camera.offset == pytest.approx(101, abs=1.5)
    notes = " ".join(camera_from_flats(stacks).notes)
    assert "In flat 1 1 of 2 frames repeat another one" in notes
    assert "In flat 2 1 of 2 frames repeat another one" in notes
