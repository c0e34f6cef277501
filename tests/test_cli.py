"""The command line, on a bundle of tiny untrained networks."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import napari_posterior as npo

if TYPE_CHECKING:
    from collections.abc import Callable

CAMERA = ("--gain", 2, "--offset", 100, "--read-noise", 1.5)


@pytest.fixture
def image(tmp_path: Path, measured: np.ndarray) -> Path:
    path = tmp_path / "cell.one.tif"
    tifffile.imwrite(path, measured)
    return path


@pytest.fixture
def restore(command: Callable[..., Any], tiny_model: str, image: Path) -> Callable[..., Any]:
    def run(*options: object) -> Any:
        usual = ("-m", tiny_model, "--psf-sigma", 1.4, *CAMERA, "--device", "cpu", "-k", 4)
        return command("restore", image, *usual, *options)

    return run


def test_a_run_is_written_beside_the_user_and_named_after_image_and_sampler(
    restore: Callable[..., Any],
) -> None:
    done = restore("--sampler", "kd")
    run = npo.open_run("cell-kd")
    assert (done.code, len(run), run.state) == (0, 4, "finished")
    assert f"kd: 4 samples in {run.seconds:.1f} s, in {run.path}" in done.out
    assert "kd: 4 samples to draw, 1 network evaluation each" in done.err


def test_options_reach_the_run(restore: Callable[..., Any]) -> None:
    done = restore(
        *("--sampler", "flow", "--steps", 1, "--seed", 5, "--background", 1.5, "--blind"),
        *("--precision", "bfloat16", "--tile", 16, "--batch", 2, "-k", 3, "--out", "x"),
    )
    request = npo.open_run("x").request
    assert done.code == 0
    assert (request.sampler, request.steps, request.seed, request.samples) == ("flow", 1, 5, 3)
    assert (request.background, request.blind, request.precision) == (1.5, True, "bfloat16")
    assert (request.tile, request.batch, request.psf.sigma) == (16, 2, 1.4)
    assert request.camera == npo.Camera(gain=2, offset=100, read_noise=1.5)
    assert "note: The networks are told nothing of camera and PSF, as was asked." in done.err


def test_tiles_can_be_turned_off(restore: Callable[..., Any]) -> None:
    assert restore("--sampler", "kd", "--tile", "none").code == 0
    assert npo.open_run("cell-kd").request.tile is None


def test_what_is_assumed_is_told(command: Callable[..., Any], tiny_model: str, image: Path) -> None:
    done = command("restore", image, "-m", tiny_model, "--sampler", "kd", "-k", 1)
    assert done.code == 0
    assert "note: No PSF was given" in done.err
    assert "The gain could not be estimated" in done.err


def test_ctrl_c_keeps_what_was_drawn_and_the_run_goes_on_later(
    restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_posterior.cli.lines import Lines
    from napari_posterior.runs.events import SampleDone

    def press(self: Lines, event: Any) -> None:
        if isinstance(event, SampleDone):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Lines, "__call__", press)
        stopped = restore("--batch", 1)
    run = npo.open_run("cell-teacher")
    assert stopped.code == 130
    assert stopped.sentence.startswith("stopped; 1 of 4 samples are kept in")
    assert f"--resume {run.path}" in stopped.sentence
    assert (len(run), run.state) == (1, "cancelled")
    assert restore("--batch", 1, "--resume", "cell-teacher").code == 0
    assert len(npo.open_run("cell-teacher")) == 4


def test_ctrl_c_before_a_run_leaves_with_the_same_code(
    restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_posterior.api.restore", press)
    stopped = restore()
    assert (stopped.code, stopped.sentence[:7]) == (130, "stopped")


def test_a_fault_of_the_program_is_logged_and_not_dumped(
    restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def break_down(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("we divided by zero")

    monkeypatch.setattr("napari_posterior.api.restore", break_down)
    broken = restore()
    log = tmp_path / "cache" / "napari-posterior-error.log"
    assert broken.code == 1
    assert "fault of the program (ZeroDivisionError: we divided by zero)" in broken.sentence
    assert str(log) in broken.sentence
    assert "Traceback" in log.read_text()


def test_a_fault_while_sampling_is_a_fault_of_the_program(
    restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_posterior.sampling.samplers import StudentSampler

    def break_down(*_: Any) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr(StudentSampler, "draw", break_down)
    broken = restore("--sampler", "kd")
    assert broken.code == 1
    assert "no such thing" in broken.sentence


# -------------------------------------------------------------------------------------- compare


def test_a_comparison_writes_a_report_with_pictures(
    restore: Callable[..., Any], command: Callable[..., Any]
) -> None:
    restore("--out", "t")
    restore("--sampler", "kd", "--out", "s")
    done = command("compare", "t", "s", "--statistic", "puncta_count", "--out", "told")
    assert done.code == 0
    report = json.loads(Path("told/report.json").read_text())
    assert {check["id"] for check in report["checks"]} >= {"mean", "puncta_count"}
    assert report["overall"]["verdict"] == "not enough samples"
    assert "<html" in Path("told/report.html").read_text()
    assert list(Path("told/figures").glob("*.png"))
    assert str(Path("told/report.html").absolute()) in done.out
    for check in report["checks"]:
        assert check["sentence"] in done.out
        assert (check.get("verdict_sentence") or "") in done.out
    assert report["overall"]["headline"] in done.out


def test_a_comparison_is_called_again_in_its_folder(
    restore: Callable[..., Any], command: Callable[..., Any]
) -> None:
    restore("--out", "t")
    restore("--sampler", "kd", "--out", "s")
    first = command(
        *("compare", "t", "s", "--question", "puncta", "--tolerance", "puncta_count=20%"),
        *("--tolerance", "variance=0.9..1.1", "--looks", "16,64", "--out", "told"),
    )
    again = command("compare", "t", "s", "--out", "told", "--tolerance", "mean=0.1")
    assert (first.code, again.code) == (0, 0)
    plan = json.loads(Path("told/plan.json").read_text())
    assert (plan["looks"], plan["tolerances"]["preset"]) == ([16, 64], "puncta")
    assert len(plan["ledger"]) == 2
    given = plan["ledger"][0]["tolerances"]["given"]
    assert given["puncta_count"] | {"origin": ""} == {
        "kind": "relative", "low": None, "high": 0.2, "origin": ""
    }  # fmt: skip
    assert (given["variance"]["low"], given["variance"]["high"]) == (0.9, 1.1)
    assert "was changed after 4 samples were looked at" in again.err
    assert (first.out.count("(Post hoc limit.)"), again.out.count("(Post hoc limit.)")) == (0, 1)

    anew = command("compare", "t", "s", "--out", "told", "--overwrite")
    assert anew.code == 0
    assert "whose looks are not paid for" in anew.err
    assert Path("told/plan-1.json").is_file()


def test_a_folder_with_the_comparison_of_other_runs_is_refused(
    restore: Callable[..., Any], command: Callable[..., Any]
) -> None:
    restore("--out", "t")
    for seed in (0, 1):
        restore("--sampler", "kd", "--seed", seed, "--out", f"s{seed}")
    assert command("compare", "t", "s0", "--out", "told").code == 0
    before = Path("told/report.json").read_text()
    refused = command("compare", "t", "s1", "--out", "told")
    assert refused.code == 2
    assert "the seed of the student is another one" in refused.sentence
    assert Path("told/report.json").read_text() == before


def test_a_report_that_is_there_is_kept_unless_it_may_be_overwritten(
    restore: Callable[..., Any], command: Callable[..., Any]
) -> None:
    restore("--out", "t")
    restore("--sampler", "kd", "--out", "s")
    Path("told").mkdir()
    Path("told/report.json").write_text("old")
    refused = command("compare", "t", "s", "--out", "told")
    assert (refused.code, Path("told/report.json").read_text()) == (2, "old")
    assert "add --overwrite" in refused.sentence
    assert command("compare", "t", "s", "--out", "told", "--overwrite").code == 0


def test_a_region_is_named_and_read_from_a_file(
    restore: Callable[..., Any], command: Callable[..., Any], measured: np.ndarray
) -> None:
    restore("--out", "t")
    restore("--sampler", "kd", "--out", "s")
    mask = np.zeros(measured.shape, np.uint8)
    mask[: len(mask) // 2] = 255
    tifffile.imwrite("cell.tif", mask)
    asked = ("--statistic", "mean_intensity", "--region", "cell=cell.tif")
    done = command("compare", "t", "s", *asked, "--out", "told")
    assert done.code == 0
    report = json.loads(Path("told/report.json").read_text())
    found = {check["id"]: check for check in report["checks"]}
    assert found["mean_intensity@cell"]["region"] == "cell"
    assert "mean intensity in cell" in done.out
    assert [one["name"] for one in report["plan"]["regions"]] == ["cell"]
    again = command("compare", "t", "s", "--region", "top=cell.tif", "--out", "told")
    assert "The region top was drawn after 4 samples were looked at" in again.err


@pytest.mark.parametrize("given", ["cell.tif", "=cell.tif", "cell="])
def test_a_region_without_a_name_or_a_file_is_refused(
    command: Callable[..., Any], given: str
) -> None:
    refused = command("compare", "t", "s", "--region", given)
    assert (refused.code, Path("report").exists()) == (2, False)
    assert "is no NAME=FILE" in refused.sentence


# ------------------------------------------------------------------------------- several images


@pytest.fixture
def images(
    command: Callable[..., Any], tiny_model: str, measured: np.ndarray
) -> Callable[[int], Path]:
    """Restore so many images with the teacher and two students, all into one folder."""

    def make(count: int) -> Path:
        folder = Path("runs")
        usual = ("-m", tiny_model, "--psf-sigma", 1.4, *CAMERA, "--device", "cpu", "-k", 4)
        for number in range(count):
            tifffile.imwrite(f"cell_{number}.tif", np.roll(measured, number, axis=1))
            for sampler in ("teacher", "kd", "mse"):
                out = folder / f"cell_{number}-{sampler}"
                one = ("-k", 1) if sampler == "mse" else ()
                done = command(
                    *("restore", f"cell_{number}.tif", *usual, "--sampler", sampler),
                    *(*one, "--out", out),
                )
                assert done.code == 0, done.err
        return folder

    return make


def test_images_of_a_folder_are_compared_together(
    images: Callable[[int], Path], command: Callable[..., Any]
) -> None:
    folder = images(3)
    asked = ("--question", "intensity", "--tolerance", "mean_intensity=30%", "--out", "all")
    done = command("compare-images", folder, *asked)
    assert done.code == 0, done.err
    told = json.loads(Path("all/images.json").read_text())
    assert told["images"] == ["cell_0", "cell_1", "cell_2"]
    assert told["overall"]["headline"] in done.out
    for name in told["images"]:
        plan = json.loads(Path("all", name, "plan.json").read_text())
        assert plan["tolerances"]["given"]["mean_intensity"]["high"] == 0.3
        assert f"{name}: not enough samples" in done.out
    again = command("compare-images", folder, "--out", "all")
    assert again.code == 0
    assert "changed after" not in again.err


def test_runs_of_images_are_paired_whatever_their_order(
    images: Callable[[int], Path], command: Callable[..., Any]
) -> None:
    folder = images(2)
    given = [folder / f"cell_{n}-{sampler}" for sampler, n in (("kd", 1), ("teacher", 0))]
    given += [folder / f"cell_{n}-{sampler}" for sampler, n in (("teacher", 1), ("kd", 0))]
    done = command("compare-images", *given, "--statistic", "mean_intensity")
    assert done.code == 0, done.err
    told = json.loads(Path("images/images.json").read_text())
    assert told["images"] == ["cell_0", "cell_1"]


def test_an_image_without_a_partner_and_two_students_are_refused(
    images: Callable[[int], Path], command: Callable[..., Any]
) -> None:
    folder = images(2)
    shutil.rmtree(folder / "cell_1-kd.posterior.zarr")
    refused = command("compare-images", folder, "--out", "all")
    assert (refused.code, Path("all").exists()) == (2, False)
    assert "cell_1-teacher.posterior.zarr has no student run" in refused.sentence
    kept = folder / "cell_0-kd.posterior.zarr"
    shutil.copytree(kept, folder / "again.posterior.zarr")
    refused = command("compare-images", folder, "--out", "all")
    assert "has two student runs" in refused.sentence
    refused = command("compare-images", folder, "--student", "joy", "--out", "all")
    assert "has no student run" in refused.sentence
    (folder / "none").mkdir()
    assert command("compare-images", folder / "none").code == 2


# ----------------------------------------------------------------------------- demo and models


def test_the_demo_restores_compares_and_reports(
    command: Callable[..., Any], tiny_model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    from napari_posterior.cli import demo

    whole = demo.read_sample("puncta")
    for source in (whole.image, whole.truth):
        tifffile.imwrite(small / source.name, tifffile.imread(source)[:48, :48])
    sample = demo.Sample(
        small / whole.image.name, small / whole.truth.name, whole.camera, whole.psf, 0.0
    )
    monkeypatch.setattr(demo, "read_sample", lambda name: sample)
    done = command("demo", "--out", "d", "-m", tiny_model, "-k", 4, "--device", "cpu")
    assert done.code == 0
    assert Path("d/report.html").is_file()
    assert (npo.open_run("d/teacher").role, npo.open_run("d/kd").role) == ("teacher", "student")
    for said in ("teacher: 4 samples in", "kd: 4 samples in", "The report is", "comparison: "):
        assert said in done.out
    again = command("demo", "--out", "d", "-m", tiny_model, "-k", 4)
    assert again.code == 2
    assert "exists" in again.sentence


def test_the_sample_of_the_demo_carries_its_camera() -> None:
    from napari_posterior.cli.demo import read_sample

    sample = read_sample("puncta")
    assert (sample.camera.gain, sample.camera.offset, sample.psf.sigma) == (2.1, 100.0, 1.6)
    assert tifffile.imread(sample.image).shape == tifffile.imread(sample.truth).shape


def test_a_model_without_students_has_no_demo(
    command: Callable[..., Any],
    tmp_path: Path,
    tiny_writer: Callable[..., Path],
    tiny_parts: dict[str, Any],
) -> None:
    parts = {name: tiny_parts[name] for name in ("teacher", "point")}
    folder = tiny_writer(tmp_path / "alone", parts=parts)
    refused = command("demo", "--out", "d", "-m", folder)
    assert refused.code == 2
    assert "has no student to compare" in refused.sentence


def test_models_are_listed_with_their_samplers(
    command: Callable[..., Any], tiny_model: str
) -> None:
    done = command("models")
    assert done.code == 0
    assert "tiny 0.0.1 (cached, " in done.out
    assert "teacher, flow, kd, mse" in done.out


def test_a_model_that_cannot_be_read_is_named_with_the_reason(
    command: Callable[..., Any], tiny_model: str, tmp_path: Path
) -> None:
    broken = tmp_path / "cache" / "models" / "broken"
    broken.mkdir()
    (broken / "posterior.json").write_text("{}")
    done = command("models")
    assert done.code == 0
    assert "tiny 0.0.1" in done.out
    assert "is not the card of a napari-posterior bundle" in done.err


def test_the_card_of_a_model_is_shown(command: Callable[..., Any], tiny_model: str) -> None:
    done = command("models", "show", tiny_model)
    assert done.code == 0
    assert "# tiny 0.0.1" in done.out
    assert "student of the teacher: 1 or 2 steps" in done.out


def test_a_damaged_model_is_shown_to_be_damaged(
    command: Callable[..., Any], tiny_model: str, tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / "models" / "tiny"
    (folder / "teacher" / "config.json").write_text("{}")
    shown = command("models", "show", tiny_model)
    assert shown.code == 2
    assert "teacher/config.json has 2 bytes" in shown.sentence
    asked = command("doctor")
    assert asked.code == 2
    assert "model tiny 0.0.1 (cached): damaged" in asked.out


def test_the_doctor_tells_versions_device_models_and_disk(
    command: Callable[..., Any], tiny_model: str
) -> None:
    done = command("doctor")
    for said in (f"napari-posterior {npo.__version__}", "torch: ", "device: ", "free disk: "):
        assert said in done.out
    assert "model tiny 0.0.1 (cached): whole, 15 files match" in done.out


def test_the_doctor_survives_a_torch_that_cannot_be_imported(
    command: Callable[..., Any], tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "napari_posterior.bundles.device", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = command("doctor")
    assert done.code == 2
    assert "torch cannot be imported" in done.out


# ------------------------------------------------------------------------------- training, help


def test_train_and_distill_hand_their_options_on(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def remember(folder: Path, **options: Any) -> Path:
        calls.append(options)
        return folder

    monkeypatch.setattr("napari_posterior.training.train.train", remember)
    monkeypatch.setattr("napari_posterior.training.distill.distill", remember)
    assert command("train", "--out", "b", "--steps", 7, "--seed", 3).code == 0
    assert (calls[0]["plan"].steps, calls[0]["plan"].seed) == (7, 3)
    options = ("--method", "pd", "--steps", 2, "--name", "halved", "--train-steps", 9)
    assert command("distill", "b", *options).code == 0
    assert (calls[1]["plan"].train_steps, calls[1]["methods"]) == (9, ("pd",))
    assert (calls[1]["steps"], calls[1]["name"]) == (2, "halved")
    assert command("distill", "b").code == 0
    assert calls[2]["methods"] == ("kd", "kd-euler", "pd", "lmd", "cd")


def test_distill_refuses_an_unknown_method_and_lists_what_there_is(
    command: Callable[..., Any],
) -> None:
    refused = command("distill", "b", "--method", "magic")
    assert refused.code == 2
    assert "unknown method 'magic'; use one of kd, kd-euler, pd, cd, ctm" in refused.err


def test_help_tells_the_plan_that_remakes_the_shipped_weights(command: Callable[..., Any]) -> None:
    from napari_posterior.training.distill import DistillPlan
    from napari_posterior.training.plan import TrainingPlan

    for name, plan, fields in (
        ("train", TrainingPlan(), ("steps", "processes")),
        ("distill", DistillPlan(), ("trajectories", "processes")),
    ):
        text = " ".join(command(name, "--help").out.split())
        for field in fields:
            told = text.partition(f"--{field}")[2].partition("--")[0]
            assert re.search(rf"\[default: {getattr(plan, field)}[;\]]", told)


def test_training_tells_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    from napari_posterior.cli.training import tell
    from napari_posterior.training.fit import Progress

    tell(Progress(name="teacher", step=100, steps=1000, loss=0.25, seconds_left=90))
    assert capsys.readouterr().err == "teacher: step 100 of 1000, loss 0.2500, 90 s left\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("restore",),
        ("restore", "x.tif", "--samples", "many"),
        ("restore", "x.tif", "--colour"),
        ("compare", "one"),
        ("train",),
    ],
)
def test_wrong_use_is_exit_code_2_without_a_traceback(
    command: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    refused = command(*arguments)
    assert refused.code == 2
    assert "Traceback" not in refused.err
    assert refused.err or refused.out


@pytest.mark.parametrize(
    "name",
    ["demo", "restore", "compare", "compare-images", "models", "train", "distill", "doctor"],
)
def test_every_command_has_help(command: Callable[..., Any], name: str) -> None:
    done = command(name, "--help")
    assert done.code == 0
    assert f"napari-posterior {name}" in done.out


def test_the_list_of_commands_says_each_in_whole(command: Callable[..., Any]) -> None:
    listed = command("--help").out.partition("Commands:")[2].strip().splitlines()
    assert len(listed) == 18
    assert all(line.endswith(".") and "..." not in line for line in listed)


def test_the_version_is_told(command: Callable[..., Any]) -> None:
    done = command("--version")
    assert (done.code, done.out.strip()) == (0, f"napari-posterior {npo.__version__}")


def test_help_brings_in_no_torch() -> None:
    code = (
        "import sys\nfrom napari_posterior.cli import main\n"
        "try:\n    main(['models'])\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_progress_line_is_written_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    from napari_posterior.cli.lines import Lines
    from napari_posterior.runs.events import SampleDone, Started, StepDone

    lines = Lines("teacher", every=0)
    lines(Started(samples=8, missing=6, planes=1, nfe=31))
    lines(SampleDone(2, np.zeros(1)))
    lines(StepDone((3,), 0, 5, 31, 0.4, 12.3))
    lines(StepDone((3,), 0, 6, 31, 0.4, 7200.0))
    lines(Started(samples=1, missing=1, planes=1, nfe=1))
    assert capsys.readouterr().err.splitlines() == [
        "teacher: 6 samples to draw, 31 network evaluations each",
        "teacher: 3 of 8 samples, 12 s left",
        "teacher: 3 of 8 samples, 2.0 h left",
        "teacher: 1 sample to draw, 1 network evaluation each",
    ]


def test_a_terminal_gets_a_bar_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from types import SimpleNamespace

    from napari_posterior.api.progress import progress_bar, time_left
    from napari_posterior.runs.events import SampleDone, Started, StepDone, Warned

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    request: Any = SimpleNamespace(sampler="teacher", samples=4)
    with progress_bar(request, shown=True) as show:
        show(Warned("Mind the [gap]."))
        show(Started(samples=4, missing=4, planes=1, nfe=3))
        show(SampleDone(0, np.zeros(1)))
        show(StepDone((1,), 0, 1, 3, 0.4, 61.0))
    told = capsys.readouterr().err
    assert "note: Mind the [gap]." in told
    assert "1 of 4 samples" in told
    assert "61 s left" in told
    assert [time_left(s) for s in (None, 2.4, 600, 7200)] == [
        "",
        "2 s left",
        "10 min left",
        "2.0 h left",
    ]


def test_the_console_script_is_the_command_line() -> None:
    script = shutil.which("napari-posterior", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the package is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"napari-posterior {npo.__version__}"
