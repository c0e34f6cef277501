"""Small pictures of the forms: the right samples, from the right place, with what runs do."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from report_samples import make_report

from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.page.thumbnails import show_forms
from napari_posterior.checks.source import Stack
from napari_posterior.checks.spread.examples import read_examples
from napari_posterior.checks.spread.modes import find_modes, principal_coordinates
from napari_posterior.checks.spread.moments import Moments

SIZE = 48
BARS = (slice(4, 8), slice(36, 40))


class Counted:
    """Samples that remember which of their pixels were read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.read = values, []
        self.shape = values.shape
        self.indices = np.arange(10, 10 + len(values))

    def __getitem__(self, index):
        found = self.values[index]
        self.read.append((index[0], found.size))
        return found


def draw(generator, shown: np.ndarray) -> np.ndarray:
    """Samples with a bar above (0) or below (1), on the left side of the image."""
    samples = generator.normal(5, 0.3, (len(shown), SIZE, SIZE))
    for sample, form in zip(samples, shown, strict=True):
        sample[BARS[form], 2:20] += 6
    return samples.astype(np.float32)


def look_at(teacher: np.ndarray, student: np.ndarray, *, side: int = 128):
    both = np.concatenate([teacher, student]).reshape(len(teacher) + len(student), -1)
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(both)
    features = principal_coordinates(accumulator.result())
    found = find_modes(features, len(teacher), level=0.9, paired=False)[1]
    stacks = Counted(teacher), Counted(student)
    moments = tuple(Moments(one.mean(0), one.std(0, ddof=1)) for one in (teacher, student))
    examples = read_examples(found, (Stack(stacks[0]), Stack(stacks[1])), moments, side=side)
    return found, examples, stacks


@pytest.fixture(scope="module")
def lost():
    """The student never draws the bar below, the teacher does every third time."""
    generator = np.random.default_rng(0)
    teacher = draw(generator, np.arange(24) % 3 // 2)
    return look_at(teacher, draw(generator, np.zeros(20, int)))


def has_bar(image: np.ndarray, form: int) -> bool:
    return bool(image[BARS[form], 2:20].mean() > 8)


def page_of(examples) -> str:
    report = make_report(side=SIZE, samples=24)
    return show_forms(replace(report, figures=replace(report.figures, forms=examples)))


def test_every_form_is_shown_by_samples_that_have_it(lost) -> None:
    _, examples, _ = lost
    assert [(one.teacher, one.student) for one in examples.forms] == [(16, 20), (8, 0)]
    for form in (0, 1):
        assert len(examples.teacher[form]) == 3
        assert all(has_bar(one.image, form) for one in examples.teacher[form])
        assert not any(has_bar(one.image, 1 - form) for one in examples.teacher[form])
    assert len(examples.student[0]) == 3
    assert examples.student[1] == ()


def test_samples_keep_the_number_they_have_in_their_run(lost) -> None:
    found, examples, stacks = lost
    for one, place in zip(examples.teacher[1], found.forms[1].examples[0], strict=True):
        assert one.sample == 10 + place
        np.testing.assert_array_equal(one.image, stacks[0].values[place])


def test_what_the_student_never_draws_is_farthest_from_it(lost) -> None:
    _, examples, _ = lost
    assert all(has_bar(one.image, 1) for one in examples.far_teacher)
    assert all(one.apart > 1.5 for one in examples.far_teacher)
    assert [one.apart for one in examples.far_student] == sorted(
        (one.apart for one in examples.far_student), reverse=True
    )
    assert all(1 <= one.apart < 1.5 for one in examples.far_student)


def test_only_what_is_shown_is_read_where_samples_vary_most() -> None:
    generator = np.random.default_rng(1)
    shown = np.arange(16) % 2
    _, examples, stacks = look_at(draw(generator, shown), draw(generator, shown), side=12)
    top, left, tall, wide = examples.crop
    assert (tall, wide) == (12, 12)
    assert any(top <= bar.start and bar.stop <= top + 12 for bar in BARS)
    assert 2 <= left <= 8  # inside the bar
    for stack in stacks:
        assert len(stack.read) == 9  # three of each form, and three that are far
        assert max(size for _, size in stack.read) == 12 * SIZE
    assert examples.teacher[0][0].image.shape == (12, 12)


def test_the_page_names_runs_shares_and_forms_that_are_never_drawn(lost) -> None:
    page = page_of(lost[1])
    assert page.count("<h3>Form ") == 2
    assert page.count("<img") == 3 * 5
    assert "The student 0 of 20" in page
    assert "in 20 samples, never" in page
    assert "pixels from row" not in page
    assert len(re.findall(r"<b class='t'>teacher</b>, sample \d+<", page)) == 6
    assert re.search(r"sample \d+, \d\.\d+ × the median distance", page)


def test_one_cloud_has_no_forms_but_samples_that_are_far() -> None:
    generator = np.random.default_rng(2)
    nothing = np.zeros(16, int)
    page = page_of(look_at(draw(generator, nothing), draw(generator, nothing), side=20)[1])
    assert "The samples form one cloud on this image" in page
    assert "Form 1" not in page
    assert page.count("<img") == 6
    assert "20 × 20 pixels from row" in page
    assert "these alone show no fault" in page


def test_a_report_without_such_samples_has_no_such_section() -> None:
    assert page_of(None) == ""


def test_samples_that_are_all_alike_can_be_shown() -> None:
    same = np.ones((8, SIZE, SIZE), np.float32)
    _, examples, _ = look_at(same, same)
    assert [one.apart for one in examples.far_teacher] == [1, 1, 1]
    assert "Farthest" in page_of(examples)
