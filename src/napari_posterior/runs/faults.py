"""What went wrong while something was computed, in one sentence."""

from __future__ import annotations

import errno

from napari_posterior.errors import PosteriorError

__all__ = ["explain", "is_out_of_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch raises plain RuntimeErrors on some devices."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(sign in told for sign in signs)


def explain(error: BaseException, doing: str = "sampling") -> str:
    """Say in one sentence for the user what happened.

    Parameters
    ----------
    error : BaseException
        What was raised.
    doing : str
        What was stopped by it, as the subject of the sentence.
    """
    if isinstance(error, PosteriorError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; free some space and resume the run"
    if is_out_of_memory(error):
        return f"{doing} does not fit into memory; crop the image, or choose the CPU"
    detail = " ".join(str(error).split())
    return f"{doing} stopped by a fault of the program ({type(error).__name__}: {detail})"
