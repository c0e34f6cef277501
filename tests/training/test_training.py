from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch
from gaussian_students import LinearNet, make_recipe
from quick_certify import QUICK

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.errors import InputError, ModelError
from napari_posterior.networks.registry import build
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.training.batches import SceneStream
from napari_posterior.training.distill import DistillPlan, distill
from napari_posterior.training.fit import FitSettings, fit, load_average, read_calls
from napari_posterior.training.methods import METHODS
from napari_posterior.training.plan import TrainingPlan, mse_recipe
from napari_posterior.training.recipes.flow import FlowRecipe
from napari_posterior.training.recipes.mse import MseRecipe
from napari_posterior.training.recipes.point import PointRecipe
from napari_posterior.training.targets import Reference, make_trajectories
from napari_posterior.training.train import train

TINY = TrainingPlan(
    steps=4,
    batch=4,
    size=32,
    channels=(8, 12, 16),
    blocks=1,
    processes=1,
    autocast=False,
    certify=QUICK,
)
TINY_DISTILL = DistillPlan(
    trajectories=32, train_steps=3, batch=4, size=32, processes=1, autocast=False
)


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


@pytest.mark.parametrize("method", ["pd", "ctm", "shortcut"])
def test_students_with_copies_of_themselves_resume_to_the_same_weights(method, tmp_path):
    settings = FitSettings(steps=8, warmup=2, restarts=METHODS[method].restarts(4, 8))

    def make(_):
        torch.manual_seed(0)
        return make_recipe(method, LinearFlow(), LinearNet(), steps=8, teacher=LinearNet())

    whole = fit(make, settings, tmp_path / "whole")
    stop = _Stop(make(0), at=5)
    with pytest.raises(KeyboardInterrupt):
        fit(lambda _: stop, replace(settings, save_every=0), tmp_path / "part")
    resumed = fit(make, settings, tmp_path / "part")
    a, b = load_average(whole), load_average(resumed)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert read_calls(whole) == read_calls(resumed)


def test_a_stage_begins_with_a_rate_and_an_average_of_its_own(tmp_path):
    recipe = _Constant()
    settings = FitSettings(steps=8, warmup=1, average=0.999, restarts=(4,), rate=0.1)
    average = load_average(fit(lambda _: recipe, settings, tmp_path))
    # at each begin a tenth of the average is left of what was before
    moves = recipe.seen
    expected = moves[0]
    for step, value in enumerate(moves[1:]):
        k = step % 4
        expected = expected * (k + 1) / (k + 10) + value * 9 / (k + 10)
    assert float(average["weight"]) == pytest.approx(expected, rel=1e-4)
    assert abs(moves[5] - moves[4]) > 2 * abs(moves[4] - moves[3])


def test_the_averaged_weights_are_measured_and_training_goes_on_with_its_own(tmp_path):
    recipe = _Constant()
    fit(lambda _: recipe, FitSettings(steps=3, warmup=1, report_every=1), tmp_path)
    with (tmp_path / "constant.csv").open() as file:
        told = [float(row["held_out"]) for row in csv.DictReader(file)]
    assert told[0] == pytest.approx(0.1 * recipe.seen[0] + 0.9 * recipe.seen[1], rel=1e-4)
    assert len(recipe.seen) == 4


def test_a_table_of_losses_from_before_goes_on_as_it_was(tmp_path):
    (tmp_path / "constant.csv").write_text("step,loss\n1,0.5\n2,0.4\n9,0.3\n")
    fit(lambda _: _Constant(), FitSettings(steps=3, warmup=1), tmp_path)
    lines = (tmp_path / "constant.csv").read_text().split()
    assert lines[:3] == ["step,loss", "1,0.5", "2,0.4"]
    assert len(lines) == 4
    assert lines[3].startswith("3,")
    assert lines[3].count(",") == 1


def test_a_recipe_without_held_out_images_leaves_the_column_empty(tmp_path):
    fit(make_point_recipe, FitSettings(steps=1, warmup=1), tmp_path)
    with (tmp_path / "point.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["held_out"] == ""


def test_the_teacher_is_measured_on_a_stream_of_its_own(tmp_path):
    stream = SceneStream(seed=5, batch=4, size=32, pool=20)
    net = build("velocity-unet-1", {"channels": [8, 12, 16], "blocks": 1})
    recipe = FlowRecipe(net, _OraclePoint(), LinearFlow(), stream, held=replace(stream, seed=6))
    losses = [replace(recipe, stream=recipe.held).loss(i).item() for i in range(4)]
    assert recipe.held_out() == pytest.approx(sum(losses) / 4)
    assert recipe.held_out() == recipe.held_out()


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


def test_the_loss_of_an_mse_net_is_least_at_the_mean_of_the_residuals():
    # residuals are standard normal, so that an estimate c everywhere costs 1 + c^2
    def loss(c):
        recipe = MseRecipe(_Says(-c), _OraclePoint(), LinearFlow(), _GaussianStream())
        return torch.stack([recipe.loss(step) for step in range(20)]).mean().item()

    assert loss(0.0) == pytest.approx(1, rel=0.01)
    assert loss(0.5) == pytest.approx(1.25, rel=0.01)
    assert loss(-2.0) == pytest.approx(5, rel=0.01)


def test_an_mse_net_goes_on_from_the_teacher_and_is_asked_without_noise(untrained):
    work = untrained.with_name("tiny.training")
    recipe = mse_recipe(TINY, work, 0)
    teacher = load_average(work / "teacher.pt")
    assert all(torch.equal(value, teacher[key]) for key, value in recipe.net.state_dict().items())
    seen = []
    recipe.net.register_forward_pre_hook(lambda _, given: seen.append(given[:3]))
    recipe.loss(0)
    ((x, s, t),) = seen
    assert not x.any()
    assert (s == 1).all()
    assert (t == 1).all()


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


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A bundle with a teacher and a point estimate that were hardly trained."""
    return train(tmp_path_factory.mktemp("untrained") / "tiny", plan=TINY)


@pytest.fixture
def tiny(untrained, tmp_path):
    return shutil.copytree(untrained, tmp_path / "tiny")


def test_train_and_distill_make_a_bundle_that_opens_and_samples(tiny):
    assert open_bundle(tiny).names == ("teacher", "mse")
    distill(tiny, methods=("kd", "flowmap", "cd"), plan=TINY_DISTILL)
    bundle = open_bundle(tiny)
    assert bundle.names == ("teacher", "kd", "cd", "flowmap", "mse")
    assert bundle.info("flowmap", steps=3).nfe == 3
    with pytest.raises(InputError, match="not trained for 2 steps"):
        bundle.info("kd", steps=2)
    made = {"point": 4, "teacher": 4, "mse": 1, "kd": 3, "flowmap": 3, "cd": 3}
    assert bundle.card.training.steps == made
    assert bundle.card.training.images["cd"] == 12
    assert bundle.card.training.methods["kd"].startswith("Knowledge distillation: one jump")
    assert "new noise in between" in (tiny / "README.md").read_text()
    assert bundle.sampler("cd", steps=2).needs_noise
    assert not bundle.sampler("flowmap", steps=2).needs_noise
    low, high = bundle.card.training_range.photon_scale
    assert 0 < low < 20 < high


def test_a_student_has_the_steps_and_the_name_asked_for(tiny):
    distill(tiny, methods=("pd",), steps=2, name="halved", plan=TINY_DISTILL)
    distill(tiny, methods=("lmd",), steps=2, plan=TINY_DISTILL)
    bundle = open_bundle(tiny)
    assert bundle.info("halved").steps == 2
    assert bundle.info("lmd").steps == 2
    assert bundle.info("lmd", steps=7).nfe == 7
    with pytest.raises(InputError, match="not trained for 1 step"):
        bundle.info("halved", steps=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"methods": ("kd", "magic")}, "unknown method 'magic'; use one of kd, kd-euler, pd"),
        ({"methods": ("kd",), "steps": 2}, "'kd' has its own steps; leave the number out"),
        ({"methods": ("pd",), "steps": 33}, "give a number from 1 to 32"),
        ({"methods": ("kd", "pd"), "name": "mine"}, "give one method with it"),
        ({"methods": ("kd",), "name": "mse"}, "give another name"),
    ],
)
def test_distill_refuses_what_does_not_fit_before_any_work(tiny, options, sentence):
    with pytest.raises(InputError, match=sentence):
        distill(tiny, **options)
    assert not tiny.with_name("tiny.training").exists()


def test_a_folder_of_one_student_is_not_taken_for_another(tiny):
    distill(tiny, methods=("lmd",), plan=TINY_DISTILL)
    with pytest.raises(ModelError, match="holds another student called 'lmd'"):
        distill(tiny, methods=("lmd",), steps=2, plan=TINY_DISTILL)


def test_students_are_measured_against_the_reference_on_scenes_held_out(tiny):
    told = []
    distill(tiny, methods=("kd",), plan=TINY_DISTILL, report=told.append)
    last = told[-1]
    with (tiny.with_name("tiny.training") / "kd.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["held_out"]) == pytest.approx(last.held_out, rel=1e-5)
    assert 0 < last.held_out < 10
    assert last.calls == {"student": 12, "teacher": 0}


def test_the_same_plan_makes_the_same_weights(tmp_path):
    hashes = {open_bundle(train(tmp_path / name / "m", plan=TINY)).weights_hash for name in "ab"}
    assert len(hashes) == 1


class _Stop:
    """A recipe that is interrupted in mid-training."""

    def __init__(self, recipe: PointRecipe, *, at: int) -> None:
        self.recipe, self.at, self.net, self.name = recipe, at, recipe.net, recipe.name

    def __getattr__(self, name):
        return getattr(self.recipe, name)

    def loss(self, step: int) -> torch.Tensor:
        if step == self.at:
            raise KeyboardInterrupt
        return self.recipe.loss(step)


class _Constant:
    """One weight that is pulled to 100."""

    name = "constant"

    def __init__(self):
        self.net = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.net.weight)
        self.seen = [1.0]

    def loss(self, step):
        return (self.net.weight - 100).square().sum()

    def held_out(self):
        return self.net.weight.item()

    def after_step(self, step):
        self.seen.append(self.net.weight.item())

    def state(self):
        return {}

    def load_state(self, state):
        pass


class _OraclePoint(torch.nn.Module):
    def forward(self, maps, vector):
        return torch.zeros_like(maps[:, :1]), torch.zeros_like(maps[:, :1])


class _Says(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x, s, t, maps, vector):
        return torch.full_like(x, self.value)


class _GaussianStream:
    """Objects that are standard normal residuals of the oracle."""

    def batch_at(self, step):
        stream = SceneStream(seed=5, batch=16, size=32, pool=20)
        batch = stream.batch_at(0)
        x = torch.randn(16, 1, 32, 32, generator=torch.Generator().manual_seed(step))
        return replace(batch, x=batch.b + batch.s * x)

    def seed_of(self, step):
        return 1000 + step
