from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial

import pytest
import torch

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.errors import InputError, ModelError
from napari_posterior.networks.registry import build
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.training.batches import SceneStream
from napari_posterior.training.distill import DistillPlan, distill
from napari_posterior.training.fit import FitSettings, fit, load_average
from napari_posterior.training.plan import TrainingPlan
from napari_posterior.training.recipes.flow import FlowRecipe
from napari_posterior.training.recipes.flowmap import FlowMapRecipe
from napari_posterior.training.recipes.point import PointRecipe
from napari_posterior.training.targets import Reference, Trajectories, make_trajectories
from napari_posterior.training.train import train

TINY = TrainingPlan(
    steps=4, batch=4, size=32, channels=(8, 12, 16), blocks=1, processes=1, autocast=False
)
TINY_DISTILL = DistillPlan(trajectories=32, steps=3, batch=4, size=32, processes=1, autocast=False)


def make_point_recipe(rank: int, *, steps_seed: int = 0) -> PointRecipe:
    torch.manual_seed(0)
    net = build("point-unet-1", {"channels": [8, 12, 16], "blocks": 1})
    return PointRecipe(net, SceneStream(seed=5, batch=4, size=32, pool=20, stream=rank))


def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path):
    whole = fit(make_point_recipe, FitSettings(steps=6, warmup=2), tmp_path / "whole")
    stop = _Stop(make_point_recipe(0), at=3)
    with pytest.raises(KeyboardInterrupt):
        fit(lambda _: stop, FitSettings(steps=6, warmup=2, save_every=0), tmp_path / "part")
    resumed = fit(make_point_recipe, FitSettings(steps=6, warmup=2), tmp_path / "part")
    a, b = load_average(whole), load_average(resumed)
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_two_processes_share_a_step_and_write_one_loss_curve(tmp_path):
    checkpoint = fit(
        make_point_recipe, FitSettings(steps=3, warmup=1, processes=2, report_every=1), tmp_path
    )
    with (tmp_path / "point.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3]
    assert set(load_average(checkpoint)) == set(make_point_recipe(0).net.state_dict())


def test_training_lowers_the_loss_on_measurements_it_has_not_seen(tmp_path):
    recipe = make_point_recipe(0)
    with torch.no_grad():
        before = sum(float(recipe.loss(step)) for step in range(1000, 1010))
        fit_in = partial(fit, lambda _: recipe, FitSettings(steps=60, warmup=5, rate=3e-3))
    fit_in(tmp_path)
    with torch.no_grad():
        after = sum(float(recipe.loss(step)) for step in range(1000, 1010))
    assert after < 0.9 * before


def test_flow_loss_of_an_untrained_network_is_that_of_a_standard_normal():
    # residuals of a perfect point estimate have unit variance: E (F - F*)^2 = E 1 / V_t
    recipe = FlowRecipe(
        net=build("velocity-unet-1", {"channels": [8, 12, 16], "blocks": 1}),
        point=_OraclePoint(),
        path=LinearFlow(),
        stream=_GaussianStream(),
    )
    t = torch.rand(100_000)
    mixed = torch.cat([t, torch.sigmoid(torch.randn(100_000) - 0.4)])
    expected = (1 / (mixed**2 + (1 - mixed) ** 2)).mean()
    losses = torch.stack([recipe.loss(step).detach() for step in range(60)])
    error = losses.std() / len(losses) ** 0.5
    assert losses.mean() == pytest.approx(float(expected), abs=4 * float(error))


def test_students_regress_the_jump_between_stored_states():
    # the flow map of a standard normal is x_t = sqrt(V_t / V_s) x_s: give it to the recipe as data
    z = torch.randn(8, 1, 16, 16)
    times = (1.0, 0.5, 0.0)
    states = torch.cat([z * (t * t + (1 - t) ** 2) ** 0.5 for t in times], dim=1).numpy()
    stored = Trajectories(
        times, states, torch.zeros(8, 4, 16, 16).numpy(), torch.zeros(8, 4).numpy()
    )

    class Exact(torch.nn.Module):
        def forward(self, x, s, t, maps, vector):
            size = [(u**2 + (1 - u) ** 2).sqrt()[:, None, None, None] for u in (s, t)]
            return LinearFlow().unjump(
                x, x * size[1] / size[0], s[:, None, None, None], t[:, None, None, None]
            )

    recipe = FlowMapRecipe(Exact(), LinearFlow(), stored, ((0, 2), (0, 1), (1, 2)), 0, 0, 8)
    assert recipe.loss(0) < 1e-10


def test_trajectories_resume_where_they_stopped_and_refuse_another_plan(tmp_path):
    teacher = build("velocity-unet-1", {"channels": [8, 12, 16], "blocks": 1}).eval()
    point = build("point-unet-1", {"channels": [8, 12, 16], "blocks": 1}).eval()
    reference = Reference("heun", (1.0, 0.6, 0.3, 0.0), (0, 2, 3))
    stream = SceneStream(seed=5, batch=4, size=32, pool=20)
    make = partial(make_trajectories, teacher, point, LinearFlow(), reference)
    whole = make(stream, tmp_path / "a", count=12)
    make(stream, tmp_path / "b", count=12)
    (tmp_path / "b" / "done").write_text("1")
    again = make(stream, tmp_path / "b", count=12)
    assert (whole.states == again.states).all()
    assert whole.states.shape == (12, 3, 32, 32)
    with pytest.raises(ModelError, match="another plan"):
        make(stream, tmp_path / "a", count=24)


def test_train_and_distill_make_a_bundle_that_opens_and_samples(tmp_path):
    out = tmp_path / "tiny"
    train(out, plan=TINY)
    assert open_bundle(out).names == ("teacher", "mse")
    distill(out, plan=TINY_DISTILL)
    bundle = open_bundle(out)
    assert bundle.names == ("teacher", "flowmap", "kd", "mse")
    assert bundle.info("flowmap", steps=3).nfe == 3
    with pytest.raises(InputError, match="not trained for 2 steps"):
        bundle.info("kd", steps=2)
    assert bundle.card.training.steps == {"mse": 4, "teacher": 4, "kd": 3, "flowmap": 3}
    low, high = bundle.card.training_range.photon_scale
    assert 0 < low < 20 < high


def test_the_same_plan_makes_the_same_weights(tmp_path):
    hashes = {open_bundle(train(tmp_path / name / "m", plan=TINY)).weights_hash for name in "ab"}
    assert len(hashes) == 1


class _Stop:
    """A recipe that is interrupted in mid-training."""

    def __init__(self, recipe: PointRecipe, *, at: int) -> None:
        self.recipe, self.at, self.net, self.name = recipe, at, recipe.net, recipe.name

    def loss(self, step: int) -> torch.Tensor:
        if step == self.at:
            raise KeyboardInterrupt
        return self.recipe.loss(step)


class _OraclePoint(torch.nn.Module):
    def forward(self, maps, vector):
        return torch.zeros_like(maps[:, :1]), torch.zeros_like(maps[:, :1])


class _GaussianStream:
    """Objects that are standard normal residuals of the oracle."""

    def batch_at(self, step):
        stream = SceneStream(seed=5, batch=16, size=32, pool=20)
        batch = stream.batch_at(0)
        x = torch.randn(16, 1, 32, 32, generator=torch.Generator().manual_seed(step))
        return replace(batch, x=batch.b + batch.s * x)

    def seed_of(self, step):
        return 1000 + step
