from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_posterior.image import Geometry, Image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.runs.provenance import Provenance
from napari_posterior.runs.request import ImageRecord, RestoreRequest
from napari_posterior.runs.runner import PreparedJob
from napari_posterior.sampling.noise import canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class PlainCondition:
    """Only the level of a plane: enough for a sampler that adds noise to it."""

    level: torch.Tensor


@dataclass
class NoisySampler:
    """Adds the noise canvas to the level of the plane, in `nfe` pretended network calls.

    Where `needs_noise`, every call but the last one mixes in fresh noise.
    """

    nfe: int = 4
    needs_noise: bool = False
    name: str = "noisy"
    role: str = "teacher"
    before: Callable[[int, int], None] = lambda samples, call: None
    drawn: list[int] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return self.nfe

    def draw(
        self,
        z: torch.Tensor,
        cond: Any,
        on_step: Any = None,
        *,
        fresh: Any = None,
        on_estimate: Any = None,
    ) -> torch.Tensor:
        for call in range(1, self.nfe + 1):
            self.before(len(z), call)
            if self.needs_noise and call < self.nfe:
                z = 0.6 * z + 0.8 * fresh(call)
            if on_estimate is not None:
                on_estimate(lambda call=call, z=z: (cond.level + call * z[:, 0])[0])
            if on_step is not None:
                on_step(call, self.nfe)
        self.drawn.append(len(z))
        return cond.level + 3 * z[:, 0]


@pytest.fixture
def make_image() -> Callable[..., Image]:
    def make(axes: str = "yx", size: tuple[int, ...] = (24, 32), seed: int = 0) -> Image:
        data = np.random.default_rng(seed).poisson(40, size).astype(np.uint16)
        known = {"t": (2.0, "second"), "c": (1.0, "pixel"), "z": (0.4, "micrometer")}
        steps = [known.get(axis, (0.11, "micrometer")) for axis in axes]
        geometry = Geometry(
            tuple(axes),
            tuple(step for step, _ in steps),
            tuple(unit for _, unit in steps),
            tuple(0.5 * i for i in range(len(axes))),
        )
        return Image(data, geometry, "cell", "cell.tif")

    return make


@pytest.fixture
def make_request(make_image: Callable[..., Image]) -> Callable[..., RestoreRequest]:
    def make(image: Image | None = None, **changes: Any) -> RestoreRequest:
        fields: dict[str, Any] = {
            "model": "fluo2d",
            "bundle_hash": "ab12",
            "sampler": "noisy",
            "role": "teacher",
            "steps": 4,
            "nfe": 4,
            "samples": 6,
            "seed": 0,
            "camera": Camera(gain=2.1, offset=100.0, read_noise=1.6),
            "psf": Psf(1.6),
            "batch": 2,
            "image": ImageRecord.of(image or make_image()),
        }
        return RestoreRequest(**{**fields, **changes})

    return make


@pytest.fixture
def make_job() -> Callable[..., PreparedJob]:
    def make(
        request: RestoreRequest, sampler: NoisySampler | None = None, **options: Any
    ) -> PreparedJob:
        height, width = request.image.shape[-2:]
        conditions = [
            PlainCondition(torch.full((1, height, width), 10.0 * plane))
            for plane in range(request.image.n_planes)
        ]

        def noise(samples: Sequence[int], plane: int, *, step: int = 0) -> torch.Tensor:
            return canvas(samples, (height, width), seed=request.seed, plane=plane, step=step)

        return PreparedJob(request, conditions, sampler or NoisySampler(), noise, **options)

    return make


@pytest.fixture
def noisy_sampler() -> type[NoisySampler]:
    return NoisySampler


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        package="0.1.0",
        python="3.11",
        torch="2.13",
        numpy="2.4",
        platform="Linux",
        device="cpu",
        threads=1,
        bundle="fluo2d",
        bundle_hash="ab12",
        weights_hash="cd34",
        date="2026-11-20T00:00:00+00:00",
    )
