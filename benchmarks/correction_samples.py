"""Draw and keep the samples that `corrections.py` cuts its repeats from.

    python benchmarks/correction_samples.py --cache DIR [--folder FOLDER] [--scenes puncta-0 ...]

Scenes are simulated ones of every kind, drawn over the whole training range with a seed that no
other benchmark has, so that the figures of the card are not of these scenes; and squares of real
images. Of each, DIR keeps blocks of 16 samples: the teacher's and the students' on shared noise
(pairs), and the students' on noise that no teacher's sample has (alone). Blocks that are there are
not drawn again, and scenes may be shared out among processes. With every block are kept: the wall
and processor seconds of its draw and of finding its puncta, one thread each, and the puncta.
Samplers take turns, so that the ratio of their seconds is that of one machine at one time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from calibration import draw_held_out
from napari_posterior.api.camera import choose_camera
from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.image import Geometry, Image
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.scenes import KINDS
from napari_posterior.sampling.noise import canvas
from napari_posterior.statistics import get_statistic, make_context
from napari_posterior.training.batches import TrainingRange
from real_comparisons import read_fields
from timing import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_posterior.sampling.conditioning import Condition
    from napari_posterior.statistics import StatisticContext

SIZE = 64
BLOCK = 16
SCENE_SEED = 7_100_001
MOST_SCENES = 8  # of a kind; how many are drawn at once fixes each of them
REAL = ("er_exit_sites", "terra", "miro_mito_50ms")
TRUTH, BUDGET = 1024, 32
TEACHER = "teacher"
STUDENTS = (
    ("kd", 1),
    ("kd-euler", 1),
    ("lmd", 1),
    ("cd", 1),
    ("lmd", 2),
    ("lmd", 4),
    ("pd", 4),
)
BEST = ("kd", 1)
STAGES = (1, 2, 3, 4)
ALONE_FROM = 10_000
"""Number of the first sample of a student whose noise no teacher's sample has."""
SHARED, FIRST = 64, 288
"""Pairs of every student, and of the best one in the first turn."""
ALL_TEACHERS = TRUTH + BUDGET
ALONE = {
    ("kd", 1): 2880,
    ("kd-euler", 1): 352,
    ("lmd", 1): 352,
    ("cd", 1): 352,
    ("lmd", 2): 224,
    ("lmd", 4): 160,
    ("pd", 4): 160,
}
ALONE_FIRST = 640


@dataclass(frozen=True)
class Block:
    """Samples of one sampler with what they cost.

    Parameters
    ----------
    x : ndarray, (n, H, W) float32
        Photoelectrons per pixel.
    puncta : list of ndarray, (m, 2)
        Positions in each sample.
    seconds, processor : float
        Wall and processor seconds of the draw.
    finding : float
        Wall seconds of finding the puncta.
    """

    x: np.ndarray
    puncta: list[np.ndarray]
    seconds: float
    processor: float
    finding: float


@dataclass(frozen=True)
class Scene:
    """A measurement and where its samples are kept."""

    name: str
    kind: str
    measurement: Measurement
    blind: bool
    folder: Path

    @cached_property
    def context(self) -> StatisticContext:
        """Thresholds, fixed from the measurement."""
        return make_context(self.measurement)

    def block_path(self, sampler: str, steps: int | None, start: int) -> Path:
        """Where the block of samples from number `start` on is kept."""
        name = sampler if steps is None else f"{sampler}-{steps}"
        return self.folder / self.name / f"{name}-{start:06d}.npz"

    def read(self, sampler: str, steps: int | None, numbers: range) -> list[Block]:
        """Read the blocks of samples, those that are there before the first that is not."""
        paths = (self.block_path(sampler, steps, start) for start in numbers[::BLOCK])
        return [read_block(path) for path in itertools.takewhile(Path.exists, paths)]


def read_scenes(bundle: Bundle, cache: Path, real: Path, *, each: int = 1) -> Iterator[Scene]:
    """Read the scenes: `each` of every simulated kind, and the real ones where the folder is."""
    told = bundle.card.training_range
    trained = TrainingRange(peak=told.peak, psf_sigma=told.psf_sigma, read_noise=told.read_noise)
    drawn = {kind: draw_held_out(kind, MOST_SCENES, trained, seed=SCENE_SEED) for kind in KINDS}
    for number in range(each):
        for kind in KINDS:
            scene = drawn[kind][number]
            yield Scene(f"{kind}-{number}", kind, scene.measurement, False, cache)
        if number == 0 and real.is_dir():
            yield from read_real(real, cache)


def read_real(folder: Path, cache: Path) -> Iterator[Scene]:
    """Read the middle of the squares of real images that `real_comparisons.py` compares."""
    for field in read_fields(folder):
        if field.name not in REAL:
            continue
        choice = choose_camera(
            Image(field.y, Geometry.default(field.y.shape), field.name), field.camera, blind=None
        )
        start = [(n - SIZE) // 2 for n in field.y.shape]
        rows, columns = (slice(first, first + SIZE) for first in start)
        camera = choice.camera
        if camera.shape is not None:
            camera = camera.crop(rows, columns)
        y = np.ascontiguousarray(field.y[rows, columns], np.float32)
        measurement = Measurement(y, camera, field.psf)
        yield Scene(field.name, "real", measurement, choice.blind, cache)


def read_block(path: Path) -> Block:
    """Read a block."""
    with np.load(path) as kept:
        counts, places = kept["counts"], kept["places"]
        puncta = np.split(places, np.cumsum(counts)[:-1])
        times = (float(kept[key]) for key in ("seconds", "processor", "finding"))
        return Block(kept["x"], puncta, *times)


def plan_blocks(stage: int) -> Iterator[tuple[str, int | None, int]]:
    """Name sampler, steps and first number of the blocks of a stage, in the order of drawing.

    First pairs of all students; then what some repeats of the best one need, then what the truth
    and more repeats need; last the other students alone. Few pairs and many students make a repeat,
    so both grow together.
    """
    if stage == 1:
        lists = [[(*s, n) for n in range(0, SHARED, BLOCK)] for s in ((TEACHER, None), *STUDENTS)]
    elif stage == 4:
        lists = [[(*s, ALONE_FROM + n) for n in range(0, ALONE[s], BLOCK)] for s in STUDENTS[1:]]
    else:
        more = range(SHARED, FIRST, BLOCK) if stage == 2 else range(FIRST, ALL_TEACHERS, BLOCK)
        ends = (0, ALONE_FIRST) if stage == 2 else (ALONE_FIRST, ALONE[BEST])
        alone = [(*BEST, ALONE_FROM + n) for n in range(*ends, BLOCK)]
        lists = [[(TEACHER, None, n) for n in more], [(*BEST, n) for n in more]]
        lists += [alone[i::4] for i in range(4)]
    for group in itertools.zip_longest(*lists):
        yield from (one for one in group if one is not None)


def draw_scene(scene: Scene, bundle: Bundle, stage: int, *, backwards: bool = False) -> None:
    """Draw all blocks of a stage that are not kept yet, perhaps from the last one on."""
    condition = bundle.conditioner().prepare(scene.measurement, blind=scene.blind)
    samplers = {
        (name, steps): bundle.sampler(name, steps=steps)
        for name, steps in ((TEACHER, None), *STUDENTS)
    }
    for sampler in samplers.values():  # the first call of each also sets up what it needs
        draw_block(scene, sampler, condition, 0, count=1)
    planned = list(plan_blocks(stage))
    for name, steps, start in reversed(planned) if backwards else planned:
        path = scene.block_path(name, steps, start)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        block = draw_block(scene, samplers[name, steps], condition, start)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez(
                file,
                x=block.x,
                counts=[len(one) for one in block.puncta],
                places=np.concatenate(block.puncta),
                seconds=block.seconds,
                processor=block.processor,
                finding=block.finding,
            )
        part.replace(path)


def draw_block(
    scene: Scene, sampler, condition: Condition, start: int, *, count: int = BLOCK
) -> Block:
    """Draw samples from number `start` on, and find their puncta."""
    numbers = range(start, start + count)

    def noise(step: int) -> torch.Tensor:
        return canvas(numbers, condition.padded_shape, seed=0, step=step)

    drawing, finding = Clock(), Clock()
    with drawing.running():
        x = sampler.draw(noise(0), condition, fresh=noise).numpy()
    find = get_statistic("puncta")
    with finding.running():
        puncta = [find.measure(one, scene.context).positions.reshape(-1, 2) for one in x]
    return Block(x.astype(np.float32), puncta, drawing.wall, drawing.cpu, finding.wall)


def data_folder() -> Path:
    """Return the folder of the real images, see `real_comparisons.py`."""
    default = Path(__file__).parents[2] / "shared/data"
    return Path(os.environ.get("NAPARI_POSTERIOR_DATA", default))


def choose(scenes: Iterable[Scene], names: list[str] | None) -> list[Scene]:
    """Return the scenes of these names, all by default."""
    return [scene for scene in scenes if names is None or scene.name in names]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what drawing and evaluating have in common."""
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--cache", type=Path, required=True, help="where samples are kept")
    parser.add_argument("--folder", type=Path, default=data_folder(), help="of real images")
    parser.add_argument("--each", type=int, default=1, help="simulated scenes of each kind")
    parser.add_argument("--scenes", nargs="+", help="names of scenes; all by default")


def main() -> None:
    """Draw what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--stages", type=int, nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument(
        "--backwards", action="store_true", help="so that two processes may share a scene"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = open_bundle(find_model(options.model))
    scenes = choose(
        read_scenes(bundle, options.cache, options.folder, each=options.each), options.scenes
    )
    for stage, scene in itertools.product(options.stages, scenes):
        start = time.monotonic()
        draw_scene(scene, bundle, stage, backwards=options.backwards)
        minutes = (time.monotonic() - start) / 60
        print(f"{scene.name}, stage {stage}: {minutes:.1f} min", flush=True)


if __name__ == "__main__":
    main()
