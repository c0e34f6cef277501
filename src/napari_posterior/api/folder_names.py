"""How folders of results are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os

__all__ = ["folder_named"]


def folder_named(path: str | os.PathLike[str], suffix: str, *, what: str) -> Path:
    """Return the folder of this name: the ending is added where it is missing.

    Parameters
    ----------
    path : path
        With or without the ending.
    suffix : str
        The ending, such as ``".posterior.zarr"``.
    what : str
        What the folder holds, for a message.

    Raises
    ------
    InputError
        If the name is empty.
    """
    folder = Path(path).expanduser()
    if not str(path) or folder.name in ("", ".."):
        raise InputError(f"{str(path)!r} is no name for {what}; give NAME{suffix}")
    if folder.name.endswith(suffix):
        return folder
    return folder.with_name(folder.name.removesuffix(".zarr") + suffix)
