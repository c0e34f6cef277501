"""What a correction gives: maps, numbers, distributions, spectra and puncta of the teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import PosteriorError

if TYPE_CHECKING:
    import os

    import pandas as pd

    from napari_posterior.correction.bands import Spectrum
    from napari_posterior.correction.estimate import Corrected
    from napari_posterior.correction.events import Distribution
    from napari_posterior.image import Geometry
    from napari_posterior.runs.run import Run

__all__ = ["CorrectedSites", "Corrections", "Source", "source_of"]

_FREE: Final = ("batch", "tile", "device", "samples", "model")
_FREE_OF_IMAGE: Final = ("name", "source")
"""Of a request and its image, what leaves the samples as they are."""


@dataclass(frozen=True)
class Source:
    """Which run a correction was made of.

    Parameters
    ----------
    label : str
        Sampler with its steps.
    path : str
        Where its folder was.
    sha256 : str
        Hash of its request: image, model, sampler, camera, PSF and seed decide every sample.
    samples : tuple of int
        Numbers of the samples that were used.
    """

    label: str
    path: str
    sha256: str
    samples: tuple[int, ...]

    def find(self, *beside: Path) -> Run | None:
        """Open the run; None where it is gone or has become another one.

        Parameters
        ----------
        *beside : Path
            Folders where it may lie too, as after both were moved together.
        """
        from napari_posterior.runs.store import open_run

        for place in (Path(self.path), *(folder / Path(self.path).name for folder in beside)):
            try:
                run = open_run(place)
            except PosteriorError:
                continue
            if _hash(run) == self.sha256 and set(self.samples) <= set(run.samples.indices):
                return run
        return None


def source_of(run: Run, samples: tuple[int, ...]) -> Source:
    """Say which samples of a run are used."""
    from napari_posterior.checks.source import describe

    return Source(describe(run).label, str(run.path), _hash(run), samples)


@dataclass(frozen=True, eq=False)
class CorrectedSites:
    """How likely each punctum is there, under the teacher.

    Parameters
    ----------
    positions : ndarray, (S, 3) float64
        Plane, row and column in pixels; those that most samples have first.
    probability : Corrected
        Of each, (S,).
    found_in : ndarray, (S,) int64
        Samples, of both samplers, that have it.
    radius : float
        How far in pixels a detection may lie from its site.

    Notes
    -----
    Sites are pooled over all samples of both runs, so that neither decides where to look. A
    punctum of probability p is missed by all N samples with probability ``(1 - p)^N``; those found
    in very few samples are listed because they were seen, so their probabilities are too large
    rather than too small.
    """

    positions: np.ndarray
    probability: Corrected
    found_in: np.ndarray
    radius: float

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.positions)

    def to_frame(self) -> pd.DataFrame:
        """Return a table of one row a site: position, probabilities, interval and p-value."""
        import pandas as pd

        plane, row, column = self.positions.T
        found = self.probability
        return pd.DataFrame(
            {
                "plane": plane.astype(int),
                "row [px]": row,
                "column [px]": column,
                "probability": found.value,
                "se": found.se,
                "low": found.low,
                "high": found.high,
                "student_probability": found.student.value,
                "p_value": found.difference.p_values,
                "samples": self.found_in,
            }
        )


@dataclass(frozen=True, eq=False)
class Corrections(Mapping[str, "Corrected"]):
    """Estimates of the teacher by name; made by `correct` and `open_corrections`.

    ``corrections["mean"]`` and ``corrections["variance"]`` are maps of the shape of a sample, the
    other entries numbers, each with standard error, interval, correlation and the student's own
    bias.

    Parameters
    ----------
    estimates : mapping of str to Corrected
        The entries.
    bands : Spectrum
        Variance and correlation by size of detail.
    distributions : mapping of str to Distribution
        Of each number that has one.
    sites : mapping of str to CorrectedSites
        Of each statistic that finds objects, the probability of every one.
    name : str
        Of the image.
    geometry : Geometry
        Where the pixels of the maps lie.
    sources : tuple of Source, 2
        What it was made of: teacher and student.
    """

    estimates: Mapping[str, Corrected]
    bands: Spectrum
    distributions: Mapping[str, Distribution]
    sites: Mapping[str, CorrectedSites]
    name: str
    geometry: Geometry
    sources: tuple[Source, Source]
    runs: tuple[Run | None, Run | None] = field(default=(None, None), repr=False)

    def __getitem__(self, name: str) -> Corrected:
        """Return an estimate by its name."""
        return self.estimates[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the estimates."""
        return iter(self.estimates)

    def __len__(self) -> int:
        """Return the number of estimates."""
        return len(self.estimates)

    @property
    def teacher(self) -> Run | None:
        """The run of the teacher; None where it is gone."""
        return self.runs[0]

    @property
    def student(self) -> Run | None:
        """The run of the student; None where it is gone."""
        return self.runs[1]

    @property
    def mean(self) -> np.ndarray:
        """Mean of the teacher's samples, float64, photoelectrons per pixel."""
        return self["mean"].value

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of the teacher's samples, float64, photoelectrons per pixel.

        For display: 0 where the unbiased variance, ``corrections["variance"].value``, came out
        negative.
        """
        return np.asarray(np.sqrt(np.maximum(self["variance"].value, 0.0)))

    @property
    def se(self) -> np.ndarray:
        """Standard error of the mean, float64, photoelectrons per pixel."""
        return self["mean"].se

    @property
    def correlation(self) -> np.ndarray:
        """Correlation of teacher and student in pairs, float64; NaN where one does not vary."""
        return self["mean"].r

    def told(self) -> list[str]:
        """Say what was found, in sentences: maps, sizes of detail, numbers, puncta."""
        from napari_posterior.correction.telling import (
            tell_bands,
            tell_corrected,
            tell_distribution,
            tell_sites,
        )

        told: list[str] = []
        for name, one in self.estimates.items():
            told += tell_corrected(one)[: None if name == "mean" else -1]
            if name == "variance":
                told += tell_bands(self.bands)
            if name in self.distributions:
                told += tell_distribution(self.distributions[name], self[name])
        for found in self.sites.values():
            told += tell_sites(found.probability, radius=found.radius)
        return told

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write all of it to a folder ``NAME.corrected.zarr``.

        Mean, sd, variance, standard error and correlation are OME-Zarr images that other programs
        read; ``corrected.json`` holds the numbers.

        Parameters
        ----------
        path : path
            The folder; the ending is added where it is missing.
        overwrite : bool
            Replace a correction that is there; nothing else is ever removed.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputError
            If the folder exists or cannot be written.
        """
        from napari_posterior.api.saved_corrections import save_corrections

        return save_corrections(self, path, overwrite=overwrite)


def _hash(run: Run) -> str:
    told = run.request.model_dump(mode="json", exclude=set(_FREE))
    told["image"] = {k: v for k, v in told["image"].items() if k not in _FREE_OF_IMAGE}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
