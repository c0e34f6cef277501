"""What a run was asked to do: everything that is needed to make it again, as JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from napari_posterior.errors import InputError
from napari_posterior.image import Geometry
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.physics.records import from_record, to_record
from napari_posterior.sampling.corrections import (
    Correction,
    correction_from_record,
    correction_to_record,
    read_correction,
)

if TYPE_CHECKING:
    from napari_posterior.image import Image

__all__ = [
    "MAX_SAMPLES",
    "ImageRecord",
    "RestoreRequest",
    "Role",
    "check_samples",
    "check_seed",
]

MAX_SAMPLES: Final = 4096
"""Most samples that one run can hold; their names have four digits."""

Role = Literal["teacher", "student", "point"]


def _read_camera(value: Any, info: ValidationInfo) -> Camera:
    arrays = (info.context or {}).get("camera")
    return value if isinstance(value, Camera) else from_record(Camera, value, arrays)


def _read_psf(value: Any, info: ValidationInfo) -> Psf:
    arrays = (info.context or {}).get("psf")
    return value if isinstance(value, Psf) else from_record(Psf, value, arrays)


def _read_correction(value: Any) -> Correction | None:
    return correction_from_record(value) if isinstance(value, dict) else read_correction(value)


def _write_correction(value: Correction | None) -> dict[str, Any] | None:
    return None if value is None else correction_to_record(value)


_CameraField = Annotated[Camera, PlainValidator(_read_camera), PlainSerializer(to_record)]
_PsfField = Annotated[Psf, PlainValidator(_read_psf), PlainSerializer(to_record)]
_CorrectionField = Annotated[
    Correction | None, PlainValidator(_read_correction), PlainSerializer(_write_correction)
]


class _Record(BaseModel):
    """Frozen, closed to unknown keys; a wrong value is an `InputError` of one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _say_it_in_one_sentence(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the request"
            told = first["msg"].replace("Value error, ", "")
            raise InputError(f"{field} cannot be {first['input']!r}: {told}") from error


class ImageRecord(_Record):
    """Which image a run belongs to.

    Parameters
    ----------
    name : str
        Name of the image or layer.
    source : str or None
        File that it was read from.
    sha256 : str
        Hash of shape, dtype and pixels, see `ImageRecord.of`.
    shape, dtype
        Of the array.
    axes, scale, units, translate
        Its `Geometry`.
    origin, whole : tuple of int
        Where its first pixel lies in the image it is a part of, and the shape of that: the noise
        belongs to that position. Empty in runs of earlier versions, which did not keep it.
    """

    name: str
    source: str | None = None
    sha256: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    translate: tuple[float, ...]
    origin: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    @classmethod
    def of(cls, image: Image) -> ImageRecord:
        """Record an image; the hash covers shape, dtype and pixels in C order."""
        data = np.ascontiguousarray(image.data)
        digest = hashlib.sha256(f"{data.dtype.str} {data.shape}".encode())
        digest.update(data.data)
        return cls(
            name=image.name,
            source=image.source,
            sha256=digest.hexdigest(),
            shape=data.shape,
            dtype=data.dtype.str,
            axes=image.geometry.axes,
            scale=image.geometry.scale,
            units=image.geometry.units,
            translate=image.geometry.translate,
            origin=image.origin,
            whole=image.whole,
        )

    @property
    def geometry(self) -> Geometry:
        """Where the pixels lie."""
        return Geometry(self.axes, self.scale, self.units, self.translate)

    @property
    def n_planes(self) -> int:
        """Number of planes: the product of all axes before y and x."""
        return int(np.prod(self.shape[:-2], dtype=int))


class RestoreRequest(_Record):
    """One restoration: model, sampler, physics, seed and image.

    Parameters
    ----------
    model, bundle_hash : str
        Name of the bundle and the hash of its files.
    sampler, role : str
        Name of the sampler in the bundle, and whether it is a teacher, a student or a point
        estimate.
    steps, nfe : int
        Grid intervals, and network evaluations per sample; with a correction the student's
        intervals, and the evaluations of both networks.
    samples, seed : int
        How many samples (1 to `MAX_SAMPLES`) and the seed of the noise canvas.
    camera : Camera
        Gain (ADU/e-), offset (ADU) and read noise (e-). Of maps the record holds a hash; they are
        read from ``context["camera"]``.
    psf : Psf
        Point spread function in pixels; a sampled one is read from ``context["psf"]``.
    background : float
        Camera-side constant in photoelectrons per pixel.
    blind : bool
        Whether the network is told nothing of camera and PSF.
    device, precision : str
        Where the network runs (``"cpu"``, ``"cuda"``, ``"mps"``) and its precision.
    tile : int or None
        Tile size of the network calls in pixels; None for whole planes.
    batch : int
        Samples drawn at a time.
    correction : HandOver, Refine or Guided, or None
        How the teacher corrects the student's samples.
    image : ImageRecord
        The image that is restored.

    Raises
    ------
    InputError
        If a value is out of range or unknown.
    """

    model: str
    bundle_hash: str
    sampler: str
    role: Role
    steps: int = Field(ge=0)
    nfe: int = Field(ge=0)
    samples: int
    seed: int
    camera: _CameraField
    psf: _PsfField
    background: float = Field(default=0.0, allow_inf_nan=False)
    blind: bool = False
    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    tile: int | None = Field(default=None, gt=0)
    batch: int = 1
    correction: _CorrectionField = None
    image: ImageRecord

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        check_samples(self.samples)
        check_seed(self.seed)
        if self.batch < 1:
            raise InputError(f"batch is {self.batch}; give 1 or more")
        if self.role == "point" and self.samples != 1:
            raise InputError(
                f"{self.sampler} is a point estimate, not a draw, so it has one image; "
                f"ask for 1 sample instead of {self.samples}"
            )
        if self.correction is not None and self.role != "student":
            raise InputError(
                f"{self.sampler!r} is no student and has nothing to correct; leave correction out"
            )
        return self

    @property
    def label(self) -> str:
        """What to call the samples: the sampler, or such as ``"kd-1 + refine"``."""
        if self.correction is None:
            return self.sampler
        return f"{self.sampler}-{self.steps} + {self.correction.name}"

    def differences(self, other: RestoreRequest) -> tuple[str, ...]:
        """Names of the fields in which two requests differ; ``image.`` before those of the image.

        Where the same pixels were read from does not count, nor what an earlier version did not
        keep.
        """
        mine, theirs = self.model_dump(), other.model_dump()
        image, image_there = mine.pop("image"), theirs.pop("image")
        found = [name for name in mine if mine[name] != theirs[name]]
        found += [
            f"image.{name}"
            for name in image
            if name not in ("name", "source")
            and image[name] != image_there[name]
            and not (name in ("origin", "whole") and () in (image[name], image_there[name]))
        ]
        return tuple(found)


def check_samples(samples: object) -> None:
    """Refuse a number of samples outside 1 to `MAX_SAMPLES`.

    Raises
    ------
    InputError
        With a sentence that says which numbers can be asked for.
    """
    if not (isinstance(samples, int | np.integer) and 1 <= samples <= MAX_SAMPLES):
        raise InputError(f"{samples} samples cannot be drawn; ask for 1 to {MAX_SAMPLES}")


def check_seed(seed: object) -> None:
    """Refuse a seed that the noise generator cannot take.

    Raises
    ------
    InputError
        With a sentence that says which numbers can be given.
    """
    if not (isinstance(seed, int | np.integer) and 0 <= seed < 2**64):
        raise InputError(f"seed cannot be {seed}; give a whole number from 0 to {2**64 - 1}")
