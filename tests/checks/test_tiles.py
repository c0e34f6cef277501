"""Tiles: each finds its own ratio, all are needed to be within limits, and one is enough beyond."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.intervals import jackknife_log_ratio, leave_one_out_variance
from napari_posterior.checks.spread.tiles import (
    CELL,
    PATCHES,
    TileSquares,
    TileSums,
    choose_tile,
    find_tiles,
)
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Limits
from napari_posterior.checks.verdicts.verdict import NOT_PRESERVED, PRESERVED, judge

LIMITS = Limits(0.67, 1.5, "0.67 to 1.5")
LOOKS = Looks()


def sums(teacher, student, *, band=None):
    found = TileSums(len(teacher), len(student), teacher.shape[1:])
    rows = np.concatenate([teacher, student]).astype(np.float32)
    height = rows.shape[1]
    band = band or height
    for start in range(0, height, band):
        found.add(rows[:, start : start + band], start)
    return found.result()


def tiles_of(generator, ratios, k, *, patches=PATCHES):
    """A row of tiles that hold some independent patches each, with planted variance ratios."""
    groups = []
    for count, scale in zip(k, (np.ones(len(ratios)), np.sqrt(ratios)), strict=True):
        x = generator.normal(size=(count, len(ratios), patches)) * scale[:, None]
        groups.append(((x - x.mean(0)) ** 2).sum(2))
    squares = np.concatenate(groups)[:, None, None, :]
    return TileSquares(squares, k[0], (CELL, CELL * len(ratios)))


def find(tiles, *, side=CELL, paired=False, **options):
    return find_tiles(tiles, side=side, limits=LIMITS, level=LOOKS.level, paired=paired, **options)


def verdict(finding):
    return judge(
        finding.estimate,
        finding.interval,
        LIMITS,
        evidence=finding.evidence,
        counts=(finding.n_teacher, finding.n_student),
        looks=LOOKS,
        no_difference=1.0,
    )


def test_each_tile_finds_its_own_ratio() -> None:
    generator = np.random.default_rng(0)
    teacher = generator.normal(10, 1, (40, 64, 64))
    student = generator.normal(10, 1, (30, 64, 64))
    student[:, :, :32] = 10 + (student[:, :, :32] - 10) * np.sqrt(0.4)
    finding, (ratio, code) = find(sums(teacher, student))
    assert ratio.values.shape == code.values.shape == (64, 64)
    np.testing.assert_allclose(2.0 ** ratio.values[:, :32], 0.4, rtol=0.12)
    np.testing.assert_allclose(2.0 ** ratio.values[:, 32:], 1.0, rtol=0.12)
    assert (code.values[:, :32] == 1).all()
    assert (code.values[:, 32:] == 0).all()
    assert finding.extra["worst_tile"]["column"] < 32
    assert finding.estimate == pytest.approx(0.4, rel=0.12)
    assert verdict(finding).verdict == NOT_PRESERVED
    assert "8 of 16 tiles" in finding.sentence


def test_bands_of_rows_give_what_one_pass_gives_and_no_pixel_is_lost() -> None:
    generator = np.random.default_rng(1)
    teacher, student = generator.normal(50, 3, (5, 70, 45)), generator.normal(50, 2, (7, 70, 45))
    whole, banded = sums(teacher, student), sums(teacher, student, band=32)
    np.testing.assert_allclose(whole.squares, banded.squares, rtol=1e-5)
    expected = ((teacher - teacher.mean(0)) ** 2).sum((1, 2))
    for side in (16, 32, 70):
        np.testing.assert_allclose(whole.merged(side)[:5].sum((1, 2, 3)), expected, rtol=1e-4)
    # what is left over at the end belongs to the last tile
    assert [len(edges) for edges in whole.edges(32)] == [2, 1]
    corner = ((teacher - teacher.mean(0))[:, 32:] ** 2).sum((1, 2))
    np.testing.assert_allclose(whole.merged(32)[:5, 0, 1, 0], corner, rtol=1e-4)


def test_bands_that_cut_a_cell_are_refused() -> None:
    with pytest.raises(ValueError, match="whole cells"):
        TileSums(2, 2, (64, 64)).add(np.zeros((4, 20, 64), np.float32), 0)


@pytest.mark.parametrize(
    ("nu", "shape", "side"),
    [
        (22 * 16.0, (64, 64), 16),
        (22 * 15.0, (64, 64), 32),
        (22.0, (64, 64), 64),
        (np.nan, (64, 48), 64),
        (1e6, (20, 20), 20),
        (1e6, (512, 512), 16),
    ],
)
def test_tiles_are_as_small_as_the_patches_allow(nu, shape, side) -> None:
    assert choose_tile(nu, shape) == side


def test_swapping_the_runs_inverts_the_ratio_and_the_order_of_samples_does_not_matter() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=(12, 32, 48)), generator.normal(0, 1.3, (9, 32, 48))
    forth, back = find(sums(a, b))[0], find(sums(b, a))[0]
    assert forth.estimate == pytest.approx(1 / back.estimate)
    assert forth.interval == pytest.approx((1 / back.interval[1], 1 / back.interval[0]))
    mixed = find(sums(generator.permutation(a), b))[0]
    assert mixed.estimate == pytest.approx(forth.estimate, rel=1e-5)


@pytest.mark.parametrize(("k", "tiles", "power"), [((64, 64), 16, 0.8), ((48, 96), 9, 0.8)])
def test_an_exact_student_is_preserved_in_all_tiles(k, tiles, power) -> None:
    generator = np.random.default_rng(3)
    found = [verdict(find(tiles_of(generator, np.ones(tiles), k))[0]).verdict for _ in range(60)]
    assert np.mean([v == PRESERVED for v in found]) >= power
    assert NOT_PRESERVED not in found


def test_a_student_at_the_limit_is_rarely_called_either() -> None:
    generator = np.random.default_rng(4)
    one, every = np.ones(12), np.full(12, 1.5)
    one[5] = 0.67
    for ratios in (one, every):
        found = [verdict(find(tiles_of(generator, ratios, (64, 64)))[0]).verdict for _ in range(80)]
        assert np.mean([v == PRESERVED for v in found]) <= 0.08
        assert np.mean([v == NOT_PRESERVED for v in found]) <= 0.08


def test_one_bad_tile_among_many_is_found() -> None:
    generator = np.random.default_rng(5)
    ratios = np.ones(64)
    ratios[40] = 0.25
    found = [find(tiles_of(generator, ratios, (32, 32))) for _ in range(30)]
    assert np.mean([verdict(f).verdict == NOT_PRESERVED for f, _ in found]) >= 0.9
    named = [finding.extra["worst_tile"]["column"] == 40 * CELL for finding, _ in found]
    assert np.mean(named) >= 0.9
    beyond = [(maps[1].values[0, ::CELL] == 1).sum() for _, maps in found]
    assert np.mean(beyond) == pytest.approx(1, abs=0.2)


def test_the_plan_settles_it_as_often_as_it_promises() -> None:
    generator = np.random.default_rng(6)

    def decide(k):
        return verdict(find(tiles_of(generator, np.ones(9), (k, k), patches=12))[0])

    asked = [decide(20) for _ in range(40)]
    more = [one.more.teacher for one in asked if one.more and not one.more.borderline]
    assert len(more) >= 30
    enough = 20 + int(np.median(more))
    settled = [decide(enough).verdict == PRESERVED for _ in range(60)]
    assert np.mean(settled) >= 0.7
    # nu (K - 1) of about 440 is what nine tiles of one law need; a plan may ask for twice that
    assert enough < 2 * (1 + 440 / 12)


def test_few_samples_leave_every_tile_untold() -> None:
    generator = np.random.default_rng(7)
    ratios = np.array([1.0, 0.01, 1.0])
    finding, (_, code) = find(tiles_of(generator, ratios, (12, 40), patches=400))
    assert (code.values == 2).all()
    assert finding.extra["within"] == finding.extra["beyond"] == 0


def test_tiles_where_both_are_certain_are_blank_and_a_collapsed_one_is_found() -> None:
    generator = np.random.default_rng(8)
    teacher, student = generator.normal(size=(2, 20, 48, 48))
    teacher[:, :16], student[:, :16] = 5 + 0.01 * teacher[:, :16], 5 + 0.03 * student[:, :16]
    student[:, 32:, 32:] = 3.0
    finding, (ratio, code) = find(sums(teacher, student))
    assert np.isnan(ratio.values[:16]).all()
    assert finding.extra["blank"] == 3
    assert finding.estimate == 0
    assert (code.values[32:, 32:] == 1).all()
    assert verdict(finding).verdict == NOT_PRESERVED


def test_samples_that_do_not_vary_are_said_so() -> None:
    finding, _ = find(sums(np.ones((20, 32, 32)), np.ones((20, 32, 32))))
    assert finding.estimate is None
    assert "do not vary" in finding.sentence


def test_pairs_narrow_the_intervals() -> None:
    generator = np.random.default_rng(9)
    teacher = generator.normal(size=(24, 32, 32))
    student = 0.9 * teacher + np.sqrt(0.19) * generator.normal(size=(24, 32, 32))
    tiles = sums(teacher, student)
    widths = [np.diff(np.log(find(tiles, paired=p)[0].interval))[0] for p in (True, False)]
    assert widths[0] < 0.7 * widths[1]


def test_lengths_are_in_micrometres_where_known() -> None:
    generator = np.random.default_rng(10)
    tiles = tiles_of(generator, np.ones(4), (32, 32))
    known = find(tiles, pixel_size=(0.1, 0.1), unit="micrometer")[0].sentence
    assert "tiles of 1.6 µm" in known
    assert "tiles of 16 px" in find(tiles)[0].sentence


def test_jackknife_keeps_its_level_for_heavy_tails_where_the_f_test_does_not() -> None:
    generator = np.random.default_rng(11)
    alarms = []
    for _ in range(1500):
        a, b = generator.standard_t(5, (2, 32))
        f = np.var(b, ddof=1) / np.var(a, ddof=1)
        naive = 2 * min(stats.f.sf(f, 31, 31), stats.f.cdf(f, 31, 31)) < 0.05
        pair = [(float(np.var(v, ddof=1)), leave_one_out_variance(v)) for v in (a, b)]
        low, high = jackknife_log_ratio(*pair, level=0.95, paired=False).interval
        alarms.append((naive, not low <= 1 <= high))
    naive, jackknife = np.mean(alarms, 0)
    assert naive > 0.11
    assert jackknife < 0.08
