from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import NetworkConfig, PointConfig, SolverConfig
from napari_posterior.bundles.reading import read_card
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.errors import ModelError, OutputError

Writer = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_parts_give_the_same_bytes(
    tmp_path: Path, tiny_bundle: Path, tiny_writer: Writer
) -> None:
    assert contents(tiny_writer(tmp_path / "again")) == contents(tiny_bundle)


def test_the_teacher_becomes_the_parent_of_every_other_part(tiny_bundle: Path) -> None:
    card = read_card(tiny_bundle)
    teacher = card.files["teacher/model.safetensors"].sha256
    for part in ("point", "students/kd", "students/flow"):
        assert f'"parent": "{teacher}"' in (tiny_bundle / part / "config.json").read_text()


def test_a_part_that_names_another_parent_is_not_written(
    tmp_path: Path, tiny_writer: Writer, tiny_parts: Any
) -> None:
    config = tiny_parts["kd"].config.model_copy(update={"parent": "f" * 64})
    parts = {**tiny_parts, "kd": replace(tiny_parts["kd"], config=config)}
    with pytest.raises(ModelError, match="made for another teacher"):
        tiny_writer(tmp_path / "b", parts=parts)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_do_not_fit_their_network_are_not_written(
    tmp_path: Path, tiny_writer: Writer, tiny_parts: Any
) -> None:
    state = dict(tiny_parts["kd"].state_dict)
    state.pop(sorted(state)[0])
    parts = {**tiny_parts, "kd": replace(tiny_parts["kd"], state_dict=state)}
    with pytest.raises(ModelError, match="lacks the weight"):
        tiny_writer(tmp_path / "b", parts=parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "said"), [(1e6, "not finite as float16"), (float("inf"), "not finite as float16")]
)
def test_weights_too_large_for_half_precision_are_not_written(
    tmp_path: Path, tiny_writer: Writer, tiny_parts: Any, value: float, said: str
) -> None:
    state = {key: torch.full_like(v, value) for key, v in tiny_parts["point"].state_dict.items()}
    parts = {**tiny_parts, "mse": replace(tiny_parts["point"], state_dict=state)}
    with pytest.raises(ModelError, match=said):
        tiny_writer(tmp_path / "b", parts=parts)


@pytest.mark.parametrize("missing", ["teacher", "point"])
def test_teacher_and_point_estimate_are_needed(
    tmp_path: Path, tiny_writer: Writer, tiny_parts: Any, missing: str
) -> None:
    parts = {name: part for name, part in tiny_parts.items() if name != missing}
    with pytest.raises(ModelError, match="needs the parts 'teacher' and 'point'"):
        tiny_writer(tmp_path / "b", parts=parts)


def test_a_bundle_that_exists_is_kept_unless_it_may_be_overwritten(
    tmp_path: Path, tiny_writer: Writer
) -> None:
    folder = tiny_writer(tmp_path / "b")
    before = contents(folder)
    with pytest.raises(OutputError, match="exists"):
        tiny_writer(folder, evaluation={"psnr": 1.0})
    assert contents(folder) == before
    tiny_writer(folder, evaluation={"psnr": 1.0}, overwrite=True)
    assert read_card(folder).evaluation == {"psnr": 1.0}


def test_a_folder_of_other_things_is_never_overwritten(tmp_path: Path, tiny_writer: Writer) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is not a bundle and is not overwritten"):
        tiny_writer(tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"


def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, tiny_writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        tiny_writer(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_measured_figures_can_be_added_later(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "b"))
    before = open_bundle(folder).weights_hash
    write_evaluation(folder, {"coverage": {"50": 0.51}})
    bundle = open_bundle(folder)
    assert bundle.card.evaluation == {"coverage": {"50": 0.51}}
    assert bundle.weights_hash == before
    assert "| 0.51 |" in (folder / "README.md").read_text()


def test_figures_are_not_added_to_a_damaged_bundle(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "b"))
    (folder / "LICENSE").write_text("altered")
    with pytest.raises(ModelError, match="the file LICENSE"):
        write_evaluation(folder, {})


def test_the_readme_says_what_each_sampler_is_and_what_it_was_trained_on(
    tiny_bundle: Path,
) -> None:
    text = (tiny_bundle / "README.md").read_text()
    assert "| `flow` | student of the teacher: 1 or 2 steps" in text
    assert "| `point` | point estimate with its expected error: what samples are centred on" in text
    assert "| PSF sigma (px) | 1 | 3 |" in text
    assert "It restores nothing." in text


def test_a_part_cannot_be_stored_in_an_unknown_type() -> None:
    with pytest.raises(ValueError, match="dtype"):
        NetworkConfig(arch="velocity-unet-1", arch_kwargs={}, dtype="int8")


def test_a_sampler_that_does_not_fit_its_part_is_not_written(
    tmp_path: Path, tiny_writer: Writer, tiny_parts: Any
) -> None:
    heun = SolverConfig(solver="heun", grid="uniform", steps=2, nfe=3)
    for name, sampler in (("kd", heun), ("teacher", PointConfig())):
        parts = {**tiny_parts, name: replace(tiny_parts[name], sampler=sampler)}
        with pytest.raises(ModelError, match="does not fit a"):
            tiny_writer(tmp_path / "b", parts=parts)
