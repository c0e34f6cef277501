"""Pairs of one noise canvas in runs of different lengths: sharper, and only where there are any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_posterior.checks.build import build_report
from napari_posterior.checks.counted.site_changes import find_site_changes
from napari_posterior.checks.gram import Gram, coupling
from napari_posterior.checks.intervals import (
    jackknife_log_ratio,
    leave_one_out_total,
    leave_one_out_variance,
    mean_difference,
)
from napari_posterior.checks.mean import mean_gap
from napari_posterior.checks.page.html_table import show_table
from napari_posterior.checks.pairing import choose_samples
from napari_posterior.checks.spread.pixel_tests import PixelTests
from napari_posterior.checks.spread.variance import variance_ratio
from napari_posterior.checks.verdicts.planning import MoreSamples
from napari_posterior.errors import InputError

LEVEL = 0.9
PAIRS, STUDENTS = 16, 64
REPEATS = 400
R = 0.98
PIXELS = 36
GAP, SD = 0.1, 0.95  # of the student's mean, in SD, and of its SD over the teacher's


class Numbered(np.ndarray):
    """Samples with the numbers they have in their run."""

    indices: tuple[int, ...]


def numbered(samples, numbers):
    stack = np.asarray(samples, np.float32).view(Numbered)
    stack.indices = tuple(int(n) for n in numbers)
    return stack


def draw_pair(generator, *, r: float, teacher: int = PAIRS, student: int = STUDENTS):
    """Gaussian samples, (K, 6, 6); those of one number have the correlation r."""
    own = generator.normal(size=(student, PIXELS))
    other = generator.normal(size=(teacher, PIXELS))
    first = r * own[:teacher] + np.sqrt(1 - r**2) * other
    return first.reshape(-1, 6, 6), (GAP + SD * own).reshape(-1, 6, 6)


def runs_of(fake_run, teacher, student, *, seeds=(7, 7), numbers=None, **changes):
    y = np.zeros((6, 6), np.float32)
    places = numbers or (range(len(teacher)), range(len(student)))
    return (
        fake_run(numbered(teacher, places[0]), y, role="teacher", sampler="teacher", seed=seeds[0]),
        fake_run(numbered(student, places[1]), y, seed=seeds[1], **changes),
    )


def settled(teacher, student):
    """What is compared once the correlation of the pairs is known, as (K, 36) of each run."""
    chosen = choose_samples(teacher, student)
    rows = read(chosen)
    if chosen.paired:
        chosen = chosen.settle(coupling(gram_of(*rows)))
        rows = read(chosen)
    return chosen, rows


def read(chosen):
    return [
        np.stack([stack.plane(k, 0).ravel() for k in range(stack.count)]).astype(np.float64)
        for stack in chosen.stacks
    ]


def gram_of(teacher, student):
    rows = np.concatenate([teacher, student])
    return Gram(rows @ rows.T, len(teacher), len(student), PIXELS)


def estimate(chosen, rows):
    """Estimates of the gap, the ratio of SDs and the difference of a number, and their widths."""
    words = {"level": LEVEL, "paired": chosen.paired}
    gram = gram_of(*rows)
    numbers = [run[:, 0] for run in rows]
    return {
        "gap": mean_gap(gram, **words).interval,
        "log sd ratio": tuple(0.5 * np.log(variance_ratio(gram, **words).interval)),
        "number": mean_difference(*numbers, **words).interval,
        "its log sd ratio": tuple(
            0.5
            * np.log(
                jackknife_log_ratio(
                    *((float(v.var(ddof=1)), leave_one_out_variance(v)) for v in numbers), **words
                ).interval
            )
        ),
    }


TRUE = {"gap": GAP, "log sd ratio": np.log(SD), "number": GAP, "its log sd ratio": np.log(SD)}


def repeat(fake_run, *, r, seed, make=runs_of, count=REPEATS):
    """Return how often each interval holds the truth, and the median width, over repeats."""
    generator = np.random.default_rng(seed)
    held = dict.fromkeys(TRUE, 0)
    widths: dict[str, list[float]] = {name: [] for name in TRUE}
    paired = set()
    for _ in range(count):
        chosen, rows = settled(*make(fake_run, *draw_pair(generator, r=r)))
        paired.add(chosen.paired)
        for name, (low, high) in estimate(chosen, rows).items():
            held[name] += low <= TRUE[name] <= high
            widths[name].append(high - low)
    return (
        {name: value / count for name, value in held.items()},
        {name: float(np.median(value)) for name, value in widths.items()},
        paired,
    )


@pytest.fixture(scope="module")
def together(fake_run):
    """16 samples of a teacher and 64 of a student on one seed, correlation .98, many times."""
    return repeat(fake_run, r=R, seed=1)


@pytest.fixture(scope="module")
def alone(fake_run):
    """The same on different seeds: all 64 samples of the student count."""
    return repeat(fake_run, r=0.0, seed=2, make=lambda *a: runs_of(*a, seeds=(7, 8)), count=80)


@pytest.mark.parametrize("name", sorted(TRUE))
def test_intervals_of_pairs_out_of_runs_of_unequal_length_hold_what_they_say(together, name):
    held, _, paired = together
    assert paired == {True}
    assert 0.86 <= held[name] <= 0.95


@pytest.mark.parametrize(
    ("name", "narrower"),
    [
        # all 64 independent samples of the student count in what pairs are measured against
        ("number", np.sqrt((1 / PAIRS + 1 / STUDENTS) / (2 / PAIRS) / (1 - R))),
        ("log sd ratio", np.sqrt((1 / PAIRS + 1 / STUDENTS) / (2 / PAIRS) / (1 - R**2))),
        ("its log sd ratio", np.sqrt((1 / PAIRS + 1 / STUDENTS) / (2 / PAIRS) / (1 - R**2))),
    ],
)
def test_pairs_are_narrower_by_what_the_correlation_says(together, alone, name, narrower):
    assert alone[1][name] / together[1][name] == pytest.approx(narrower, rel=0.2)


def test_a_gap_between_the_means_is_bounded_several_times_as_sharply(together, alone):
    assert alone[1]["gap"] > 3 * together[1]["gap"]


def test_further_students_that_pairs_leave_out_would_add_next_to_nothing():
    """The best weight of the further students, known exactly, against pairs alone."""
    generator = np.random.default_rng(3)
    further = STUDENTS - PAIRS
    own = generator.normal(size=(4000, STUDENTS))
    teacher = R * own[:, :PAIRS] + np.sqrt(1 - R**2) * generator.normal(size=(4000, PAIRS))
    pairs = own[:, :PAIRS].mean(1) - teacher.mean(1)
    weight = (1 - R) * further / STUDENTS
    best = pairs + weight * (own[:, PAIRS:].mean(1) - own[:, :PAIRS].mean(1))
    assert best.std() / pairs.std() == pytest.approx(
        np.sqrt(1 - (1 - R) / 2 * further / STUDENTS), abs=0.005
    )
    assert best.std() > 0.985 * pairs.std()


def test_students_that_were_numbered_anew_are_never_told_too_surely(fake_run):
    """Pairs of the wrong samples are no pairs: they lose what sharing gains, and not the rest."""

    def shuffled(fake_run, teacher, student):
        numbers = np.random.default_rng(len(student)).permutation(len(student))
        return runs_of(
            fake_run, teacher, student[numbers], numbers=(range(len(teacher)), range(len(student)))
        )

    held, _, paired = repeat(fake_run, r=R, seed=4, make=shuffled, count=150)
    assert paired == {False}  # hardly correlated: all further students count instead
    assert min(held.values()) >= 0.86

    def rightly(fake_run, teacher, student):
        numbers = np.random.default_rng(len(student)).permutation(len(student))
        return runs_of(fake_run, teacher, student[numbers], numbers=(range(len(teacher)), numbers))

    held, widths, paired = repeat(fake_run, r=R, seed=4, make=rightly, count=30)
    assert paired == {True}
    assert widths["number"] < 0.25
    assert min(held.values()) >= 0.8


def test_runs_of_one_seed_that_share_no_noise_are_compared_as_independent_ones(fake_run, alone):
    """A sampler that forgets its canvas: 16 pairs would waste 48 students."""
    held, widths, paired = repeat(fake_run, r=0.0, seed=5)
    assert paired == {False}
    assert all(0.86 <= share <= 0.97 for share in held.values())
    for name, width in widths.items():
        assert width == pytest.approx(alone[1][name], rel=0.1)


def test_samples_set_apart_have_no_number_in_common(fake_run):
    generator = np.random.default_rng(6)
    teacher, student = draw_pair(generator, r=0.0)
    chosen, rows = settled(*runs_of(fake_run, teacher, student))
    assert not set(chosen.teacher.indices) & set(chosen.student.indices)
    assert [len(run) for run in rows] == [PAIRS, STUDENTS - PAIRS]
    assert "share no noise" in chosen.tell()


def test_a_weak_correlation_is_never_taken_for_independence(fake_run):
    generator = np.random.default_rng(7)
    # as many of each: there is nothing to set apart, and pairs allow for any correlation
    teacher, student = draw_pair(generator, r=0.1, student=PAIRS)
    assert settled(*runs_of(fake_run, teacher, student))[0].paired
    # the further students are too few to make up for what pairs gain
    teacher, student = draw_pair(generator, r=0.6)
    assert settled(*runs_of(fake_run, teacher, student))[0].paired


@pytest.mark.parametrize(
    ("seeds", "changes"), [((7, 8), {}), ((7, 7), {"bundle_hash": "c" * 64}), ((None, None), {})]
)
def test_equal_numbers_are_no_pairs_where_the_noise_differs(fake_run, seeds, changes):
    teacher, student = draw_pair(np.random.default_rng(8), r=R)
    chosen = choose_samples(*runs_of(fake_run, teacher, student, seeds=seeds, **changes))
    assert not chosen.paired
    assert chosen.counts == (PAIRS, STUDENTS)
    assert chosen.tell() == ""


def test_a_few_shared_samples_are_left_out_of_what_is_taken_as_independent(fake_run):
    teacher, student = draw_pair(np.random.default_rng(9), r=R, student=40)
    numbers = range(16), range(13, 53)
    chosen = choose_samples(*runs_of(fake_run, teacher, student, numbers=numbers))
    assert not chosen.paired
    assert chosen.counts == (16, 37)
    assert min(chosen.student.indices) == 16
    assert "left out" in chosen.tell()


def test_runs_that_share_three_samples_and_have_no_others_are_refused(fake_run):
    teacher, student = draw_pair(np.random.default_rng(10), r=R, teacher=4, student=4)
    with pytest.raises(InputError, match="share the noise of 3 samples"):
        choose_samples(*runs_of(fake_run, teacher, student, numbers=(range(4), range(1, 5))))


@pytest.fixture(scope="module")
def unequal(fake_run, draw, scene):
    """Reports of a teacher of 12 samples, with a student of 12 and with one of 40 that follows."""
    _, y = scene
    teacher, student = draw(12, 1), draw(40, 2, scale=0.9)
    student[:12] = 0.6 * (teacher - teacher.mean(0)) + 0.8 * (student[:12] - student[:12].mean(0))
    student[:12] += teacher.mean(0)
    slow = fake_run(teacher, y, role="teacher", sampler="teacher", seed=7)
    return tuple(build_report(slow, fake_run(student[:count], y, seed=7)) for count in (12, 40))


def test_every_question_is_answered_from_the_pairs_that_shorter_runs_would_give(unequal):
    equal, found = unequal
    assert [one.id for one in found.findings] == [one.id for one in equal.findings]
    for one, other in zip(equal.findings, found.findings, strict=True):
        assert (one.estimate, one.interval) == (other.estimate, other.interval)
        assert (one.p_value, one.coupled) == (other.p_value, other.coupled)
        assert (one.n_teacher, one.n_student) == (other.n_teacher, other.n_student)
        assert one.correlation == other.correlation
    assert not any("12 pairs" in text for text in equal.warnings)
    assert any("12 pairs" in text for text in found.warnings)


def test_a_report_says_how_samples_were_paired_and_how_alike_they_are(unequal, two_runs):
    _, found = unequal
    for key in ("mean", "variance", "puncta_count", "puncta_count.spread", "likelihood"):
        one = found[key]
        assert -1 <= one.correlation <= 1
        assert one.pairing.startswith("paired on shared noise, correlation ")
        assert one.p_value is not None
        assert 0 <= one.p_value <= 1
        assert one.to_dict()["pair_correlation"] == one.correlation
    assert 0.5 < found["mean"].correlation < 0.8
    assert found["mean"].pairing in show_table(found)
    apart = build_report(*two_runs)
    assert all(one.pairing == "" and one.correlation is None for one in apart.findings)
    assert "paired on shared noise" not in show_table(apart)


def test_samples_that_wait_for_a_partner_are_not_asked_for_again(unequal):
    asked = [
        {
            one.id: one.judgement.more
            for one in report.findings
            if one.judgement is not None and one.judgement.more is not None and one.pairing
        }
        for report in unequal
    ]
    grown = [key for key, more in asked[0].items() if not more.borderline and more.student]
    assert grown
    for key in grown:
        before, after = asked[0][key], asked[1][key]
        assert after.teacher == before.teacher
        assert after.student == max(before.student - 28, 0)
    waiting = MoreSamples(teacher=20, student=20).less((0, 28))
    assert (waiting.teacher, waiting.student, waiting.teacher_only) == (20, 0, True)
    assert MoreSamples(teacher=20, student=20).less((0, 0)) == MoreSamples(teacher=20, student=20)


def test_two_sided_p_values_are_those_of_the_paired_t_test():
    from scipy import stats

    generator = np.random.default_rng(11)
    a = generator.poisson(20, 16)
    b = a + generator.poisson(1, 16)
    found = mean_difference(a, b, level=LEVEL, paired=True)
    assert found.p_value(0.0) == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    same = mean_difference(a, a, level=LEVEL, paired=True)
    assert same.p_value(0.0) is None
    squares = [leave_one_out_total((v - v.mean()) ** 2) for v in (a, b)]
    ratio = jackknife_log_ratio(*squares, level=LEVEL, paired=True)
    assert 0 < ratio.p_value(1.0) <= 1
    assert replace(ratio, se=0.0).p_value(1.0) is None


def test_a_small_shift_is_discovered_pixel_by_pixel_in_pairs_only():
    """The map of the difference with its false-discovery rate, on shared noise and without it."""
    generator = np.random.default_rng(12)
    noise = generator.normal(size=(2, 16, 48, 48)).astype(np.float32)
    where = np.zeros((48, 48), bool)
    where[16:32, 16:32] = True
    teacher = R * noise[0] + np.float32(np.sqrt(1 - R**2)) * noise[1]
    found = {}
    for paired in (True, False):
        student = noise[0] if paired else generator.normal(size=noise[0].shape)
        tests = PixelTests((48, 48), (16, 16), paired=paired)
        tests.add(teacher, (student + 0.1 * where).astype(np.float32), 0, 48)
        maps, findings = tests.finish()
        overlay = next(one for one in maps if one.name == "mean_discoveries").values > 0
        found[paired] = overlay, findings[0].p_value
    inside, beyond = np.s_[18:30, 18:30], ~np.pad(np.ones((24, 24), bool), 12)
    assert found[True][0][inside].mean() > 0.9
    assert found[True][0][beyond].mean() < 0.02
    assert found[True][1] <= 0.01
    assert found[False][0].mean() < 0.01


def test_puncta_that_a_student_loses_are_told_in_pairs_without_changing_their_classes():
    generator = np.random.default_rng(13)
    places = np.array([[0, 10.0 * i, 5.0] for i in range(12)])
    there = generator.uniform(size=(24, 12)) < 0.5
    there[:, 0] = np.arange(24) < 14
    kept = there.copy()
    kept[:8, 0] = False  # of the pairs that differ all go one way
    teacher, student = ([places[row] for row in one] for one in (there, kept))
    (*_, paired), table = find_site_changes(teacher, student, level=LEVEL, paired=True)
    (*_, alone), same = find_site_changes(teacher, student, level=LEVEL, paired=False)
    pairs = paired.extra["pairs"]
    assert pairs["differ"] == 1
    first = int(np.argmin(np.abs(table.positions[:, 1])))
    assert pairs["p_value"][first] == pytest.approx(0.5**8)
    assert np.delete(pairs["p_value"], first) == pytest.approx(1.0)
    assert table.existence.q_value[table.order][first] > 0.05
    # of 24 pairs without a difference the interval reaches ±0.10
    assert pairs["classes"] == {"shared": 11, "lost": 0, "invented": 0, "undecidable": 1}
    told = "11 shared, 0 lost, 0 invented, 1 undecidable; 1 of 12 differ beyond chance"
    assert any(told in note for note in paired.notes)
    assert "pairs" not in alone.extra
    assert list(table.classes) == list(same.classes)
    assert "shared" not in table.classes[1:]
