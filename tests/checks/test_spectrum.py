"""The spectrum: bands recover a planted gain, and lost detail is named by its size."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.spread.bands import BandMeter, make_bands, optical_cutoff
from napari_posterior.checks.spread.moments import Moments
from napari_posterior.checks.spread.spectrum import find_spectrum
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Limits
from napari_posterior.checks.verdicts.verdict import NOT_PRESERVED, PRESERVED, judge
from napari_posterior.physics.psf import Psf

LIMITS = Limits(0.8, 1.25, "0.8 to 1.25")
LOOKS = Looks()


def radius(size):
    return np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))


def field(generator, count, size, amplitude):
    """Gaussian fields whose spectrum is that of white noise times the squared amplitude."""
    white = np.fft.rfft2(generator.normal(size=(count, size, size)))
    return np.fft.irfft2(white * amplitude, s=(size, size)).astype(np.float32)


def smooth(size):
    return np.exp(-2 * np.pi**2 * radius(size) ** 2) + 0.02


def moments_of(samples):
    return Moments(
        samples.mean(0, dtype=np.float64).astype(np.float32),
        samples.std(0, ddof=1, dtype=np.float64).astype(np.float32),
    )


def compare(teacher, student, bands, *, level=LOOKS.level, paired=False, **options):
    moments = [moments_of(v) for v in (teacher, student)]
    meter = BandMeter(bands, *moments, (len(teacher), len(student)))
    powers = [np.stack([meter.measure(x, g) for x in v]) for g, v in enumerate((teacher, student))]
    return find_spectrum(*powers, bands, level=level, paired=paired, **options)


def ratios(finding):
    return np.array([row["ratio"] for row in finding.extra["bands"]])


def verdict(finding):
    return judge(
        finding.estimate,
        finding.interval,
        LIMITS,
        evidence=finding.evidence,
        counts=(finding.n_teacher, finding.n_student),
        looks=LOOKS,
        no_difference=1.0,
    ).verdict


def test_bands_recover_a_planted_gain() -> None:
    generator = np.random.default_rng(0)
    size, bands = 96, make_bands((96, 96))
    r = radius(size)
    gain = 0.4 + 0.6 * np.exp(-((r / 0.2) ** 2))
    teacher = field(generator, 40, size, smooth(size))
    student = field(generator, 60, size, smooth(size) * np.sqrt(gain))
    spectrum, *_ = compare(teacher, student, bands)
    power = smooth(size) ** 2
    for row in spectrum.extra["bands"]:
        low, high = row["edges"]
        inside = (r >= (low if low > bands.edges[0] else 0)) & (r < high)
        planted = (power * gain)[inside].sum() / power[inside].sum()
        assert row["ratio"] == pytest.approx(planted, rel=0.08)
        assert row["low"] < planted * 1.02
        assert row["high"] > planted * 0.98


@pytest.mark.parametrize("r", [0.5, 1.6])
def test_one_factor_is_seen_in_every_band(r: float) -> None:
    generator = np.random.default_rng(1)
    teacher, student = (field(generator, 32, 64, smooth(64)) for _ in range(2))
    spectrum, *_ = compare(teacher, np.sqrt(r) * student, make_bands((64, 64)))
    np.testing.assert_allclose(ratios(spectrum), r, rtol=0.15)
    assert "all sizes" in spectrum.sentence


def test_intervals_of_the_bands_hold_the_ratio() -> None:
    generator = np.random.default_rng(2)
    bands, held = make_bands((32, 32)), []
    for _ in range(120):
        teacher, student = (field(generator, k, 32, smooth(32)) for k in (16, 24))
        rows = compare(teacher, student, bands, level=0.9)[0].extra["bands"]
        held.append([row["low"] <= 1 <= row["high"] for row in rows])
    assert 0.86 <= np.mean(held) <= 0.95


def test_a_small_loss_of_fine_detail_is_detected_and_a_like_student_is_not() -> None:
    generator = np.random.default_rng(3)
    size, bands = 128, make_bands((128, 128))
    loss = np.where(radius(size) > 0.3, np.sqrt(0.95), 1.0)
    found, alarms = [], []
    for _ in range(16):
        teacher, like = (field(generator, 32, size, np.ones_like(loss)) for _ in range(2))
        found.append(compare(teacher, field(generator, 32, size, loss), bands)[0].p_value < 0.05)
        alarms.append(compare(teacher, like, bands)[0].p_value < 0.05)
    assert np.mean(found) >= 0.8
    assert np.mean(alarms) <= 0.2


def test_an_exact_student_is_preserved_and_one_at_the_limit_is_not_called() -> None:
    generator = np.random.default_rng(4)
    bands = make_bands((48, 48))
    exact, limit = [], []
    for _ in range(25):
        teacher, student = (field(generator, 64, 48, smooth(48)) for _ in range(2))
        exact.append(verdict(compare(teacher, student, bands)[0]))
        limit.append(verdict(compare(teacher, np.sqrt(0.8) * student, bands)[0]))
    assert np.mean([v == PRESERVED for v in exact]) >= 0.8
    assert NOT_PRESERVED not in exact
    assert PRESERVED not in limit
    assert np.mean([v == NOT_PRESERVED for v in limit]) <= 0.12


def test_lost_detail_is_named_by_its_size() -> None:
    generator = np.random.default_rng(5)
    size, bands = 96, make_bands((96, 96), cutoff=0.25)
    loss = np.where(radius(size) > 0.25, np.sqrt(0.5), 1.0)
    teacher = field(generator, 40, size, smooth(size))
    student = field(generator, 40, size, smooth(size) * loss)
    spectrum, resolution = compare(
        teacher, student, bands, pixel_size=(0.05, 0.05), unit="micrometer"
    )
    assert "fine detail below 200 nm varies less" in spectrum.sentence
    assert "as if it repeated one guess" in spectrum.sentence
    assert verdict(spectrum) == NOT_PRESERVED
    assert [row["beyond_cutoff"] for row in spectrum.extra["bands"]][-1]
    assert resolution.untestable
    assert "200 nm" in resolution.sentence
    assert resolution.estimate == pytest.approx(0.2)


def test_only_the_spectrum_sees_a_change_of_grain_at_equal_variance() -> None:
    generator = np.random.default_rng(6)
    size = 64
    rough, fine = (field(generator, 32, size, np.exp(-c * radius(size) ** 2)) for c in (40, 25))
    fine *= rough.std() / fine.std()
    spectrum, *_ = compare(rough, fine, make_bands((size, size)))
    assert verdict(spectrum) == NOT_PRESERVED
    assert ratios(spectrum).min() < 0.8
    assert ratios(spectrum).max() > 1.25


def test_bright_spots_do_not_stand_for_the_whole() -> None:
    generator = np.random.default_rng(7)
    teacher, student = (field(generator, 32, 64, np.ones((64, 33))) for _ in range(2))
    bright = np.ones((64, 64), np.float32)
    bright[30:34, 30:34] = 100.0
    spectrum, *_ = compare(teacher * bright, student * bright, make_bands((64, 64)))
    assert spectrum.interval[0] > 0.75
    assert spectrum.interval[1] < 1.35


def test_swapping_the_runs_inverts_the_bands_and_pairs_narrow_them() -> None:
    generator = np.random.default_rng(8)
    teacher = field(generator, 16, 48, smooth(48))
    other = field(generator, 16, 48, smooth(48))
    student = (0.9 * teacher + np.sqrt(0.19) * other).astype(np.float32)
    bands = make_bands((48, 48))
    forth, back = compare(teacher, student, bands)[0], compare(student, teacher, bands)[0]
    np.testing.assert_allclose(ratios(forth), 1 / ratios(back), rtol=1e-5)
    paired = compare(teacher, student, bands, paired=True)[0]
    widths = [np.log(f.interval[1] / f.interval[0]) for f in (paired, forth)]
    assert widths[0] < 0.7 * widths[1]


def test_powers_add_up_to_the_standardised_variance() -> None:
    generator = np.random.default_rng(9)
    teacher, student = (3 * field(generator, 64, 64, smooth(64)) for _ in range(2))
    bands = make_bands((64, 64))
    moments = [moments_of(v) for v in (teacher, student)]
    meter = BandMeter(bands, *moments, (64, 64))
    total = np.mean([meter.measure(x, 0).sum() for x in teacher])
    # the floor of the scale, a tenth of the median, is added to the standard deviation
    assert total == pytest.approx((63 / 64) / 1.1**2, rel=0.05)


def test_a_student_that_repeats_one_image_is_said_to() -> None:
    generator = np.random.default_rng(10)
    teacher = field(generator, 16, 48, smooth(48))
    student = np.repeat(teacher[:1], 16, axis=0)
    spectrum, *_ = compare(teacher, student, make_bands((48, 48)))
    assert spectrum.estimate == 0
    assert "repeats one guess" in spectrum.sentence
    assert verdict(spectrum) == NOT_PRESERVED
    still, *_ = compare(student, teacher, make_bands((48, 48)))
    assert still.estimate is None
    assert "do not vary" in still.sentence


@pytest.mark.parametrize("shape", [(16, 16), (32, 40), (128, 128), (512, 300)])
@pytest.mark.parametrize("cutoff", [None, 0.3, 0.47])
def test_bands_are_in_order_and_the_cutoff_is_an_edge(shape, cutoff) -> None:
    bands = make_bands(shape, cutoff=cutoff)
    assert 1 <= bands.count <= 12
    assert np.all(np.diff(bands.edges) > 0)
    assert bands.edges[-1] == pytest.approx(0.483, abs=1e-3)
    if cutoff == 0.3 and min(shape) >= 32:
        assert 0.3 in bands.edges
        assert bands.beyond == tuple(edge >= 0.3 for edge in bands.edges[:-1])
    if cutoff is None:
        assert not any(bands.beyond)


def test_cutoff_of_a_sampled_psf_is_that_of_its_gaussian() -> None:
    yy, xx = np.indices((21, 21)) - 10.0
    kernel = np.exp(-(yy**2 + xx**2) / (2 * 1.7**2))
    gaussian, sampled = optical_cutoff(Psf(1.7)), optical_cutoff(Psf(kernel=kernel))
    assert gaussian == pytest.approx(0.2841, abs=1e-3)
    assert sampled == pytest.approx(gaussian, abs=0.004)


def test_cutoff_of_a_microscope_lies_a_little_below_that_of_its_aperture() -> None:
    psf = Psf.widefield(na=1.0, wavelength=0.52, pixel_size=0.1, sampled=True)
    aperture = 2 * 1.0 / 0.52 * 0.1
    assert 0.75 * aperture < optical_cutoff(psf) < aperture


def test_a_difference_in_faint_detail_beyond_the_optics_is_said_to_be_there() -> None:
    generator = np.random.default_rng(11)
    size, bands = 64, make_bands((64, 64), cutoff=0.35)
    grain = np.exp(-2 * np.pi**2 * 1.2**2 * radius(size) ** 2) + 0.05
    gain = np.where(radius(size) > 0.35, 2.0, 1.0)
    teacher = field(generator, 32, size, grain)
    student = field(generator, 32, size, grain * gain)
    spectrum, *_ = compare(teacher, student, bands)
    assert "varies more in the student" in spectrum.sentence
    assert "beyond the optical cut-off" in spectrum.notes[0]
    assert "%" in spectrum.notes[0]


def test_fine_detail_that_hardly_varies_in_either_run_decides_nothing() -> None:
    generator = np.random.default_rng(12)
    size, bands = 64, make_bands((64, 64), cutoff=0.35)
    smooth = np.exp(-2 * np.pi**2 * 1.6**2 * radius(size) ** 2) + 1e-4
    gain = np.where(radius(size) > 0.35, 9.0, 1.0)
    teacher = field(generator, 32, size, smooth)
    student = field(generator, 32, size, smooth * gain)
    spectrum, *_ = compare(teacher, student, bands)
    rows = spectrum.extra["bands"]
    assert not rows[-1]["decides"]
    assert rows[-1]["low"] > 2
    assert spectrum.interval[1] < 2
