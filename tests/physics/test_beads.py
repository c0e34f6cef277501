from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.beads import measure_beads
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.kernel import fit_gaussian, shift
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from pathlib import Path

PLACES = [(20.3, 22.7), (24.6, 78.1), (71.5, 30.2), (75.9, 80.4), (48.2, 52.9)]


def field(shape=(100, 104), sigma=(2.2, 2.2), photons=20000.0, places=PLACES, tail=0.0):
    """Beads without noise; `tail` is the share of light in a second, shifted lobe."""
    image = np.zeros(shape)
    for place in places:
        for share, move in ((1 - tail, 0.0), (tail, 3.0)):
            at = (*place[:-1], place[-1] + move)
            lines = [
                np.exp(-0.5 * ((np.arange(n) - c) / s) ** 2) / (np.sqrt(2 * np.pi) * s)
                for n, c, s in zip(shape, at, sigma, strict=True)
            ]
            spot = lines[0]
            for line in lines[1:]:
                spot = np.multiply.outer(spot, line)
            image += share * photons * spot
    return image


def recorded(image, seed=0, background=20.0):
    rng = np.random.default_rng(seed)
    y = 2.0 * (rng.poisson(image + background) + rng.normal(0, 1.5, image.shape)) + 100
    return y.round()


def test_beads_of_known_width_give_a_psf_of_that_width():
    found = measure_beads(recorded(field()))
    assert len(found.beads) == 5
    assert found.psf.source == "measured"
    assert found.psf.sigma == pytest.approx(2.2, rel=0.01)
    assert found.scatter < 0.02
    placed = np.array(sorted(bead.position for bead in found.beads))
    assert placed == pytest.approx(np.array(sorted(PLACES)), abs=0.05)
    assert fit_gaussian(found.psf.kernel).elongation == pytest.approx(1.0, abs=0.02)


def test_beads_of_a_stack_give_its_axial_width_too():
    places = [(10.3, *PLACES[0]), (12.2, *PLACES[1]), (11.5, *PLACES[2]), (11.1, *PLACES[3])]
    stack = recorded(field((24, 100, 104), (2.6, 1.8, 1.8), 60000.0, places))
    psf = Psf.measured(stack)
    assert psf.ndim == 3
    assert psf.sigma == pytest.approx(1.8, rel=0.01)
    assert psf.axial_sigma == pytest.approx(2.6, rel=0.01)


def test_the_shape_of_the_beads_is_kept_not_only_their_width():
    shape = (33, 33)
    known = field(shape, (2.0, 2.0), 1.0, [(16.0, 15.2)], tail=0.2)
    psf = Psf.measured(recorded(field(sigma=(2.0, 2.0), tail=0.2, photons=50000.0)))
    expected = Psf(kernel=known).kernel
    half = min(psf.kernel.shape[0], expected.shape[0]) // 2

    def middle(kernel):
        rows, columns = (slice(n // 2 - half, n // 2 + half + 1) for n in kernel.shape)
        return kernel[rows, columns]

    off = np.linalg.norm(middle(psf.kernel) - middle(expected)) / np.linalg.norm(expected)
    round_one = Psf(kernel=field(shape, (psf.sigma,) * 2, 1.0, [(16.0, 16.0)])).kernel
    off_round = np.linalg.norm(middle(round_one) - middle(expected)) / np.linalg.norm(expected)
    assert off < 0.02
    assert off < 0.3 * off_round


def test_more_beads_lower_the_noise_of_the_psf():
    errors = []
    for count in (3, 5):
        image = recorded(field((100, 104), photons=4000.0, places=PLACES[:count]), seed=5)
        kernel = measure_beads(image, size=(15, 15)).psf.kernel
        exact = field((15, 15), photons=1.0, places=[(7.0, 7.0)])
        errors.append(np.linalg.norm(kernel - exact / exact.sum()))
    assert errors[1] < errors[0] < 0.05 * np.linalg.norm(exact)


def test_what_is_no_usable_bead_is_left_out_and_told():
    extra = [(46.0, 18.0), (54.0, 18.0), (97.0, 60.0)]
    image = field(places=[*PLACES, *extra])
    image += field(photons=100000.0, sigma=(4.5, 4.5), places=[(50.0, 84.0)])
    found = measure_beads(recorded(image))
    assert len(found.beads) == 5
    assert "at the edge" in found.left_out
    assert "too close to another" in found.left_out
    assert "of another size" in found.left_out
    assert found.psf.sigma == pytest.approx(2.2, rel=0.02)


CLEAN = recorded(field())


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.full((64, 64), 7.0), "is flat"),
        (np.where(CLEAN > 1000, np.nan, CLEAN), "NaN or infinite"),
        (CLEAN[50], "has shape"),
        (CLEAN[None].repeat(3, 0), "has 3 planes"),
        (CLEAN.clip(None, 700), r"5 clipped\); expose for shorter"),
        ((CLEAN / 4).clip(0, 255).astype(np.uint8), r"5 clipped\); expose for shorter"),
        (recorded(field(places=PLACES[:2])), "only 2 of 2 beads can be used and 3 are needed"),
        (recorded(field(photons=900.0)), "too dim"),
        (recorded(field(sigma=(4.5, 2.0))), "elongated"),
        (recorded(np.zeros((100, 104))), "no beads|too dim"),
        (recorded(field(sigma=(16.0, 16.0), photons=1e6)), "too large for points"),
    ],
)
def test_an_image_without_usable_beads_is_refused_with_the_reason(image, told):
    with pytest.raises(InputError, match=told):
        Psf.measured(image)


def test_the_size_of_the_psf_can_be_chosen_as_far_as_the_image_reaches():
    assert Psf.measured(CLEAN, size=(13, 15)).kernel.shape == (13, 15)
    with pytest.raises(InputError, match="reaches over the edge"):
        Psf.measured(CLEAN, size=(61, 61))
    with pytest.raises(InputError, match="2 odd whole numbers"):
        Psf.measured(CLEAN, size=(12, 15))


@pytest.fixture(scope="module")
def bead_stack(real_data: Path) -> np.ndarray:
    return np.asarray(tifffile.imread(real_data / "mpicbg_beads_confocal_zstack.tif"))


PIXEL, STEP = 0.0225, 0.125  # um, of the bead file


def width_at_half(profile: np.ndarray) -> float:
    """Full width at half maximum in samples, by linear interpolation."""
    half, peak = profile.max() / 2, int(profile.argmax())
    left = np.flatnonzero(profile[:peak] < half)[-1]
    right = peak + np.flatnonzero(profile[peak:] < half)[0]
    before = left + (half - profile[left]) / (profile[left + 1] - profile[left])
    after = right - (half - profile[right]) / (profile[right - 1] - profile[right])
    return float(after - before)


@pytest.mark.realdata
def test_real_beads_agree_and_have_the_widths_of_a_confocal_microscope(bead_stack):
    found = measure_beads(bead_stack)
    assert (len(found.beads), found.left_out) == (4, ())
    assert found.scatter < 0.02
    assert found.axial_scatter < 0.02
    assert found.psf.misfit < 0.01
    z, y, x = np.array(found.psf.kernel.shape) // 2
    kernel = found.psf.kernel
    assert width_at_half(kernel[z, y]) * PIXEL == pytest.approx(0.175, abs=0.03)
    assert width_at_half(kernel[z, :, x]) * PIXEL == pytest.approx(0.235, abs=0.03)
    assert width_at_half(kernel[:, y, x]) * STEP == pytest.approx(0.60, abs=0.1)


@pytest.mark.realdata
@pytest.mark.parametrize("number", range(4))
def test_three_real_beads_tell_what_the_fourth_looks_like(bead_stack, number):
    other = measure_beads(bead_stack).beads[number]
    centre = np.rint(other.position).astype(int)
    without = bead_stack.copy()
    row, column = centre[1:]
    without[:, max(row - 18, 0) : row + 19, max(column - 18, 0) : column + 19] = 1
    psf = Psf.measured(without)
    box = tuple(
        slice(c - n // 2, c + n // 2 + 1) for c, n in zip(centre, psf.kernel.shape, strict=True)
    )
    seen = bead_stack[box] - 1.5  # the background of these planes is 1 to 2

    def unexplained(kernel):
        expected = shift(kernel, np.array(other.position) - centre)
        scale = (seen * expected).sum() / (expected**2).sum()
        near = expected > 0.05 * expected.max()
        return np.linalg.norm((seen / scale - expected)[near]) / np.linalg.norm(expected[near])

    at = np.meshgrid(*(np.arange(n) - n // 2 for n in psf.kernel.shape), indexing="ij")
    widths = (psf.axial_sigma, psf.sigma, psf.sigma)
    gaussian = np.exp(-0.5 * sum((a / w) ** 2 for a, w in zip(at, widths, strict=True)))
    assert unexplained(psf.kernel) < 0.13
    assert unexplained(psf.kernel) < 0.45 * unexplained(gaussian)


@pytest.mark.realdata
def test_the_real_bead_psf_explains_the_line_grid_better_than_wrong_ones_do(real_data, bead_stack):
    grid = tifffile.imread(real_data / "mpicbg_line_grid_confocal_zstack.tif")
    y = torch.tensor(grid[:, 50:90].astype(np.float32) - 1.0)  # dark pixels have the level 1
    psf = Psf.measured(bead_stack)
    kernel = psf.kernel
    others = {
        "measured": psf,
        "mirrored": Psf(kernel=kernel[:, :, ::-1]),
        "gaussian": Psf(psf.sigma, psf.axial_sigma),
    }
    misfit = {}
    for name, other in others.items():
        forward = ForwardModel(Camera(), other, background=0.02)
        restored = richardson_lucy(forward, y, rounds=20)
        assert float(restored.mean()) == pytest.approx(float(y.mean()), rel=0.05)
        # the lines run along the rows, so their mean has little noise
        left = (y - forward.mean(restored)).mean(1)[2:-2]
        misfit[name] = float(left.square().mean().sqrt())
        if name == "measured":
            sharp, blurred = restored.mean(1)[10].numpy(), y.mean(1)[10].numpy()
            assert width_at_half(sharp[25:60]) < 0.75 * width_at_half(blurred[25:60])
    assert misfit["measured"] < 0.06 * float(y.max())
    assert misfit["measured"] < 0.93 * min(misfit["mirrored"], misfit["gaussian"])


def richardson_lucy(forward: ForwardModel, y: torch.Tensor, rounds: int) -> torch.Tensor:
    """W.H. Richardson 1972, L.B. Lucy 1974."""
    x = torch.full_like(y, float(y.mean()))
    light = forward.adjoint(torch.ones_like(y))
    for _ in range(rounds):
        ratio = y / forward.mean(x).clamp_min(1e-3)
        x = (x * forward.adjoint(ratio) / light).clamp_min(1e-6)
    return x
