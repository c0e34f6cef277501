"""The report of a comparison: findings with intervals, and what its pictures need."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import Finding, as_json
from napari_posterior.checks.solver import SolverTrust
from napari_posterior.checks.verdicts.judging import NOTHING_REQUIRED, Overall
from napari_posterior.errors import InputError, OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from napari_posterior.checks.counted.site_changes import SiteTable
    from napari_posterior.checks.familiar import Familiar
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.source import Description
    from napari_posterior.checks.spread.examples import FormExamples

__all__ = ["FOOTER", "SCHEMA", "Figures", "Report", "RunPictures", "Values"]

SCHEMA: Final = "napari-posterior/report/1"

FOOTER: Final = (
    "Compared with the teacher model, not with reality. One image (n=1). Tolerances chosen by you."
)


@dataclass(frozen=True, eq=False)
class RunPictures:
    """Pictures of one run, photoelectrons per pixel.

    Parameters
    ----------
    mean, sd : ndarray, (H, W) float32
        Over the samples of the run.
    gallery : ndarray, (n, H, W) float32
        The first samples.
    """

    mean: np.ndarray
    sd: np.ndarray
    gallery: np.ndarray


@dataclass(frozen=True, eq=False)
class Values:
    """A number of every sample of both runs.

    Parameters
    ----------
    id, title, unit : str
        Identifier, words and unit.
    teacher, student : ndarray, (K,)
        One value for each sample.
    expected, sd : float or None
        What is expected of a draw from the posterior, and its standard deviation, if known.
    samples : tuple of ndarray or None
        Number of each sample in its run, of teacher and student; None where they stand in order.
    """

    id: str
    title: str
    unit: str
    teacher: np.ndarray
    student: np.ndarray
    expected: float | None = None
    sd: float | None = None
    samples: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Figures:
    """Arrays behind the pictures of a report; of a stack, one plane.

    Parameters
    ----------
    input : ndarray, (H, W)
        The measurement in ADU.
    teacher, student : RunPictures
        Means, standard deviations and first samples.
    log2_variance_ratio : ndarray, (H, W) float32
        NaN where both samplers are certain.
    values : tuple of Values
        The statistics, then the likelihood residual.
    plane, planes : int
        Which plane is shown, of how many.
    pixel_size : tuple of float or None
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.
    maps : tuple of MapImage
        Where runs differ, of the plane that is shown.
    charts : mapping
        Numbers behind further pictures, JSON values, by name; see `charts.plot_report`.
    sites : SiteTable or None
        Every punctum, where puncta are counted.
    forms : FormExamples or None
        Samples that stand for the forms of the answer.
    """

    input: np.ndarray
    teacher: RunPictures
    student: RunPictures
    log2_variance_ratio: np.ndarray
    values: tuple[Values, ...]
    plane: int = 0
    planes: int = 1
    pixel_size: tuple[float, float] | None = None
    unit: str = "pixel"
    maps: tuple[MapImage, ...] = ()
    charts: Mapping[str, Any] = field(default_factory=dict)
    sites: SiteTable | None = None
    forms: FormExamples | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """Findings of a comparison of two runs on one image.

    Parameters
    ----------
    findings : tuple of Finding
        In the order in which they are shown, with their verdicts; ``report["mean"]`` finds one by
        its id.
    figures : Figures
        What the pictures need.
    teacher, student : Description
        How the samples were made.
    level : float
        Confidence level of all intervals.
    coupled : bool
        Whether both runs start from the same noise canvases.
    rho : float or None
        Correlation of the samples of one noise canvas, where the runs share some.
    scope : str
        What the findings are about, in a sentence.
    warnings : tuple of str
        What to keep in mind, in sentences.
    thresholds : mapping
        What was fixed from the measurement before the samples were looked at.
    familiar : Familiar or None
        RSE and RSP of the means, on the plane that is shown.
    overall : Overall
        What the required findings say together, and whether the reference is questionable.
    plan : mapping
        Looks, tail and tolerances with the time they were set, and the ledger of looks.
    created : str
        Date and time, ISO 8601, UTC.
    footer : str
        The sentence at the foot of every copy of the report.
    """

    findings: tuple[Finding, ...]
    figures: Figures
    teacher: Description
    student: Description
    level: float
    coupled: bool
    rho: float | None
    scope: str
    warnings: tuple[str, ...] = ()
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    familiar: Familiar | None = None
    overall: Overall = NOTHING_REQUIRED
    plan: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    footer: str = FOOTER

    @property
    def solver(self) -> SolverTrust:
        """How far the teacher's samples follow its law: its solver's error is in every finding."""
        return self.teacher.solver or SolverTrust()

    def __getitem__(self, key: str) -> Finding:
        """Return the finding with an id, such as ``"mean"`` or ``"puncta_count"``.

        Raises
        ------
        InputError
            If there is none; the message lists those there are.
        """
        for finding in self.findings:
            if finding.id == key:
                return finding
        known = ", ".join(finding.id for finding in self.findings)
        raise InputError(f"the report has no finding {key!r}; choose from {known}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as JSON values."""
        from napari_posterior import __version__

        values: dict[str, Any] = as_json(
            {
                "schema": SCHEMA,
                "created": self.created,
                "scope": self.scope,
                "footer": self.footer,
                "image": {
                    "name": self.teacher.image_name,
                    "sha256": self.teacher.image_sha256,
                    "shape": self.teacher.image_shape,
                    "pixel_size": self.figures.pixel_size,
                    "unit": self.figures.unit,
                    "n_images": 1,
                },
                "teacher": self.teacher.to_dict(),
                "student": self.student.to_dict(),
                "coupled": self.coupled,
                "rho": self.rho,
                "ci_level": self.level,
                "plan": self.plan,
                "overall": self.overall.to_dict(),
                "thresholds": self.thresholds,
                "squirrel": None if self.familiar is None else asdict(self.familiar),
                "checks": [
                    {
                        **finding.to_dict(),
                        "floor": {
                            "split_half": finding.extra.get("split_half"),
                            "sampler": self.solver.remaining,
                        },
                    }
                    for finding in self.findings
                ],
                "values": {
                    entry.id: {
                        "title": entry.title,
                        "unit": entry.unit,
                        "teacher": entry.teacher,
                        "student": entry.student,
                        "samples": entry.samples,
                        "expected": entry.expected,
                        "sd": entry.sd,
                    }
                    for entry in self.figures.values
                },
                "maps": [
                    {"name": one.name, "title": one.title, "unit": one.unit, "words": one.words}
                    for one in self.figures.maps
                ],
                "charts": self.figures.charts,
                "warnings": self.warnings,
                "versions": {"napari_posterior": __version__, "numpy": np.__version__},
            }
        )
        return values

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write the findings as JSON, schema ``napari-posterior/report/1``.

        ``floor.sampler`` of each check is the largest bias that the teacher's solver leaves open
        in any band, as a share of its variance, or null; ``teacher.solver`` says how that is known.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        return write_json(Path(path), self.to_dict())

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that holds its pictures and needs no other file.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        from napari_posterior.checks.page.html import render

        return write_text(Path(path), render(self))


def write_json(path: Path, values: Mapping[str, Any]) -> Path:
    """Write JSON values and return the path; `OutputError` says what went wrong."""
    text = json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False)
    return write_text(path, text + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text file and return its path; `OutputError` says what went wrong."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file and return its path; `OutputError` says what went wrong."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{path} cannot be written ({reason}); choose another folder or free some space"
        ) from error
    return path
