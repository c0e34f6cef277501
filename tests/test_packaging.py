"""What users get: metadata, manifest, and the files inside the wheel and the sdist."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import npe2
import pytest

import napari_posterior

SAMPLES = {
    f"sample_data/{name}{part}.tif"
    for name in ("puncta", "filaments", "membranes", "nuclei")
    for part in ("", "_truth")
}


@pytest.fixture(scope="module")
def package(repository):
    return repository / "src" / "napari_posterior"


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def built(repository, tmp_path_factory):
    """Folder with the sdist, the wheel of the checkout, and the wheel of the unpacked sdist."""
    out = tmp_path_factory.mktemp("dist")

    def build(*words, cwd):
        command = [sys.executable, "-m", "hatchling", "build", *words]
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=120)

    build("-d", str(out / "direct"), cwd=repository)
    [sdist] = (out / "direct").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "unpacked", filter="data")
    [unpacked] = (out / "unpacked").iterdir()
    build("-t", "wheel", "-d", str(out / "via_sdist"), cwd=unpacked)
    return out


def wheel_files(folder):
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.getinfo(name).file_size for name in archive.namelist()}


def skip_where_links_are_text(path):
    if sys.platform == "win32" and not path.is_symlink():
        pytest.skip("this checkout of Windows has no symbolic links")


def test_manifest_at_the_root_is_the_packaged_one(repository, package):
    skip_where_links_are_text(repository / "napari.yaml")
    assert (repository / "napari.yaml").read_bytes() == (package / "napari.yaml").read_bytes()


def test_samples_at_the_root_are_the_packaged_ones(repository, package):
    for name in SAMPLES:
        skip_where_links_are_text(repository / name)
        assert (repository / name).read_bytes() == (package / name).read_bytes()


def test_manifest_is_found_and_every_function_it_names_exists():
    manifest = npe2.PluginManifest.from_distribution("napari-posterior")
    manifest.validate_imports()
    assert manifest.name == "napari-posterior"


def test_manifest_commands_are_all_used():
    contributions = npe2.PluginManifest.from_distribution("napari-posterior").contributions
    kinds = (contributions.sample_data, contributions.readers, contributions.widgets)
    used = {one.command for kind in kinds for one in kind}
    used |= {item.command for items in contributions.menus.values() for item in items}
    assert {command.id for command in contributions.commands} == used


def test_version_is_stated_once_and_repeated_rightly(repository):
    version = napari_posterior.__version__
    assert importlib.metadata.version("napari-posterior") == version
    citation = (repository / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE).group(1) == version
    assert f"## {version}" in (repository / "CHANGELOG.md").read_text("utf-8")


def test_dependencies_have_no_ceiling_and_no_qt_binding(project):
    for requirement in project["dependencies"]:
        assert not re.search(r"<|==|~=", requirement), requirement
        assert not re.match(r"(pyqt|pyside)\d", requirement, re.IGNORECASE), requirement
        assert "napari[" not in requirement


def test_constraints_never_bring_torchvision_and_name_no_local_build(repository):
    lines = (repository / "constraints.txt").read_text("utf-8").lower().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9._-]+==[a-z0-9.]+", pin) for pin in pins)
    assert not any(pin.startswith(("torchvision", "nvidia")) for pin in pins)
    assert any(pin.startswith("torch==") for pin in pins)


@pytest.mark.parametrize("route", ["direct", "via_sdist"])
def test_wheel_holds_all_that_is_needed_offline(built, package, route):
    files = wheel_files(built / route)
    inside = {name.removeprefix("napari_posterior/") for name in files}

    assert SAMPLES | {"napari.yaml", "py.typed"} <= inside
    shipped = [path for path in (package / "bundles" / "shipped").rglob("*") if path.is_file()]
    assert any(path.suffix == ".safetensors" for path in shipped)
    for path in shipped:
        name = f"napari_posterior/{path.relative_to(package).as_posix()}"
        assert files.get(name) == path.stat().st_size, name


@pytest.mark.parametrize("route", ["direct", "via_sdist"])
def test_wheel_holds_nothing_else(built, route):
    tops = {name.split("/")[0] for name in wheel_files(built / route)}
    assert tops == {
        "napari_posterior",
        f"napari_posterior-{napari_posterior.__version__}.dist-info",
    }
    assert not any(re.search(r"__pycache__|\.zarr|\.pt$", n) for n in wheel_files(built / route))


def test_wheel_fits_the_package_index(built):
    [wheel] = (built / "direct").glob("*.whl")
    assert wheel.stat().st_size < 25e6


def test_metadata_follow_pep_639_and_name_napari(built):
    [wheel] = (built / "direct").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
        [entry_points] = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        points = archive.read(entry_points).decode()
        assert any(n.endswith("licenses/LICENSE") for n in archive.namelist())
    assert "License-Expression: BSD-3-Clause" in metadata
    assert "Classifier: Framework :: napari" in metadata
    assert "Classifier: License" not in metadata
    assert "napari-posterior = napari_posterior:napari.yaml" in points
    assert "napari-posterior = napari_posterior.cli:main" in points


def test_sdist_can_be_tested_by_those_who_package_it(built):
    [sdist] = (built / "direct").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = {"LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
    assert wanted | {"tests/conftest.py", "docs/make_sample_data.py", ".ci/steps.sh"} <= inside


def test_console_script_starts_a_function_that_exists():
    [script] = importlib.metadata.entry_points(group="console_scripts", name="napari-posterior")
    assert callable(script.load())
