"""What a training says of the reference of the bundle that it writes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from quick_certify import QUICK

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.parts import read_parts
from napari_posterior.errors import OutputError
from napari_posterior.sampling.certify import SolverChoice
from napari_posterior.training.plan import TrainingPlan
from napari_posterior.training.train import train

TINY = TrainingPlan(
    steps=2,
    batch=4,
    size=32,
    channels=(8, 8, 8),
    blocks=1,
    processes=1,
    autocast=False,
    certify=QUICK,
)


def test_a_trained_bundle_has_the_certified_reference_which_is_not_measured_again(tmp_path):
    told = []
    folder = train(tmp_path / "m", plan=TINY, report=told.append)
    bundle = open_bundle(folder)
    config = read_parts(folder, bundle.card)["teacher"].sampler
    assert (config.solver, config.steps) == ("heun", QUICK.candidates[0].steps)
    assert config.certificate.certified
    assert (config.certificate.scenes, config.certificate.samples) == (2, 3)
    assert not any("certified" in limit for limit in bundle.card.known_limits)
    assert told[-1].name == "reference"
    told.clear()
    again = train(tmp_path / "m", plan=TINY, overwrite=True, report=told.append)
    assert told == []
    assert open_bundle(again).weights_hash == bundle.weights_hash
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "m.training"]
    assert not (tmp_path / "m.training" / "draft").exists()


def test_a_bundle_whose_teacher_no_solver_follows_is_made_and_says_so(tmp_path):
    offered = replace(QUICK, candidates=(SolverChoice("euler", "uniform", 2),))
    folder = train(tmp_path / "m", plan=replace(TINY, certify=offered))
    bundle = open_bundle(folder)
    config = read_parts(folder, bundle.card)["teacher"].sampler
    assert (config.solver, config.steps) == ("euler", 2)
    assert not config.certificate.certified
    assert "is not certified" in bundle.card.known_limits[-1]
    assert config.certificate.words in (folder / "README.md").read_text(encoding="utf-8")


def test_a_bundle_that_is_there_is_refused_before_any_training(tmp_path):
    (tmp_path / "m").mkdir()
    with pytest.raises(OutputError, match="allow it to be overwritten"):
        train(tmp_path / "m", plan=TINY)
    assert not (tmp_path / "m.training").exists()
