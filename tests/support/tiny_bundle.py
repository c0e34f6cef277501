"""Fixtures: a bundle of tiny untrained networks, for tests of logic and not of restoration."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARCH = {"channels": [8, 8, 8], "blocks": 1}


def make_tiny_parts() -> dict[str, Any]:
    """Teacher, two students and a point estimate with random weights, as parts to be written."""
    import torch

    from napari_posterior.bundles.card import (
        FlowMapConfig,
        NetworkConfig,
        PointConfig,
        SolverConfig,
    )
    from napari_posterior.bundles.write import Part
    from napari_posterior.networks.registry import build

    def weights(arch: str, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        state = build(arch, ARCH).state_dict()
        return {
            key: 0.1 * torch.randn(value.shape, generator=generator) for key, value in state.items()
        }

    velocity = NetworkConfig(arch="velocity-unet-1", arch_kwargs={"path": "linear", **ARCH})
    point = NetworkConfig(arch="point-unet-1", arch_kwargs=ARCH, dtype="float16")
    heun = SolverConfig(solver="heun", grid="power_late", rho=0.6, steps=3, nfe=5)
    one = FlowMapConfig(grids={"1": (1.0, 0.0)}, default_steps=1)
    few = FlowMapConfig(grids={"1": (1.0, 0.0), "2": (1.0, 0.4, 0.0)}, default_steps=2)
    return {
        "teacher": Part(weights("velocity-unet-1", 0), velocity, heun),
        "kd": Part(weights("velocity-unet-1", 1), velocity, one),
        "flow": Part(weights("velocity-unet-1", 2), velocity, few),
        "point": Part(weights("point-unet-1", 3), point, PointConfig()),
    }


def make_tiny_card() -> Any:
    """Say of the tiny bundle what a card must say."""
    from napari_posterior.bundles.card import Conditioning, TrainingRange, TrainingRecord
    from napari_posterior.bundles.write import CardFields
    from napari_posterior.sampling.conditioning import VECTOR

    return CardFields(
        id="napari-posterior/tiny",
        name="tiny",
        version="0.0.1",
        license="BSD-3-Clause",
        description="Untrained networks for tests.",
        intended_use="Tests of logic.",
        known_limits=("It restores nothing.",),
        path="linear",
        conditioning=Conditioning(normaliser={"quantile": 0.05, "smoothing": 2.0}, vector=VECTOR),
        training=TrainingRecord(
            steps={"teacher": 0}, images={"teacher": 0}, seed=0, minutes={"teacher": 0.0}, kinds=()
        ),
        training_range=TrainingRange(
            psf_sigma=(1.0, 3.0),
            read_noise=(0.5, 5.0),
            peak=(5.0, 500.0),
            photon_scale=(1.0, 500.0),
            background=(0.0, 100.0),
        ),
    )


@pytest.fixture(scope="session")
def tiny_parts() -> dict[str, Any]:
    """Parts of the tiny bundle."""
    return make_tiny_parts()


@pytest.fixture(scope="session")
def tiny_writer() -> Callable[..., Path]:
    """Write the tiny bundle to a folder; parts and card can be replaced by keyword."""

    def write(folder: Path, **changes: Any) -> Path:
        from napari_posterior.bundles.write import write_bundle

        settings = {
            "card": make_tiny_card(),
            "parts": make_tiny_parts(),
            "licence_text": "Free for tests.\n",
            **changes,
        }
        return write_bundle(folder, **settings)

    return write


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, tiny_writer: Callable[..., Path]) -> Path:
    """Folder of the tiny bundle; tests that alter it copy it first."""
    return tiny_writer(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def tiny_model(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the tiny bundle, in a cache of its own."""
    cache = tmp_path / "cache"
    shutil.copytree(tiny_bundle, cache / "models" / "tiny")
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(cache))
    return "tiny"


@pytest.fixture
def tiny_with_figures(tiny_model: str, tmp_path: Path) -> str:
    """Name of the tiny bundle whose card says how closely its students follow the teacher."""
    from napari_posterior.bundles.write import write_evaluation

    rows = ("kd, 1 step", "flow, 1 step", "flow, 2 steps")
    figures = {"variance_ratio": 0.9, "mean_gap_in_sd": 0.2, "noise_correlation": 0.97}
    table = {key: {row: {"all": [value]} for row in rows} for key, value in figures.items()}
    write_evaluation(tmp_path / "cache" / "models" / tiny_model, {"students_held_out": table})
    return tiny_model


@pytest.fixture
def measured() -> np.ndarray:
    """A simulated measurement with a bright spot, (24, 32) uint16 in ADU."""
    rows, columns = np.mgrid[:24, :32]
    spot = 60 * np.exp(-((rows - 10) ** 2 + (columns - 18) ** 2) / 8)
    electrons = np.random.default_rng(0).poisson(spot + 5)
    return (2 * electrons + 100).astype(np.uint16)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence on the standard error stream of a command that was refused."""
        lines = [line for line in self.err.splitlines() if line.startswith("napari-posterior: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err + self.out
        return lines[0].removeprefix("napari-posterior: ")


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run the command line in this process and in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> Outcome:
        from napari_posterior.cli import main

        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return Outcome(int(left.value.code or 0), written.out, written.err)

    return run
