"""Bundles from elsewhere: taken whole and as their card says, or not at all."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile

import pytest

from napari_posterior.bundles import importing
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.importing import import_bundle, remove_bundle
from napari_posterior.errors import ModelError


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache" / "models"


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """A copy of the tiny bundle, to be altered."""
    return shutil.copytree(tiny_bundle, tmp_path / "given" / "tiny")


@pytest.fixture
def pack(tmp_path):
    """Pack a folder, under `top`, with more entries of any name."""

    def pack(folder, *, top="", extra=()):
        path = tmp_path / "model.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, top + file.relative_to(folder).as_posix())
            for name, data in extra:
                archive.writestr(name, data)
        return path

    return pack


def nothing_is_left(root):
    return not root.exists() or list(root.iterdir()) == []


def test_folder_is_taken_under_the_name_of_the_model(bundle, root):
    renamed = bundle.rename(bundle.with_name("downloads (3)"))
    folder = import_bundle(renamed, root=root)
    assert folder == root / "tiny"
    assert open_bundle(folder).weights_hash == open_bundle(renamed).weights_hash
    assert [path.name for path in root.iterdir()] == ["tiny"]


@pytest.mark.parametrize("top", ["", "tiny-1.0/"])
def test_archive_is_taken_with_or_without_a_folder_around_it(bundle, root, pack, top):
    assert open_bundle(import_bundle(pack(bundle, top=top), root=root)).card.name == "tiny"


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil", "tiny/../../evil", "..\\evil", "C:/evil", "a\\..\\b"]
)
def test_archive_with_a_path_that_leads_outside_is_refused(bundle, root, pack, name, tmp_path):
    path = pack(bundle, extra=[(zipfile.ZipInfo(name), b"x")])
    with pytest.raises(ModelError, match="leads outside"):
        import_bundle(path, root=root)
    assert nothing_is_left(root)
    assert not list(tmp_path.rglob("evil*"))


def test_archive_with_a_link_is_refused(bundle, root, pack):
    link = zipfile.ZipInfo("LICENSE.link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ModelError, match="link"):
        import_bundle(pack(bundle, extra=[(link, b"/etc/passwd")]), root=root)


def test_linked_file_of_a_folder_is_refused(bundle, root, tmp_path):
    weights = bundle / "teacher" / "model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"teacher/model\.safetensors .* is a link"):
        import_bundle(bundle, root=root)
    assert nothing_is_left(root)


def test_altered_weights_are_refused_by_name(bundle, root, pack):
    weights = bundle / "students" / "kd" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for source in (bundle, pack(bundle)):
        with pytest.raises(ModelError, match=r"students/kd/model\.safetensors does not match"):
            import_bundle(source, root=root)
        assert nothing_is_left(root)


def test_missing_file_is_refused_by_name(bundle, root, pack):
    (bundle / "teacher" / "sampler.json").unlink()
    for source in (bundle, pack(bundle)):
        with pytest.raises(ModelError, match=r"teacher/sampler\.json is missing"):
            import_bundle(source, root=root)


def test_file_that_unpacks_to_more_than_its_card_says_is_refused(bundle, root, pack):
    licence = bundle / "LICENSE"
    licence.write_bytes(licence.read_bytes() + bytes(10**6))
    with pytest.raises(ModelError, match=r"LICENSE .* is larger than its card says"):
        import_bundle(pack(bundle), root=root)
    assert nothing_is_left(root)


def test_too_many_or_too_large_files_are_refused(bundle, root, pack, monkeypatch):
    monkeypatch.setattr(importing, "MAX_FILES", 5)
    with pytest.raises(ModelError, match="files"):
        import_bundle(pack(bundle), root=root)
    monkeypatch.setattr(importing, "MAX_FILES", 1000)
    monkeypatch.setattr(importing, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match="too large"):
        import_bundle(bundle, root=root)
    assert nothing_is_left(root)


def test_files_that_the_card_does_not_list_stay_behind(bundle, root, pack):
    (bundle / "setup.py").write_text("raise SystemExit('executed')")
    folder = import_bundle(pack(bundle), root=root)
    assert not (folder / "setup.py").exists()


def test_card_that_names_a_file_outside_is_refused(bundle, root):
    card = json.loads((bundle / "posterior.json").read_text())
    card["files"]["../../evil"] = {"sha256": "0" * 64, "size": 1}
    (bundle / "posterior.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="leaves the folder"):
        import_bundle(bundle, root=root)


def test_name_that_is_taken_is_refused(bundle, root, tiny_writer, tmp_path):
    import_bundle(bundle, root=root)
    with pytest.raises(ModelError, match="in the cache already"):
        import_bundle(bundle, root=root)
    card = json.loads((bundle / "posterior.json").read_text())
    (bundle / "posterior.json").write_text(json.dumps({**card, "name": "fluo2d"}))
    with pytest.raises(ModelError, match="came with napari-posterior"):
        import_bundle(bundle, root=root)
    assert [path.name for path in root.iterdir()] == ["tiny"]


@pytest.mark.parametrize("make", ["text", "empty", "gone"])
def test_what_is_no_bundle_is_refused_in_a_sentence(tmp_path, root, make):
    path = tmp_path / "thing"
    if make == "text":
        path.write_text("hello")
    elif make == "empty":
        path.mkdir()
    with pytest.raises(ModelError) as refused:
        import_bundle(path, root=root)
    assert str(path) in str(refused.value)
    assert nothing_is_left(root)


def test_only_what_is_in_the_cache_is_removed(bundle, root):
    import_bundle(bundle, root=root)
    remove_bundle("tiny", root=root)
    assert nothing_is_left(root)
    for name in ("tiny", "fluo2d"):
        with pytest.raises(ModelError, match="not in the cache"):
            remove_bundle(name, root=root)
