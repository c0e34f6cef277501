"""The self-test of a bundle: one measurement, its noise, and what every sampler makes of them.

The file is written with the bundle and read on other machines: it says whether the same y and z
still give the same x there. What is expected was computed on a CPU in float32, so that its last
digits depend on where that was; neither they nor the file decide a sample, and ``weights_hash``
leaves them out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_posterior.bundles.checksums import file_record
from napari_posterior.bundles.weights import unpack_weights
from napari_posterior.errors import InputError, ModelError
from napari_posterior.networks.registry import STRIDE
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.sampling.noise import canvas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.card import Interval, ModelCard, TrainingRange

__all__ = [
    "SELFTEST_FILE",
    "TOLERANCE",
    "SelfTest",
    "SelfTestResult",
    "check_selftest",
    "has_selftest",
    "make_selftest",
    "read_selftest",
]

SELFTEST_FILE: Final = "selftest.safetensors"
"""Where it lies in the folder of a bundle."""

TOLERANCE: Final = 1e-2
"""Largest difference that passes, in standard deviations of the expected output.

A model as large as the shipped one differs by 3e-6 on a CPU with other instructions, by 4e-3 with
convolutions rounded to TF32, as GPUs may do them, and by 2e-2 in bfloat16, which is another
sampler. Weights that are each off by a per cent give 5e-2 or more, by a thousandth 5e-3: such pass.
"""

_SHAPE: Final = (30, 35)
"""Height and width of the field: neither square nor multiples of the stride of the networks."""

_GAIN, _OFFSET = 2.0, 100.0
_SEED: Final = 20_240_229
_SAMPLER: Final = "sampler."


@dataclass(frozen=True)
class SelfTest:
    """What the file holds.

    Attributes
    ----------
    measurement : Measurement
        A simulated field, (H, W), with its camera and PSF.
    noise : Tensor, (steps, 1, Hp, Wp), float32
        The canvas that draws start from, then the fresh noise of each later step.
    expected : dict of str to Tensor, (H, W), float32
        What each sampler gives at its default steps, photoelectrons per pixel.
    """

    measurement: Measurement
    noise: Tensor
    expected: dict[str, Tensor]


@dataclass(frozen=True)
class SelfTestResult:
    """How far a bundle is from what it gave when it was written.

    Attributes
    ----------
    device : str
        Where it was computed.
    differences : dict of str to float
        Of each sampler the largest absolute difference of a pixel, over the standard deviation of
        the expected output; infinite where the output is not finite.
    """

    device: str
    differences: dict[str, float]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the samplers that differ by more than `TOLERANCE`."""
        return tuple(name for name, value in self.differences.items() if value > TOLERANCE)

    @property
    def passed(self) -> bool:
        """Whether every sampler gives what is expected."""
        return not self.failed

    @property
    def words(self) -> str:
        """The outcome in a phrase, with the largest difference."""
        worst = f"{max(self.differences.values()):.3g} of the picture's sd"
        if self.passed:
            return f"self-test passed on {self.device}, off by at most {worst}"
        names = ", ".join(map(repr, self.failed))
        return (
            f"self-test failed on {self.device}, {names} off by up to {worst} where "
            f"{TOLERANCE:g} is allowed"
        )


def make_selftest(bundle: Bundle) -> dict[str, Tensor]:
    """Simulate a field in the middle of the training range and draw from it with every sampler.

    Parameters
    ----------
    bundle : Bundle
        Whose samplers are asked, at their default steps and in float32.

    Returns
    -------
    dict of str to Tensor
        All float32: ``"measurement"`` (H, W) in ADU; ``"camera"`` (3,): gain, offset and read
        noise; ``"psf_sigma"`` (1,) in pixels; ``"noise"`` (steps, 1, Hp, Wp); and for each sampler
        ``"sampler.NAME"`` (H, W) in photoelectrons per pixel.

    Raises
    ------
    ModelError
        If the weights do not fit, or a sampler gives numbers that are not finite.
    """
    tensors = _simulate(bundle.card.training_range)
    steps, _, height, width = _noise_shape(bundle, _SHAPE)
    size = (height, width)
    noise = torch.cat([canvas([0], size, seed=_SEED, step=step) for step in range(steps)])
    drawn = _draw(bundle, _measurement(tensors), noise, "cpu")
    for name, x in drawn.items():
        if not torch.isfinite(x).all():
            raise ModelError(
                f"the sampler {name!r} gives numbers that are not finite: its training has "
                "diverged; train it again at a lower rate"
            )
    return {**tensors, "noise": noise, **{f"{_SAMPLER}{name}": x for name, x in drawn.items()}}


def has_selftest(card: ModelCard) -> bool:
    """Whether a self-test came with a bundle: earlier ones have none."""
    return SELFTEST_FILE in card.files


def read_selftest(bundle: Bundle) -> SelfTest:
    """Read the self-test of a bundle.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.

    Raises
    ------
    ModelError
        If it came without one; the file changed; or it does not hold exactly what
        :func:`make_selftest` gives for the samplers of this bundle, in its shapes and finite.
    """
    path = bundle.folder / SELFTEST_FILE
    listed = bundle.card.files.get(SELFTEST_FILE)
    if listed is None:
        raise ModelError(f"no self-test came with the model {bundle.card.name!r}; write it again")
    try:
        same, data = file_record(path) == listed, path.read_bytes()
    except OSError as error:
        raise ModelError(f"the file {path} cannot be read ({error.strerror or error})") from error
    if not same:
        raise ModelError(f"the file {path} does not match its checksum; get the bundle again")
    tensors = unpack_weights(data, path)
    shape = tuple(tensors["measurement"].shape) if "measurement" in tensors else _SHAPE
    if len(shape) != 2 or 0 in shape:
        raise ModelError(f"'measurement' in {path} has shape {shape}; get the bundle again")
    wanted: dict[str, tuple[int, ...]] = {
        "measurement": shape,
        "camera": (3,),
        "psf_sigma": (1,),
        "noise": _noise_shape(bundle, shape),
        **{f"{_SAMPLER}{name}": shape for name in bundle.names},
    }
    for key in sorted(wanted.keys() | tensors.keys()):
        if key not in tensors:
            raise ModelError(f"the file {path} lacks {key!r}; get the bundle again")
        if key not in wanted:
            raise ModelError(
                f"the file {path} holds {key!r}, which the bundle lacks; get the bundle again"
            )
        if tuple(tensors[key].shape) != wanted[key]:
            raise ModelError(
                f"{key!r} in {path} has shape {tuple(tensors[key].shape)} instead of "
                f"{wanted[key]}; get the bundle again"
            )
    try:
        measurement = _measurement(tensors)
    except InputError as error:
        raise ModelError(f"the file {path} holds no measurement ({error})") from error
    expected = {name: tensors[f"{_SAMPLER}{name}"] for name in bundle.names}
    return SelfTest(measurement, tensors["noise"], expected)


def check_selftest(bundle: Bundle, device: str | torch.device = "cpu") -> SelfTestResult:
    """Draw again what the self-test of a bundle holds, and say how far off it is.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.
    device : str or torch.device
        Where to compute.

    Raises
    ------
    ModelError
        As :func:`read_selftest`, or if the weights do not fit.
    """
    test = read_selftest(bundle)
    drawn = _draw(bundle, test.measurement, test.noise, device)
    return SelfTestResult(
        str(device), {name: _difference(drawn[name], x) for name, x in test.expected.items()}
    )


def _simulate(trained: TrainingRange) -> dict[str, Tensor]:
    """Two spots and a line over a background, through a Poisson-Gaussian camera, in ADU."""
    peak, sigma, read = (
        _middle(ends) for ends in (trained.peak, trained.psf_sigma, trained.read_noise)
    )
    row, column = np.mgrid[: _SHAPE[0], : _SHAPE[1]]
    squares = {
        1.0: (row - 8) ** 2 + (column - 9) ** 2,
        0.6: (row - 10.5) ** 2 + (column - 26) ** 2,
        0.4: (0.96 * (row - 22) + 0.28 * (column - 17)) ** 2,
    }
    light = sum(share * np.exp(-0.5 * d / sigma**2) for share, d in squares.items())
    generator = np.random.default_rng(_SEED)
    electrons = generator.poisson(max(_middle(trained.background), 0.0) + peak * light)
    noisy = electrons + generator.normal(0.0, read, _SHAPE)
    y = np.rint(_GAIN * noisy + _OFFSET)
    numbers = {"measurement": y, "camera": [_GAIN, _OFFSET, read], "psf_sigma": [sigma]}
    return {key: torch.tensor(value, dtype=torch.float32) for key, value in numbers.items()}


def _middle(ends: Interval) -> float:
    low, high = ends
    return math.sqrt(low * high) if low > 0 else (low + high) / 2


def _measurement(tensors: Mapping[str, Tensor]) -> Measurement:
    gain, offset, read = tensors["camera"].tolist()
    camera = Camera(gain=gain, offset=offset, read_noise=read)
    return Measurement(tensors["measurement"].numpy(), camera, Psf(tensors["psf_sigma"].item()))


def _noise_shape(bundle: Bundle, shape: tuple[int, ...]) -> tuple[int, ...]:
    infos = [bundle.info(name) for name in bundle.names]
    steps = max(info.steps if info.needs_noise else 1 for info in infos)
    return (steps, 1, *(side + -side % STRIDE for side in shape))


def _draw(
    bundle: Bundle, measurement: Measurement, noise: Tensor, device: str | torch.device
) -> dict[str, Tensor]:
    condition = bundle.conditioner(device).prepare(measurement, device=device)
    there = noise.to(device)
    return {
        name: bundle.sampler(name, device=device)
        .draw(there[:1], condition, fresh=lambda step: there[step : step + 1])[0]
        .cpu()
        for name in bundle.names
    }


def _difference(x: Tensor, expected: Tensor) -> float:
    largest = (x - expected).abs().max().item()
    sd = expected.std(correction=0).item()
    if largest == 0:
        return 0.0
    # a comparison with NaN would pass
    return largest / sd if math.isfinite(largest) and sd > 0 else math.inf
