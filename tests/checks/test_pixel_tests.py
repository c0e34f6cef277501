"""Maps of single pixels: what they test, that noise is not taken for a difference, and where."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

from napari_posterior.checks.spread.pixel_tests import ALPHA, PixelTests
from napari_posterior.checks.spread.shrinkage import shrink_variances


def run(teacher, student, *, band=None, paired=False, **options):
    shape = teacher.shape[1:]
    tests = PixelTests(shape, (len(teacher), len(student)), paired=paired, **options)
    band = band or shape[0]
    for start in range(0, shape[0], band):
        stop = min(start + band, shape[0])
        rows = slice(max(start - tests.halo, 0), min(stop + tests.halo, shape[0]))
        tests.add(teacher[:, rows], student[:, rows], start, stop)
    maps, findings = tests.finish()
    return {one.name: one for one in maps}, findings


def noise(generator, count, size=32):
    return generator.normal(20, 2, (count, size, size)).astype(np.float32)


def smoothed(samples):
    return np.stack([ndimage.gaussian_filter(x, 1.0) for x in samples]).astype(np.float64)


def test_bands_with_their_halo_give_what_one_pass_gives() -> None:
    generator = np.random.default_rng(0)
    teacher, student = noise(generator, 12, 50), noise(generator, 9, 50)
    whole, banded = (run(teacher, student, band=band, permutations=39) for band in (None, 16))
    for name, one in whole[0].items():
        np.testing.assert_allclose(one.values, banded[0][name].values, atol=2e-5)
    assert [f.p_value for f in whole[1]] == [f.p_value for f in banded[1]]


@pytest.mark.parametrize("counts", [(12, 12), (9, 20)])
def test_t_is_that_of_welch(counts) -> None:
    generator = np.random.default_rng(1)
    teacher, student = (noise(generator, k) for k in counts)
    maps, _ = run(teacher, student, permutations=9)
    expected = stats.ttest_ind(smoothed(student), smoothed(teacher), equal_var=False).statistic
    np.testing.assert_allclose(maps["mean_t"].values, expected, atol=1e-3)
    difference = smoothed(student).mean(0) - smoothed(teacher).mean(0)
    np.testing.assert_allclose(maps["mean_difference"].values, difference, atol=1e-4)


def test_t_in_pairs_is_that_of_the_differences() -> None:
    generator = np.random.default_rng(2)
    teacher = noise(generator, 12)
    student = (teacher + 0.3 * noise(generator, 12) - 5).astype(np.float32)
    maps, _ = run(teacher, student, paired=True, permutations=9)
    expected = stats.ttest_rel(smoothed(student), smoothed(teacher)).statistic
    np.testing.assert_allclose(maps["mean_t"].values, expected, atol=2e-3, rtol=1e-3)


def test_spread_is_tested_as_brown_and_forsythe_do() -> None:
    generator = np.random.default_rng(3)
    teacher, student = noise(generator, 16), noise(generator, 16)
    _, findings = run(teacher, student, permutations=9)
    f = stats.levene(smoothed(student), smoothed(teacher), center="median", axis=0).statistic
    assert findings[1].estimate == pytest.approx(np.sqrt(f.max()), rel=1e-3)


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    generator = np.random.default_rng(4)
    teacher, student = noise(generator, 24), noise(generator, 24)
    student[:, 8:20, 8:20] += 2.0
    maps, _ = run(teacher, student, permutations=39)
    p = 2 * stats.t.sf(np.abs(maps["mean_t"].values.astype(float)), 46)
    expected = stats.false_discovery_control(p.ravel()).reshape(p.shape) < ALPHA
    np.testing.assert_array_equal(maps["mean_discoveries"].values, expected)
    assert expected[10:18, 10:18].mean() > 0.9


@pytest.mark.parametrize("law", ["gaussian", "t5", "on/off"])
@pytest.mark.parametrize(("counts", "paired"), [((16, 16), False), ((12, 12), True)])
def test_noise_is_not_taken_for_a_difference_somewhere(law, counts, paired) -> None:
    generator = np.random.default_rng(5)

    def draw(count):
        if law == "t5":
            return generator.standard_t(5, (count, 24, 24)).astype(np.float32)
        x = generator.normal(size=(count, 24, 24))
        if law == "on/off":
            x[:, 4:8, 4:8] += 30 * (generator.uniform(size=(count, 1, 1)) < 0.1)
        return x.astype(np.float32)

    found = [
        [f.p_value < ALPHA for f in run(draw(counts[0]), draw(counts[1]), **o)[1]]
        for o in [{"paired": paired, "permutations": 59, "seed": s} for s in range(100)]
    ]
    mean, spread = np.mean(found, 0)
    # 100 repeats: 5 % of them, and three standard errors
    assert mean <= 0.115
    assert spread <= 0.115


def test_a_shifted_blob_is_found_where_it_is() -> None:
    generator = np.random.default_rng(6)
    teacher, student = noise(generator, 24, 48), noise(generator, 24, 48)
    student[:, 20:25, 30:35] += 2.0
    maps, (mean, spread) = run(teacher, student)
    assert mean.p_value <= 0.01
    assert spread.p_value > 0.05
    mask = maps["mean_significant"].values == 1
    assert mask[20:25, 30:35].mean() > 0.5
    mask[17:28, 27:38] = False
    assert mask.sum() == 0
    assert maps["mean_difference"].values[22, 32] == pytest.approx(2, abs=0.7)


def test_lost_spread_is_found_where_it_is() -> None:
    generator = np.random.default_rng(7)
    teacher, student = noise(generator, 48, 48), noise(generator, 48, 48)
    student[:, 10:22, 10:22] = 20 + 0.3 * (student[:, 10:22, 10:22] - 20)
    maps, (mean, spread) = run(teacher, student)
    assert spread.p_value <= 0.01
    assert mean.p_value > 0.05
    inside = maps["sd_ratio"].values[13:19, 13:19]
    assert np.median(inside) == pytest.approx(np.log2(0.3), abs=0.25)
    assert np.median(maps["sd_ratio"].values[30:, 30:]) == pytest.approx(0, abs=0.15)
    assert (maps["sd_significant"].values[:, 30:] == 1).sum() == 0
    assert (maps["sd_significant"].values[12:20, 12:20] == 1).any()


def test_pairs_find_a_smaller_difference() -> None:
    generator = np.random.default_rng(8)
    teacher = noise(generator, 16)
    student = (20 + 0.95 * (teacher - 20) + 0.3 * (noise(generator, 16) - 20)).astype(np.float32)
    student[:, 10:15, 10:15] += 0.6
    alone, together = (run(teacher, student, paired=p)[1][0].p_value for p in (False, True))
    assert together < ALPHA < alone


def test_pixels_where_both_are_certain_are_blank_and_constants_do_not_differ() -> None:
    generator = np.random.default_rng(9)
    teacher, student = noise(generator, 12, 40), noise(generator, 12, 40)
    teacher[:, :12] = student[:, :12] = 1e4
    maps, _ = run(teacher, student, permutations=19)
    assert np.isnan(maps["sd_ratio"].values[:6]).all()
    assert np.isnan(maps["sd_significant"].values[:6]).all()
    assert np.abs(maps["mean_t"].values[:6]).max() < 0.1


def test_findings_have_a_p_value_and_no_verdict() -> None:
    generator = np.random.default_rng(10)
    _, findings = run(noise(generator, 8), noise(generator, 8), permutations=19)
    for finding in findings:
        assert finding.kind == ""
        assert finding.evidence is None
        assert 0.05 <= finding.p_value <= 1
        assert "On this image" in finding.sentence


def test_it_can_be_cancelled() -> None:
    class Cancelled(Exception):
        pass

    def stop() -> None:
        raise Cancelled

    rows = np.zeros((4, 16, 16), np.float32)
    with pytest.raises(Cancelled):
        PixelTests((16, 16), (4, 4), paired=False).add(rows, rows, 0, 16, on_step=stop)


@pytest.mark.parametrize("prior", [6.0, 30.0])
def test_variances_are_shrunk_as_much_as_they_are_noisy(prior: float) -> None:
    generator = np.random.default_rng(11)
    df, shape = 15, (120, 120)
    planted = prior / generator.chisquare(prior, shape)
    found = planted * generator.chisquare(df, shape) / df
    shrunk = shrink_variances(found, df)
    best = (prior + df * found) / (prior + df)
    assert np.median(np.abs(np.log(shrunk / best))) < 0.05
    assert np.var(np.log(shrunk / planted)) < 0.9 * np.var(np.log(found / planted))


def test_one_variance_everywhere_is_shrunk_to_it() -> None:
    generator = np.random.default_rng(12)
    found = 4 * generator.chisquare(9, (80, 80)) / 9
    shrunk = shrink_variances(found, 9)
    assert np.std(np.log(shrunk)) < 0.25 * np.std(np.log(found))
    assert np.median(shrunk) == pytest.approx(4, rel=0.05)
    assert (shrink_variances(np.zeros((5, 5)), 9) == 0).all()
