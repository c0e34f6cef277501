"""From a bundle to the solvers of its teacher measured on scenes of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import DataRecord, SolverConfig
from napari_posterior.bundles.certificate import Certificate
from napari_posterior.bundles.parts import teacher_grid
from napari_posterior.bundles.write import CardFields
from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.certify import SolverChoice
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.session.choices import read_model
from napari_posterior.training.batches import SceneStream
from napari_posterior.training.held_out import draw_scenes_of, held_out, measurements_of
from napari_posterior.training.reference import (
    CANDIDATES,
    RULER,
    STOCHASTIC,
    CertifyPlan,
    certify_bundle,
    find_reference,
    reference_config,
    with_reference,
    write_reference,
)

if TYPE_CHECKING:
    from pathlib import Path

LOG = (("sigma_max", 80.0), ("sigma_min", 0.01))


PLAN = CertifyPlan(
    scenes=3,
    samples=3,
    candidates=(
        SolverChoice("heun", "power_late", 12, (("rho", 1.6),)),
        SolverChoice("dpmpp2m", "logsnr", 24, LOG),
        SolverChoice("euler", "uniform", 2),
    ),
    ruler=SolverChoice("heun", "uniform", 16),
    stochastic=SolverChoice("dpmpp2m_sde", "uniform", 4),
)
"""The tiny teacher is as good as linear in its state: few steps suffice it."""

COARSE = CertifyPlan(
    scenes=2,
    samples=3,
    candidates=tuple(SolverChoice("euler", "uniform", n) for n in (1, 2)),
    ruler=SolverChoice("heun", "uniform", 12),
    stochastic=None,
)
"""Nothing passes."""


@pytest.fixture(scope="module")
def found(tiny_bundle: Path):
    return certify_bundle(tiny_bundle, plan=PLAN)


@pytest.fixture(scope="module")
def missed(tiny_bundle: Path):
    return certify_bundle(tiny_bundle, plan=COARSE)


@pytest.fixture
def alone(tiny_writer, tiny_parts, tmp_path: Path) -> Path:
    """A bundle without students."""
    parts = {name: tiny_parts[name] for name in ("teacher", "point")}
    return tiny_writer(tmp_path / "alone", parts=parts, evaluation={"speed": 1})


def test_held_out_scenes_are_those_of_no_training_and_the_same_every_time():
    one, two = held_out(3, seed=5), held_out(3, seed=5)
    for first, second in zip(one, two, strict=True):
        assert np.array_equal(first.y, second.y)
        assert first.camera.read_noise == second.camera.read_noise
    for stage in range(3):
        batch = SceneStream(seed=5 * 16 + stage, batch=3, pool=40).batch_at(0)
        assert not any(np.array_equal(one[0].y, e[0].numpy()) for e in batch.electrons)
    assert not np.array_equal(one[0].y, held_out(3, seed=6)[0].y)


def test_every_solver_starts_a_scene_from_the_same_noise_and_scenes_differ(tiny_bundle: Path):
    draws = draw_scenes_of(open_bundle(tiny_bundle), held_out(2), samples=3)
    sets = [draws[0]("heun", (1.0, 0.5, 0.0)), draws[0]("heun", (1.0, 0.5, 0.0))]
    assert np.array_equal(*sets)
    other = draws[0]("ancestral", (1.0, 0.5, 0.0))
    assert other.shape == sets[0].shape == (3, 64, 64)
    assert not np.array_equal(other, sets[0])
    assert not np.array_equal(draws[1]("heun", (1.0, 0.5, 0.0)), sets[0])


def test_the_config_of_the_reference_makes_its_grid_again(found):
    config = reference_config(found, precision="bfloat16")
    choice = found.chosen.choice
    assert (config.solver, config.steps, config.nfe) == (choice.solver, choice.steps, choice.nfe)
    assert teacher_grid(config, config.steps, LinearFlow()) == choice.times(LinearFlow())
    assert config.precision == "bfloat16"
    assert config.certificate == Certificate.of(found)
    assert SolverConfig.model_validate_json(config.model_dump_json()) == config


def test_the_certificate_says_what_was_measured_and_survives_its_json(found):
    record = Certificate.of(found)
    assert Certificate.model_validate_json(record.model_dump_json()) == record
    told = json.loads(record.model_dump_json())
    reference = found.chosen
    assert told["reference"]["solver"] == reference.choice.label
    assert told["reference"]["nfe"] == reference.choice.nfe
    assert len(told["reference"]["bands"]) == len(told["left_open"]) == 4
    assert max(told["left_open"]) < told["tolerance"] == 0.02
    assert told["scenes"] == told["samples"] == 3
    band = told["reference"]["bands"][3]
    assert band["variance"] == pytest.approx(reference.bands[3].variance, abs=1e-5)
    assert told["self_check"]["solver"].startswith("dpmpp2m_sde")
    assert told["doubled"]["solver"] == reference.choice.label


def test_where_nothing_passes_the_certificate_says_what_is_left_open(missed):
    record = Certificate.of(missed)
    assert missed.reference is None
    assert missed.chosen.choice == COARSE.candidates[1]
    assert not record.certified
    assert record.reference.solver == missed.chosen.choice.label
    assert record.words == (
        f"not certified: up to {100 * max(record.left_open):.3g} % of the variance left open"
    )


def test_a_certificate_that_passes_says_so(found):
    record = Certificate.of(found)
    assert record.certified
    assert record.words.startswith("certified: up to ")
    short = record.model_copy(update={"left_open": (0.001, record.tolerance)})
    assert not short.certified


def test_a_finished_certification_is_read_and_not_repeated_for_the_same_weights(
    tiny_bundle: Path, tiny_writer, tiny_parts, tmp_path: Path
):
    kept, told = tmp_path / "reference.json", []
    measurements = measurements_of(SceneStream(seed=1, batch=2, size=32, pool=8), 2)
    find = partial(
        find_reference, kept=kept, plan=COARSE, measurements=measurements, report=told.append
    )
    config = find(tiny_bundle)
    assert {progress.name for progress in told} == {"reference"}
    assert told[-1].step == told[-1].steps
    assert all(progress.seconds_left >= 0 for progress in told)
    count = len(told)
    assert find(tiny_bundle) == config
    assert len(told) == count
    # another plan, and other weights, are other certifications
    find(tiny_bundle, plan=replace(COARSE, candidates=COARSE.candidates[1:]))
    assert len(told) > count
    count = len(told)
    swapped = {**tiny_parts, "teacher": replace(tiny_parts["kd"], sampler=config)}
    find(tiny_writer(tmp_path / "other", parts=swapped))
    assert len(told) > count


def test_a_teacher_that_diverged_is_named_instead_of_measured(
    tiny_writer, tiny_parts, tmp_path: Path
):
    weights = {k: 1e18 * v for k, v in tiny_parts["teacher"].state_dict.items()}
    parts = {**tiny_parts, "teacher": replace(tiny_parts["teacher"], state_dict=weights)}
    with pytest.raises(ModelError, match="its training has diverged"):
        certify_bundle(tiny_writer(tmp_path / "nan", parts=parts), plan=COARSE)


def test_a_model_of_images_it_does_not_hold_is_not_certified_on_simulated_scenes(
    tiny_writer, tmp_path: Path
):
    own = DataRecord(kind="images", files=2, pixels=4096, names_sha256="0" * 64)
    card = card_fields(open_bundle(tiny_writer(tmp_path / "a")).card)
    card = replace(card, training=card.training.model_copy(update={"own": own}))
    folder = tiny_writer(tmp_path / "own", card=card)
    with pytest.raises(InputError, match="learned from images that it does not hold"):
        certify_bundle(folder, plan=COARSE)
    stream = SceneStream(seed=1, batch=2, size=32, pool=8)
    found = certify_bundle(folder, plan=COARSE, measurements=measurements_of(stream, 2))
    assert found.scenes == 2


def test_more_measurements_than_a_batch_holds_are_those_of_the_next_batches():
    stream = SceneStream(seed=1, batch=2, size=32, pool=8)
    drawn = measurements_of(stream, 3)
    assert len(drawn) == 3
    assert np.array_equal(drawn[2].y, stream.batch_at(1).electrons[0, 0].numpy())
    assert drawn[2].psf.sigma == pytest.approx(float(stream.batch_at(1).acquisition[0, 1]))


def test_the_offered_solvers_exist_and_cost_less_than_the_ruler():
    for choice in (*CANDIDATES, RULER, STOCHASTIC):
        times = choice.times(LinearFlow())
        assert len(times) == choice.steps + 1
    assert max(choice.nfe for choice in CANDIDATES) < RULER.nfe
    assert len(set(CANDIDATES)) == len(CANDIDATES)


def test_the_certified_solver_becomes_the_reference_and_the_weights_stay(found, alone: Path):
    before = open_bundle(alone)
    after = open_bundle(write_reference(alone, found))
    choice, info = found.chosen.choice, after.info("teacher")
    assert (info.solver, info.steps, info.nfe) == (choice.solver, choice.steps, choice.nfe)
    assert info.reference
    assert info.grid == choice.times(LinearFlow())
    assert info.weights == before.info("teacher").weights
    assert after.card.evaluation == {}
    assert after.card.known_limits == before.card.known_limits


def test_every_place_that_speaks_of_a_reference_says_that_it_is_not_certified(
    missed, found, alone: Path
):
    words = Certificate.of(missed).words
    limits = open_bundle(alone).card.known_limits
    bundle = open_bundle(write_reference(alone, missed))
    assert words in bundle.info("teacher").description
    assert words in (alone / "README.md").read_text(encoding="utf-8")
    assert bundle.card.known_limits[:-1] == limits
    assert bundle.card.known_limits[-1].startswith("The reference is not certified: ")
    assert f"up to {Certificate.of(missed).worst} % of the variance" in bundle.card.known_limits[-1]
    assert words in read_model(alone).sampler("teacher").steps.reason
    # with other steps it is not the reference, and the certificate is not its own
    assert words not in bundle.info("teacher", steps=3).description
    bundle = open_bundle(write_reference(alone, found))
    assert bundle.card.known_limits == limits
    assert ", certified: up to " in bundle.info("teacher").description
    assert "not certified" not in read_model(alone).sampler("teacher").steps.reason


def test_a_reference_without_a_certificate_changes_no_limits(tiny_parts, tiny_bundle: Path):
    card = open_bundle(tiny_bundle).card
    assert with_reference(card_fields(card), tiny_parts["teacher"].sampler) == card_fields(card)


def card_fields(card) -> CardFields:
    return CardFields(**{key: getattr(card, key) for key in CardFields.__dataclass_fields__})


def test_students_are_not_left_with_another_reference_than_theirs(
    found, tiny_writer, tmp_path: Path
):
    folder = tiny_writer(tmp_path / "distilled")
    before = open_bundle(folder).weights_hash
    with pytest.raises(InputError, match="distil its students then"):
        write_reference(folder, found)
    assert open_bundle(folder).weights_hash == before
