"""From a bundle to the solvers of its teacher measured on scenes of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import SolverConfig
from napari_posterior.bundles.certificate import Certificate
from napari_posterior.bundles.parts import teacher_grid
from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.certify import SolverChoice
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.training.batches import SceneStream
from napari_posterior.training.reference import (
    CANDIDATES,
    RULER,
    STOCHASTIC,
    certify_bundle,
    draw_scenes_of,
    held_out,
    reference_config,
    write_reference,
)

if TYPE_CHECKING:
    from pathlib import Path

LOG = (("sigma_max", 80.0), ("sigma_min", 0.01))


@pytest.fixture(scope="module")
def found(tiny_bundle: Path):
    """The tiny teacher is as good as linear in its state: few steps suffice it."""
    return certify_bundle(
        tiny_bundle,
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
    choice = found.require().choice
    assert (config.solver, config.steps, config.nfe) == (choice.solver, choice.steps, choice.nfe)
    assert teacher_grid(config, config.steps, LinearFlow()) == choice.times(LinearFlow())
    assert config.precision == "bfloat16"
    assert config.certificate == Certificate.of(found)
    assert SolverConfig.model_validate_json(config.model_dump_json()) == config


def test_the_certificate_says_what_was_measured_and_survives_its_json(found):
    record = Certificate.of(found)
    assert Certificate.model_validate_json(record.model_dump_json()) == record
    told = json.loads(record.model_dump_json())
    reference = found.require()
    assert told["reference"]["solver"] == reference.choice.label
    assert told["reference"]["nfe"] == reference.choice.nfe
    assert len(told["reference"]["bands"]) == len(told["left_open"]) == 4
    assert max(told["left_open"]) < told["tolerance"] == 0.02
    assert told["scenes"] == told["samples"] == 3
    band = told["reference"]["bands"][3]
    assert band["variance"] == pytest.approx(reference.bands[3].variance, abs=1e-5)
    assert told["self_check"]["solver"].startswith("dpmpp2m_sde")
    assert told["doubled"]["solver"] == reference.choice.label


def test_without_a_reference_there_is_neither_config_nor_certificate(tiny_bundle: Path):
    found = certify_bundle(
        tiny_bundle,
        scenes=2,
        samples=3,
        candidates=(SolverChoice("euler", "uniform", 1),),
        ruler=SolverChoice("heun", "uniform", 24),
        stochastic=None,
    )
    for make in (reference_config, Certificate.of):
        with pytest.raises(ModelError, match="offer solvers with more steps"):
            make(found)


def test_the_offered_solvers_exist_and_cost_less_than_the_ruler():
    for choice in (*CANDIDATES, RULER, STOCHASTIC):
        times = choice.times(LinearFlow())
        assert len(times) == choice.steps + 1
    assert max(choice.nfe for choice in CANDIDATES) < RULER.nfe
    assert len(set(CANDIDATES)) == len(CANDIDATES)


def test_the_certified_solver_becomes_the_reference_and_the_weights_stay(
    found, tiny_writer, tiny_parts, tmp_path: Path
):
    alone = {name: tiny_parts[name] for name in ("teacher", "mse")}
    folder = tiny_writer(tmp_path / "alone", parts=alone, evaluation={"speed": 1})
    before = open_bundle(folder)
    after = open_bundle(write_reference(folder, found))
    choice, info = found.require().choice, after.info("teacher")
    assert (info.solver, info.steps, info.nfe) == (choice.solver, choice.steps, choice.nfe)
    assert info.reference
    assert info.grid == choice.times(LinearFlow())
    assert info.weights == before.info("teacher").weights
    assert after.card.evaluation == {}


def test_students_are_not_left_with_another_reference_than_theirs(
    found, tiny_writer, tmp_path: Path
):
    folder = tiny_writer(tmp_path / "distilled")
    before = open_bundle(folder).weights_hash
    with pytest.raises(InputError, match="distil its students then"):
        write_reference(folder, found)
    assert open_bundle(folder).weights_hash == before
