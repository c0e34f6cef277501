from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from napari_posterior.api.ranges import range_warnings
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import FlowMapConfig, SolverConfig
from napari_posterior.bundles.selftest import (
    SELFTEST_FILE,
    TOLERANCE,
    check_selftest,
    has_selftest,
    make_selftest,
    read_selftest,
)
from napari_posterior.bundles.weights import pack_weights
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.errors import ModelError

Writer = Callable[..., Path]
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture(scope="module")
def noisy(tiny_writer: Writer, tiny_parts: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose teacher solves an SDE, with a student that is re-noised three times."""
    sde = SolverConfig(solver="dpmpp2m_sde", grid="uniform", steps=5, nfe=5)
    times = {"1": (1.0, 0.0), "4": (1.0, 0.8, 0.5, 0.2, 0.0)}
    cd = FlowMapConfig(mode="renoise", grids=times, default_steps=4)
    parts = {
        **tiny_parts,
        "teacher": replace(tiny_parts["teacher"], sampler=sde),
        "cd": replace(tiny_parts["flow"], sampler=cd),
    }
    return tiny_writer(tmp_path_factory.mktemp("noisy") / "b", parts=parts)


def rewrite(folder: Path, name: str, change: Callable[[Tensors], Any]) -> Path:
    """Change tensors of a file, and the card so that it lists the file as it is then."""
    tensors = load_file(folder / name)
    change(tensors)
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    return put_file(folder, name, pack_weights(tensors, dtype))


def put_file(folder: Path, name: str, data: bytes | None) -> Path:
    """Write a file that the card lists as it is then, or take it away from folder and card."""
    card = json.loads((folder / "posterior.json").read_text())
    if data is None:
        (folder / name).unlink()
        del card["files"][name]
    else:
        (folder / name).write_bytes(data)
        card["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (folder / "posterior.json").write_text(json.dumps(card))
    return folder


def test_a_bundle_gives_what_it_gave_when_it_was_written(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    found = check_selftest(bundle)
    assert found.passed
    assert tuple(found.differences) == bundle.names
    assert max(found.differences.values()) < TOLERANCE / 100
    assert found.words.startswith("self-test passed on cpu, off by at most ")


def test_the_field_lies_within_what_the_networks_were_trained_on(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    field = read_selftest(bundle).measurement
    stats = bundle.conditioner().stats([field])
    assert range_warnings(bundle.card.training_range, field, [stats]) == []
    assert field.electrons.max() > 2 * field.electrons.min() + 20


def test_the_samplers_are_told_apart(tiny_bundle: Path) -> None:
    expected = list(read_selftest(open_bundle(tiny_bundle)).expected.values())
    for i, one in enumerate(expected):
        for other in expected[i + 1 :]:
            assert (one - other).abs().max() > TOLERANCE * one.std()


@pytest.mark.parametrize("student", ["kd", "flow"])
def test_a_student_whose_weights_changed_a_little_is_named(copy: Path, student: str) -> None:
    weights = f"students/{student}/model.safetensors"

    def nudge(state: Tensors) -> None:
        for value in state.values():
            value.mul_(1.02)

    found = check_selftest(open_bundle(rewrite(copy, weights, nudge)))
    assert not found.passed
    assert found.failed == (student,)
    assert f"self-test failed on cpu, '{student}' off by up to " in found.words
    assert "of the picture's sd where 0.01 is allowed" in found.words


def test_another_point_estimate_changes_what_every_sampler_gives(copy: Path) -> None:
    def nudge(state: Tensors) -> None:
        for value in state.values():
            value.mul_(1.1)

    found = check_selftest(open_bundle(rewrite(copy, "point/model.safetensors", nudge)))
    assert set(found.failed) == {"teacher", "flow", "kd", "mse"}


def test_an_output_that_is_not_finite_fails(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    net = bundle.sampler("kd").model.net  # type: ignore[attr-defined]  # a student has one
    next(net.parameters()).data.fill_(float("nan"))
    found = check_selftest(bundle)
    assert found.failed == ("kd",)
    assert found.differences["kd"] == float("inf")


def test_samplers_that_take_fresh_noise_find_it_in_the_file(noisy: Path) -> None:
    bundle = open_bundle(noisy)
    assert read_selftest(bundle).noise.shape == (5, 1, 32, 40)
    assert check_selftest(bundle).passed


@pytest.mark.parametrize(
    ("step", "failed"),
    [
        (0, {"teacher", "cd", "flow", "kd"}),
        (1, {"teacher", "cd"}),
        (3, {"teacher", "cd"}),
        (4, {"teacher"}),
    ],
)
def test_each_canvas_in_the_file_is_used(
    noisy: Path, tmp_path: Path, step: int, failed: set[str]
) -> None:
    folder = Path(shutil.copytree(noisy, tmp_path / "b"))

    def turn(tensors: Tensors) -> None:
        tensors["noise"][step].neg_()

    found = check_selftest(open_bundle(rewrite(folder, SELFTEST_FILE, turn)))
    assert set(found.failed) == failed


def test_a_bundle_without_noise_on_the_way_holds_one_canvas(tiny_bundle: Path) -> None:
    assert read_selftest(open_bundle(tiny_bundle)).noise.shape == (1, 1, 32, 40)


def test_the_same_bundle_makes_the_same_self_test(tiny_bundle: Path) -> None:
    again = pack_weights(make_selftest(open_bundle(tiny_bundle)), "float32")
    assert again == (tiny_bundle / SELFTEST_FILE).read_bytes()


def test_the_self_test_decides_no_sample_and_is_kept_when_figures_are_added(copy: Path) -> None:
    before, data = open_bundle(copy).weights_hash, (copy / SELFTEST_FILE).read_bytes()
    write_evaluation(copy, {"psnr": 30.0})
    assert (copy / SELFTEST_FILE).read_bytes() == data
    assert check_selftest(open_bundle(copy)).passed
    changed = rewrite(copy, SELFTEST_FILE, lambda tensors: tensors["noise"].neg_())
    assert open_bundle(changed).weights_hash == before


def test_a_bundle_without_a_self_test_opens_and_says_so(copy: Path) -> None:
    bundle = open_bundle(put_file(copy, SELFTEST_FILE, None))
    assert bundle.sampler("kd").nfe == 1
    assert not has_selftest(bundle.card)
    with pytest.raises(ModelError, match="no self-test came with the model 'tiny'"):
        check_selftest(bundle)


def test_a_changed_file_is_refused_before_and_after_the_bundle_is_open(copy: Path) -> None:
    bundle = open_bundle(copy)
    data = bytearray((copy / SELFTEST_FILE).read_bytes())
    data[-1] ^= 1
    (copy / SELFTEST_FILE).write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"selftest\.safetensors does not match its checksum"):
        read_selftest(bundle)
    with pytest.raises(ModelError, match=r"selftest\.safetensors does not match its checksum"):
        open_bundle(copy)
    (copy / SELFTEST_FILE).unlink()
    with pytest.raises(ModelError, match=r"selftest\.safetensors cannot be read"):
        read_selftest(bundle)


def put(key: str, value: torch.Tensor) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({key: value})


def drop(key: str) -> Callable[[Tensors], Any]:
    return lambda tensors: tensors.pop(key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("sampler.kd"), "lacks 'sampler.kd'"),
        (drop("measurement"), "lacks 'measurement'"),
        (put("sampler.old", torch.zeros(30, 35)), "holds 'sampler.old', which the bundle lacks"),
        (put("colour", torch.zeros(3)), "holds 'colour', which the bundle lacks"),
        (put("measurement", torch.ones(30)), r"'measurement' in .* has shape \(30,\)"),
        (put("measurement", torch.ones(0, 35)), r"'measurement' in .* has shape \(0, 35\)"),
        (put("camera", torch.ones(2)), r"'camera' in .* has shape \(2,\) instead of \(3,\)"),
        (put("noise", torch.ones(1, 1, 30, 35)), r"'noise' in .* instead of \(1, 1, 32, 40\)"),
        (put("noise", torch.ones(2, 1, 32, 40)), r"'noise' in .* instead of \(1, 1, 32, 40\)"),
        (put("sampler.mse", torch.ones(35, 30)), r"'sampler.mse' in .* instead of \(30, 35\)"),
        (put("camera", torch.tensor([-1.0, 0.0, 1.0])), "holds no measurement .*camera gain is -1"),
        (put("psf_sigma", torch.tensor([0.2])), "holds no measurement"),
    ],
)
def test_a_file_that_does_not_fit_its_bundle_is_refused(
    copy: Path, change: Callable[[Tensors], Any], said: str
) -> None:
    bundle = open_bundle(rewrite(copy, SELFTEST_FILE, change))
    with pytest.raises(ModelError, match=said) as refused:
        check_selftest(bundle)
    assert SELFTEST_FILE in str(refused.value)


def test_what_is_no_safetensors_file_or_not_finite_is_refused(copy: Path) -> None:
    for data, said in (
        (b"nothing of the kind", r"selftest\.safetensors is not a safetensors file"),
        (save({"noise": torch.tensor([float("nan")])}), r"selftest\.safetensors is not a finite n"),
    ):
        with pytest.raises(ModelError, match=said):
            read_selftest(open_bundle(put_file(copy, SELFTEST_FILE, data)))


def test_a_sampler_that_gives_no_numbers_is_not_written(
    tmp_path: Path, tiny_writer: Writer, tiny_parts: Any
) -> None:
    state = {key: torch.full_like(v, 1e30) for key, v in tiny_parts["kd"].state_dict.items()}
    parts = {**tiny_parts, "kd": replace(tiny_parts["kd"], state_dict=state)}
    with pytest.raises(ModelError, match="the sampler 'kd' gives numbers that are not finite"):
        tiny_writer(tmp_path / "b", parts=parts)
    assert list(tmp_path.iterdir()) == []
