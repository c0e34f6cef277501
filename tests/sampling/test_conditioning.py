from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.sampling.conditioning import VECTOR, Conditioner, Normaliser


def identity_net(maps, vector):
    """A point network that returns the measurement, with a spread of half the photon scale."""
    return maps[:, :1], torch.full_like(maps[:, :1], float(np.log(0.5)))


def make_measurement(shape=(40, 52), *, level=10.0, signal=90.0, seed=0):
    rng = np.random.default_rng(seed)
    mean = np.full(shape, level)
    mean[10:25, 10:25] += signal
    camera = Camera(gain=2.0, offset=100.0, read_noise=1.0)
    return Measurement(camera.to_adu(rng.poisson(mean).astype(float)), camera, Psf(1.5))


def test_background_level_and_photon_scale_are_found_in_photoelectrons():
    stats = Conditioner(Normaliser(), identity_net).stats([make_measurement((256, 256))])
    noise = 11.0**0.5
    assert float(stats.background) == pytest.approx(10.0, abs=noise / 2)
    assert float(stats.photon_scale) == pytest.approx(90.0, rel=0.25)


def test_empty_background_around_an_object_hardly_changes_the_photon_scale():
    small = Conditioner(Normaliser(), identity_net).stats([make_measurement((48, 48))])
    large = Conditioner(Normaliser(), identity_net).stats([make_measurement((192, 192))])
    assert float(large.photon_scale) == pytest.approx(float(small.photon_scale), rel=0.25)


def test_gain_and_offset_do_not_change_a_condition():
    measurement = make_measurement()
    electrons = measurement.camera.to_electrons(measurement.y)
    other = Camera(gain=0.5, offset=7.0, read_noise=1.0)
    moved = Measurement(other.to_adu(electrons), other, measurement.psf)
    conditioner = Conditioner(Normaliser(), identity_net)
    a, b = conditioner.prepare(measurement), conditioner.prepare(moved)
    assert torch.allclose(a.maps, b.maps, atol=1e-4)
    assert torch.allclose(a.centre, b.centre, rtol=1e-4, atol=1e-3)


def test_a_zero_residual_decodes_to_the_centre_in_photoelectrons_cropped_to_the_plane():
    measurement = make_measurement((41, 53))
    condition = Conditioner(Normaliser(), identity_net).prepare(measurement)
    assert condition.padded_shape == (48, 56)
    x = condition.decode(torch.zeros(2, 1, 48, 56))
    assert x.shape == (2, 41, 53)
    assert np.allclose(x[0].numpy(), measurement.electrons, rtol=1e-4, atol=1e-3)


def test_the_vector_names_its_entries_and_the_blind_token_withholds_all_of_them():
    conditioner = Conditioner(Normaliser(), identity_net)
    told = conditioner.prepare(make_measurement())
    blind = conditioner.prepare(make_measurement(), blind=True)
    assert told.vector.shape == (1, len(VECTOR))
    assert float(told.vector[0, 3]) == 1.0
    assert not blind.vector.any()
    assert not blind.maps[:, 1].any()


def test_statistics_of_a_stack_are_shared_by_its_planes():
    planes = [make_measurement(seed=k, signal=s) for k, s in enumerate((20.0, 200.0))]
    conditioner = Conditioner(Normaliser(), identity_net)
    stats = conditioner.stats(planes)
    alone = [conditioner.stats([plane]) for plane in planes]
    assert float(alone[0].photon_scale) < float(stats.photon_scale)
    assert float(stats.photon_scale) < 1.2 * float(alone[1].photon_scale)
    conditions = [conditioner.prepare(plane, stats=stats) for plane in planes]
    assert torch.equal(conditions[0].vector, conditions[1].vector)


def test_a_plane_of_pure_noise_has_a_finite_scale_of_the_order_of_the_noise():
    rng = np.random.default_rng(1)
    plane = Measurement(rng.normal(0.0, 2.0, (64, 64)), Camera(1.0, 0.0, 2.0), Psf())
    stats = Conditioner(Normaliser(), identity_net).stats([plane])
    assert 0.5 < float(stats.photon_scale) < 10
