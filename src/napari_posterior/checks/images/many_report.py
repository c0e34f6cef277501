"""What several images say together, and how it is written to files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.checks.finding import as_json
from napari_posterior.checks.report import write_json, write_text
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.images.effects import CommonScale
    from napari_posterior.checks.images.random_effects import RandomEffects
    from napari_posterior.checks.verdicts.verdict import Verdict

__all__ = ["SCHEMA", "ManyFinding", "ManyReport", "OneImage"]

SCHEMA: Final = "napari-posterior/images/1"

_FOOTER: Final = (
    "Compared with the teacher model, not with reality. The image is the unit (n={n}). Tolerances "
    "chosen by you."
)

_COLUMNS: Final = (
    "finding", "image", "estimate", "low", "high", "prediction_low", "prediction_high", "unit",
    "verdict", "teacher_samples", "student_samples",
)  # fmt: skip


@dataclass(frozen=True)
class OneImage:
    """What one image gave.

    Parameters
    ----------
    image : str
        Its name.
    finding : Finding
        With its verdict.
    """

    image: str
    finding: Finding


@dataclass(frozen=True)
class ManyFinding:
    """One quantity on several images.

    Parameters
    ----------
    id, title, question : str
        As of its findings.
    images : tuple of OneImage
        Those on which it was judged.
    required : bool
        Whether it decides the whole.
    verdict : str
        One of the four, on images like these.
    sentence, verdict_sentence : str
        The estimate and the verdict in words.
    scale : CommonScale or None
        What it was pooled in; None where images are only listed.
    pooled : RandomEffects or None
        On the scale.
    mean : float or None
        Over images like these, in ``scale.unit``.
    interval, prediction : tuple of float or None
        Confidence interval of the mean, and where the next image lies.
    preserved : int
        Images on which it is preserved.
    failing_bound : float
        Share of images like these on which it may not be, upper 95 % bound.
    p_preserved, p_not_preserved : float or None
        One-sided p-values of the next image being within the limits, and beyond them.
    post_hoc : bool
        Whether its tolerance was changed after samples of an image had been looked at.
    """

    id: str
    title: str
    question: str
    images: tuple[OneImage, ...]
    required: bool
    verdict: Verdict
    sentence: str
    verdict_sentence: str
    scale: CommonScale | None = None
    pooled: RandomEffects | None = None
    mean: float | None = None
    interval: tuple[float, float] | None = None
    prediction: tuple[float, float] | None = None
    preserved: int = 0
    failing_bound: float = 1.0
    p_preserved: float | None = None
    p_not_preserved: float | None = None
    post_hoc: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        scale, pooled = self.scale, self.pooled
        values: dict[str, Any] = as_json(
            {
                "id": self.id,
                "title": self.title,
                "question": self.question,
                "required": self.required,
                "verdict": self.verdict,
                "sentence": self.sentence,
                "verdict_sentence": self.verdict_sentence,
                "n_images": len(self.images),
                "n_preserved": self.preserved,
                "failing_share_upper_95": self.failing_bound,
                "unit": None if scale is None else scale.unit,
                "tolerance": None if scale is None else [scale.low, scale.high],
                "mean": self.mean,
                "ci": self.interval,
                "prediction": self.prediction,
                "tau2": None if pooled is None else pooled.between,
                "Q": None if pooled is None else pooled.heterogeneity,
                "p_preserved": self.p_preserved,
                "p_not_preserved": self.p_not_preserved,
                "tolerance_set": "after" if self.post_hoc else "before",
                "images": [
                    {
                        "image": one.image,
                        "estimate": one.finding.estimate,
                        "ci": one.finding.interval,
                        "unit": one.finding.unit,
                        "verdict": one.finding.verdict,
                        "K_T": one.finding.n_teacher,
                        "K_S": one.finding.n_student,
                    }
                    for one in self.images
                ],
            }
        )
        return values


@dataclass(frozen=True)
class ManyReport:
    """What several images say together.

    Parameters
    ----------
    findings : tuple of ManyFinding
        ``report["variance"]`` finds one by its id.
    images : tuple of str
        Names of the images.
    level : float
        Confidence level of the intervals.
    verdict, headline : str
        Of all that is required, on images like these.
    notes : tuple of str
        What to keep in mind, in sentences.
    created : str
        Date and time, ISO 8601, UTC.
    """

    findings: tuple[ManyFinding, ...]
    images: tuple[str, ...]
    level: float
    verdict: Verdict
    headline: str
    notes: tuple[str, ...] = ()
    created: str = ""

    @property
    def footer(self) -> str:
        """The sentence at the foot of every copy."""
        return _FOOTER.format(n=len(self.images))

    def __getitem__(self, key: str) -> ManyFinding:
        """Return the finding with an id.

        Raises
        ------
        InputError
            If there is none; the message lists those there are.
        """
        for finding in self.findings:
            if finding.id == key:
                return finding
        known = ", ".join(finding.id for finding in self.findings)
        raise InputError(f"the images have no finding {key!r}; choose from {known}")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "images": list(self.images),
            "n_images": len(self.images),
            "ci_level": self.level,
            "overall": {
                "verdict": self.verdict,
                "headline": self.headline,
                "rule": "all required findings on the prediction interval (intersection-union); "
                "not preserved after Holm's correction",
                "scope": "images like these",
            },
            "checks": [finding.to_dict() for finding in self.findings],
            "warnings": list(self.notes),
            "footer": self.footer,
        }

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write everything as JSON, schema ``napari-posterior/images/1``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        return write_json(Path(path), self.to_dict())

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write a row for each finding on each image, and one, ``all``, for their mean.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        lines = io.StringIO()
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(_COLUMNS)
        for one in self.findings:
            for image in one.images:
                found = image.finding
                low, high = found.interval
                row = (found.estimate, low, high, None, None, found.unit, found.verdict)
                table.writerow((one.id, image.image, *row, found.n_teacher, found.n_student))
            ends = (*(one.interval or (None, None)), *(one.prediction or (None, None)))
            unit = None if one.scale is None else one.scale.unit
            table.writerow((one.id, "all", one.mean, *ends, unit, one.verdict, None, None))
        return write_text(Path(path), lines.getvalue())
