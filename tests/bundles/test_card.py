from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.bundles.reading import read_card, read_json, read_sampler
from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


def alter(folder: Path, tmp_path: Path, **changes: object) -> Path:
    card = json.loads((folder / "posterior.json").read_text())
    card.update(changes)
    copy = tmp_path / "altered"
    copy.mkdir()
    (copy / "posterior.json").write_text(json.dumps(card))
    return copy


def test_a_card_lists_the_teacher_first_and_the_point_estimate_last(tiny_bundle: Path) -> None:
    assert read_card(tiny_bundle).samplers == ("teacher", "flow", "kd", "mse")


def test_an_unknown_field_is_refused_by_name(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="wrong at colour"):
        read_card(alter(tiny_bundle, tmp_path, colour="red"))


@pytest.mark.parametrize("version", [0, 2, None])
def test_another_format_version_asks_for_an_upgrade(
    tiny_bundle: Path, tmp_path: Path, version: object
) -> None:
    with pytest.raises(ModelError, match="upgrade napari-posterior"):
        read_card(alter(tiny_bundle, tmp_path, format_version=version))


def test_a_folder_of_another_program_is_not_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not the card of a napari-posterior bundle"):
        read_card(alter(tiny_bundle, tmp_path, format="other"))


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../b", "C:\\x", "teacher\\x", ".", "posterior.json"]
)
def test_a_path_that_leaves_the_bundle_is_refused(
    tiny_bundle: Path, tmp_path: Path, path: str
) -> None:
    files = {path: {"sha256": "0" * 64, "size": 1}}
    with pytest.raises(ModelError, match="wrong at files"):
        read_card(alter(tiny_bundle, tmp_path, files=files))


def test_a_range_that_ends_before_it_begins_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    trained = json.loads((tiny_bundle / "posterior.json").read_text())["training_range"]
    with pytest.raises(ModelError, match="psf_sigma: the lower end 3 is above the upper end 1"):
        read_card(alter(tiny_bundle, tmp_path, training_range={**trained, "psf_sigma": [3, 1]}))


def test_a_missing_card_and_a_card_that_is_not_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"posterior\.json is missing"):
        read_card(tmp_path)
    (tmp_path / "posterior.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        read_card(tmp_path)
    (tmp_path / "posterior.json").write_text("[1]")
    with pytest.raises(ModelError, match="holds no JSON object"):
        read_json(tmp_path / "posterior.json")


@pytest.mark.parametrize(
    ("grids", "said"),
    [
        ({"1": [1.0, 0.1]}, "must run from 1 to 0"),
        ({"2": [1.0, 0.0]}, r"needs '2' \+ 1 times"),
        ({"2": [1.0, 1.0, 0.0]}, "must decrease"),
        ({"2": [1.0, 0.5, 0.0]}, "default_steps 1 has no grid"),
    ],
)
def test_a_student_grid_that_is_no_grid_is_refused(
    tmp_path: Path, grids: dict[str, list[float]], said: str
) -> None:
    path = tmp_path / "sampler.json"
    path.write_text(json.dumps({"kind": "flowmap", "grids": grids, "default_steps": 1}))
    with pytest.raises(ModelError, match=said):
        read_sampler(path)


def test_step_counts_are_sorted_as_numbers() -> None:
    grids = {str(n): tuple(1 - i / n for i in range(n + 1)) for n in (16, 2, 1)}
    assert FlowMapConfig(grids=grids, default_steps=1).step_counts == (1, 2, 16)


def test_an_unknown_kind_of_sampler_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sampler.json"
    path.write_text('{"kind": "python", "code": "import os"}')
    with pytest.raises(ModelError, match="wrong at the whole file"):
        read_sampler(path)
