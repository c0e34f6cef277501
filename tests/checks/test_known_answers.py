"""The known-answer suite: toy posteriors whose differences are known, and what the checks say.

Shares are compared with what is aimed at by a binomial test: a row fails where so few (or many)
repeats would happen by chance less than once in a thousand if the aim were just met.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from toy_checks import COUNT, FINDERS, Case, find, gram_of
from toy_planted import make_scene
from toy_rows import BOUNDARY, COVERAGE, EXACT, FAULTS, exact_of

from napari_posterior.checks.gram import group
from napari_posterior.checks.mean import gap_squared
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.verdict import NOT_PRESERVED, PRESERVED
from napari_posterior.toys.laws import add_forms, add_puncta
from napari_posterior.toys.students import (
    collapsed,
    coupled_noise,
    repeated,
    with_doubled_logits,
    with_gain,
    with_variance,
    without_detail,
    without_form,
)

LOOKS = Looks()
LEVEL = 0.9
CHANCE = 1e-3
FEW, MANY = 32, 400
SLOW = {"sites.lost", "sites.invented", f"{COUNT}.spread", "dimension", "self_calibration", "modes"}


def by_name(row):
    return row.key


def at_least(found: int, of: int, aim: float) -> bool:
    """Whether so few would not be a surprise if the share were the aim."""
    return stats.binom.cdf(found, of, aim) > CHANCE


def at_most(found: int, of: int, aim: float) -> bool:
    return stats.binom.sf(found - 1, of, aim) > CHANCE


def verdicts(row, samples: int | None, repeats: int) -> list[str]:
    at = samples or LOOKS.samples[-1]  # the planner may ask for more than any look has
    return [row.look(at, seed, LOOKS).verdict for seed in range(repeats)]


def within_plan(rows):
    """All but the forms, of which the planner asks for more than any look has."""
    return [row for row in rows if row.finding != "modes"]


def fast(rows):
    return [row for row in rows if row.finding not in SLOW]


# --- the toys themselves -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda law: law,
        lambda law: with_variance(law, 0.5, where=np.eye(32, dtype=bool)),
        lambda law: with_gain(add_puncta(law, np.linspace(0.1, 0.9, 9)), 1.2),
        add_forms,
        lambda law: replace(law, tails="t5"),
        lambda law: replace(law, tails="brightness"),
        lambda law: collapsed(add_forms(law)),
        repeated,
    ],
)
def test_draws_have_the_moments_that_are_known(change) -> None:
    law = change(make_scene().teacher)
    count = 2000
    samples = law.draw(count, np.random.default_rng(0)).samples.astype(np.float64)
    total = group(gram_of(samples[:1000], samples[1000:]).matrix[:1000, :1000])
    assert total.total_variance == pytest.approx(law.total_variance, rel=0.05, abs=1e-6)
    error = np.sqrt(law.variance / count) + 1e-4  # float32
    z = (samples.mean(0) - law.expected) / error
    assert np.abs(z).max() < 5.5
    assert samples.var(0).mean() == pytest.approx(law.variance.mean(), rel=0.05, abs=1e-6)


def test_the_posterior_is_that_of_the_measurement() -> None:
    """Errors of its mean have its variance, over many objects and measurements."""
    scene = make_scene()
    generator = np.random.default_rng(1)
    errors = []
    for _ in range(200):
        x = scene.toy.object(generator)
        law = scene.toy.posterior(scene.toy.measure(x, generator))
        errors.append(float(((x - law.mean) ** 2).mean()))
    expected = law.spectrum.mean()
    assert np.mean(errors) == pytest.approx(expected, abs=4 * np.std(errors) / np.sqrt(200))
    assert expected < 0.5 * scene.toy.prior.mean()


def test_the_effective_dimension_is_that_of_the_spectrum() -> None:
    law = make_scene().teacher
    gram = gram_of(*(law.draw(200, np.random.default_rng(seed)).samples for seed in (0, 1)))
    assert group(gram.matrix[:200, :200]).dimension == pytest.approx(law.dimension, rel=0.1)


def test_shared_noise_has_the_correlation_asked_for() -> None:
    generator = np.random.default_rng(2)
    noise = generator.standard_normal((4, 64, 64))
    other = coupled_noise(noise, 0.7, generator)
    assert np.corrcoef(noise.ravel(), other.ravel())[0, 1] == pytest.approx(0.7, abs=0.02)


def test_faults_are_what_they_are_called() -> None:
    law = add_forms(add_puncta(make_scene().teacher, np.array([0.2, 0.5, 0.9])))
    sharp = with_doubled_logits(law).puncta.probabilities
    assert sharp == pytest.approx([0.04 / 0.68, 0.5, 0.81 / 0.82])
    assert without_form(law, 2).forms.weights == pytest.approx([0.6 / 0.85, 0.25 / 0.85, 0])
    fine = without_detail(law, 0.5, above=0.3).spectrum / law.spectrum
    assert set(np.unique(fine.round(9))) == {0.5, 1.0}
    alone = collapsed(law)
    assert alone.forms.weights.tolist() == [1, 0, 0]
    assert alone.spectrum.sum() == pytest.approx(0.05**2 * law.spectrum.sum())


# --- (1) estimators are unbiased -----------------------------------------------------------------


def unbiased(row, samples, *, repeats=140):
    known = row.known()
    found = []
    for seed in range(repeats):
        estimate = find(row.draw(samples, seed), (row.check,), level=LEVEL)[row.finding].estimate
        found.append(estimate)
    return np.array(found), known


@pytest.mark.parametrize(
    "row", [r for r in COVERAGE if r.check in ("variance", "diversity", "count")], ids=by_name
)  # fmt: skip
def test_ratios_and_differences_are_unbiased(row) -> None:
    ratio = row.finding != COUNT
    found, known = unbiased(row, (32, 40) if not row.coupled else 32)
    # of a ratio the logarithm is looked at, whose own bias of order 1/K is allowed for
    values, aim = (np.log(found), np.log(known)) if ratio else (found, known)
    se = values.std(ddof=1)
    bias = se**2 if ratio else 0.0
    if row.check == "diversity":
        # the pooled SD that divides the samples is their own: 2 (1 - r) / (df mean variance)
        bias += 2 * (1 - known) / (70 * (1 + known) / 2)
    allowed = 3 * se / np.sqrt(len(values)) + bias
    assert abs(values.mean() - aim) < allowed
    assert allowed < 0.4 * max(abs(aim), 0.2)


@pytest.mark.parametrize(
    "row", [r for r in COVERAGE if r.check == "mean" and not r.coupled], ids=by_name
)  # fmt: skip
def test_the_squared_gap_is_unbiased(row) -> None:
    scene = make_scene()
    aim = row.known() ** 2 * scene.teacher.total_variance
    found = []
    for seed in range(MANY):
        case = row.draw((12, 16), seed)
        found.append(gap_squared(gram_of(*case.both)))
    assert abs(np.mean(found) - aim) < 3 * np.std(found) / np.sqrt(MANY)


def test_the_measurement_tells_variance_and_bias_as_it_should() -> None:
    """Reduced chi-squared rises by what the field varies more, in units of the noise."""
    row = next(r for r in BOUNDARY if r.check == "likelihood")
    found = [
        find(row.draw(16, seed), ("likelihood",), level=LEVEL)["likelihood"] for seed in range(30)
    ]
    limit = max(0.02, found[0].extra["least_limit"])
    values = [one.estimate for one in found]
    # the noise of the toy is that of its mean level, so that a few per cent are its own
    assert np.mean(values) == pytest.approx(limit, rel=0.08)


# --- (2) intervals hold what is known ------------------------------------------------------------


def holds(row, samples, repeats: int) -> int:
    known, held = row.known(), 0
    for seed in range(repeats):
        low, high = find(row.draw(samples, seed), (row.check,), level=LEVEL)[row.finding].interval
        held += (low is None or low <= known) and (high is None or known <= high)
    return held


@pytest.mark.parametrize("row", COVERAGE, ids=by_name)
def test_intervals_hold_the_known_value(row) -> None:
    repeats = 40
    held = holds(row, 32, repeats)
    assert at_least(held, repeats, 0.86)
    if row.check != "mean":  # whose law is bounded from above, so that it holds the gap more often
        assert at_most(held, repeats, 0.95)


# --- (3) exact students, (4) students on the limit, (5) faults -----------------------------------


@pytest.mark.parametrize("row", fast(EXACT), ids=by_name)
def test_an_exact_student_is_preserved(row) -> None:
    found = verdicts(row, row.planned(LOOKS), FEW)
    assert at_least(found.count(PRESERVED), FEW, 0.8)
    assert at_most(found.count(NOT_PRESERVED), FEW, 0.02)


@pytest.mark.parametrize("row", fast(BOUNDARY), ids=by_name)
def test_a_student_on_the_limit_is_hardly_ever_preserved(row) -> None:
    found = verdicts(row, exact_of(row).planned(LOOKS), FEW)
    assert at_most(found.count(PRESERVED), FEW, 0.08)


@pytest.mark.parametrize("row", fast(FAULTS), ids=by_name)
def test_a_fault_is_found_by_the_check_that_is_meant_to(row) -> None:
    found = verdicts(row, row.planned(LOOKS), FEW)
    assert at_least(found.count(NOT_PRESERVED), FEW, 0.8)
    assert found.count(PRESERVED) == 0


@pytest.mark.slow
@pytest.mark.parametrize("row", within_plan(EXACT), ids=by_name)
def test_an_exact_student_is_preserved_in_many_repeats(row) -> None:
    found = verdicts(row, row.planned(LOOKS), MANY)
    assert at_least(found.count(PRESERVED), MANY, 0.8)
    assert at_most(found.count(NOT_PRESERVED), MANY, 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("row", within_plan(BOUNDARY), ids=by_name)
def test_a_student_on_the_limit_is_hardly_ever_preserved_in_many_repeats(row) -> None:
    found = verdicts(row, exact_of(row).planned(LOOKS), MANY)
    assert at_most(found.count(PRESERVED), MANY, 0.08)


@pytest.mark.slow
@pytest.mark.parametrize("row", FAULTS, ids=by_name)
def test_a_fault_is_found_in_many_repeats(row) -> None:
    found = verdicts(row, row.planned(LOOKS), MANY)
    assert at_least(found.count(NOT_PRESERVED), MANY, 0.8)


@pytest.mark.slow
@pytest.mark.parametrize("row", COVERAGE, ids=by_name)
def test_intervals_hold_the_known_value_in_many_repeats(row) -> None:
    held = holds(row, 32, MANY)
    assert at_least(held, MANY, 0.86)
    if row.check != "mean":
        assert at_most(held, MANY, 0.95)


# --- (6) labels, (7) order, type and tiling, (8) unequal numbers ---------------------------------


@pytest.fixture(scope="module")
def case() -> Case:
    scene = make_scene(psf_sigma=1.0, puncta=np.linspace(0.1, 0.9, 16))
    student = with_gain(with_variance(scene.teacher, 0.8), 1.02)
    generator = np.random.default_rng(5)
    return Case(
        scene.teacher.draw(24, generator),
        student.draw(20, generator),
        scene.measurement,
        scene.truth,
        scene.teacher.puncta.sites,
    )


REDRAWN = ("dependence", "self_calibration")  # these need other draws than the two runs
NUMBERS = tuple(name for name in FINDERS if name not in ("sites", "coverage", "modes", *REDRAWN))


def numbers(case: Case, names=NUMBERS):
    found = find(case, names, level=LEVEL)
    return {key: (one.estimate, *one.interval) for key, one in found.items()}


def test_exchanging_the_labels_flips_signs_only(case: Case) -> None:
    forth, back = numbers(case), numbers(replace(case, teacher=case.student, student=case.teacher))
    for key in (COUNT, "likelihood"):
        value, low, high = back[key]
        assert forth[key] == pytest.approx((-value, -high, -low), rel=1e-6)
    for key in ("variance", "spectrum", "tiles", "dimension", "diversity", f"{COUNT}.spread"):
        value, low, high = back[key]
        assert forth[key] == pytest.approx((1 / value, 1 / high, 1 / low), rel=1e-4)
    first, second = gram_of(*case.both), gram_of(*case.both[::-1])
    assert gap_squared(first) == pytest.approx(gap_squared(second), rel=1e-6)


def test_the_order_of_samples_does_not_matter(case: Case) -> None:
    def mixed(draws, seed):
        order = np.random.default_rng(seed).permutation(len(draws.samples))
        return replace(draws, samples=draws.samples[order], present=draws.present[order])

    again = replace(case, teacher=mixed(case.teacher, 0), student=mixed(case.student, 1))
    for key, found in numbers(case).items():
        assert numbers(again)[key] == pytest.approx(found, rel=1e-4, abs=1e-6), key


def test_half_precision_of_deviations_does_not_matter(case: Case) -> None:
    """Samples kept as float16 deviations from a frozen mean, in units of the spread."""
    centre = case.teacher.samples.mean(0)
    unit = case.teacher.samples.std()

    def kept(draws):
        small = ((draws.samples - centre) / unit).astype(np.float16)
        return replace(draws, samples=(centre + unit * small).astype(np.float32))

    again = numbers(replace(case, teacher=kept(case.teacher), student=kept(case.student)))
    for key, found in numbers(case).items():
        assert again[key] == pytest.approx(found, rel=3e-4, abs=3e-4), key


def test_tiling_does_not_matter(case: Case) -> None:
    from napari_posterior.checks.gram import GramAccumulator

    rows = np.concatenate(case.both).reshape(44, -1)
    accumulator = GramAccumulator(24, 20)
    for part in np.array_split(rows, 7, axis=1):
        accumulator.add(part)
    np.testing.assert_allclose(
        accumulator.result().matrix - accumulator.result().matrix.mean(),
        gram_of(*case.both).matrix - gram_of(*case.both).matrix.mean(),
        atol=1e-4 * np.abs(gram_of(*case.both).matrix).max(),
    )


def test_runs_of_unequal_numbers_are_compared(case: Case) -> None:
    few = replace(case, teacher=case.teacher.first(16))
    for key, (value, low, high) in numbers(few, (*NUMBERS, "sites", "coverage")).items():
        assert low <= value <= high, key


def test_more_student_samples_narrow_the_interval() -> None:
    row = next(r for r in EXACT if r.check == "variance")
    few, many = (
        find(row.draw((16, k), 0), ("variance",), level=LEVEL)["variance"].interval
        for k in (16, 128)
    )
    assert many[1] - many[0] < 0.85 * (few[1] - few[0])


# --- the page of operating characteristics -------------------------------------------------------


def test_the_script_of_the_page_measures_its_rows(tmp_path, monkeypatch, capsys) -> None:
    script = Path(__file__).parents[2] / "docs" / "make_operating_characteristics.py"
    spec = spec_from_file_location(script.stem, script)
    module = module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    page = tmp_path / "page.md"
    one_row = ["--repeats", "2", "--rows", "exact, variance"]
    module.main([*one_row, "--cache", str(tmp_path), "--out", str(page)])
    assert not page.exists()  # some rows are no page
    stored = json.loads((tmp_path / "exact_exact-variance_2.json").read_text())
    assert stored["samples"] == 16
    assert stored["verdicts"] == {PRESERVED: 2}
    assert "exact, variance" in capsys.readouterr().err
