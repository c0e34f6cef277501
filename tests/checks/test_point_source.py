"""One x everywhere: a point source through simulator, likelihood, detector and stored run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_posterior.checks import build_report
from napari_posterior.image import Geometry, Image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.physics.scenes import point_source
from napari_posterior.runs.provenance import collect_provenance
from napari_posterior.runs.request import ImageRecord, RestoreRequest
from napari_posterior.runs.store import RunWriter
from napari_posterior.statistics import detect_puncta, make_context

PHOTONS, LEVEL, SIDE, PLACE = 900.0, 4.0, 48, (23.3, 24.6)
CAMERA, PSF = Camera(gain=2.1, offset=100.0, read_noise=1.2), Psf(1.8)


@pytest.fixture(scope="module")
def source():
    return point_source(SIDE, PLACE, PHOTONS)[0, 0].double()


@pytest.fixture(scope="module")
def measurement(source):
    forward = Measurement(np.zeros((SIDE, SIDE)), CAMERA, PSF).forward
    y = forward.sample(source + LEVEL, torch.Generator().manual_seed(4))
    return Measurement(y.numpy().astype(np.float32), CAMERA, PSF)


def photons_of(x: np.ndarray, threshold: float) -> float:
    found = detect_puncta(x, threshold)
    assert len(found) == 1
    assert found.positions[0] == pytest.approx(PLACE, abs=0.05)
    return float(found.amplitudes[0]) * 2 * math.pi


def test_simulator_puts_the_photoelectrons_into_the_measurement(measurement) -> None:
    noise = math.sqrt(PHOTONS + SIDE**2 * (LEVEL + CAMERA.read_noise**2))
    total = float((measurement.electrons - LEVEL).sum(dtype=np.float64))
    assert abs(total - PHOTONS) < 3 * noise


def test_likelihood_is_best_at_these_photoelectrons(source, measurement) -> None:
    scales = torch.linspace(0.7, 1.3, 121, dtype=torch.float64)
    nats = Likelihood(measurement).total(scales[:, None, None] * source + LEVEL)
    best = float(scales[nats.argmin()]) * PHOTONS
    # the information on the scale: curvature of the parabola through the minimum
    i = int(nats.argmin())
    step = float(scales[1] - scales[0])
    curvature = float(nats[i + 1] - 2 * nats[i] + nats[i - 1]) / step**2
    assert abs(best - PHOTONS) < 3 * PHOTONS / math.sqrt(curvature)


def test_detector_finds_these_photoelectrons(source, measurement) -> None:
    threshold = make_context(measurement).puncta_threshold
    assert photons_of((source + LEVEL).numpy(), threshold) == pytest.approx(PHOTONS, rel=0.02)


def test_stored_run_keeps_these_photoelectrons(source, measurement, tmp_path) -> None:
    image = Image(measurement.y, Geometry(("y", "x"), (0.1, 0.1), ("micrometer",) * 2, (0.0, 0.0)))
    runs = []
    for role, seed in (("teacher", 1), ("student", 2)):
        request = RestoreRequest(
            model="toy", bundle_hash="ab", sampler=role, role=role, steps=1, nfe=1, samples=4,
            seed=seed, camera=CAMERA, psf=PSF, image=ImageRecord.of(image),
        )  # fmt: skip
        writer = RunWriter.create(
            tmp_path / f"{role}.posterior.zarr",
            request,
            image,
            provenance=collect_provenance(request),
        )
        generator = np.random.default_rng(seed)
        for index in range(4):
            ripple = 0.2 * generator.normal(size=(SIDE, SIDE))
            writer.write_sample(index, ((source + LEVEL).numpy() + ripple).astype(np.float32))
        writer.finish("finished")
        runs.append(writer.open())
    threshold = make_context(runs[0].measurement(0)).puncta_threshold
    assert photons_of(runs[0].samples[2], threshold) == pytest.approx(PHOTONS, rel=0.02)
    assert photons_of(runs[0].mean, threshold) == pytest.approx(PHOTONS, rel=0.02)
    report = build_report(*runs)
    assert report["puncta_count"].extra["teacher_mean"] == 1
    assert report["likelihood"].extra["student_mean"] == pytest.approx(1, abs=0.1)
