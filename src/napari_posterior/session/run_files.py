"""What is done with the folders of runs: measured, copied, moved aside and brought back."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import count
from typing import TYPE_CHECKING

from napari_posterior.errors import OutputError, RunError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.runs.cancel import CancelToken

__all__ = ["copy_run", "empty", "folder_bytes", "move_aside", "move_back"]


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files of a folder take; those that go meanwhile do not count."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue
    return total


def copy_run(source: Path, target: Path, *, token: CancelToken) -> Path:
    """Copy the folder of a run; it appears whole or not at all.

    Parameters
    ----------
    source, target : Path
        Where the run is, and where the copy goes.
    token : CancelToken
        Looked at before every file.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    OutputError
        If there is something of that name, or it cannot be written.
    RunCancelledError
        If the token was cancelled.
    """
    target = target.absolute()
    if os.path.lexists(target):
        raise OutputError(f"{target} exists already; choose another name")
    if target.is_relative_to(source.absolute()):
        raise OutputError(f"{target} lies in the run itself; choose another folder")
    part = target.with_name(f".{target.name}.part-{os.getpid()}")

    def copy(one: str, other: str) -> str:
        token.raise_if_cancelled()
        return str(shutil.copy2(one, other))

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part, copy_function=copy)
        if os.path.lexists(target):  # made by somebody else meanwhile
            raise OutputError(f"{target} exists already; choose another name")
        part.rename(target)
    except (OSError, shutil.Error) as error:
        raise OutputError(f"{target} cannot be written ({_reason(error)})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def move_aside(folder: Path) -> Path:
    """Give the folder of a run a hidden name beside it; return that.

    Raises
    ------
    RunError
        If it is not there, or may not be moved.
    """
    for number in count():
        aside = folder.with_name(f".{folder.name}.deleted-{os.getpid()}-{number}")
        if not os.path.lexists(aside):
            break
    try:
        folder.rename(aside)
    except FileNotFoundError as error:
        raise RunError(
            f"{folder} is not there any more; forget the run to take it off the list"
        ) from error
    except OSError as error:
        raise RunError(f"{folder} cannot be deleted ({_reason(error)})") from error
    return aside


def move_back(aside: Path, folder: Path) -> Path:
    """Give a folder that was moved aside its name again; return that.

    Raises
    ------
    RunError
        If the name is taken, or the folder cannot be moved.
    """
    if os.path.lexists(folder):
        raise RunError(f"{folder} is there again; move it away, then bring the other one back")
    try:
        aside.rename(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be brought back ({_reason(error)})") from error
    return folder


def empty(aside: Path) -> None:
    """Remove a folder that was moved aside, for good."""
    shutil.rmtree(aside, ignore_errors=True)


def _reason(error: OSError | shutil.Error) -> str:
    if isinstance(error, shutil.Error):  # its text names every file
        return "not all files could be copied; check the disk"
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "the disk is full; free some space"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "you may not write there; choose another folder"
    return error.strerror or str(error)
