"""A correction of the student that is chosen in a window, without a window."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from napari_posterior.errors import InputError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.sampling.corrections import Guided, HandOver, Refine
from napari_posterior.session.choices import read_models
from napari_posterior.session.controller import Controller
from napari_posterior.session.correction_choice import correction_words
from napari_posterior.session.models import ImageChoice, SessionState
from napari_posterior.session.problems import find_model
from napari_posterior.session.progress import ENDED
from napari_posterior.session.remembered import Remembered, read_settings


@pytest.fixture
def controller(tiny_model, measured):
    controller = Controller()
    controller.set_models(tuple(one for one in read_models() if one.name == tiny_model))
    restore = controller.state.restore
    restore.image = ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))
    restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
    restore.samples, restore.device, restore.sampler = 2, "cpu", "kd"
    yield controller
    assert controller.close(20)


def ended(*entries):
    last = time.monotonic() + 60
    while any(entry.state not in ENDED for entry in entries):
        assert time.monotonic() < last
        time.sleep(0.01)
    return entries


def words(controller):
    restore = controller.state.restore
    return correction_words(restore, find_model(restore))


def test_a_run_of_a_student_is_drawn_with_the_correction_and_called_after_it(controller):
    restore = controller.state.restore
    before = restore.cost.calls_per_sample
    restore.correction = Refine(tau=0.4, times=2)
    assert restore.cost.calls_per_sample > before
    cost = restore.cost.calls_per_sample
    (entry,) = ended(controller.run())
    assert entry.title == "#1 kd-1 + refine, K = 2"
    request = entry.run.request
    assert request.correction == Refine(tau=0.4, times=2)
    assert request.nfe == cost  # what was said before is what was drawn
    assert words(controller)[0] in entry.warnings


def test_of_a_pair_only_the_student_is_corrected(controller):
    controller.state.restore.correction = Refine()
    teacher, student = ended(*controller.run_pair())
    assert teacher.run.request.correction is None
    assert student.run.request.correction == Refine()
    assert (teacher.label, student.label) == ("teacher-3", "kd-1 + refine")


def test_a_student_that_cannot_hand_over_says_so_before_and_the_teacher_can_be_drawn(controller):
    restore = controller.state.restore
    restore.correction = HandOver(tau=0.3)
    assert restore.problems == (restore.correction_problem,)
    assert restore.correction_problem.startswith("The student 'kd' goes from noise to the clean")
    assert words(controller) == ()
    with pytest.raises(InputError, match="cannot stop at tau"):
        controller.run()
    restore.sampler = "teacher"
    assert restore.problems == ()
    assert restore.cost is not None
    assert restore.pair_cost is None
    assert restore.correction_problem
    with pytest.raises(InputError, match="cannot stop at tau"):
        controller.run_pair("kd")
    restore.student = "flow"
    restore.correction = HandOver(tau=0.4)
    assert restore.correction_problem == ""
    assert restore.pair_cost is not None


def test_guidance_by_means_says_what_variance_it_takes_before_anything_is_drawn(controller):
    restore = controller.state.restore
    restore.sampler = "flow"
    restore.correction = Guided(lam=0.3, kernel="mean")
    assert restore.correction_problem == ""
    told = words(controller)
    assert "no posterior draws" in told[0]
    assert "% of the posterior variance" in told[1]
    restore.correction = Guided(lam=0.3, kernel="sample")
    assert len(words(controller)) == 1
    restore.sampler = "kd"  # its one step is not led
    assert "takes 1 step" in restore.correction_problem
    restore.correction = None
    assert words(controller) == ()


def test_a_correction_is_kept_for_the_next_session_and_reset_takes_it_away(tmp_path):
    path = tmp_path / "settings.json"

    def begin():
        state = SessionState()
        remembered = Remembered(state, path=path, call=lambda _, work, then: then(work()))
        remembered.take(read_settings(path))
        return state.restore, remembered

    restore, _remembered = begin()
    restore.correction = Guided(lam=0.2, k=2, kernel="sample")
    again, other = begin()
    assert again.correction == Guided(lam=0.2, k=2, kernel="sample")
    other.reset()
    assert again.correction is None
    assert begin()[0].correction is None
    path.write_text('{"correction": {"kind": "refine", "tau": 7}, "samples": 3}')
    restore, _ = begin()
    assert (restore.correction, restore.samples) == (None, 3)


def test_a_typed_pair_corrects_its_student_only(controller, measured, tiny_model):
    jobs = controller.restore_pair(
        measured,
        model=tiny_model,
        student="kd",
        samples=1,
        correction="refine:tau=0.2",
        device="cpu",
        camera=Camera(2.0, 100.0, 1.5),
    )
    teacher, student = (job.result(60).request for job in jobs)
    assert (teacher.correction, student.correction) == (None, Refine(tau=0.2))


def test_nothing_of_it_needs_torch():
    code = (
        "import sys\n"
        "from napari_posterior.session.choices import read_models\n"
        "from napari_posterior.sampling.corrections import Refine\n"
        "model = next(one for one in read_models() if one.students)\n"
        "sampler = model.sampler(model.students[0])\n"
        "assert sampler.info(correction=Refine()).nfe > sampler.info().nfe\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
