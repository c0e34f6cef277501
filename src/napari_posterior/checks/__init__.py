"""Compare two runs: verdicts with intervals on what a student keeps of its teacher's samples.

Names are resolved when they are first used: what measures single samples needs no report.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOME_OF = {
    "Finding": "finding",
    "Report": "report",
    "SampleSource": "source",
    "build_report": "build",
    "check_comparable": "source",
    "describe": "source",
    "write_report": "page.write",
}


def __getattr__(name: str) -> object:
    """Resolve a public name on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
