"""The camera: gain, offset and read noise, one number each or one a pixel, and saturation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.records import key_of

if TYPE_CHECKING:
    from torch import Tensor

    Array = TypeVar("Array", np.ndarray, Tensor)

__all__ = ["Camera", "Interval", "Levels"]

Interval = tuple[float, float]

_MOST_BITS: Final = 32


class Levels(NamedTuple):
    """The three numbers of a pixel: gain (ADU/e-), offset (ADU) and read noise (e-)."""

    gain: float
    offset: float
    read_noise: float


@dataclass(frozen=True, eq=False)
class Camera:
    """Linear camera, ``y = gain * (electrons + read noise) + offset``.

    Gain, offset and read noise are numbers, or maps with one value a pixel (sCMOS cameras: F.
    Huang et al., Nature Methods 10 (2013) 653-658). Two cameras are equal if all their numbers
    are.

    Parameters
    ----------
    gain : float or ndarray, (H, W)
        ADU per photoelectron.
    offset : float or ndarray, (H, W)
        Grey level of a dark pixel, in ADU.
    read_noise : float or ndarray, (H, W)
        Standard deviation of the read noise, in photoelectrons.
    source : str
        Where the numbers come from: ``"given"`` or ``"estimated"``.
    bits : int, optional
        Bits of the analogue-to-digital converter, whose largest level is then saturated and whose
        rounding counts as noise.
    saturation : float, optional
        Grey level in ADU at and above which a pixel tells only that it was at least as bright;
        by default the largest of `bits`.
    gain_interval, offset_interval, read_noise_interval : (float, float), optional
        95 % intervals of numbers that were estimated, in their units.

    Raises
    ------
    InputError
        If the gain is not positive, the read noise is negative, a number is not finite, maps
        differ in shape, or bits, saturation or an interval cannot be.
    """

    gain: float | np.ndarray = 1.0
    offset: float | np.ndarray = 0.0
    read_noise: float | np.ndarray = 1.0
    source: str = "given"
    bits: int | None = None
    saturation: float | None = None
    gain_interval: Interval | None = None
    offset_interval: Interval | None = None
    read_noise_interval: Interval | None = None

    def __post_init__(self) -> None:
        for name in Levels._fields:
            object.__setattr__(self, name, _level(name, getattr(self, name)))
        shapes = {level.shape for level in self.maps.values()}
        if len(shapes) > 1:
            told = ", ".join(f"{name} {level.shape}" for name, level in self.maps.items())
            raise InputError(f"the camera maps differ in shape ({told}); give maps of one shape")
        if self.bits is not None and self.bits not in range(1, _MOST_BITS + 1):
            raise InputError(f"the camera has {self.bits} bits; give 1 to {_MOST_BITS}")
        if self.saturation is None and self.bits is not None:
            object.__setattr__(self, "saturation", float(2**self.bits - 1))
        if self.saturation is not None and not self.saturation > float(np.min(self.offset)):
            raise InputError(
                f"the camera saturates at {self.saturation:g} ADU, which is not above its offset; "
                "give the grey level of a pixel that is full"
            )
        for name in Levels._fields:
            interval = getattr(self, f"{name}_interval")
            if interval is not None:
                low, high = (float(end) for end in interval)
                if not low <= high:
                    raise InputError(
                        f"the interval of the camera {name.replace('_', ' ')} is {low:g} to "
                        f"{high:g}; give the lower end first"
                    )
                object.__setattr__(self, f"{name}_interval", (low, high))

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """Those of gain, offset and read noise that are maps, read-only."""
        levels = {name: getattr(self, name) for name in Levels._fields}
        return {name: level for name, level in levels.items() if isinstance(level, np.ndarray)}

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the maps in pixels; None for a camera of numbers."""
        return next((level.shape for level in self.maps.values()), None)

    @cached_property
    def typical(self) -> Levels:
        """The numbers of the camera, of maps their medians."""
        return Levels(*(float(np.median(getattr(self, name))) for name in Levels._fields))

    @property
    def words(self) -> str:
        """The numbers with units and intervals, of maps their medians, for people to read."""
        units = {"gain": " ADU/e-", "offset": " ADU", "read_noise": " e-"}
        told = []
        for name, value in self.typical._asdict().items():
            interval = getattr(self, f"{name}_interval")
            kind = ", median of a map" if name in self.maps else ""
            span = (
                ""
                if interval is None
                else f" (95 % interval {interval[0]:.4g} to {interval[1]:.4g})"
            )
            told.append(f"{name.replace('_', ' ')} {value:.4g}{units[name]}{kind}{span}")
        if self.saturation is not None:
            told.append(f"saturated at {self.saturation:g} ADU")
        return ", ".join(told)

    @property
    def gain_doubt(self) -> float:
        """Half the width of the 95 % interval of the gain over the gain; 0 if it was given."""
        if self.gain_interval is None:
            return 0.0
        low, high = self.gain_interval
        return (high - low) / 2 / self.typical.gain

    @property
    def noise_floor(self) -> float | np.ndarray:
        """Noise of a dark pixel in photoelectrons: read noise and, with `bits`, rounding.

        Rounding to whole grey levels has the variance 1/12 ADU^2.
        """
        if self.bits is None:
            return self.read_noise
        return (self.read_noise**2 + 1 / (12 * self.gain**2)) ** 0.5

    def with_levels(self, **levels: float | np.ndarray) -> Camera:
        """Return this camera with some of gain, offset and read noise replaced."""
        return replace(self, **levels) if levels else self  # type: ignore[arg-type]

    def crop(self, rows: slice, columns: slice) -> Camera:
        """Return the camera of a part of the field of view."""
        return self.with_levels(**{name: m[rows, columns] for name, m in self.maps.items()})

    def check_fits(self, shape: tuple[int, ...]) -> None:
        """Refuse maps that do not belong to planes of this shape.

        Raises
        ------
        InputError
            If there are maps and their shape is not the last two of `shape`.
        """
        if self.shape is not None and self.shape != tuple(shape[-2:]):
            raise InputError(
                f"the camera maps have {self.shape[0]} x {self.shape[1]} pixels and the image "
                f"{shape[-2]} x {shape[-1]}; crop the maps to the same part of the sensor"
            )

    def is_saturated(self, y: np.ndarray) -> np.ndarray:
        """Return where grey levels are at or above saturation, bool of the shape of `y`."""
        if self.saturation is None:
            return np.zeros(np.shape(y), bool)
        return np.asarray(y >= self.saturation)

    def to_electrons(self, y: Array) -> Array:
        """Convert grey levels in ADU to photoelectrons."""
        electrons: Array = (y - _as(self.offset, y)) / _as(self.gain, y)
        return electrons

    def to_adu(self, electrons: Array) -> Array:
        """Convert photoelectrons to grey levels in ADU."""
        y: Array = electrons * _as(self.gain, electrons) + _as(self.offset, electrons)
        return y

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return key_of(self)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Camera) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)


_REMEDY: Final = {
    "gain": "a positive number of ADU per e-",
    "offset": "a finite number of ADU",
    "read_noise": "a number of e- of 0 or more",
}


def _level(name: str, value: Any) -> float | np.ndarray:
    """Return a number, or a read-only float64 map, that can be; else raise InputError."""
    told, remedy = name.replace("_", " "), _REMEDY[name]
    try:
        level = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"camera {told} is {value!r}; give {remedy}, or a map of them") from error
    if level.ndim not in (0, 2) or level.size == 0:
        raise InputError(
            f"camera {told} has shape {level.shape}; give one number, or a map of height x width"
        )
    bad = ~np.isfinite(level)
    if name == "gain":
        bad |= level <= 0
    elif name == "read_noise":
        bad |= level < 0
    if bad.any():
        if level.ndim == 0:
            raise InputError(f"camera {told} is {level:g}; give {remedy}")
        raise InputError(
            f"{int(bad.sum())} pixels of the camera {told} map are NaN, infinite or out of range, "
            f"such as {level[bad][0]:g}; give {remedy} for every pixel"
        )
    if level.ndim == 0:
        return float(level)
    level.setflags(write=False)
    return level


def _as(level: float | np.ndarray, like: Any) -> Any:
    """Return a level as a number, or as a map of the kind of `like`: dtype and device."""
    if not isinstance(level, np.ndarray) or isinstance(like, np.ndarray):
        return level
    import torch

    return torch.tensor(level, dtype=like.dtype, device=like.device)
