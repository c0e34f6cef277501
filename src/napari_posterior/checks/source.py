"""What a comparison needs of a run, and which runs can be compared."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from napari_posterior.checks.solver import SolverTrust, solver_trust
from napari_posterior.errors import InputError
from napari_posterior.physics.records import to_record

if TYPE_CHECKING:
    from napari_posterior.physics.measurement import Measurement

__all__ = [
    "MIN_SAMPLES",
    "Description",
    "SampleSource",
    "Stack",
    "check_comparable",
    "describe",
]

MIN_SAMPLES: Final = 4
"""Fewest samples of a run that can be compared."""


class SampleSource(Protocol):
    """A run as the checks see it: samples, the image they belong to, and how they were made.

    Attributes
    ----------
    samples : array-like, (K, H, W) or (K, ..., H, W)
        Photoelectrons per pixel; may be lazy, indexed like a numpy array.
    input : array-like, (H, W) or (..., H, W)
        The measurement in ADU.
    request : object
        What was asked for: model, bundle_hash, sampler (or label), role, steps, nfe, seed,
        precision, camera, psf, background and image (sha256, axes, scale, units, translate);
        what it does not have is taken as unknown. A run of a teacher may also have
        ``solver_bias`` and ``image_check``, see `napari_posterior.checks.solver.solver_trust`.
    """

    @property
    def samples(self) -> Any: ...  # noqa: D102
    @property
    def input(self) -> Any: ...  # noqa: D102
    @property
    def request(self) -> Any: ...  # noqa: D102

    def measurement(self, plane: int) -> Measurement:
        """Return one plane of the measurement with camera and PSF."""
        ...


@dataclass(frozen=True)
class Description:
    """How the samples of a run were made, as far as it says so; `solver` of a teacher only."""

    role: str
    sampler: str
    samples: int
    model: str | None = None
    bundle_hash: str | None = None
    steps: int | None = None
    nfe: int | None = None
    seed: int | None = None
    precision: str | None = None
    camera: dict[str, Any] | None = None
    camera_words: str | None = None
    psf: dict[str, Any] | None = None
    psf_words: str | None = None
    background: float | None = None
    blind: bool | None = None
    image_name: str | None = None
    image_sha256: str | None = None
    image_shape: tuple[int, ...] | None = None
    scale: tuple[float, ...] | None = None
    units: tuple[str, ...] | None = None
    translate: tuple[float, ...] | None = None
    solver: SolverTrust | None = None

    @property
    def label(self) -> str:
        """Sampler with its steps, for headings."""
        if self.steps is None or " + " in self.sampler:  # a corrected one names its steps
            return self.sampler
        return f"{self.sampler}, {self.steps} step{'s' * (self.steps != 1)}"

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Height and width of a pixel, None where only pixels are known."""
        if not self.scale or not self.units or "pixel" in self.units[-2:]:
            return None
        return float(self.scale[-2]), float(self.scale[-1])

    @property
    def unit(self) -> str:
        """Unit of `pixel_size`."""
        return self.units[-1] if self.units and self.pixel_size else "pixel"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        values = asdict(replace(self, solver=None))
        return {**values, "solver": None if self.solver is None else self.solver.to_dict()}


def describe(source: SampleSource) -> Description:
    """Read what a run says about itself; what is missing stays None."""
    request = source.request
    image = getattr(request, "image", None)
    camera = getattr(request, "camera", None)
    psf = getattr(request, "psf", None)
    role = getattr(request, "role", None) or getattr(source, "role", None) or "unknown"
    return Description(
        role=str(role),
        sampler=str(getattr(request, "label", None) or getattr(request, "sampler", None) or role),
        samples=int(source.samples.shape[0]),
        model=getattr(request, "model", None),
        bundle_hash=getattr(request, "bundle_hash", None),
        steps=getattr(request, "steps", None),
        nfe=getattr(request, "nfe", None),
        seed=getattr(request, "seed", None),
        precision=getattr(request, "precision", None),
        camera=None if camera is None else to_record(camera),
        camera_words=None if camera is None else f"{camera.words} ({camera.source})",
        psf=None if psf is None else to_record(psf),
        psf_words=None if psf is None else psf.words,
        background=getattr(request, "background", None),
        blind=getattr(request, "blind", None),
        image_name=getattr(image, "name", None),
        image_sha256=getattr(image, "sha256", None),
        image_shape=_tuple(getattr(image, "shape", None)),
        scale=_tuple(getattr(image, "scale", None)),
        units=_tuple(getattr(image, "units", None)),
        translate=_tuple(getattr(image, "translate", None)),
        solver=solver_trust(source) if role == "teacher" else None,
    )


class Stack:
    """Reads samples plane by plane and band by band, whatever holds them.

    Parameters
    ----------
    samples : array-like, (K, H, W) or (K, ..., H, W)
        May be lazy; ``indices``, where it has them, say which sample of the run stands where.
    rows : ndarray of int, optional
        Which of them, by their place; all by default.
    """

    def __init__(self, samples: Any, rows: np.ndarray | None = None) -> None:
        self._samples = samples
        self._rows = np.arange(samples.shape[0]) if rows is None else np.asarray(rows)
        known = np.asarray(getattr(samples, "indices", range(samples.shape[0])), int)
        self.indices = known[self._rows]
        self.shape: tuple[int, ...] = (len(self._rows), *(int(n) for n in samples.shape[1:]))
        if len(self.shape) < 3:
            raise InputError(
                f"the samples have shape {self.shape}; give (samples, height, width) or more axes"
            )

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.shape[0]

    @property
    def planes(self) -> int:
        """Number of planes of a sample."""
        return math.prod(self.shape[1:-2])

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.shape[-2], self.shape[-1]

    def plane(self, sample: int, plane: int) -> np.ndarray:
        """Return one plane of one sample, (H, W) float32."""
        return self.rows(sample, plane, 0, self.shape[-2])

    def rows(self, sample: int, plane: int, start: int, stop: int) -> np.ndarray:
        """Return rows `start` to `stop` of one plane of one sample, float32."""
        where = np.unravel_index(plane, self.shape[1:-2]) if len(self.shape) > 3 else ()
        index = (int(self._rows[sample]), *(int(i) for i in where), slice(start, stop))
        return np.asarray(self._samples[index], np.float32)


def check_comparable(teacher: SampleSource, student: SampleSource) -> None:
    """Refuse two runs that do not answer one question.

    Raises
    ------
    InputError
        If a run is a point estimate or has fewer than 4 samples, or the runs differ in image,
        crop, scale, camera, PSF, background, bundle or precision.
    """
    described = describe(teacher), describe(student)
    for one in described:
        if one.role == "point":
            raise InputError(
                f"{one.sampler} is a point estimate, not a sampler; compare runs of a teacher "
                "and a student"
            )
        if one.samples < MIN_SAMPLES:
            raise InputError(
                f"the run of {one.sampler} has {one.samples} samples; draw at least {MIN_SAMPLES} "
                "to compare it"
            )
    if tuple(teacher.samples.shape[1:]) != tuple(student.samples.shape[1:]):
        raise InputError(
            f"the runs have images of {_size(teacher)} and {_size(student)} pixels; compare runs "
            "of one image and one crop"
        )
    for name, words in _SHARED:
        first, second = (getattr(one, name) for one in described)
        if first is not None and second is not None and first != second:
            raise InputError(
                f"the runs differ in their {words} ({_short(first)} and {_short(second)}); "
                f"restore both with the same {words}"
            )
    if described[0].image_sha256 is None or described[1].image_sha256 is None:
        if not np.array_equal(np.asarray(teacher.input), np.asarray(student.input)):
            raise InputError("the runs belong to different images; restore both from one image")


_SHARED: Final = (
    ("image_sha256", "image"),
    ("translate", "crop"),
    ("scale", "pixel size"),
    ("units", "unit of length"),
    ("camera", "camera"),
    ("psf", "PSF"),
    ("background", "background"),
    ("blind", "conditioning"),
    ("bundle_hash", "model bundle"),
    ("precision", "precision"),
)


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


def _size(source: SampleSource) -> str:
    return " x ".join(str(n) for n in source.samples.shape[1:])


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return str(value)[:16]
