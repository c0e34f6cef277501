"""Fixtures: runs on disk made without a network, for tests of what is shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.image import Image
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.run import Run

SIZES = {"t": 3, "c": 2, "z": 4, "y": 24, "x": 32}
STEPS = {"t": (2.0, "second"), "c": (1.0, "pixel"), "z": (0.4, "micrometer")}


def make_measured(axes: str = "yx", *, name: str = "cell", unit: str = "micrometer") -> Image:
    """Return a measurement with a bright spot in each plane, uint16 in ADU, off the origin."""
    from napari_posterior.image import Geometry, Image

    shape = tuple(SIZES[axis] for axis in axes)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    spot = 60 * np.exp(-((rows - 10) ** 2 + (columns - 18) ** 2) / 8)
    electrons = np.random.default_rng(0).poisson(np.broadcast_to(spot + 5, shape))
    steps = [STEPS.get(axis, (0.11, unit)) for axis in axes]
    geometry = Geometry(
        tuple(axes),
        tuple(step for step, _ in steps),
        tuple(unit for _, unit in steps),
        tuple(0.0 if axis == "c" else 1.5 + i for i, axis in enumerate(axes)),
    )
    return Image((2 * electrons + 100).astype(np.uint16), geometry, name)


def make_asked(image: Image, **changes: Any) -> RestoreRequest:
    """Return the request of a run of the image."""
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.runs.request import ImageRecord, RestoreRequest

    fields: dict[str, Any] = {
        "model": "tiny",
        "bundle_hash": "ab12",
        "sampler": "teacher",
        "role": "teacher",
        "steps": 4,
        "nfe": 8,
        "samples": 5,
        "seed": 0,
        "camera": Camera(gain=2.0, offset=100.0, read_noise=1.6),
        "psf": Psf(1.6),
        "image": ImageRecord.of(image),
    }
    return RestoreRequest(**{**fields, **changes})


@pytest.fixture(scope="session")
def measured_image() -> Callable[..., Image]:
    """Make a measurement with the axes given."""
    return make_measured


@pytest.fixture(scope="session")
def asked() -> Callable[..., RestoreRequest]:
    """Make the request of a run of an image; fields can be changed by keyword."""
    return make_asked


@pytest.fixture
def stored_run(tmp_path: Path) -> Callable[..., Run]:
    """Write a run of Gaussian samples around a spot; ``kept`` samples of those asked for."""
    from napari_posterior.runs.provenance import collect_provenance
    from napari_posterior.runs.store import RunWriter

    def make(
        image: Image | None = None,
        *,
        axes: str = "yx",
        spread: float = 3.0,
        kept: int | None = None,
        state: Any = "finished",
        **changes: Any,
    ) -> Run:
        image = image or make_measured(axes)
        request = make_asked(image, **changes)
        folder = tmp_path / f"{image.name}-{request.sampler}-{request.seed}.posterior.zarr"
        writer = RunWriter.create(folder, request, image, provenance=collect_provenance(request))
        electrons = (image.data.astype(np.float32) - 100) / 2
        for index in range(request.samples if kept is None else kept):
            noise = np.random.default_rng([request.seed, index]).normal(0, spread, image.data.shape)
            writer.write_sample(index, (electrons + noise).astype(np.float32))
        if state != "running":
            writer.finish(state)
        return writer.open()

    return make
