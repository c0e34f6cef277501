"""What people give by mistake: exit code 2, one sentence that says what to do, nothing lost."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import napari_posterior as npo
from napari_posterior.runs import store
from napari_posterior.runs.events import SampleDone

if TYPE_CHECKING:
    from collections.abc import Callable

CAMERA = ("--gain", 2, "--offset", 100, "--read-noise", 1.5)


@pytest.fixture
def restore(command: Callable[..., Any], tiny_model: str) -> Callable[..., Any]:
    def run(image: object, *options: object) -> Any:
        usual = ("-m", tiny_model, "--sampler", "kd", "--psf-sigma", 1.4, *CAMERA, "-k", 4)
        return command("restore", image, *usual, "--device", "cpu", "--batch", 1, *options)

    return run


@pytest.fixture
def image(tmp_path: Path, measured: np.ndarray) -> Path:
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, measured)
    return path


def spoiled(kind: str, image: np.ndarray) -> np.ndarray:
    data = image.astype(np.float32)
    if kind == "nan":
        data[3, 4] = np.nan
    if kind == "inf":
        data[3, 4] = np.inf
    return {
        "constant": np.full_like(data, 7),
        "empty": np.zeros((0, 0), np.float32),
        "one pixel": data[:1, :1],
        "complex": data + 1j,
        "boolean": data > 110,
        "rgb": np.stack([image] * 3, axis=-1).astype(np.uint8),
        "one axis": data[0],
        "six axes": data[None, None, None, None],
        "text": np.array([["a", "b"]]),
    }.get(kind, data)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nan", "1 NaN or infinite pixel; crop them away or replace them"),
        ("inf", "1 NaN or infinite pixel; crop them away or replace them"),
        ("constant", "is constant"),
        ("empty", "is empty"),
        ("one pixel", "give at least 8 x 8 pixels"),
        ("complex", "complex numbers; give its magnitude"),
        ("boolean", "boolean mask; give the grey-level image"),
        ("rgb", "colour (RGB) image; split it"),
        ("one axis", "axes"),
        ("six axes", "axes"),
        ("text", "give integers or floats"),
    ],
)
def test_an_image_that_cannot_be_restored_is_refused(
    restore: Callable[..., Any], tmp_path: Path, measured: np.ndarray, kind: str, said: str
) -> None:
    np.save(tmp_path / "bad.npy", spoiled(kind, measured))
    refused = restore(tmp_path / "bad.npy")
    assert refused.code == 2
    assert said in refused.sentence
    assert list(Path.cwd().iterdir()) == []


def test_an_rgb_picture_is_refused(
    restore: Callable[..., Any], tmp_path: Path, measured: np.ndarray
) -> None:
    tifffile.imwrite(
        tmp_path / "colour.tif", spoiled("rgb", measured), photometric="rgb", planarconfig="contig"
    )
    refused = restore(tmp_path / "colour.tif")
    assert refused.code == 2
    assert "colour (RGB)" in refused.sentence


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.txt", b"cells, 3 of them"), ("notes.tif", b"cells, 3 of them"), ("a.npy", b"\x93NUM")],
)
def test_a_file_that_is_no_image_is_refused(
    restore: Callable[..., Any], tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    refused = restore(tmp_path / name)
    assert refused.code == 2
    assert str(tmp_path / name) in refused.sentence


def test_a_pickled_array_is_never_opened(restore: Callable[..., Any], tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([{"code": print}], dtype=object), allow_pickle=True)
    refused = restore(tmp_path / "bad.npy")
    assert refused.code == 2
    assert "does not hold a plain array" in refused.sentence


def test_a_missing_file_and_a_folder_are_refused(
    restore: Callable[..., Any], tmp_path: Path
) -> None:
    assert "does not exist" in restore(tmp_path / "nothing.tif").sentence
    assert "is a folder" in restore(tmp_path).sentence


def test_negative_values_are_restored_with_a_note(
    restore: Callable[..., Any], tmp_path: Path, measured: np.ndarray
) -> None:
    np.save(tmp_path / "subtracted.npy", measured.astype(np.float32) - 110)
    done = restore(tmp_path / "subtracted.npy", "--offset", -10)
    assert done.code == 0
    assert "pixels of the image are negative" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-m", "fluo9d"), "there is no model called 'fluo9d'; the models that are here:"),
        (("--sampler", "magic"), "has no sampler 'magic'; use one of: teacher, kd, flow, mse"),
        (("-k", 0), "0 samples cannot be drawn; ask for 1 to 4096"),
        (("-k", 10**9), "1000000000 samples cannot be drawn; ask for 1 to 4096"),
        (("-k", -1), "-1 samples cannot be drawn"),
        (("--steps", 5), "was not trained for 5 steps; give 1"),
        (("--gain", 0), "gain is 0; give a positive number"),
        (("--gain", "nan"), "gain is nan"),
        (("--read-noise", -1), "read noise is -1"),
        (("--psf-sigma", 0.5), "PSF sigma is 0.5 px, narrower than the target resolution"),
        (("--psf-sigma", "inf"), "PSF sigma is inf"),
        (("--device", "abacus"), "'abacus' is not a device"),
        (("--tile", "some"), "--tile is 'some'; give a whole number, or auto or none"),
        (("--batch", "some"), "--batch is 'some'; give a whole number, or auto"),
        (("--tile", 0), "tile is 0"),
        (("--resume", "nothing"), "does not exist"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    restore: Callable[..., Any], image: Path, options: tuple[object, ...], said: str
) -> None:
    refused = restore(image, *options)
    assert refused.code == 2
    assert said in refused.sentence
    assert list(Path.cwd().iterdir()) == []


def test_half_a_camera_is_refused(
    command: Callable[..., Any], tiny_model: str, image: Path
) -> None:
    refused = command("restore", image, "-m", tiny_model, "--gain", 2, "--offset", 100)
    assert refused.code == 2
    assert "give --read-noise too" in refused.sentence


def test_an_output_that_exists_is_kept(restore: Callable[..., Any], image: Path) -> None:
    restore(image, "--seed", 1)
    refused = restore(image, "--seed", 2)
    assert refused.code == 2
    assert "exists" in refused.sentence
    assert npo.open_run("cell-kd").request.seed == 1


def test_a_folder_of_other_things_is_never_replaced(
    restore: Callable[..., Any], image: Path
) -> None:
    mine = Path("mine.posterior.zarr")
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    refused = restore(image, "--out", "mine", "--overwrite")
    assert refused.code == 2
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_may_not_be_written_is_named(
    restore: Callable[..., Any], image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere, so permission is played
    refused = restore(image, "--out", "locked/run")
    assert refused.code == 2
    assert "locked" in refused.sentence
    assert "choose a folder that you may write to" in refused.sentence


@pytest.mark.parametrize("after", [0, 2])
def test_a_disk_that_fills_up_keeps_the_samples_drawn(
    restore: Callable[..., Any], image: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    write, written = store.write_image, []

    def fill_up(folder: Path, *args: Any, **options: Any) -> Any:
        if folder.parent.name == "samples":
            written.append(folder)
            if len(written) > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        return write(folder, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_image", fill_up)
        refused = restore(image)
    assert refused.code == 2
    assert "the disk is full" in refused.sentence
    assert len(npo.open_run("cell-kd")) == after
    assert restore(image, "--resume", "cell-kd").code == 0
    assert len(npo.open_run("cell-kd")) == 4


def test_a_run_that_disappears_while_it_is_written_is_noticed(
    restore: Callable[..., Any], image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_posterior.cli.lines import Lines

    def remove(self: Lines, event: Any) -> None:
        if isinstance(event, SampleDone):
            shutil.rmtree("cell-kd.posterior.zarr")

    monkeypatch.setattr(Lines, "__call__", remove)
    refused = restore(image)
    assert refused.code == 2
    assert "went away while it was written" in refused.sentence
    assert not Path("cell-kd.posterior.zarr").exists()


def test_a_run_that_lost_a_part_is_not_compared(
    restore: Callable[..., Any], command: Callable[..., Any], image: Path
) -> None:
    for sampler in ("teacher", "kd"):
        restore(image, "--sampler", sampler)
    shutil.rmtree("cell-teacher.posterior.zarr/input")
    refused = command("compare", "cell-teacher", "cell-kd")
    assert refused.code == 2
    assert "cell-teacher.posterior.zarr" in refused.sentence


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing", "cell-kd"), "does not exist"),
        (("cell-kd", "cell-kd"), "give the run of the teacher first"),
        (("cell-teacher", "cell-mse"), "one image, not a draw"),
        (("cell-teacher", "cell-kd", "--statistic", "joy"), "there is no statistic 'joy'"),
        (("cell-teacher", "cell-kd", "--truth", "nothing.tif"), "nothing.tif does not exist"),
        (("cell-teacher", "cell-kd", "--tolerance", "joy=2"), "nothing called 'joy' is compared"),
        (("cell-teacher", "cell-kd", "--tolerance", "mean"), "'mean' is no NAME=LIMIT"),
        (("cell-teacher", "cell-kd", "--tolerance", "variance=1.25..0.8"), "holds nothing"),
        (("cell-teacher", "cell-kd", "--tolerance", "mean=little"), "'little' of 'mean' cannot"),
        (("cell-teacher", "cell-kd", "--question", "joy"), "there is no question 'joy'"),
        (("cell-teacher", "cell-kd", "--looks", "16,many"), "'16,many' are no numbers of samples"),
        (("cell-teacher", "cell-kd", "--looks", "8,16"), "plan the first at 16 or more"),
        (("cell-teacher", "cell-kd", "--out", "file"), "file is a file; choose another --out"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(
    restore: Callable[..., Any],
    command: Callable[..., Any],
    image: Path,
    arguments: tuple[object, ...],
    said: str,
) -> None:
    for sampler, samples in (("teacher", 4), ("kd", 4), ("mse", 1)):
        assert restore(image, "--sampler", sampler, "-k", samples).code == 0
    Path("file").write_text("")
    refused = command("compare", *arguments)
    assert refused.code == 2
    assert said in refused.sentence
    assert not Path("report/report.html").exists()


def test_a_model_that_was_altered_is_refused(
    restore: Callable[..., Any], image: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cache" / "models" / "tiny" / "students" / "kd" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    refused = restore(image)
    assert refused.code == 2
    assert "students/kd/model.safetensors does not match its checksum" in refused.sentence


def test_a_folder_that_is_no_model_is_refused(
    restore: Callable[..., Any], image: Path, tmp_path: Path
) -> None:
    refused = restore(image, "-m", tmp_path)
    assert refused.code == 2
    assert "is not a model bundle" in refused.sentence
