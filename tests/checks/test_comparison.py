"""A comparison is a folder: tolerances before looking, one decision a look, nothing forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_posterior.checks.finding import Finding
from napari_posterior.checks.intervals import mean_difference
from napari_posterior.checks.solver import SolverTrust
from napari_posterior.checks.verdicts.comparison import Comparison, open_comparison
from napari_posterior.checks.verdicts.ledger import Pair, RunIdentity
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.errors import InputError, OutputError

KNOWN = RunIdentity(
    image_sha256="a" * 64, bundle_hash="b" * 64, sampler="teacher", steps=18, seed=0,
    precision="float32", conditions="c" * 64,
)  # fmt: skip
PAIR = Pair(teacher=KNOWN, student=KNOWN.model_copy(update={"sampler": "kd", "steps": 1}))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "comparison"


def difference(count, shift=0.0, *, key="puncta_count", spread=0.5, looks=None):
    """A finding on a statistic of mean 100 and known spread, its estimate exactly the shift."""
    pattern = np.tile([-1.0, 1.0], count)[:count] * spread
    level = (looks or Looks()).level
    found = mean_difference(100 + pattern, 100 + shift + pattern, level=level, paired=False)
    return Finding(
        id=key, title="puncta count", estimand="difference", unit="puncta", estimate=found.value,
        interval=found.interval, level=level, method=found.method, n_teacher=count,
        n_student=count, coupled=False, sentence="", question="task", kind="statistic",
        evidence=found.evidence, extra={"teacher_mean": 100.0, "teacher_sd": spread},
    )  # fmt: skip


def look(comparison, count, *findings):
    """Take a look with so many samples of each run; return verdicts by id, and the decision."""
    decision = comparison.decide((count, count))
    settled = comparison.settle(findings, decision, solver=SolverTrust())
    comparison.record(decision, settled)
    return {one.id: one for one in settled}, decision


def test_the_plan_is_on_disk_before_samples_are_looked_at(folder):
    opened = open_comparison(folder, pair=PAIR, tolerances="puncta")
    kept = json.loads((folder / "plan.json").read_text())
    assert kept["schema"] == "napari-posterior/plan/1"
    assert (kept["looks"], kept["ledger"]) == ([16, 32, 64, 128, 256], [])
    assert kept["tolerances"]["preset"] == "puncta"
    assert kept["declared_at"].endswith("+00:00")
    assert opened.statistics == ("puncta_count",)


def test_each_look_decides_once_however_often_it_is_called(folder):
    verdicts, decision = look(open_comparison(folder, pair=PAIR), 16, difference(16, 1.0))
    assert decision.decides
    assert verdicts["puncta_count"].verdict == "preserved"

    again, decision = look(open_comparison(folder, pair=PAIR), 20, difference(20, 30.0))
    assert not decision.decides
    assert again["puncta_count"].verdict == "preserved"
    assert again["puncta_count"].estimate == pytest.approx(30)
    assert "the next decision is at 32 samples" in again["puncta_count"].judgement.sentence
    assert "the next decision is at 32 samples" in decision.notes[0]

    after, decision = look(open_comparison(folder, pair=PAIR), 32, difference(32, 30.0))
    assert decision.decides
    assert after["puncta_count"].verdict == "not preserved"
    assert [one.look for one in open_comparison(folder, pair=PAIR).plan.ledger] == [16, 16, 32]


def test_an_open_question_stays_open_until_the_next_look(folder):
    wide = difference(16, 9.0, spread=5.0)
    verdicts, _ = look(open_comparison(folder, pair=PAIR), 16, wide)
    assert verdicts["puncta_count"].verdict == "not enough samples"
    again, _ = look(open_comparison(folder, pair=PAIR), 31, difference(31, 0.0))
    assert again["puncta_count"].verdict == "not enough samples"
    assert again["puncta_count"].judgement.reason == "between looks"


def test_fewer_samples_than_at_the_last_look_decide_nothing(folder):
    look(open_comparison(folder, pair=PAIR), 64, difference(64))
    fewer, decision = look(open_comparison(folder, pair=PAIR), 20, difference(20, 30.0))
    assert (decision.decides, decision.next_look) == (False, 128)
    assert fewer["puncta_count"].verdict == "preserved"


def test_after_the_last_look_nothing_is_decided(folder):
    opened = open_comparison(folder, pair=PAIR, looks=(16, 32))
    look(opened, 40, difference(40, looks=opened.looks))
    _, decision = look(opened, 500, difference(500, 30.0, looks=opened.looks))
    assert (decision.decides, decision.next_look) == (False, None)
    assert "no further look is planned" in decision.notes[0]


def test_a_preview_decides_nothing_and_uses_up_no_look(folder):
    verdicts, decision = look(open_comparison(folder, pair=PAIR), 8, difference(8))
    assert (decision.look, decision.decides, decision.next_look) == (None, False, 16)
    assert verdicts["puncta_count"].judgement.reason == "few samples"
    _, decision = look(open_comparison(folder, pair=PAIR), 16, difference(16))
    assert decision.decides


def test_peeking_is_paid_for():
    """A student exactly at its limit, looked at every twelve samples from 16 to 100."""
    generator = np.random.default_rng(0)
    repeats, wrong = 120, np.zeros(2)
    for _ in range(repeats):
        samples = generator.normal(0, 30, (2, 100))
        comparison, seen = Comparison.in_memory(), set()
        for count in range(16, 101, 12):
            found = mean_difference(
                100 + samples[0, :count],
                110 + samples[1, :count],
                level=comparison.looks.level,
                paired=False,
            )
            one = replace(
                difference(count), estimate=found.value, interval=found.interval,
                evidence=found.evidence,
            )  # fmt: skip
            seen.add(look(comparison, count, one)[0]["puncta_count"].verdict)
        wrong += "preserved" in seen, "not preserved" in seen
    # 5 % of either error, and two standard errors of so many repeats
    assert (wrong / repeats <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / repeats)).all()
    assert wrong.sum() > 0


# ------------------------------------------------------------------------------ changed afterwards


def test_a_tolerance_changed_after_a_look_is_decided_anew_and_marked(folder):
    findings = difference(16, 15.0), difference(16, 1.0, key="mean_intensity")
    names = ("puncta_count", "mean_intensity")
    before, _ = look(open_comparison(folder, pair=PAIR, statistics=names), 16, *findings)
    assert before["puncta_count"].verdict == "not preserved"

    changed = open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %"})
    after, decision = look(changed, 16, *findings)
    assert after["puncta_count"].verdict == "preserved"
    assert after["puncta_count"].judgement.origin == "post hoc"
    assert after["puncta_count"].to_dict()["tolerance_set"] == "after"
    assert after["mean_intensity"].judgement.origin != "post hoc"
    assert after["mean_intensity"].judgement.reason == "between looks"
    (note,) = [one for one in decision.notes if "post hoc" in one]
    assert "puncta_count was changed after 16 samples were looked at" in note

    plan = open_comparison(folder, pair=PAIR).plan
    assert plan.restarts == 1
    assert [one.verdicts["puncta_count"] for one in plan.ledger] == ["not preserved", "preserved"]
    assert [bool(one.tolerances["given"]) for one in plan.ledger] == [False, True]
    assert plan.ledger[1].post_hoc == ("puncta_count",)


def test_the_mark_stays_at_later_looks_and_goes_with_the_change(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    look(
        open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %"}), 16, difference(16)
    )
    later, _ = look(open_comparison(folder, pair=PAIR), 32, difference(32))
    assert later["puncta_count"].judgement.origin == "post hoc"
    back = open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "10 %"})
    later, _ = look(back, 64, difference(64))
    assert later["puncta_count"].judgement.origin != "post hoc"
    assert back.plan.restarts == 2


def test_what_was_changed_is_decided_once_too(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    look(
        open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %"}), 17, difference(17)
    )
    again, _ = look(open_comparison(folder, pair=PAIR), 18, difference(18, 80.0))
    assert again["puncta_count"].verdict == "preserved"


def test_a_tolerance_may_be_changed_before_the_first_look(folder):
    open_comparison(folder, pair=PAIR)
    opened = open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %"})
    verdicts, decision = look(opened, 16, difference(16, 15.0))
    assert verdicts["puncta_count"].judgement.origin == "user"
    assert verdicts["puncta_count"].verdict == "preserved"
    assert (opened.plan.restarts, decision.notes) == (0, ())


def test_a_tolerance_changed_after_a_preview_is_post_hoc(folder):
    look(open_comparison(folder, pair=PAIR), 8, difference(8))
    opened = open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %"})
    verdicts, _ = look(opened, 16, difference(16))
    assert verdicts["puncta_count"].judgement.origin == "post hoc"


def test_the_same_limit_given_by_hand_is_no_change(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    opened = open_comparison(
        folder, pair=PAIR, tolerances={"puncta_count": "10 %", "variance": (0.8, 1.25)}
    )
    again, _ = look(opened, 16, difference(16))
    assert again["puncta_count"].judgement.origin != "post hoc"
    assert opened.plan.restarts == 0


def test_a_statistic_added_after_a_look_is_marked_and_one_left_out_is_told(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    opened = open_comparison(folder, pair=PAIR, statistics=("filament_length",))
    verdicts, decision = look(opened, 16, difference(16, key="filament_length"))
    assert verdicts["filament_length"].judgement.origin == "post hoc"
    assert verdicts["filament_length"].required
    told = " ".join(decision.notes)
    assert "filament_length was added after 16 samples were looked at" in told
    assert "puncta_count was left out after 16 samples were looked at" in told
    assert opened.plan.restarts == 1


def test_what_decides_the_whole_cannot_be_changed_unseen(folder):
    look(open_comparison(folder, pair=PAIR, tolerances="puncta"), 16, difference(16))
    opened = open_comparison(folder, pair=PAIR, tolerances="restoration")
    _, decision = look(opened, 16, difference(16))
    (note,) = [one for one in decision.notes if "decides the whole" in one]
    assert "mean, puncta_count.spread, sites.invented, sites.lost, variance" in note


def test_single_tolerances_keep_the_question_of_the_folder(folder):
    open_comparison(folder, pair=PAIR, tolerances="puncta")
    opened = open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %"})
    assert opened.tolerances.preset == "puncta"


def test_tolerances_that_are_not_given_again_stay(folder):
    open_comparison(folder, pair=PAIR, tolerances={"puncta_count": "30 %", "mean": 0.1})
    opened = open_comparison(folder, pair=PAIR, tolerances={"variance": (0.9, 1.1)})
    look(opened, 16, difference(16))
    opened = open_comparison(folder, pair=PAIR, tolerances={"mean": 0.3})
    given = {key: one.high for key, one in opened.tolerances.given.items()}
    assert given == {"puncta_count": 0.3, "mean": 0.3, "variance": 1.1}
    again, _ = look(opened, 16, difference(16))
    assert again["puncta_count"].judgement.origin == "user"
    another = open_comparison(folder, pair=PAIR, tolerances="intensity").tolerances
    assert another.preset == "intensity"
    assert {"puncta_count", "mean_intensity"} <= set(another.given)


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_sha256": "d" * 64}, "the image of the student"),
        ({"bundle_hash": "d" * 64}, "the model bundle of the student"),
        ({"sampler": "lmd"}, "the sampler of the student"),
        ({"steps": 4}, "the number of steps of the student"),
        ({"seed": 1}, "the seed of the student"),
        ({"precision": "bfloat16"}, "the precision of the student"),
        ({"conditions": "d" * 64}, "the camera, PSF or crop of the student"),
    ],
)
def test_other_runs_need_another_folder(folder, change, said):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    before = (folder / "plan.json").read_bytes()
    other = Pair(teacher=PAIR.teacher, student=PAIR.student.model_copy(update=change))
    with pytest.raises(InputError, match=f"{said} is another one.*choose another folder"):
        open_comparison(folder, pair=other)
    assert (folder / "plan.json").read_bytes() == before


def test_runs_are_told_by_what_they_say_of_themselves(two_runs):
    from napari_posterior.checks.source import describe
    from napari_posterior.physics.camera import Camera

    described = [describe(run) for run in two_runs]
    pair = Pair.of(*described)
    assert pair.teacher.sampler == "teacher"
    assert pair.difference(Pair.of(*(replace(one, samples=99) for one in described))) == ""
    two_runs[1].request.camera = Camera(gain=3.0, offset=100.0, read_noise=1.5)
    changed = Pair.of(described[0], describe(two_runs[1]))
    assert pair.difference(changed) == "the camera, PSF or crop of the student is another one"


def test_looks_cannot_be_changed(folder):
    open_comparison(folder, pair=PAIR, looks=(16, 64))
    assert open_comparison(folder, pair=PAIR).looks.samples == (16, 64)
    with pytest.raises(InputError, match="planned with looks at 16, 64 samples"):
        open_comparison(folder, pair=PAIR, looks=(16, 32, 64))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: text.replace("plan/1", "plan/9"),
        lambda text: text.replace('"restarts": 0', '"restarts": -1'),
        lambda text: text.replace('"restarts": 0', '"restarts": 0, "run": "rm"'),
        lambda text: text.replace('"preset": "restoration"', '"present": 1'),
        lambda text: text.replace('"given": {}', '"given": {"mean": {"kind": "range"}}'),
        lambda text: text.replace('"verdicts": {', '"verdicts": {"mean": "splendid",'),
        lambda text: text.replace("\n  16,\n  32,", "\n  16,\n  3,"),
    ],
)
def test_a_damaged_plan_is_refused_in_one_sentence_and_kept(folder, damage):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    plan = folder / "plan.json"
    text = plan.read_text()
    plan.write_text(damage(text))
    assert plan.read_text() != text
    with pytest.raises(InputError) as refused:
        open_comparison(folder, pair=PAIR)
    assert "plan.json is damaged" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert plan.read_text() == damage(text)


def test_a_plan_of_bytes_that_are_no_text_is_refused(folder):
    folder.mkdir()
    (folder / "plan.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        open_comparison(folder, pair=PAIR)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        open_comparison(tmp_path / "file", pair=PAIR)


# -------------------------------------------------------------------------- nothing is forgotten


def test_beginning_anew_keeps_the_old_ledger_and_says_so_ever_after(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16, 30.0))
    old = (folder / "plan.json").read_text()
    anew = open_comparison(folder, pair=PAIR, overwrite=True)
    assert (folder / "plan-1.json").read_text() == old
    verdicts, decision = look(anew, 16, difference(16))
    assert verdicts["puncta_count"].verdict == "preserved"
    assert "looks are not paid for" in decision.notes[0]
    third = open_comparison(folder, pair=PAIR, overwrite=True)
    assert (third.plan.restarts, third.plan.earlier) == (2, ("plan-1.json", "plan-2.json"))
    assert "looks are not paid for" in third.decide((16, 16)).notes[0]


def test_beginning_anew_before_the_first_look_costs_nothing(folder):
    open_comparison(folder, pair=PAIR)
    anew = open_comparison(folder, pair=PAIR, tolerances="puncta", overwrite=True)
    assert (anew.plan.restarts, anew.decide((16, 16)).notes) == (0, ())


def test_a_damaged_plan_can_be_set_aside(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    (folder / "plan.json").write_text("{")
    anew = open_comparison(folder, pair=PAIR, overwrite=True)
    assert (folder / "plan-1.json").read_text() == "{"
    assert anew.plan.restarts == 1


def test_beginning_anew_with_other_runs_costs_them_nothing(folder):
    look(open_comparison(folder, pair=PAIR), 16, difference(16))
    other = Pair(teacher=PAIR.teacher, student=PAIR.student.model_copy(update={"sampler": "lmd"}))
    anew = open_comparison(folder, pair=other, overwrite=True)
    assert anew.plan.restarts == 0
    assert (folder / "plan-1.json").exists()


def test_a_look_that_another_program_took_meanwhile_is_not_lost(folder):
    mine, theirs = (open_comparison(folder, pair=PAIR) for _ in range(2))
    look(theirs, 16, difference(16, 30.0))
    with pytest.raises(OutputError, match=r"changed by another program.*compare again"):
        look(mine, 16, difference(16))
    ledger = open_comparison(folder, pair=PAIR).plan.ledger
    assert [one.verdicts["puncta_count"] for one in ledger] == ["not preserved"]


def test_a_disk_that_is_full_leaves_the_ledger_as_it_was(folder, monkeypatch):
    opened = open_comparison(folder, pair=PAIR)
    look(opened, 16, difference(16))
    before = (folder / "plan.json").read_bytes()

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        look(opened, 32, difference(32))
    assert (folder / "plan.json").read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["plan.json"]
    assert len(opened.plan.ledger) == 1


def test_the_same_look_is_written_once(folder):
    for _ in range(3):
        look(open_comparison(folder, pair=PAIR), 8, difference(8))
    assert len(open_comparison(folder, pair=PAIR).plan.ledger) == 1


# ------------------------------------------------------------------------------------- in memory


def test_without_a_folder_there_is_one_look_at_the_same_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    comparison = Comparison.in_memory(tolerances={"puncta_count": "30 %"})
    assert comparison.looks.level == Looks().level
    verdicts, decision = look(comparison, 40, difference(40, 15.0))
    assert (decision.look, decision.decides) == (32, True)
    assert verdicts["puncta_count"].verdict == "preserved"
    assert not list(tmp_path.iterdir())


def test_statistics_are_those_of_the_question():
    assert Comparison.in_memory().statistics == ("puncta_count",)
    found = Comparison.in_memory(tolerances={"question": "filaments"}).statistics
    assert found == ("filament_length", "filament_fragments")


def test_a_report_gets_the_plan_as_json(folder):
    opened = open_comparison(folder, pair=PAIR, tolerances="puncta")
    look(opened, 16, difference(16))
    told = json.loads(json.dumps(opened.to_dict(), allow_nan=False))
    assert told["question"] == "I count puncta"
    assert (told["alpha"], told["tail"]) == (0.05, Looks().tail)
    assert [one["look"] for one in told["ledger"]] == [16]
    assert (told["restarts"], told["kept"]) == (0, True)
