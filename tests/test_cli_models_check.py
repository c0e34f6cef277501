"""The command that checks a model, and what the doctor says of the self-test."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load_file

from napari_posterior.bundles.selftest import SELFTEST_FILE
from napari_posterior.bundles.weights import pack_weights

if TYPE_CHECKING:
    from collections.abc import Callable

KD = "students/kd/model.safetensors"


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture
def shipped(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny bundle as if it had come with the package."""
    (tmp_path / "shipped").mkdir()
    folder = Path(shutil.move(copy, tmp_path / "shipped" / "tiny"))
    monkeypatch.setattr("napari_posterior.bundles.catalogue.shipped_folder", lambda: folder.parent)
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(tmp_path / "cache"))
    return folder


def scale(folder: Path, name: str, factor: float) -> None:
    """Change every number of a file, and the card so that it lists the file as it is then."""
    tensors = {key: factor * value for key, value in load_file(folder / name).items()}
    data = pack_weights(tensors, "float32")
    (folder / name).write_bytes(data)
    list_file(folder, name, {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})


def list_file(folder: Path, name: str, record: dict[str, Any] | None) -> None:
    card = json.loads((folder / "posterior.json").read_text())
    card["files"].pop(name)
    if record is not None:
        card["files"][name] = record
    (folder / "posterior.json").write_text(json.dumps(card))


def remove_selftest(folder: Path) -> None:
    (folder / SELFTEST_FILE).unlink()
    list_file(folder, SELFTEST_FILE, None)


def test_a_whole_model_is_told_sampler_by_sampler(
    command: Callable[..., Any], tiny_model: str
) -> None:
    done = command("models", "check", tiny_model, "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    first, *samplers, last = done.out.splitlines()
    assert first == "tiny 0.0.1: 15 files match their checksums"
    assert {line.split(":")[0].strip() for line in samplers} == {"teacher", "flow", "kd", "mse"}
    assert all(line.endswith(" of the picture's sd") for line in samplers)
    assert last.startswith("tiny 0.0.1: self-test passed on cpu, off by at most ")


def test_a_model_that_draws_something_else_is_refused(
    command: Callable[..., Any], copy: Path
) -> None:
    scale(copy, KD, 1.02)
    refused = command("models", "check", copy, "--device", "cpu")
    assert refused.code == 2
    assert "the model 'tiny' does not draw what it drew when it was written" in refused.sentence
    assert "self-test failed on cpu, 'kd' off by up to " in refused.sentence
    assert refused.sentence.endswith("; get the bundle again")
    assert "    kd: off by at most " in refused.out


def test_a_damaged_model_is_not_run_and_every_damaged_file_is_named(
    command: Callable[..., Any], copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_posterior.bundles.selftest.check_selftest", pytest.fail)
    (copy / "LICENSE").write_text("altered")
    (copy / KD).write_bytes(b"")
    refused = command("models", "check", copy)
    assert (refused.code, refused.out) == (2, "")
    told = refused.err.splitlines()
    assert len(told) == 2
    assert "the file LICENSE has 7 bytes" in told[0]
    assert "the file students/kd/model.safetensors has 0 bytes" in told[1]


def test_a_model_without_a_self_test_is_told_to_have_none(
    command: Callable[..., Any], copy: Path
) -> None:
    remove_selftest(copy)
    done = command("models", "check", copy)
    assert (done.code, done.err) == (0, "")
    assert "tiny 0.0.1: 14 files match their checksums" in done.out
    assert "No self-test came with this model" in done.out


def test_a_device_that_is_not_there_is_refused_first(
    command: Callable[..., Any], tiny_model: str
) -> None:
    refused = command("models", "check", tiny_model, "--device", "toaster")
    assert (refused.code, refused.out) == (2, "")
    assert "'toaster' is not a device" in refused.sentence


def test_help_of_models_tells_of_the_check(command: Callable[..., Any]) -> None:
    assert "Check the files of a model and run its self-test." in command("models", "-h").out


def told_of_tiny(out: str) -> str:
    (line,) = [line for line in out.splitlines() if line.startswith("model tiny ")]
    return line.removeprefix("model tiny 0.0.1 (shipped): whole, ")


def test_the_doctor_runs_the_self_test_of_a_shipped_model(
    command: Callable[..., Any], shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_posterior.bundles.device.pick_device", lambda name: "cpu")
    done = command("doctor")
    assert done.code == 0
    assert told_of_tiny(done.out).startswith("15 files match, self-test passed on cpu, off by ")


def test_the_doctor_puts_a_failed_self_test_among_what_is_to_be_put_right(
    command: Callable[..., Any], shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_posterior.bundles.device.pick_device", lambda name: "cpu")
    scale(shipped, KD, 1.02)
    done = command("doctor")
    assert done.code == 2
    assert told_of_tiny(done.out).startswith("15 files match, self-test failed on cpu, 'kd' off by")
    last = done.out.splitlines()[-1]
    assert f"the bundle {shipped} does not draw what it drew when it was written" in last
    assert "install napari-posterior again" in last


def test_the_doctor_tells_that_a_shipped_model_has_no_self_test_or_a_wrong_one(
    command: Callable[..., Any], shipped: Path
) -> None:
    scale(shipped, SELFTEST_FILE, 0.0)
    done = command("doctor")
    assert done.code == 2
    assert told_of_tiny(done.out) == "15 files match, self-test refused"
    assert f"- the file {shipped / SELFTEST_FILE} holds no measurement" in done.out
    remove_selftest(shipped)
    done = command("doctor")
    assert done.code == 0
    assert told_of_tiny(done.out) == "14 files match, no self-test"


def test_the_doctor_tells_of_a_device_on_which_networks_do_not_run(
    command: Callable[..., Any], shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setattr("napari_posterior.bundles.selftest.check_selftest", broken)
    done = command("doctor")
    assert done.code == 2
    assert told_of_tiny(done.out) == "15 files match, self-test stopped"
    assert "(RuntimeError: no kernel image is available); use --device cpu" in done.out
