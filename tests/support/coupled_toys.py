"""Pairs of a teacher and a student on shared noise whose laws and correlation are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from napari_posterior.correction.two_level import TwoLevel


@dataclass(frozen=True)
class NormalPair:
    """T = mean + sd z, and S = factor sd (r z + sqrt(1 - r^2) e) + offset."""

    r: float = 0.95
    mean: float = 1.0
    sd: float = 2.0
    factor: float = 0.9
    offset: float = 1.3

    def teacher(self, z: np.ndarray) -> np.ndarray:
        return self.mean + self.sd * z

    def student(self, z: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        own = generator.standard_normal(z.shape)
        return self.offset + self.factor * self.sd * (self.r * z + math.sqrt(1 - self.r**2) * own)

    @property
    def truth(self) -> tuple[float, float]:
        return self.mean, self.sd**2

    def below(self, t: np.ndarray) -> np.ndarray:
        return special.ndtr((np.asarray(t) - self.mean) / self.sd)


@dataclass(frozen=True)
class MixturePair:
    """A posterior of two forms, by its exact flow map; the student bridges them and is biased."""

    weight: float = 0.3
    sd: float = 0.25
    softness: float = 0.35

    def teacher(self, z: np.ndarray) -> np.ndarray:
        return np.interp(special.ndtr(z), *_quantiles(self))

    def student(self, z: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        # a smooth map in place of the steep one, as a small network learns it
        nodes = np.array([-1.0, 0.0, 1.0]) * self.softness
        return np.mean([self.teacher(z + node) for node in nodes], axis=0) + 0.05

    @property
    def truth(self) -> tuple[float, float]:
        mean = self.weight - (1 - self.weight)
        return mean, 1 + self.sd**2 - mean**2

    def below(self, t: np.ndarray) -> np.ndarray:
        t = np.asarray(t)
        low, high = special.ndtr((t + 1) / self.sd), special.ndtr((t - 1) / self.sd)
        return (1 - self.weight) * low + self.weight * high


@cache
def _quantiles(pair: MixturePair) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(-3, 3, 20001)
    return pair.below(x), x


Pair = NormalPair | MixturePair


def repeat(
    pair: Pair,
    *,
    pairs: int,
    students: int,
    repeats: int,
    seed: int,
    order: int = 4,
    shuffled: bool = False,
) -> TwoLevel:
    """Return `repeats` experiments, side by side as the pixels of a map."""
    generator = np.random.default_rng(seed)
    both = TwoLevel(order=order)
    for teacher, student in draw_pairs(pair, pairs, (repeats,), generator, shuffled=shuffled):
        both.add_pair(teacher, student)
    for student in draw_students(pair, students, (repeats,), generator):
        both.add_student(student)
    return both


def draw_pairs(pair, count, shape, generator, *, shuffled=False):
    for _ in range(count):
        z = generator.standard_normal(shape)
        other = generator.standard_normal(shape) if shuffled else z
        yield pair.teacher(z), pair.student(other, generator)


def draw_students(pair, count, shape, generator):
    for _ in range(count):
        yield pair.student(generator.standard_normal(shape), generator)
