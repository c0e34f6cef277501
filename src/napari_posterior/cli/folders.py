"""Folders that results are written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["free_folder"]


def free_folder(folder: Path, holds: str, *, overwrite: bool) -> None:
    """Make a folder to write to before time is spent on what goes into it.

    Parameters
    ----------
    folder : Path
        Made with its parents.
    holds : str
        The file that may be overwritten only if that is asked for.
    overwrite : bool
        Whether it is.

    Raises
    ------
    OutputError
        If the file is there and may not be overwritten, or the folder cannot be made.
    """
    if (folder / holds).exists() and not overwrite:
        raise OutputError(f"{folder / holds} exists; choose another --out, or add --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder} is a file; choose another --out") from error
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}); choose another --out"
        ) from error
