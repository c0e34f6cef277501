"""Forms of the answer: found where there are some, compared by how often each run draws them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.spread.clusters import find_clusters
from napari_posterior.checks.spread.forms import FormEvidence, compare_forms
from napari_posterior.checks.spread.modes import (
    find_modes,
    principal_coordinates,
)
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.planning import plan, tell_plan
from napari_posterior.checks.verdicts.tolerances import DEFAULTS
from napari_posterior.checks.verdicts.verdict import judge

SHARES = (0.6, 0.25, 0.15)


def gram_of(teacher, student) -> Gram:
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def mixture(generator, count: int, *, shares=SHARES, apart: float = 6.0, size: int = 10):
    """Draw from three Gaussians at the corners of a triangle."""
    middles = np.zeros((3, size))
    middles[1, 0], middles[2, :2] = apart, (apart / 2, apart * np.sqrt(0.75))
    return generator.normal(size=(count, size)) + middles[generator.choice(3, count, p=shares)]


def forms_of(teacher, student, **options):
    features = principal_coordinates(gram_of(teacher, student))
    return find_modes(features, len(teacher), **({"level": 0.9, "paired": False} | options))


def test_coordinates_keep_the_distances_and_no_label() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(3, 1, (7, 6)), generator.normal(3, 1, (9, 6))
    found = principal_coordinates(gram_of(x, y))
    both = np.concatenate([x, y])
    np.testing.assert_allclose(
        ((found[:, None] - found) ** 2).sum(2), ((both[:, None] - both) ** 2).sum(2), atol=1e-8
    )
    assert (np.diff(found.var(0)) <= 1e-9).all()
    swapped = principal_coordinates(gram_of(y, x))
    np.testing.assert_allclose(np.roll(swapped, 7, axis=0), found, atol=1e-8)


def test_images_without_variation_have_coordinates_too() -> None:
    assert principal_coordinates(gram_of(np.ones((3, 4)), np.ones((4, 4)))).shape == (7, 1)


def test_three_forms_are_found_with_their_shares() -> None:
    generator = np.random.default_rng(2)
    finding, found = forms_of(mixture(generator, 200), mixture(generator, 150))
    assert len(found.forms) == 3
    for form, share in zip(found.forms, SHARES, strict=True):
        assert form.teacher / 200 == pytest.approx(share, abs=0.08)
        assert form.student / 150 == pytest.approx(share, abs=0.08)
    assert sum(form.teacher for form in found.forms) == 200
    assert (finding.kind, finding.question) == ("modes", "diversity")
    assert finding.interval[0] < 0 < finding.interval[1]
    assert "3 forms on this image" in finding.sentence


@pytest.mark.parametrize("law", ["white", "long", "t5"])
@pytest.mark.parametrize("count", [24, 48])
def test_one_cloud_is_not_cut_into_forms(law: str, count: int) -> None:
    generator = np.random.default_rng(3)
    draw = {
        "white": lambda: generator.normal(size=(count, 40)),
        "long": lambda: generator.normal(size=(count, 40)) * np.arange(1, 41) ** -1.0,
        "t5": lambda: generator.standard_t(5, (count, 10)),
    }[law]
    cut = 0
    for _ in range(6):
        finding, found = forms_of(draw(), draw())
        cut += bool(found.forms)
        if not found.forms:
            assert finding.kind == ""
            assert finding.estimate is None
            assert finding.interval == (None, None)
            assert "form one cloud on this image" in finding.sentence
            assert "less than about 4 standard deviations apart" in finding.sentence
    assert cut <= 1


def test_a_form_that_the_student_never_draws_is_told_in_numbers() -> None:
    generator = np.random.default_rng(4)
    finding, found = forms_of(
        mixture(generator, 32, shares=(0.5, 0.25, 0.25)),
        mixture(generator, 32, shares=(0.6, 0.4, 0.0)),
    )
    lost = min(found.forms, key=lambda form: form.student)
    assert lost.student == 0
    assert (
        "the student 0 of 32, so it shows this form less than 9 % of the time (95 %)"
        in lost.sentence
    )
    assert f"the teacher {lost.teacher} of 32" in lost.sentence
    assert len(lost.examples[0]) == 3
    assert lost.examples[1] == ()
    assert finding.p_value < 0.05
    assert set(found.far_teacher.tolist()) <= set(
        np.flatnonzero(found.labels[:32] == found.forms.index(lost))
    )


def test_the_sentence_of_a_count_is_the_one_of_the_table() -> None:
    labels = np.concatenate([np.repeat([1, 0], [5, 27]), np.zeros(32, int)])
    form = compare_forms(labels, 32, level=0.9)[1]
    assert form.sentence == (
        "Form 2: the student 0 of 32, so it shows this form less than 9 % of the time (95 %); the "
        "teacher 5 of 32, 16 % (7–32 %)."
    )


def judged(finding, counts):
    limits = DEFAULTS["modes"].resolve(unit=finding.unit)
    return judge(
        finding.estimate, finding.interval, limits, evidence=finding.evidence, counts=counts,
        looks=Looks(),
    )  # fmt: skip


def test_verdicts_follow_the_worst_form() -> None:
    generator = np.random.default_rng(5)
    teacher = mixture(generator, 256, shares=(0.4, 0.3, 0.3))
    dropped = forms_of(teacher, mixture(generator, 256, shares=(0.6, 0.4, 0.0)))[0]
    assert judged(dropped, (256, 256)).verdict == "not preserved"
    assert dropped.estimate < -0.2
    few = forms_of(teacher[:32], mixture(generator, 32, shares=(0.4, 0.3, 0.3)))[0]
    found = judged(few, (32, 32))
    assert found.verdict == "not enough samples"
    assert found.more.teacher > 32
    rare = np.array([0.92, 0.08])
    draws = [np.where(generator.uniform(size=(512, 1)) < rare[1], 9, 0) for _ in range(2)]
    same = forms_of(*(one + generator.normal(size=(512, 3)) for one in draws))[0]
    assert judged(same, (512, 512)).verdict == "preserved"


def test_p_values_and_intervals_say_the_same() -> None:
    labels = np.concatenate([np.repeat([0, 1, 2], [30, 20, 14]), np.repeat([0, 1, 2], [34, 24, 6])])
    forms = compare_forms(labels, 64, level=0.95)
    known = FormEvidence(forms)
    low, high = min(f.interval[0] for f in forms), max(f.interval[1] for f in forms)
    assert known.below(high) == pytest.approx(0.025, abs=1e-4)
    assert known.above(low) == pytest.approx(0.025, abs=1e-4)
    # beyond: one form is enough, and pays for the two that can lie on the limits, one on each side
    one = FormEvidence((forms[2],))
    assert known.below(-0.01) == pytest.approx(2 * one.below(-0.01))
    assert one.below(-0.01) == pytest.approx(1 - one.above(-0.01))
    assert 0 < known.below(0.1) < known.below(0.05) <= 1


def test_more_samples_are_asked_for_the_nearer_the_limit() -> None:
    labels = np.concatenate([np.repeat([0, 1], [30, 34]), np.repeat([0, 1], [31, 33])])
    known = FormEvidence(compare_forms(labels, 64, level=0.95))
    assert known.growth(0.1, 0.0122) > known.growth(0.3, 0.0122) > 0
    assert known.shares == pytest.approx((0.25 / 64, 0.25 / 64), rel=0.05)


def labels_of(*counts):
    return np.concatenate([np.repeat(range(len(run)), run) for run in counts])


def test_of_two_forms_each_mirrors_the_other_and_pays_for_none() -> None:
    forms = compare_forms(labels_of((32, 32), (50, 14)), 64, level=0.95)
    both, one = FormEvidence(forms), FormEvidence((forms[0],))
    assert both.above(0.1) == pytest.approx(one.above(0.1))
    assert both.above(0.1) == pytest.approx(both.below(-0.1), abs=1e-6)


def planned(teacher, student, looks=None):
    counts = sum(teacher), sum(student)
    forms = compare_forms(labels_of(teacher, student), counts[0], level=0.95)
    worst = max((one.difference for one in forms), key=abs)
    ends = (-0.1, 0.1), (-0.1, 0.1)
    return plan(FormEvidence(forms), worst, ends, counts, looks or Looks())


def test_what_chance_makes_of_equal_shares_does_not_move_the_plan() -> None:
    """Shares of .6, .25 and .15 need about 640 of each: 512 tell in .68, 700 in .87."""
    alike = planned((154, 64, 38), (154, 64, 38))
    by_chance = planned((160, 58, 38), (150, 66, 40))
    assert 600 < 256 + alike.teacher < 750
    assert by_chance.teacher == pytest.approx(alike.teacher, abs=30)
    clear = planned((160, 58, 38), (142, 72, 42))  # more than chance makes of them
    assert clear.teacher > alike.teacher + 100


def test_an_estimate_beside_the_limit_is_borderline_with_many_samples_only() -> None:
    few = planned((32, 20, 12), (38, 15, 11))
    assert not few.borderline
    assert 500 < 64 + few.teacher < 800
    assert planned((1200, 800), (1400, 600)).borderline


def test_a_plan_that_is_beyond_the_last_look_says_so() -> None:
    more = planned((154, 64, 38), (154, 64, 38))
    told = tell_plan(more, (256, 256), Looks())
    assert told.startswith(f"about {-(-more.teacher // 10) * 10} more samples of each run")
    assert "beyond the last planned look" in told
    assert "(the next decision is at 1024)" in tell_plan(
        more, (256, 256), Looks((16, 64, 256, 512, 1024))
    )


def test_exchanging_the_runs_flips_the_sign() -> None:
    labels = np.concatenate([np.repeat([0, 1], [20, 12]), np.repeat([0, 1], [30, 10])])
    back = np.concatenate([labels[32:], labels[:32]])
    there, other = compare_forms(labels, 32, level=0.9), compare_forms(back, 40, level=0.9)
    for a, b in zip(there, other, strict=True):
        assert a.difference == pytest.approx(-b.difference)
        assert a.interval == pytest.approx((-b.interval[1], -b.interval[0]))
        assert a.p_value == pytest.approx(b.p_value)


def test_a_region_is_named() -> None:
    generator = np.random.default_rng(6)
    x = generator.normal(size=(40, 5))
    finding, _ = find_modes(x, 20, level=0.9, paired=False, region="nucleus")
    assert finding.region == "nucleus"
    assert "in nucleus of this image" in finding.sentence


def test_the_order_of_the_samples_does_not_change_the_groups() -> None:
    generator = np.random.default_rng(7)
    x = mixture(generator, 120)
    order = generator.permutation(120)
    np.testing.assert_array_equal(find_clusters(x).labels[order], find_clusters(x[order]).labels)


@pytest.mark.parametrize(("count", "power"), [(32, 0.36), (64, 0.94)])
def test_a_form_of_15_percent_that_is_never_drawn_is_found_as_often_as_planned(
    count: int, power: float
) -> None:
    generator = np.random.default_rng(8)
    found = []
    for _ in range(400):
        # the groups are given: 3 SD apart, as in the plan, they are not told from one cloud
        teacher = generator.choice(3, count, p=SHARES)
        student = generator.choice(2, count, p=(0.6 / 0.85, 0.25 / 0.85))
        labels = np.concatenate([teacher, student])
        forms = compare_forms(labels, count, level=0.9)
        found.append(min(form.p_value for form in forms) <= 0.05)
    assert np.mean(found) == pytest.approx(power, abs=0.12)


def test_equal_shares_are_called_different_rarely() -> None:
    generator = np.random.default_rng(9)
    found = []
    for _ in range(300):
        labels = generator.choice(3, 64, p=SHARES)
        found.append(min(form.p_value for form in compare_forms(labels, 32, level=0.9)) <= 0.05)
    assert np.mean(found) <= 0.08
