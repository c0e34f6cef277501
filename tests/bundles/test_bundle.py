from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.bundles.reading import read_card
from napari_posterior.errors import InputError, ModelError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle)


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    y = np.random.default_rng(0).poisson(50, (40, 56)).astype(np.float32)
    return Measurement(y, Camera(gain=2.0, offset=10.0, read_noise=1.5), Psf(1.4))


def relist(folder: Path, name: str) -> None:
    """Make the card agree again with a file that was altered on purpose."""
    card = json.loads((folder / "posterior.json").read_text())
    data = (folder / name).read_bytes()
    card["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (folder / "posterior.json").write_text(json.dumps(card))


def edit_json(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    relist(folder, name)


def test_every_sampler_draws_an_image_of_the_measured_size(
    bundle: Bundle, measurement: Measurement
) -> None:
    cond = bundle.conditioner().prepare(measurement)
    z = torch.randn(1, 1, *cond.maps.shape[-2:], generator=torch.Generator().manual_seed(0))
    for name in bundle.names:
        sampler, calls = bundle.sampler(name), []
        drawn = sampler.draw(z, cond, lambda done, total, calls=calls: calls.append((done, total)))
        assert drawn.shape == (1, 40, 56)
        assert torch.isfinite(drawn).all()
        assert calls[-1] == (sampler.nfe, sampler.nfe)
        info = bundle.info(name)
        assert (info.role, info.steps, info.nfe) == (sampler.role, sampler.steps, sampler.nfe)


def test_tiles_change_no_pixel(bundle: Bundle, measurement: Measurement) -> None:
    cond = bundle.conditioner().prepare(measurement)
    z = torch.randn(2, 1, *cond.maps.shape[-2:], generator=torch.Generator().manual_seed(1))
    whole = bundle.sampler("teacher").draw(z, cond)
    cut = bundle.sampler("teacher", tile=16).draw(z, cond)
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_near_float32_and_is_not_the_reference(
    bundle: Bundle, measurement: Measurement
) -> None:
    cond = bundle.conditioner().prepare(measurement)
    z = torch.randn(1, 1, *cond.maps.shape[-2:], generator=torch.Generator().manual_seed(1))
    exact = bundle.sampler("teacher").draw(z, cond)
    rough = bundle.sampler("teacher", precision="bfloat16").draw(z, cond)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).std() < 0.1 * exact.std()
    assert not bundle.info("teacher", precision="bfloat16").reference


def test_the_teacher_is_the_reference_only_with_its_own_steps(bundle: Bundle) -> None:
    assert bundle.info("teacher").reference
    assert bundle.info("teacher", steps=3).description.startswith("reference: heun, 3 steps")
    other = bundle.info("teacher", steps=5)
    assert not other.reference
    assert (other.steps, other.nfe, len(other.grid)) == (5, 9, 6)
    assert other.description.startswith("teacher, not the reference")


def test_steps_that_a_sampler_cannot_take_are_refused_with_those_it_can(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="1 to 512 steps, not 513"):
        bundle.info("teacher", steps=513)
    with pytest.raises(InputError, match="1 to 512 steps, not 0"):
        bundle.sampler("teacher", steps=0)
    with pytest.raises(InputError, match="not trained for 3 steps; give 1 or 2"):
        bundle.sampler("flow", steps=3)
    with pytest.raises(InputError, match="takes no steps"):
        bundle.sampler("mse", steps=1)
    with pytest.raises(InputError, match="precision 'float16' is unknown"):
        bundle.info("kd", precision="float16")


def test_an_unknown_sampler_lists_those_there_are(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="has no sampler 'nope'; use one of: teacher, kd, flow, m"):
        bundle.sampler("nope")


def test_weights_stored_in_half_precision_are_computed_in_float32(bundle: Bundle) -> None:
    net = bundle.conditioner().point_net
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in net.parameters())


def test_a_changed_file_is_named(copy: Path) -> None:
    path = copy / "teacher" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"teacher/model\.safetensors does not match its checksum"):
        open_bundle(copy)


def test_a_shortened_file_is_named_with_its_size(copy: Path) -> None:
    path = copy / "students" / "kd" / "model.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=f"students/kd/model.*100 bytes instead of {size}"):
        open_bundle(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "point" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"point/config\.json is missing"):
        open_bundle(copy)


def test_weights_that_the_card_does_not_list_are_refused(copy: Path) -> None:
    (copy / "students" / "extra").mkdir()
    shutil.copy(copy / "teacher" / "model.safetensors", copy / "students" / "extra")
    with pytest.raises(ModelError, match=r"students/extra/model\.safetensors is not listed"):
        open_bundle(copy)


def test_a_file_that_changes_after_opening_is_noticed(copy: Path) -> None:
    bundle = open_bundle(copy)
    path = copy / "teacher" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ModelError, match="does not match its checksum"):
        bundle.sampler("teacher")


def test_a_student_of_another_teacher_is_refused(copy: Path) -> None:
    edit_json(copy, "students/kd/config.json", parent="0" * 64)
    with pytest.raises(ModelError, match="students/kd was made for another teacher"):
        open_bundle(copy)


def test_an_orphaned_point_estimate_is_refused(copy: Path) -> None:
    edit_json(copy, "point/config.json", parent=None)
    with pytest.raises(ModelError, match="point was made for another teacher"):
        open_bundle(copy)


def test_a_network_that_is_not_registered_is_refused(copy: Path) -> None:
    edit_json(copy, "teacher/config.json", arch="os.system")
    with pytest.raises(ModelError, match=r"unknown network 'os\.system'"):
        open_bundle(copy).sampler("teacher")


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    edit_json(copy, "students/kd/config.json", arch_kwargs={"channels": [16, 16, 16], "blocks": 1})
    with pytest.raises(ModelError, match="has shape"):
        open_bundle(copy).sampler("kd")


def test_missing_and_surplus_weights_are_refused(copy: Path) -> None:
    edit_json(copy, "students/kd/config.json", arch_kwargs={"channels": [8, 8, 8], "blocks": 3})
    edit_json(copy, "point/config.json", arch="velocity-unet-1")
    bundle = open_bundle(copy)
    with pytest.raises(ModelError, match="lacks the weight"):
        bundle.sampler("kd")
    with pytest.raises(ModelError, match=r"lacks the weight|has shape|that its network lacks"):
        bundle.conditioner()


def test_a_pickle_in_the_place_of_weights_is_never_opened(copy: Path) -> None:
    path = copy / "students" / "kd" / "model.safetensors"
    torch.save({"stem.weight": torch.zeros(1)}, path)
    relist(copy, "students/kd/model.safetensors")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        open_bundle(copy).sampler("kd")


def test_weights_that_are_not_finite_are_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = copy / "students" / "kd" / "model.safetensors"
    state = load_file(path)
    state[sorted(state)[0]][:] = float("nan")
    save_file(state, path)
    relist(copy, "students/kd/model.safetensors")
    with pytest.raises(ModelError, match="is not a finite number"):
        open_bundle(copy).sampler("kd")


def test_a_network_evaluation_count_that_does_not_add_up_is_refused(copy: Path) -> None:
    edit_json(copy, "teacher/sampler.json", nfe=6)
    with pytest.raises(ModelError, match="says 6 network evaluations, and 3 steps of heun take 5"):
        open_bundle(copy)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"solver": "magic"}, "unknown solver 'magic'"), ({"grid": "magic"}, "unknown grid 'magic'")],
)
def test_an_unknown_solver_or_grid_is_refused(
    copy: Path, changes: dict[str, str], said: str
) -> None:
    edit_json(copy, "teacher/sampler.json", **changes)
    with pytest.raises(ModelError, match=said):
        open_bundle(copy)


def test_a_student_dressed_as_a_teacher_is_refused(copy: Path) -> None:
    (copy / "teacher" / "sampler.json").write_bytes(
        (copy / "students" / "kd" / "sampler.json").read_bytes()
    )
    relist(copy, "teacher/sampler.json")
    with pytest.raises(ModelError, match="does not fit a teacher"):
        open_bundle(copy)


def test_a_bundle_without_a_point_estimate_is_refused(copy: Path) -> None:
    card = json.loads((copy / "posterior.json").read_text())
    card["files"] = {k: v for k, v in card["files"].items() if not k.startswith("point/")}
    (copy / "posterior.json").write_text(json.dumps(card))
    shutil.rmtree(copy / "point")
    with pytest.raises(ModelError, match="lacks point/config"):
        open_bundle(copy)


def test_condition_numbers_of_another_version_are_refused(copy: Path) -> None:
    card = json.loads((copy / "posterior.json").read_text())
    card["conditioning"]["vector"] = ["something else"]
    (copy / "posterior.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="other condition numbers"):
        open_bundle(copy)


def test_an_unknown_normaliser_setting_is_refused(copy: Path) -> None:
    card = json.loads((copy / "posterior.json").read_text())
    card["conditioning"]["normaliser"]["percentile"] = 3
    (copy / "posterior.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="normaliser settings"):
        open_bundle(copy)


def test_the_hash_follows_what_decides_a_sample_and_not_the_texts(
    tiny_bundle: Path, tmp_path: Path, tiny_writer: Callable[..., Path], tiny_parts: Any
) -> None:
    original = open_bundle(tiny_bundle).weights_hash
    more = tiny_writer(tmp_path / "figures", evaluation={"psnr": 30.0}, licence_text="Other.\n")
    assert open_bundle(more).weights_hash == original
    grids = FlowMapConfig(grids={"2": (1.0, 0.3, 0.0)}, default_steps=2)
    parts = {**tiny_parts, "flow": replace(tiny_parts["flow"], sampler=grids)}
    assert open_bundle(tiny_writer(tmp_path / "grid", parts=parts)).weights_hash != original


def test_a_name_for_people_is_in_the_representation(bundle: Bundle) -> None:
    assert repr(bundle) == "Bundle('tiny', 0.0.1, samplers ['teacher', 'kd', 'flow', 'mse'])"
    assert read_card(bundle.folder) == bundle.card
