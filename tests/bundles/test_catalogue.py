from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_posterior.bundles.catalogue import cache_folder, entries, find_model, list_models
from napari_posterior.errors import ModelError


@pytest.fixture
def cached(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(tmp_path))
    return Path(shutil.copytree(tiny_bundle, tmp_path / "models" / "tiny"))


def test_a_cached_bundle_is_listed_and_found_by_name(cached: Path) -> None:
    assert "tiny" in [card.name for card in list_models()]
    assert find_model("tiny") == cached


def test_a_bundle_goes_by_the_name_in_its_card(cached: Path) -> None:
    moved = cached.rename(cached.with_name("downloaded-copy"))
    assert find_model("tiny") == moved


def test_a_bundle_is_found_by_its_folder(tiny_bundle: Path) -> None:
    assert find_model(tiny_bundle) == tiny_bundle
    assert find_model(str(tiny_bundle)) == tiny_bundle


def test_a_name_of_the_catalogue_wins_over_a_folder_here(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "tiny").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert find_model("tiny") == cached


def test_an_unknown_model_lists_the_known_ones(cached: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no model called 'nope'; the models that are here:.*tiny"
    ):
        find_model("nope")


def test_a_folder_that_is_no_bundle_is_said_to_be_none(tmp_path: Path, cached: Path) -> None:
    with pytest.raises(ModelError, match="is not a model bundle"):
        find_model(tmp_path)


def test_an_empty_name_is_not_the_current_folder(cached: Path) -> None:
    with pytest.raises(ModelError, match="no model called ''"):
        find_model("")


def test_a_broken_card_is_left_out_of_the_list_and_told_with_its_reason(cached: Path) -> None:
    broken = cached.with_name("broken")
    broken.mkdir()
    (broken / "posterior.json").write_text("{}")
    assert "broken" not in [card.name for card in list_models()]
    (entry,) = [entry for entry in entries() if entry.name == "broken"]
    assert entry.card is None
    assert "is not the card of a napari-posterior bundle" in entry.problem


def test_the_first_root_hides_a_later_one(tmp_path: Path, tiny_bundle: Path) -> None:
    for root in ("a", "b"):
        shutil.copytree(tiny_bundle, tmp_path / root / "tiny")
    found = entries([("shipped", tmp_path / "a"), ("cached", tmp_path / "b")])
    assert [(entry.origin, entry.folder.parent.name) for entry in found] == [("shipped", "a")]


def test_a_cache_that_is_not_there_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(tmp_path / "none"))
    assert not any(entry.origin == "cached" for entry in entries())
    assert cache_folder() == tmp_path / "none"


def test_without_the_variable_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_POSTERIOR_CACHE", raising=False)
    assert cache_folder().name == "napari-posterior"
    assert cache_folder().is_absolute()


def test_listing_models_imports_no_torch() -> None:
    code = (
        "import sys; from napari_posterior.bundles.catalogue import list_models; list_models(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
