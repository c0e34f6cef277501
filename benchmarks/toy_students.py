"""What students of every method keep of a posterior that is known, on one pixel.

    python benchmarks/toy_students.py [--methods kd lmd ...] [--path linear] [--scale 1]

Objects of two modes, ``x ~ 1/2 N(-1, 1/16) + 1/2 N(1, 1/16)``, are measured as ``y = x + N(0, 1)``.
The teacher is exact. Each method of ``training.methods`` trains the same small network, 30 thousand
weights, initialised from a fit of the teacher, with the recipe and the loop that train the shipped
students: 2500 steps of 512 objects, progressive distillation 1000 a stage. Printed for every number
of sampling steps, means over five y, all against the exact map T of the same noise:

- W1: distance of the distributions (Wasserstein, in units of x);
- var: ratio of the variances, 1 where none is lost;
- bridge: mass between the modes, |x| < 0.4, beyond what belongs there;
- mode sd: ratio of the standard deviations within the modes;
- corr: correlation with T(z).
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_posterior.sampling.grid import logsnr, uniform
from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.path import Path as ProbabilityPath
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.solvers import renoise, solve, walk
from napari_posterior.toys import MixtureFamily, exact_student, exact_teacher
from napari_posterior.training.fit import FitSettings, fit, load_average, read_calls
from napari_posterior.training.methods import COARSE_STEPS, METHODS, QUARTERS, get_method
from napari_posterior.training.recipes.presets import Setup
from napari_posterior.training.recipes.states import Noised, StoredSource
from napari_posterior.training.targets import Reference, Trajectories

BATCH = 512
MEASUREMENTS = (-1.0, -0.4, 0.1, 0.5, 0.9)
COUNTS = {"one": (1,), "exactly": (1, 2, 4), "up to": (1, 2, 4, 8), "quarters": (1, 2, 4)}
COLUMNS = ("W1", "var", "bridge", "mode sd", "corr")

# W1, variance ratio, bridge mass, sd within modes, correlation: an earlier study of these methods
# on the same family, with its own networks and measurements, single runs
KNOWN = {
    ("euler", 1): (0.70, 0.0, 0.39, None, None),
    ("euler", 2): (0.33, 0.29, 0.19, 0.74, 0.960),
    ("euler", 4): (0.145, 0.64, 0.05, 0.74, 0.976),
    ("euler", 8): (0.074, 0.80, 0.015, 0.88, 0.991),
    ("kd", 1): (0.011, 0.991, 0.013, 0.94, 0.9994),
    ("pd", 4): (0.011, 0.97, 0.007, 0.97, 0.9997),
    ("pd", 2): (0.014, 0.97, 0.016, 0.95, 0.9992),
    ("pd", 1): (0.018, 0.97, 0.022, 0.94, 0.9988),
    ("cd", 1): (0.028, 1.0, 0.032, 0.95, 0.997),
    ("cd", 2): (0.014, 1.0, 0.015, 0.97, 0.65),
    ("cd", 4): (0.009, 1.0, 0.002, 1.01, 0.15),
    ("cd", 8): (0.009, 1.0, 0.001, 1.01, 0.02),
    ("ctm", 1): (0.037, 0.96, 0.038, 0.96, 0.995),
    ("ctm", 2): (0.036, 0.98, 0.023, 0.87, 0.997),
    ("ctm", 4): (0.028, 0.96, 0.009, 0.87, 0.999),
    ("ctm", 8): (0.020, 0.97, 0.005, 0.94, 0.999),
    ("shortcut", 1): (0.035, 0.94, 0.033, 0.91, 0.997),
    ("shortcut", 4): (0.014, 0.97, 0.008, 0.98, 0.999),
    ("shortcut", 8): (0.012, 0.97, 0.007, 0.99, 0.999),
    ("lmd", 1): (0.018, 1.02, 0.020, 0.95, 0.997),
    ("lmd", 2): (0.015, 1.01, 0.015, 0.96, 0.997),
    ("lmd", 4): (0.009, 1.00, 0.003, 0.97, 0.999),
    ("lmd", 8): (0.007, 1.01, 0.0, 1.01, 0.999),
    ("boot", 1): (0.021, 1.00, 0.025, 0.93, 0.998),
}


def make_family() -> MixtureFamily:
    """Return the objects and their measurement."""
    half, ones = torch.tensor([0.5, 0.5]), torch.tensor([-1.0, 1.0])
    return MixtureFamily(half, ones, torch.full((2,), 0.25**2), noise_variance=1.0)


class ToyNet(nn.Module):
    """The flow of one pixel: x, y and the features of two times through a small perceptron."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        sizes = [18, width, width, width, width]
        hidden = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.net = nn.Sequential(*hidden, nn.Linear(width, 1))
        nn.init.zeros_(self.net[-1].weight)
        with torch.no_grad():
            # the gap between s and t says nothing at first: the student is the teacher for every t
            self.net[0].weight[:, 10:] = 0

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return F, (B, 1, 1, 1); the maps hold y."""
        at = _features(s)
        inputs = torch.cat([x.flatten(1), maps.flatten(1), at, at - _features(t)], dim=1)
        return self.net(inputs).reshape(x.shape)


def _features(t: Tensor) -> Tensor:
    angle = (0.5 * math.pi) * t[:, None] * 2.0 ** torch.arange(4)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


@dataclass(frozen=True)
class ToySource:
    """Objects with their measurements, noised."""

    path_name: str
    seed: int = 0

    def draw(self, step: int) -> Noised:
        """Return the objects of one step."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        x0, y = (v.float() for v in make_family().draw((BATCH, 1, 1, 1), generator))
        eps = torch.randn(BATCH, 1, 1, 1, generator=generator)
        return Noised(get_path(self.path_name), x0, eps, y, torch.zeros(BATCH, 0), generator)


def store_trajectories(path_name: str, targets: str, count: int = 100_000) -> Trajectories:
    """Solve trajectories with the exact teacher."""
    path = get_path(path_name)
    generator = torch.Generator().manual_seed(7)
    _, y = make_family().draw((count, 1, 1, 1), generator)
    z = torch.randn(count, 1, 1, 1, generator=generator)
    if targets == "coarse":
        reference = Reference("euler", uniform(COARSE_STEPS), (0, COARSE_STEPS))
    else:
        quarters = tuple(i * 32 // QUARTERS for i in range(QUARTERS + 1))
        reference = Reference("dpmpp2m", logsnr(32, path=path), quarters)
    teacher = exact_teacher(make_family(), path)
    states = reference.states(teacher, path, z, y.float(), torch.zeros(count, 0))
    empty = torch.zeros(count, 0).numpy()
    return Trajectories(reference.times, states.float().numpy(), y.float().numpy(), empty)


class _TeacherFit:
    """The student's network before it learns jumps: fitted to the exact velocity."""

    name = "teacher"

    def __init__(self, path_name: str) -> None:
        torch.manual_seed(0)
        self.net, self.path = ToyNet(), get_path(path_name)
        self.source, self.exact = ToySource(path_name, 1), exact_teacher(make_family(), self.path)

    def loss(self, step: int) -> Tensor:
        drawn = self.source.draw(step)
        s = torch.rand(BATCH, generator=drawn.generator)
        x, rest = drawn.at(s), (s, s, drawn.maps, drawn.vector)
        return (self.net(x, *rest) - self.exact(x, *rest)).square().mean()


def fit_teacher(path_name: str, folder: Path, *, steps: int = 2500) -> dict[str, Tensor]:
    """Return the weights that students begin with."""
    settings = FitSettings(steps=steps, rate=4e-3, warmup=50, report_every=steps)
    return load_average(fit(lambda _: _TeacherFit(path_name), settings, folder))


class _ExactNet(nn.Module):
    def __init__(self, path_name: str) -> None:
        super().__init__()
        self.exact = exact_teacher(make_family(), get_path(path_name))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        return self.exact(x, s, t, maps, vector)


def train(
    name: str,
    path_name: str,
    start: dict[str, Tensor],
    folder: Path,
    *,
    steps: int,
    train_steps: int,
    rate: float = 2e-3,
) -> tuple[FlowMap, float]:
    """Return a student and what a step of its training cost in forward calls."""
    method, path = get_method(name), get_path(path_name)
    net = ToyNet()
    net.load_state_dict(start)
    source = ToySource(path_name)
    if method.targets is not None:
        source = StoredSource(store_trajectories(path_name, method.targets), BATCH)
    teacher = _ExactNet(path_name)
    recipe = method.make(Setup(net, teacher, path, source, train_steps), steps)
    settings = FitSettings(
        steps=train_steps,
        rate=rate,
        warmup=50,
        report_every=train_steps,
        restarts=method.restarts(steps, train_steps),
    )
    checkpoint = fit(lambda _: recipe, settings, folder)
    net.load_state_dict(load_average(checkpoint))
    cost = sum(read_calls(checkpoint).values()) / (train_steps * BATCH)
    return FlowMap(path, net.eval().requires_grad_(False)), cost


@dataclass(frozen=True)
class _Given:
    maps: Tensor
    vector: Tensor


@torch.no_grad()
def draw(name: str, student: FlowMap, z: Tensor, y: float, *, steps: int) -> Tensor:
    """Return images of a student, (N,), as the method draws them."""
    cond = _Given(torch.full((len(z), 1, 1, 1), y), torch.zeros(len(z), 0))
    generator = torch.Generator().manual_seed(11)

    def jump(x: Tensor, s: float, t: float) -> Tensor:
        return student.jump(x, s, t, cond)

    def fresh(step: int) -> Tensor:
        return torch.randn(z.shape, generator=generator)

    grid = _grid(name, steps, student.path)
    if METHODS[name].mode == "renoise":
        return renoise(jump, student.path, grid, z, fresh).flatten()
    return walk(jump, grid, z).flatten()


def _grid(name: str, steps: int, path: ProbabilityPath) -> tuple[float, ...]:
    if METHODS[name].counts != "quarters":
        return uniform(steps)
    times = logsnr(32, path=path)[::8]
    return METHODS[name].sampler(4, times).grids[str(steps)]


@torch.no_grad()
def score(path_name: str, draw_at) -> tuple[float, ...]:
    """Return the five numbers, means over the measurements; ``draw_at(z, y)`` gives the images."""
    path, count = get_path(path_name), 20_001
    z = torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count)
    rows = []
    for y in MEASUREMENTS:
        cond = torch.full((count, 1, 1, 1), y, dtype=torch.float64)
        ends = torch.ones(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
        flow = exact_student(make_family(), path)
        images = z[:, None, None, None]
        F = flow(images, *ends, cond, torch.zeros(count, 0))
        exact = path.jump(images, 1.0, 0.0, F).flatten()
        got = draw_at(images.float(), y).double()
        rows.append(
            (
                float((got.sort().values - exact.sort().values).abs().mean()),
                float(got.var() / exact.var()),
                float((got.abs() < 0.4).double().mean() - (exact.abs() < 0.4).double().mean()),
                _mode_sd(got, y) / _mode_sd(exact, y),
                float(torch.corrcoef(torch.stack([got, exact]))[0, 1]),
            )
        )
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


def _mode_sd(x: Tensor, y: float) -> float:
    modes = make_family().posterior(torch.tensor([[y]], dtype=torch.float64))
    sd, spread, total = float(modes.variances[0, 0, 0]) ** 0.5, 0.0, 0
    for mean in modes.means[0, 0].tolist():
        inside = x[(x - mean).abs() < 2.5 * sd]
        if len(inside) > 50:
            spread, total = spread + float(inside.var()) * len(inside), total + len(inside)
    return (spread / max(total, 1)) ** 0.5


def _row(name: str, steps: int, numbers: tuple[float, ...], extra: str = "") -> str:
    known = KNOWN.get((name, steps))
    beside = "" if known is None else " ".join("    -" if k is None else f"{k:5.3g}" for k in known)
    values = " ".join(f"{value:8.4f}" for value in numbers)
    return f"{name:10s}{steps:3d}  {values}   {beside:32s}{extra}"


def main() -> None:
    """Train, draw and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--path", default="linear", choices=["linear", "vpcosine"])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the steps to train")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path_name, path = options.path, get_path(options.path)
    print(f"{'method':10s}  n  {' '.join(f'{c:>8s}' for c in COLUMNS)}   known: the same five")
    teacher = Teacher(path, exact_teacher(make_family(), path))

    def euler(z: Tensor, y: float) -> Tensor:
        cond = _Given(torch.full((len(z), 1, 1, 1), y), torch.zeros(len(z), 0))
        return solve(lambda x, t: teacher.F(x, t, cond), path, "euler", uniform(n), z).flatten()

    for n in (1, 2, 4, 8):
        print(_row("euler", n, score(path_name, euler)), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        start = fit_teacher(path_name, Path(scratch), steps=round(2500 * options.scale))
        for name in options.methods:
            method = METHODS[name]
            trainings = COUNTS["exactly"] if method.counts == "exactly" else (method.steps,)
            for trained in trainings:
                stages = {1: 8, 2: 6, 4: 4}[trained] if method.staged else 2.5
                folder = Path(scratch) / f"{name}-{trained}"
                begun = time.process_time()
                student, cost = train(
                    name,
                    path_name,
                    start,
                    folder,
                    steps=trained,
                    train_steps=round(1000 * stages * options.scale),
                )
                spent = time.process_time() - begun
                extra = f"  {cost:.2f} calls a step, {spent:.0f} s"
                for n in (trained,) if method.staged else COUNTS[method.counts]:
                    numbers = score(path_name, partial(draw, name, student, steps=n))
                    print(_row(name, n, numbers, extra), flush=True)


if __name__ == "__main__":
    main()
