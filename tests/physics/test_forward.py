from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.blur import blur_gaussian, convolve
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf, gaussian_blur
from napari_posterior.physics.scenes import point_source


@pytest.mark.parametrize("sigma", [1.0, 1.1, 1.6, 3.0])
def test_a_point_source_seen_through_the_psf_has_the_width_of_the_psf(sigma):
    x = point_source(64, (31.3, 32.6), 1000.0).double()
    y = ForwardModel(Camera(), Psf(sigma)).mean(x)[0, 0]
    at = torch.arange(64.0, dtype=torch.float64)
    total = y.sum()
    row, column = (y.sum(1) * at).sum() / total, (y.sum(0) * at).sum() / total
    variance = (y.sum(1) * (at - row) ** 2).sum() / total
    assert total == pytest.approx(1000.0, rel=1e-5)
    assert (row, column) == (pytest.approx(31.3, abs=1e-4), pytest.approx(32.6, abs=1e-4))
    assert variance.sqrt() == pytest.approx(sigma, rel=1e-3)


def test_blurs_add_in_quadrature_even_below_a_pixel():
    x = point_source(64, (30.2, 33.7), 1.0)
    twice = gaussian_blur(gaussian_blur(x, 0.3), 0.4)
    assert torch.allclose(twice, gaussian_blur(x, 0.5), atol=1e-7)


def test_one_sigma_for_each_image_equals_one_call_each():
    # wide enough a spot that nothing is left at the Nyquist frequency, where frames differ
    x = gaussian_blur(point_source(48, (22.4, 25.1), 100.0), 1.5).repeat(3, 1, 1, 1)
    sigma = torch.tensor([0.0, 0.7, 2.0])[:, None, None, None]
    together = gaussian_blur(x, sigma)
    for k, value in enumerate((0.0, 0.7, 2.0)):
        assert torch.allclose(together[k], gaussian_blur(x[k], value), atol=1e-5)


def test_blur_keeps_a_constant_and_the_mean_of_a_mirrored_image():
    assert torch.allclose(gaussian_blur(torch.full((9, 5), 3.0), 4.0), torch.tensor(3.0))


def test_a_psf_at_the_target_leaves_the_object_as_it_is():
    x = torch.rand(1, 1, 16, 16)
    assert torch.equal(ForwardModel(Camera(), Psf(1.0)).mean(x), x)


def test_a_psf_narrower_than_the_target_is_refused_with_the_reason():
    with pytest.raises(InputError, match="narrower than the target resolution"):
        Psf(0.8)


@pytest.mark.parametrize(
    "bad", [{"gain": 0.0}, {"gain": float("nan")}, {"read_noise": -1.0}, {"offset": float("inf")}]
)
def test_a_camera_that_cannot_be_is_refused(bad):
    with pytest.raises(InputError, match="camera"):
        Camera(**bad)


def test_measurements_have_the_mean_and_variance_of_the_forward_model():
    forward = ForwardModel(Camera(gain=2.0, offset=100.0, read_noise=3.0), Psf(1.5), background=4.0)
    x = torch.full((1, 400, 400), 20.0)
    y = forward.sample(x, torch.Generator().manual_seed(0))
    n = y.numel()
    expected = 2.0**2 * (24.0 + 9.0)
    assert y.mean() == pytest.approx(100 + 2 * 24, abs=4 * (expected / n) ** 0.5)
    assert y.var() == pytest.approx(expected, rel=4 * (2 / n) ** 0.5)


def test_a_measurement_in_electrons_undoes_gain_and_offset():
    y = np.array([[100, 300], [90, 110]], np.uint16)
    measurement = Measurement(y, Camera(gain=2.0, offset=100.0), Psf())
    assert measurement.electrons.dtype == np.float32
    assert measurement.electrons.tolist() == [[0.0, 100.0], [-5.0, 5.0]]


def spot(shape, sigma):
    """A sampled Gaussian of sum 1, sigma one an axis."""
    lines = [
        np.exp(-0.5 * ((np.arange(n) - n // 2) / s) ** 2) for n, s in zip(shape, sigma, strict=True)
    ]
    kernel = lines[0]
    for line in lines[1:]:
        kernel = np.multiply.outer(kernel, line)
    return kernel / kernel.sum()


def lopsided(shape):
    """A PSF without any symmetry, so that a flipped or shifted convolution shows."""
    kernel = spot(shape, [1.4] * len(shape))
    for axis, by in enumerate((2, 1, 1)[: len(shape)]):
        kernel = kernel + 0.3 * np.roll(kernel, by, axis)
    return kernel / kernel.sum()


SCIPY_MODES = {"mirror": "mirror", "zero": "constant", "periodic": "wrap"}


@pytest.mark.parametrize("boundary", SCIPY_MODES)
@pytest.mark.parametrize("method", ["fft", "direct"])
@pytest.mark.parametrize("shape", [(24, 31), (12, 20, 17)])
def test_a_convolution_is_the_sum_over_the_stated_surroundings(boundary, method, shape):
    x = np.random.default_rng(0).random((2, *shape))
    kernel = lopsided((9, 11, 7)[: len(shape)])
    seen = convolve(torch.from_numpy(x), kernel, boundary=boundary, method=method)
    for k in range(2):
        told = ndimage.convolve(x[k], kernel, mode=SCIPY_MODES[boundary])
        assert seen[k].numpy() == pytest.approx(told, abs=1e-12)


@pytest.mark.parametrize("boundary", SCIPY_MODES)
@pytest.mark.parametrize("sigma", [1.5, 2.4, 6.0])
def test_fft_and_direct_gaussian_blurs_agree(boundary, sigma):
    x = torch.rand(3, 50, 71, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    by_fft = blur_gaussian(x, sigma, boundary=boundary, method="fft")
    directly = blur_gaussian(x, sigma, boundary=boundary, method="direct")
    assert (by_fft - directly).abs().max() < 1e-6
    single = blur_gaussian(x.float(), sigma, boundary=boundary, method="direct")
    assert (by_fft - single).abs().max() < 1e-5
    assert torch.equal(
        blur_gaussian(x, sigma, boundary=boundary),
        directly if sigma * 5.5 < 70 else by_fft,
    )


def test_fft_and_direct_gaussian_blurs_of_stacks_agree():
    x = torch.rand(2, 7, 40, 33, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for sigma in ((1.6, 2.0, 2.0), (4.0, 1.5, 1.5), (0.0, 3.0, 3.0)):
        by_fft = blur_gaussian(x, sigma, method="fft")
        assert (by_fft - blur_gaussian(x, sigma, method="direct")).abs().max() < 1e-6


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_many_images_give_what_each_gives_alone_and_so_do_their_gradients(method):
    x = torch.rand(40, 160, 150, generator=torch.Generator().manual_seed(0))
    together = blur_gaussian(x, 2.0, method=method)
    assert (together[17] - blur_gaussian(x[17], 2.0, method=method)).abs().max() < 1e-6
    x.requires_grad_()
    tracked = blur_gaussian(x, 2.0, method=method)
    assert (tracked - together).abs().max() < 1e-6
    tracked[17].sum().backward()
    assert float(x.grad[17].sum()) == pytest.approx(160 * 150, rel=1e-5)
    assert float(x.grad[16].abs().max()) == 0.0


def test_a_mirrored_blur_is_that_of_an_image_mirrored_as_often_as_needed():
    x = torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wide = np.pad(x.numpy(), 40, mode="reflect")
    told = blur_gaussian(torch.from_numpy(wide), 3.0, boundary="zero")[40:44, 40:46]
    assert (blur_gaussian(x, 3.0) - told).abs().max() < 1e-6


@pytest.mark.parametrize("sigma", [(1.0, 1.0), (1.4, 2.0), (2.5, 1.6)])
def test_a_point_in_a_stack_has_the_widths_of_the_psf_of_the_stack(sigma):
    axial, lateral = sigma
    x = torch.from_numpy(1000.0 * spot((31, 41, 41), (1.0, 1.0, 1.0)))
    y = ForwardModel(Camera(), Psf(lateral, axial)).mean(x)
    assert float(y.sum()) == pytest.approx(1000.0, rel=1e-6)
    expected = 1000.0 * spot((31, 41, 41), (axial, lateral, lateral))
    assert y.numpy() == pytest.approx(expected, abs=2e-3 * expected.max())


@pytest.mark.parametrize(("shape", "sigma"), [((40, 44), (2.0, 2.0)), ((16, 30, 28), (1.7, 2, 2))])
def test_a_sampled_gaussian_acts_as_the_gaussian_it_samples(shape, sigma):
    sizes = (15, 25, 25)[-len(shape) :]
    x = torch.zeros(shape, dtype=torch.float64)
    x[tuple(n // 2 for n in shape)] = 100.0
    x = blur_gaussian(x, [1.0] * len(shape))
    axial = sigma[0] if len(shape) == 3 else None
    exact = ForwardModel(Camera(), Psf(2.0, axial)).mean(x)
    sampled = ForwardModel(Camera(), Psf(kernel=spot(sizes, sigma))).mean(x)
    assert (exact - sampled).abs().max() < 0.01 * exact.max()


def test_a_sampled_psf_makes_a_point_at_the_target_look_like_itself():
    psf = Psf(kernel=lopsided((21, 21)))
    x = torch.from_numpy(100.0 * spot((41, 41), (1.0, 1.0)))
    y = ForwardModel(Camera(), psf).mean(x).numpy() / 100.0
    half = psf.kernel.shape[0] // 2
    seen = y[20 - half : 21 + half, 20 - half : 21 + half]
    off = np.linalg.norm(seen - psf.kernel)
    assert off <= 1.5 * psf.misfit * np.linalg.norm(psf.kernel) + 1e-6
    assert off < 0.02 * np.linalg.norm(psf.kernel)


def test_a_psf_that_does_not_fit_the_image_is_refused_with_what_to_do():
    forward = ForwardModel(Camera(), Psf(kernel=spot((21, 21), (2.0, 2.0))))
    with pytest.raises(InputError, match="is larger than the image of 16 x 40 px"):
        forward.mean(torch.zeros(16, 40))
    with pytest.raises(InputError, match="that of a stack and the image has 2 axes"):
        ForwardModel(Camera(), Psf(2.0, 2.0)).mean(torch.zeros(16, 16))


FORWARDS = {
    "narrow": (Psf(1.2), (30, 26)),
    "gaussian": (Psf(2.4), (30, 26)),
    "sampled": (Psf(kernel=lopsided((13, 11))), (30, 26)),
    "stack": (Psf(1.9, 2.4), (9, 18, 14)),
    "sampled stack": (Psf(kernel=lopsided((9, 13, 11))), (9, 18, 14)),
}


@pytest.mark.parametrize("binning", [1, 2])
@pytest.mark.parametrize("boundary", SCIPY_MODES)
@pytest.mark.parametrize("name", FORWARDS)
def test_the_adjoint_passes_the_dot_product_test(name, boundary, binning):
    psf, shape = FORWARDS[name]
    forward = ForwardModel(Camera(), psf, background=3.0, binning=binning, boundary=boundary)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        generator = torch.Generator().manual_seed(4)
        x = torch.rand(2, *shape, dtype=dtype, generator=generator)
        seen = forward.mean(x) - 3.0
        v = torch.rand(seen.shape, dtype=dtype, generator=generator)
        left, right = (seen * v).sum(), (x * forward.adjoint(v)).sum()
        assert float(left) == pytest.approx(float(right), rel=tolerance)


def test_binning_adds_up_the_electrons():
    x = torch.rand(2, 12, 8, generator=torch.Generator().manual_seed(0))
    fine = ForwardModel(Camera(), Psf(1.5)).mean(x)
    binned = ForwardModel(Camera(), Psf(1.5), background=7.0, binning=2).mean(x)
    assert binned.shape == (2, 6, 4)
    assert float(binned[1, 2, 3]) == pytest.approx(float(fine[1, 4:6, 6:8].sum()) + 7.0, rel=1e-5)
    with pytest.raises(InputError, match="binning by 3 does not divide 12 x 8 pixels; crop"):
        ForwardModel(Camera(), Psf(1.5), binning=3).mean(x)


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_binned_measurement_has_the_mean_and_noise_of_its_binned_camera(stage):
    camera = Camera(gain=2.0, offset=100.0, read_noise=3.0)
    forward = ForwardModel(camera, Psf(), background=4.0, binning=2, binning_stage=stage)
    binned = forward.binned_camera
    assert binned.typical == ((2.0, 100.0, 3.0) if stage == "before" else (2.0, 400.0, 6.0))
    x = torch.full((400, 600), 5.0)
    y = forward.sample(x, seed=0)
    variance = 2.0**2 * (24.0 + binned.typical.read_noise**2)
    mean = 2.0 * 24.0 + binned.typical.offset
    assert float(forward.mean_adu(x).mean()) == pytest.approx(mean, rel=1e-6)
    assert y.mean() == pytest.approx(mean, abs=4 * (variance / y.numel()) ** 0.5)
    assert y.var() == pytest.approx(variance, rel=4 * (2 / y.numel()) ** 0.5)


def test_pixels_read_out_one_by_one_bring_their_own_maps_and_rounding_to_the_sum():
    rng = np.random.default_rng(0)
    camera = Camera(
        gain=rng.uniform(0.4, 0.6, (200, 300)),
        offset=rng.uniform(90, 110, (200, 300)),
        read_noise=rng.uniform(1, 2, (200, 300)),
        bits=12,
    )
    forward = ForwardModel(camera, Psf(), binning=2, binning_stage="after")
    binned = forward.binned_camera
    assert binned.shape == (100, 150)
    assert binned.offset[3, 4] == pytest.approx(camera.offset[6:8, 8:10].sum())
    assert binned.saturation == 4 * 4095
    x = torch.full((50, 200, 300), 30.0)
    y = forward.sample(x, seed=1)
    mean = forward.mean_adu(x)
    noise = (binned.gain**2 * (120.0 + binned.read_noise**2)) ** 0.5
    z = ((y - mean) / torch.from_numpy(noise)).float()
    assert z.mean() == pytest.approx(0.0, abs=4 / z.numel() ** 0.5)
    # the gains of a block differ, which the mean gain leaves out: 1.3 % of the variance here
    assert z.std() == pytest.approx(1.0, abs=0.01)
    assert torch.equal(y, y.round())


def test_a_measurement_with_bits_has_whole_levels_and_is_clipped():
    camera = Camera(gain=2.0, offset=3.0, read_noise=4.0, bits=8)
    x = torch.cat([torch.full((20, 40), 2.0), torch.full((20, 40), 300.0)])
    y = ForwardModel(camera, Psf()).sample(x, seed=0)
    assert torch.equal(y, y.round())
    assert (float(y.min()), float(y.max())) == (0.0, 255.0)
    full = ForwardModel(Camera(saturation=50.0), Psf()).sample(x, seed=0)
    assert float(full.max()) == 50.0
    assert not torch.equal(full[0], full[0].round())


def test_a_seed_gives_the_same_measurement_again():
    forward = ForwardModel(Camera(), Psf(1.3))
    x = torch.full((3, 16, 16), 8.0)
    drawn = forward.sample(x, torch.Generator().manual_seed(5))
    assert torch.equal(forward.sample(x, seed=5), drawn)
    assert not torch.equal(forward.sample(x, seed=6), drawn)
    with pytest.raises(InputError, match="a generator or a seed, not both"):
        forward.sample(x, torch.Generator(), seed=5)


def test_maps_of_another_shape_are_refused():
    forward = ForwardModel(Camera(offset=np.zeros((8, 8))), Psf())
    with pytest.raises(InputError, match="the camera maps have 8 x 8 pixels"):
        forward.sample(torch.ones(16, 16), seed=0)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"background": -1.0}, "background is -1"),
        ({"background": float("nan")}, "background is nan"),
        ({"binning": 0}, "binning is 0; give a whole number"),
        ({"binning": 1.5}, "binning is 1.5"),
        ({"binning_stage": "during"}, "give 'before' or 'after'"),
        ({"boundary": "edge"}, "give 'mirror' or 'zero' or 'periodic'"),
    ],
)
def test_a_forward_model_that_cannot_be_is_refused(choice, told):
    with pytest.raises(InputError, match=told):
        ForwardModel(Camera(), Psf(), **choice)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", FORWARDS)
def test_a_gpu_gives_what_the_cpu_gives(name):
    psf, shape = FORWARDS[name]
    forward = ForwardModel(Camera(), psf, background=3.0)
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    assert (forward.mean(x.cuda()).cpu() - forward.mean(x)).abs().max() < 1e-5
