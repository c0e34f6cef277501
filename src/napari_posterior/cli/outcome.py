"""How a command ends: exit codes, one sentence for what the user can put right, a log for ours."""

from __future__ import annotations

import functools
import logging
import platform
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import typer

import napari_posterior
from napari_posterior.bundles.catalogue import cache_folder
from napari_posterior.errors import PosteriorError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BAD_INPUT", "FAULT", "INTERRUPTED", "note", "reported", "say"]

FAULT: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

_LOG = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def say(text: str = "") -> None:
    """Write a line to the standard output stream."""
    typer.echo(text)


def note(text: str) -> None:
    """Write a line to the standard error stream."""
    typer.echo(text, err=True)


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command raises into its exit code and a message without a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except typer.Exit:
            raise
        except PosteriorError as error:
            if not _is_the_users(error):
                raise typer.Exit(_report_fault(error)) from error
            note(f"napari-posterior: {error}")
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            note("napari-posterior: stopped; runs that were written are kept")
            raise typer.Exit(INTERRUPTED) from error
        except Exception as error:
            raise typer.Exit(_report_fault(error)) from error

    return run


def _is_the_users(error: PosteriorError) -> bool:
    """Whether a person can put it right: a run can also stop by a fault of the program."""
    cause = error.__cause__
    if not isinstance(error, RunError) or cause is None:
        return True
    return isinstance(cause, PosteriorError | OSError | ValueError | MemoryError)


def _report_fault(error: BaseException) -> int:
    text = "".join(traceback.format_exception(error))
    head = f"napari-posterior {napari_posterior.__version__}, Python {platform.python_version()}"
    path = _write_log(f"{head}, {platform.platform()}\n\n{text}")
    where = f"the details are in {path}" if path else "the details could not be written to a file"
    what = " ".join(str(error).split()) or type(error).__name__
    note(
        f"napari-posterior: a fault of the program ({type(error).__name__}: {what}); {where}, "
        "please report it"
    )
    return FAULT


def _write_log(text: str) -> Path | None:
    for folder in (cache_folder(), Path(tempfile.gettempdir())):
        path = folder / "napari-posterior-error.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError:
            _LOG.debug("no log in %s", folder, exc_info=True)
        else:
            return path
    return None
