"""Ways to look through the samples of a run: sorted by a number, and along what varies most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_posterior.runs.run import Run
    from napari_posterior.session.models import CompareState, RunEntry
    from napari_posterior.session.watch import SampleValues

__all__ = [
    "COMPONENTS",
    "SortChoice",
    "SortedStack",
    "Variation",
    "find_variation",
    "measure_run",
    "order_by",
    "sort_choices",
]

COMPONENTS: Final = 5
"""Principal components that are shown at most."""

TOTAL: Final = "total_intensity"

_FEWEST: Final = 3  # samples
_MOST_BYTES: Final = 2**29  # of the mean and the components
_AT_ONCE: Final = 96 * 2**20  # bytes of samples
_LEAST_SHARE: Final = 1e-9


class SortedStack:
    """The samples of a stack in another order: a view, nothing is read or copied.

    Parameters
    ----------
    stack : array-like, (K, ...)
        A NumPy array or a `SampleStack`, indexed by position.
    order : sequence of int, (K,)
        Which sample of the stack stands at each place.
    """

    def __init__(self, stack: Any, order: Sequence[int] | np.ndarray) -> None:
        self.stack = stack
        self.order = np.asarray(order, np.intp)
        if sorted(self.order.tolist()) != list(range(len(stack))):
            raise ValueError("an order holds every sample once")
        self.shape: tuple[int, ...] = tuple(stack.shape)
        self.dtype = np.dtype(stack.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes, the sample axis included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all samples would take in memory."""
        return self.size * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[place] for place in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the samples are in another order; an array of them is a copy")
        return np.asarray(self[:], dtype)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return what NumPy indexing would; the first axis takes an integer, a slice or a list."""
        parts = key if isinstance(key, tuple) else (key,)
        if not parts or parts[0] is Ellipsis:
            parts = (slice(None), *parts)
        first, *rest = parts
        where = self.order[first]
        place = int(where) if np.ndim(where) == 0 else where
        return np.asarray(self.stack[(place, *rest)])

    def __repr__(self) -> str:
        return f"SortedStack({self.stack!r})"


@dataclass(frozen=True)
class SortChoice:
    """A number by which samples can be sorted.

    Attributes
    ----------
    key : str
        Identifier of the quantity, or of the statistic where it is not measured yet.
    title, unit : str
        Words and unit.
    """

    key: str
    title: str
    unit: str


def sort_choices(entry: RunEntry, compare: CompareState) -> tuple[SortChoice, ...]:
    """Return by what the samples of a run can be sorted.

    What was measured while they were drawn comes first, else the statistics that are chosen for a
    comparison, which are measured when they are asked for; then the light of a sample.
    """
    found = [SortChoice(one.id, one.title, one.unit) for one in entry.measured]
    if not found:
        known = {one.name: one for one in compare.offered}
        found = [
            SortChoice(name, known[name].title, known[name].unit)
            for name in compare.statistics
            if name in known
        ]
    if all(one.key != TOTAL for one in found):
        found.append(SortChoice(TOTAL, "total intensity", "photoelectrons"))
    return tuple(found)


def order_by(values: np.ndarray) -> np.ndarray:
    """Return the order of increasing values, (K,) int; what is not finite comes last.

    Equal values keep the order in which they were drawn.
    """
    values = np.asarray(values, np.float64)
    return np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")


def measure_run(run: Run, statistics: Sequence[str]) -> tuple[SampleValues, ...]:
    """Measure all samples of a run one by one, as while they are drawn; for a worker.

    Raises
    ------
    InputError
        If a statistic is unknown.
    RunError
        If the run is damaged.
    """
    from napari_posterior.api.measuring import planes_reader
    from napari_posterior.checks.measure import SampleMeter
    from napari_posterior.checks.source import describe

    described = describe(run)
    meter = SampleMeter(
        [run.measurement(plane) for plane in range(run.request.image.n_planes)],
        statistics,
        pixel_size=described.pixel_size,
        unit=described.unit,
    )
    read = planes_reader(run)
    return meter.values([meter.measure(read(index)) for index in run.samples.indices])


@dataclass(frozen=True, eq=False)
class Variation:
    """What varies most from sample to sample: principal components.

    Parameters
    ----------
    mean : ndarray, (...) float32
        Of the samples, photoelectrons per pixel.
    components : ndarray, (n, ...) float32
        What one standard deviation along each component adds, photoelectrons per pixel; the sign
        is such that it adds light.
    shares : ndarray, (n,) float64
        Part of the variance among these samples, the largest first.
    scores : ndarray, (K, n) float64
        Where each sample lies, in standard deviations.
    """

    mean: np.ndarray
    components: np.ndarray
    shares: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        """Return the number of components."""
        return len(self.components)

    def image(self, weights: Sequence[float], out: np.ndarray | None = None) -> np.ndarray:
        """Return the mean and some standard deviations along each component.

        Parameters
        ----------
        weights : sequence of float, (n,)
            In standard deviations.
        out : ndarray, optional
            Written into, C-contiguous float32 of the shape of the mean.
        """
        if out is None:
            out = np.empty_like(self.mean)
        flat = self.components.reshape(len(self), -1)
        np.matmul(np.asarray(weights, np.float32), flat, out=out.reshape(-1))
        out += self.mean
        return out


def find_variation(run: Run, *, most: int = COMPONENTS) -> Variation:
    """Find the principal components of the samples of a run; for a worker.

    From the Gram matrix of the K centred samples A, (K, N): with ``A A^T = U diag(l) U^T`` the
    components are ``A^T u_i / sqrt(l_i)``, and the standard deviation along them is
    ``sqrt(l_i / (K - 1))`` (I. T. Jolliffe, Principal Component Analysis, 2nd ed., section 3.5).
    The samples are read twice, part by part.

    Parameters
    ----------
    run : Run
        With three samples or more.
    most : int
        Components at most.

    Raises
    ------
    InputError
        If there are too few samples, they are all the same, or the image is too large for
        components that are held in memory.
    RunError
        If the run is damaged.
    """
    from napari_posterior.checks.gram import GramAccumulator, centred
    from napari_posterior.checks.source import Stack

    stack = Stack(run.samples)
    if stack.count < _FEWEST:
        raise InputError(
            f"{stack.count} samples tell too little of what varies; draw {_FEWEST} or more"
        )
    number = min(most, stack.count - 1)
    pixels = math.prod(stack.shape[1:])
    if 4 * pixels * (number + 1) > _MOST_BYTES:
        raise InputError(
            "the image is too large for its components to be held in memory; restore a plane or "
            "a rectangle of it"
        )
    gram = GramAccumulator(stack.count, 0)
    for _, rows in _parts(stack):
        gram.add(rows)
    inner = centred(gram.result().matrix)
    values, vectors = np.linalg.eigh(inner)
    values, vectors = values[::-1], vectors[:, ::-1]
    total = float(values.clip(0).sum())
    if not total > 0:
        raise InputError("all samples of this run are the same; there is nothing that varies")
    number = min(number, int((values > _LEAST_SHARE * total).sum()))
    values, vectors = values[:number], vectors[:, :number]
    mean = np.empty(pixels, np.float32)
    components = np.empty((number, pixels), np.float32)
    to_sd = (vectors / math.sqrt(stack.count - 1)).T.astype(np.float32)
    for where, rows in _parts(stack):
        middle = rows.mean(0, dtype=np.float64).astype(np.float32)
        mean[where] = middle
        components[:, where] = to_sd @ (rows - middle)
    signs = np.where(components.sum(1, dtype=np.float64) < 0, -1.0, 1.0)
    components *= signs[:, None].astype(np.float32)
    return Variation(
        mean.reshape(stack.shape[1:]),
        components.reshape(number, *stack.shape[1:]),
        values / total,
        vectors * signs * math.sqrt(stack.count - 1),
    )


def _parts(stack: Any) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield bands of all samples as (K, n) float32, with where their pixels stand in the image."""
    height, width = stack.plane_shape
    band = max(_AT_ONCE // (4 * stack.count * width), 1)
    for plane in range(stack.planes):
        for start in range(0, height, band):
            stop = min(start + band, height)
            rows = np.stack([stack.rows(k, plane, start, stop) for k in range(stack.count)])
            first = (plane * height + start) * width
            yield slice(first, first + (stop - start) * width), rows.reshape(stack.count, -1)
