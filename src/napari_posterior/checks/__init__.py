"""Compare two runs: estimates with intervals of what a student keeps of its teacher's samples."""

from __future__ import annotations

from napari_posterior.checks.build import build_report
from napari_posterior.checks.finding import Finding
from napari_posterior.checks.page.write import write_report
from napari_posterior.checks.report import Report
from napari_posterior.checks.source import SampleSource, check_comparable, describe

__all__ = [
    "Finding",
    "Report",
    "SampleSource",
    "build_report",
    "check_comparable",
    "describe",
    "write_report",
]
