"""A run that failed, with what it had drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.errors import RunError

if TYPE_CHECKING:
    from napari_posterior.runs.run import Run

__all__ = ["RunFailedError"]


class RunFailedError(RunError):
    """Sampling stopped before its end; the exception that stopped it is its cause.

    Parameters
    ----------
    message : str
        One sentence that says what happened and what to do.
    kept : int
        Samples that were drawn before.
    run : Run or None
        The run so far; None where it cannot be opened any more.
    """

    def __init__(self, message: str, *, kept: int = 0, run: Run | None = None) -> None:
        super().__init__(message)
        self.kept = kept
        self.run = run
