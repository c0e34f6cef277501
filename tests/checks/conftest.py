"""Fake runs: samples with known means and variances behind the attributes of a run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

FAINT = ((8, 30), (15, 55), (28, 8), (40, 55), (57, 20))


def spot(site):
    """A spot of amplitude 1 at the target resolution, 64 x 64."""
    yy, xx = np.indices((64, 64), dtype=np.float64)
    return np.exp(-((yy - site[0]) ** 2 + (xx - site[1]) ** 2) / 2)


CAMERA = Camera(gain=2.0, offset=100.0, read_noise=1.5)


class FakeRun:
    """What `SampleSource` asks for, in memory."""

    def __init__(self, samples, y, **changes) -> None:
        self.samples = samples
        self.input = y
        image = {
            "name": "cell_1",
            "sha256": "a" * 64,
            "shape": y.shape,
            "scale": (1.0,) * (y.ndim - 2) + (0.08, 0.08),
            "units": ("pixel",) * (y.ndim - 2) + ("micrometer",) * 2,
            "translate": (0.0,) * y.ndim,
        }
        image |= changes.pop("image", {})
        fields = {
            "role": "student", "sampler": "kd", "steps": 1, "nfe": 1, "seed": 0,
            "model": "fluo2d", "bundle_hash": "b" * 64, "precision": "float32", "camera": CAMERA,
            "psf": Psf(1.5), "background": 0.0, "blind": False,
        }  # fmt: skip
        self.request = SimpleNamespace(**(fields | changes), image=SimpleNamespace(**image))
        self.role = self.request.role

    def measurement(self, plane: int = 0) -> Measurement:
        planes = np.asarray(self.input, np.float32).reshape(-1, *self.input.shape[-2:])
        return Measurement(
            planes[plane], self.request.camera, self.request.psf, self.request.background
        )


@pytest.fixture(scope="session")
def fake_run():
    """Make a run from samples, (K, ..., H, W), and a measurement in ADU."""
    return FakeRun


@pytest.fixture(scope="session")
def scene():
    """An object of blobs, 64 x 64 photoelectrons per pixel, and its measurement in ADU."""
    import torch

    yy, xx = np.indices((64, 64), dtype=np.float64)
    truth = 6.0 + 10 * np.exp(-((yy - 30) ** 2 + (xx - 40) ** 2) / (2 * 12**2))
    for y, x, a in ((10, 12, 60), (20, 50, 45), (45, 15, 80), (50, 48, 55), (33, 30, 35)):
        truth += a * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 2)
    forward = Measurement(np.zeros((64, 64)), CAMERA, Psf(1.5)).forward
    y = forward.sample(torch.from_numpy(truth), torch.Generator().manual_seed(0)).numpy()
    return truth, np.round(y).astype(np.float32)


@pytest.fixture(scope="session")
def draw(scene):
    """Draw samples around the object: ``draw(K, seed, scale=1.0, shift=0.0)``, (K, 64, 64)."""
    truth, _ = scene

    def make(count: int, seed: int, *, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
        generator = np.random.default_rng(seed)
        noise = generator.normal(size=(count, *truth.shape))
        samples = truth + shift + scale * np.sqrt(truth) * noise
        for site in FAINT:  # each of these is there in about half of the samples
            there = generator.uniform(size=(count, 1, 1)) < 0.5
            samples += 20 * (1 + scale * np.where(there, 1, -1)) * spot(site)
        return samples.astype(np.float32)

    return make


@pytest.fixture
def two_runs(fake_run, draw, scene):
    """Teacher and student of one law and different seeds, 16 and 24 samples."""
    _, y = scene
    teacher = fake_run(draw(16, 1), y, role="teacher", sampler="teacher", steps=18, nfe=36, seed=1)
    return teacher, fake_run(draw(24, 2), y, seed=2)
