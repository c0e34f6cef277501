"""Checksums: a folder is compared with its card before anything in it is used; needs no torch."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_posterior.bundles.card import FileRecord
from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["check_files", "file_record", "find_problems"]

_CHUNK = 1 << 20
_WEIGHTS = ".safetensors"


def file_record(path: Path) -> FileRecord:
    """Return the SHA-256 and the size of a file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileRecord(sha256=digest.hexdigest(), size=size)


def find_problems(
    folder: Path,
    files: Mapping[str, FileRecord],
    *,
    on_file: Callable[[str], object] | None = None,
) -> list[str]:
    """Compare a folder with the checksums of its card; return one phrase for each problem.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    files : mapping of str to FileRecord
        What its card says.
    on_file : callable, optional
        Gets the name of every file before it is read; what it raises ends the comparison.
    """
    problems = []
    for name, expected in sorted(files.items()):
        if on_file is not None:
            on_file(name)
        path = folder / name
        try:
            found = file_record(path)
        except FileNotFoundError:
            problems.append(f"the file {name} is missing")
            continue
        except OSError as error:
            problems.append(f"the file {name} cannot be read ({error.strerror or error})")
            continue
        if found.size != expected.size:
            problems.append(f"the file {name} has {found.size} bytes instead of {expected.size}")
        elif found.sha256 != expected.sha256:
            problems.append(f"the file {name} does not match its checksum")
    known = {folder / name for name in files}
    problems += [
        f"the weights file {path.relative_to(folder).as_posix()} is not listed in the card"
        for path in sorted(folder.rglob(f"*{_WEIGHTS}"))
        if path not in known
    ]
    return problems


def check_files(folder: Path, files: Mapping[str, FileRecord]) -> None:
    """Refuse a folder that does not match the checksums of its card.

    Raises
    ------
    ModelError
        Naming the first file that is missing, changed, or not listed.
    """
    problems = find_problems(folder, files)
    if problems:
        raise ModelError(f"the bundle {folder} is damaged: {problems[0]}; get the bundle again")
