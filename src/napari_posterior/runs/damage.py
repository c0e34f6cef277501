"""A run on disk that cannot be read is told of in one sentence, when it is opened."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_posterior.errors import PosteriorError, RunError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from napari_posterior.runs.run import Run

__all__ = ["prove_readable", "telling_damage"]


@contextmanager
def telling_damage(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what a damaged run raises within the block into one sentence.

    Raises
    ------
    RunError
        For all but a `PosteriorError`, which says already what is wrong.
    """
    try:
        yield
    except PosteriorError:
        raise
    except Exception as error:  # a damaged store makes its library raise anything
        raise RunError(
            f"{path} is damaged and cannot be opened ({type(error).__name__}); copy the run again, "
            "or restore the image again"
        ) from error


def prove_readable(run: Run) -> None:
    """Read one pixel of the first sample: what cannot be read is said now, not while looking."""
    run.samples[(0, *(slice(0, 1) for _ in run.request.image.shape))]
