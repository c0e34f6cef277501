"""Solver, grid and mode in ``sampler.json``: what a bundle may say and what it means."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_posterior as npo
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import FlowMapConfig, SolverConfig
from napari_posterior.bundles.info import describe
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.reading import read_card
from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.grid import make_grid
from napari_posterior.sampling.path import LinearFlow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.bundles.bundle import Bundle

    Make = Callable[..., Bundle]


@pytest.fixture
def make(tiny_writer: Callable[..., Path], tiny_parts: Any, tmp_path: Path) -> Make:
    """Write and open the tiny bundle with another sampler for one of its parts."""

    def written(name: str, sampler: Any) -> Bundle:
        parts = {**tiny_parts, name: replace(tiny_parts[name], sampler=sampler)}
        return open_bundle(tiny_writer(tmp_path / "bundle", parts=parts))

    return written


def test_a_teacher_may_be_solved_on_a_grid_in_log_snr(make: Make) -> None:
    config = SolverConfig(
        solver="dpmpp2m", grid="logsnr", sigma_max=40.0, sigma_min=0.01, steps=6, nfe=6
    )
    info = make("teacher", config).info("teacher")
    wanted = make_grid("logsnr", 6, LinearFlow(), sigma_max=40.0, sigma_min=0.01)
    assert info.grid == wanted
    assert (info.nfe, info.needs_noise, info.reference) == (6, False, True)
    assert info.label == "logsnr(40, 0.01)"


def test_a_stochastic_teacher_says_that_it_takes_noise_and_how_much(tiny_bundle: Path) -> None:
    config = SolverConfig(solver="sde", eta=0.5, grid="uniform", steps=4, nfe=4)
    part = read_parts(tiny_bundle, read_card(tiny_bundle))["teacher"]
    stochastic = replace(part, sampler=config)
    info = describe(stochastic, steps=None, precision="float32")
    assert (info.needs_noise, info.eta) == (True, 0.5)
    assert info.description.startswith("reference: sde(0.5), 4 steps on uniform")
    assert not describe(stochastic, steps=1, precision="float32").needs_noise


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"solver": "rk4", "nfe": 4}, "unknown solver 'rk4'"),
        ({"solver": "sde", "nfe": 4}, "give eta from 0 to 1"),
        ({"solver": "heun", "nfe": 7, "eta": 0.5}, "has no option 'eta'"),
        ({"solver": "heun", "nfe": 8}, "4 steps of heun take 7"),
        ({"solver": "euler", "nfe": 4, "sigma_min": 0.1}, "no option 'sigma_min'"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_sampled(
    make: Make, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        make("teacher", SolverConfig(grid="uniform", steps=4, **settings))


def test_a_renoised_student_says_so_and_needs_no_noise_for_one_step(make: Make) -> None:
    grids = {"1": (1.0, 0.0), "2": (1.0, 0.4, 0.0)}
    config = FlowMapConfig(mode="renoise", grids=grids, default_steps=2)
    bundle = make("flow", config)
    two, one = bundle.info("flow"), bundle.info("flow", steps=1)
    assert (two.solver, two.needs_noise, two.nfe) == ("renoise", True, 2)
    assert "2 steps with new noise between, 2 network evaluations" in two.description
    assert not one.needs_noise
    assert "new noise" not in one.description


def test_a_student_trained_between_any_times_takes_any_number_of_steps(make: Make) -> None:
    grids = {"2": (1.0, 0.4, 0.0)}
    config = FlowMapConfig(grids=grids, default_steps=2, any_steps="logsnr")
    bundle = make("flow", config)
    assert bundle.info("flow").grid == (1.0, 0.4, 0.0)
    assert bundle.info("flow", steps=5).grid == make_grid("logsnr", 5, LinearFlow())
    with pytest.raises(InputError, match="takes 1 to 512 steps, not 513"):
        bundle.info("flow", steps=513)


def test_a_student_that_was_trained_for_some_steps_says_which_it_takes(make: Make) -> None:
    config = FlowMapConfig(grids={"2": (1.0, 0.4, 0.0)}, default_steps=2)
    with pytest.raises(InputError, match="was not trained for 5 steps; give 2"):
        make("flow", config).info("flow", steps=5)


def test_a_student_whose_grid_for_any_steps_is_unknown_is_refused(make: Make) -> None:
    config = FlowMapConfig(grids={"1": (1.0, 0.0)}, default_steps=1, any_steps="cosine")
    with pytest.raises(ModelError, match="unknown grid 'cosine'"):
        make("flow", config)


def test_samplers_of_a_bundle_are_built_as_its_settings_say(
    make: Make, measured: np.ndarray, tmp_path: Path
) -> None:
    stochastic = make(
        "teacher", SolverConfig(solver="sde", eta=0.5, grid="uniform", steps=4, nfe=4)
    )
    teacher = stochastic.sampler("teacher")
    assert (teacher.needs_noise, teacher.description) == (
        True, "teacher, SDE(0.5) 4 steps, grid uniform, 4 network evaluations",
    )  # fmt: skip
    options = {"camera": npo.Camera(2.0, 100.0, 1.5), "psf": npo.Psf(1.4), "device": "cpu"}
    draw = partial(npo.restore, measured, sampler="teacher", seed=3, **options)
    whole = draw(model=stochastic, samples=3)
    part = draw(model=stochastic, samples=1, out=tmp_path / "part")
    # stored with 12 bits of mantissa, so a last digit may round either way
    close = partial(np.testing.assert_allclose, rtol=2**-12, atol=1e-4)
    close(part.samples[0], whole.samples[0])
    longer = draw(model=stochastic, samples=3, resume=part.path)
    close(longer.samples[2], whole.samples[2])
    assert np.abs(whole.samples[0] - whole.samples[1]).max() > 0.1
