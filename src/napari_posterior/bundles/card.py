"""The JSON files of a bundle as checked values: posterior.json, config.json, sampler.json."""

from __future__ import annotations

import itertools
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from napari_posterior.bundles.certificate import Certificate  # noqa: TC001 - read by pydantic

CARD_FILE = "posterior.json"
CONFIG_FILE = "config.json"
SAMPLER_FILE = "sampler.json"
WEIGHTS_FILE = "model.safetensors"
TEACHER = "teacher"
POINT = "point"
MSE = "mse"

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
BundleName = Annotated[str, StringConstraints(pattern=_NAME)]
Interval = tuple[float, float]


class _Strict(BaseModel):
    """A frozen model that refuses unknown keys and non-finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileRecord(_Strict):
    """The checksum of one file of a bundle.

    Attributes
    ----------
    sha256 : str
        SHA-256 of the file, 64 lower-case hexadecimal digits.
    size : int
        Length in bytes.
    """

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class TrainingRange(_Strict):
    """The range of measurements that the networks were trained on.

    Attributes
    ----------
    psf_sigma : tuple of float
        Lowest and highest Gaussian PSF sigma in camera pixels.
    read_noise : tuple of float
        Lowest and highest read noise in electrons.
    peak : tuple of float
        Lowest and highest peak of a scene in photoelectrons per pixel.
    photon_scale : tuple of float
        Lowest and highest photon scale s of the normaliser in photoelectrons.
    background : tuple of float
        Lowest and highest background level b of the normaliser in photoelectrons per pixel.
    """

    psf_sigma: Interval
    read_noise: Interval
    peak: Interval
    photon_scale: Interval
    background: Interval

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in type(self).model_fields:
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the lower end {low:g} is above the upper end {high:g}")
        return self


class Conditioning(_Strict):
    """What the networks are told besides the noisy image.

    Attributes
    ----------
    normaliser : dict
        The settings of the normaliser, as its own ``to_dict`` writes them.
    vector : tuple of str
        Names of the entries of the condition vector, in order.
    """

    normaliser: dict[str, JsonValue]
    vector: tuple[str, ...]


class DataRecord(_Strict):
    """The images that the networks were trained on, where these were not simulated scenes.

    Attributes
    ----------
    kind : str
        ``"images"``: clean ones, measurements of which were simulated; ``"pairs"``: measurements
        with clean images of the same fields.
    files, pixels : int
        How many files, those held out included, and how many pixels of clean images in all.
    names_sha256 : str
        SHA-256 of the names of the files, sorted and one a line, folders not counted.
    """

    kind: Literal["images", "pairs"]
    files: Annotated[int, Field(ge=1)]
    pixels: Annotated[int, Field(ge=1)]
    names_sha256: Sha256


class TrainingRecord(_Strict):
    """How the networks were trained.

    Attributes
    ----------
    steps : dict
        Optimiser steps of each part, by part name.
    images : dict
        Images seen by each part, by part name; measurements of them were simulated anew each time
        unless they were pairs.
    methods : dict
        How each student was taught, in words, by part name.
    seed : int
        Seed of the first random number.
    minutes : dict
        Wall-clock minutes of each part, by part name.
    kinds : tuple of str
        Kinds of scenes that were drawn.
    own : DataRecord or None
        The images that were learned from instead of simulated scenes.
    start : str or None
        Name and weights hash of the bundle whose weights were gone on from; None began with random
        ones.
    """

    steps: dict[str, int]
    images: dict[str, int]
    methods: dict[str, str] = Field(default_factory=dict)
    seed: int
    minutes: dict[str, float]
    kinds: tuple[str, ...]
    own: DataRecord | None = None
    start: str | None = None


class ModelCard(_Strict):
    """What ``posterior.json`` says about a bundle.

    Attributes
    ----------
    id, name, version, license, description, intended_use : str
        Identity of the bundle; ``name`` is what users type.
    known_limits : tuple of str
        What the bundle is known not to do, one sentence each.
    target_sigma : float
        Gaussian sigma in pixels at which x is defined.
    intensity_unit : str
        Unit of samples.
    path : str
        Probability path of the teacher: ``"linear"`` or ``"vpcosine"``.
    conditioning : Conditioning
        Normaliser and condition vector.
    training : TrainingRecord
        How the networks were trained.
    training_range : TrainingRange
        Measurements that the networks were trained on.
    evaluation : dict
        Measured figures, a free table.
    files : dict
        Checksums of every other file of the bundle, by path relative to its folder.
    """

    format: Literal["napari-posterior"] = "napari-posterior"
    format_version: Literal[1] = 1
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    name: BundleName
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+([-+.][0-9A-Za-z.-]+)?$")]
    license: Annotated[str, StringConstraints(min_length=1)]
    description: str
    intended_use: str
    known_limits: tuple[str, ...]
    target_sigma: Annotated[float, Field(ge=1.0, le=1.0)] = 1.0
    intensity_unit: Literal["photoelectrons per pixel"] = "photoelectrons per pixel"
    path: Literal["linear", "vpcosine"]
    conditioning: Conditioning
    training: TrainingRecord
    training_range: TrainingRange
    evaluation: dict[str, JsonValue] = Field(default_factory=dict)
    files: dict[str, FileRecord]

    @field_validator("files")
    @classmethod
    def _paths_stay_inside(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        for name in files:
            path = PurePosixPath(name)
            if "\\" in name or ":" in name or path.is_absolute() or ".." in path.parts:
                raise ValueError(f"the path {name!r} leaves the folder of the bundle")
            if str(path) != name or name in ("", ".", CARD_FILE):
                raise ValueError(f"the path {name!r} is not a file of a bundle")
        return files

    @property
    def students(self) -> tuple[str, ...]:
        """Names of the students in the bundle."""
        return tuple(
            sorted(
                PurePosixPath(name).parts[1]
                for name in self.files
                if name.startswith("students/") and name.endswith(f"/{WEIGHTS_FILE}")
            )
        )

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that a user asks for: the teacher, students by name, then ``"mse"``."""
        return (TEACHER, *self.students, MSE)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: as the samplers, with ``"mse"`` only where it has a network."""
        mse = (MSE,) if f"{part_folder(MSE)}/{WEIGHTS_FILE}" in self.files else ()
        return (TEACHER, *self.students, *mse, POINT)


class NetworkConfig(_Strict):
    """What ``config.json`` of a part says: which registered network, with which settings.

    Attributes
    ----------
    arch : str
        Name in the closed registry of networks.
    arch_kwargs : dict
        Settings passed to the registry.
    dtype : str
        Type in which the weights are stored; they are always computed in float32.
    parent : str or None
        SHA-256 of the teacher's weights file; None for the teacher.
    """

    arch: str
    arch_kwargs: dict[str, JsonValue]
    dtype: Literal["float16", "float32"] = "float32"
    parent: Sha256 | None = None


class SolverConfig(_Strict):
    """``sampler.json`` of a teacher: the solver, grid and precision of the reference.

    Attributes
    ----------
    solver : str
        Name of the solver.
    eta : float or None
        Share of renewed noise of the solver ``"sde"``.
    grid : str
        Name of the time grid.
    rho, sigma_max, sigma_min : float or None
        Options of that grid.
    steps, nfe : int
        Grid intervals, and network evaluations per sample.
    precision : str
        ``"float32"`` or ``"bfloat16"``.
    certificate : Certificate or None
        What the reference was measured to lose, band by band; None where it was not.
    """

    kind: Literal["solver"] = "solver"
    solver: str
    eta: Annotated[float, Field(ge=0, le=1)] | None = None
    grid: str
    rho: float | None = None
    sigma_max: float | None = None
    sigma_min: float | None = None
    steps: Annotated[int, Field(ge=1, le=512)]
    nfe: Annotated[int, Field(ge=1)]
    precision: Literal["float32", "bfloat16"] = "float32"
    certificate: Certificate | None = None


class FlowMapConfig(_Strict):
    """``sampler.json`` of a student: a time grid for each step count that was trained.

    Attributes
    ----------
    mode : str
        ``"follow"``: along the flow map; ``"renoise"``: a clean image at every step, and new noise
        up to the next time, as consistency models are sampled.
    grids : dict
        Times from 1 to 0 by number of steps.
    default_steps : int
        Steps where none are asked for.
    any_steps : str or None
        Name of the grid for numbers of steps without one of their own, for a student that was
        trained between any two times; None: it takes no other number.
    """

    kind: Literal["flowmap"] = "flowmap"
    mode: Literal["follow", "renoise"] = "follow"
    grids: dict[str, tuple[float, ...]]
    default_steps: Annotated[int, Field(ge=1)]
    any_steps: str | None = None

    @model_validator(mode="after")
    def _grids_run_from_noise_to_data(self) -> Self:
        for key, grid in self.grids.items():
            if not key.isdecimal() or len(grid) != int(key) + 1:
                raise ValueError(f"the grid of {key!r} steps needs {key!r} + 1 times")
            if grid[0] != 1.0 or grid[-1] != 0.0:
                raise ValueError(f"the grid of {key} steps must run from 1 to 0")
            if any(s <= t for s, t in itertools.pairwise(grid)):
                raise ValueError(f"the grid of {key} steps must decrease")
        if str(self.default_steps) not in self.grids:
            raise ValueError(f"default_steps {self.default_steps} has no grid")
        return self

    @property
    def step_counts(self) -> tuple[int, ...]:
        """Step counts that the student was trained for, in increasing order."""
        return tuple(sorted(int(key) for key in self.grids))


class PointConfig(_Strict):
    """``sampler.json`` of a point estimate: one image, not a draw."""

    kind: Literal["point"] = "point"


SamplerConfig = Annotated[SolverConfig | FlowMapConfig | PointConfig, Field(discriminator="kind")]


def part_folder(name: str) -> str:
    """Return the folder in which the part `name` lies, relative to the bundle."""
    return name if name in (TEACHER, POINT, MSE) else f"students/{name}"
