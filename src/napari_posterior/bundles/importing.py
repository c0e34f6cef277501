"""Bring a bundle into the user's cache, from a folder or a zip archive that need not be trusted.

Nothing of it is executed, and only the files that its card lists are taken: every one of them is
compared with its checksum before the bundle gets its place.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from napari_posterior.bundles.card import CARD_FILE
from napari_posterior.bundles.catalogue import cache_folder, entries
from napari_posterior.bundles.checksums import check_files
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.reading import read_card
from napari_posterior.errors import ModelError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_posterior.bundles.card import ModelCard

__all__ = ["MAX_BYTES", "MAX_FILES", "import_bundle", "remove_bundle"]

MAX_BYTES: Final = 8 * 2**30
"""Bytes that a bundle may take in all."""

MAX_FILES: Final = 1000
"""Files that a bundle, or an archive with one, may hold."""

_MAX_CARD: Final = 8 * 2**20
_CHUNK: Final = 1 << 20


def import_bundle(path: str | os.PathLike[str], *, root: Path | None = None) -> Path:
    """Copy a bundle into the user's cache; it appears there whole or not at all.

    Parameters
    ----------
    path : path
        A folder that holds ``posterior.json``, or a zip archive of one.
    root : Path, optional
        Where bundles are kept; by default in the user's cache.

    Returns
    -------
    Path
        Its folder in the cache, called like the model.

    Raises
    ------
    ModelError
        If it is no bundle; a file is missing, altered or leads outside of it; a model of that name
        is there already; or it is too large.
    OutputError
        If the cache cannot be written.
    """
    source = Path(path).expanduser()
    root = cache_folder() / "models" if root is None else root
    try:
        root.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".importing-", dir=root))
    except OSError as error:
        raise OutputError(
            f"the cache folder {root} cannot be written ({error.strerror}); choose another"
        ) from error
    try:
        if source.is_dir():
            card = _take(_FolderSource(source), part)
        elif source.is_file():
            with _opened(source) as archive:
                card = _take(_ZipSource(source, archive), part)
        else:
            raise ModelError(f"{source} does not exist; choose a folder or a zip archive")
        check_files(part, card.files)
        read_parts(part, card)
        target = _place_for(card, root)
        part.chmod(0o755)  # mkdtemp keeps it to its user
        part.rename(target)
    except OSError as error:
        raise OutputError(
            f"{source} cannot be copied into {root} ({error.strerror or error}); check the disk"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def remove_bundle(name: str, *, root: Path | None = None) -> None:
    """Remove a bundle from the user's cache.

    Parameters
    ----------
    name : str
        Of the model.
    root : Path, optional
        Where bundles are kept; by default in the user's cache.

    Raises
    ------
    ModelError
        If it came with the package, or there is no such model.
    OutputError
        If it cannot be removed.
    """
    root = cache_folder() / "models" if root is None else root
    found = [one for one in entries((("cached", root),)) if one.name == name]
    if not found:
        raise ModelError(f"the model {name!r} is not in the cache, so it cannot be removed")
    folder = found[0].folder
    aside = folder.with_name(f".{folder.name}.removed-{os.getpid()}")
    try:
        folder.rename(aside)  # first, so that it is never there in part
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be removed ({error.strerror}); check its permissions"
        ) from error
    shutil.rmtree(aside, ignore_errors=True)


class _FolderSource:
    """The files of a folder that is given; links are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.words = str(folder)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        path = self._folder.joinpath(*PurePosixPath(name).parts)
        for part in (path, *path.parents):
            if part == self._folder:
                break
            if part.is_symlink():
                raise ModelError(
                    f"{name} in {self.words} is a link, which is not followed; give a real copy"
                )
        try:
            stream = path.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise _missing(name, self.words) from None
        with stream:
            yield stream


class _ZipSource:
    """The files of an archive, whose names are looked at before anything is read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.words = str(path)
        infos = archive.infolist()
        if len(infos) > MAX_FILES:
            raise ModelError(
                f"{path} holds {len(infos)} files, and a model at most {MAX_FILES}; choose another"
            )
        self._archive = archive
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = _checked(info, path)
            if info.is_dir():
                continue
            if name in self._infos:
                raise ModelError(f"{path} holds {name} twice; get the bundle again")
            self._infos[name] = info
        self._top = self._find_top(path)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        info = self._infos.get(f"{self._top}{name}")
        if info is None:
            raise _missing(name, self.words)
        try:
            with self._archive.open(info) as stream:
                yield stream
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ModelError(
                f"{name} in {self.words} cannot be unpacked ({error}); get the bundle again"
            ) from error

    def _find_top(self, path: Path) -> str:
        cards = [name for name in self._infos if PurePosixPath(name).name == CARD_FILE]
        cards = [name for name in cards if len(PurePosixPath(name).parts) <= 2]
        if len(cards) != 1:
            told = "no" if not cards else "more than one"
            raise ModelError(
                f"{path} holds {told} {CARD_FILE}; choose an archive of the folder of one bundle"
            )
        return cards[0].removesuffix(CARD_FILE)


def _take(source: _FolderSource | _ZipSource, part: Path) -> ModelCard:
    """Copy the card and the files that it lists, and nothing else."""
    with source.open(CARD_FILE) as stream:
        _copy(stream, part / CARD_FILE, at_most=_MAX_CARD, too_large=_too_large(source.words))
    card = read_card(part)
    if len(card.files) > MAX_FILES or sum(one.size for one in card.files.values()) > MAX_BYTES:
        raise _too_large(source.words)
    for name, record in card.files.items():
        target = part.joinpath(*PurePosixPath(name).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        altered = ModelError(
            f"the file {name} in {source.words} is larger than its card says; get the bundle again"
        )
        with source.open(name) as stream:
            _copy(stream, target, at_most=record.size, too_large=altered)
    return card


def _copy(stream: IO[bytes], target: Path, *, at_most: int, too_large: ModelError) -> None:
    """Copy a stream, and refuse to write more than it should hold, whatever an archive says."""
    left = at_most
    with target.open("xb") as out:
        while chunk := stream.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise too_large
            out.write(chunk)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ModelError(
            f"{path} is not a zip archive; choose one, or the folder of a bundle"
        ) from None
    with archive:
        yield archive


def _checked(info: zipfile.ZipInfo, path: Path) -> str:
    """Return the name of an entry of an archive; refuse one that leads outside of it."""
    name = info.orig_filename.rstrip("/")
    pure = PurePosixPath(name)
    outside = pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name
    if outside or "\0" in name:
        raise ModelError(
            f"{path} holds {name!r}, which leads outside of the archive; do not use this file"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ModelError(f"{path} holds the link {name!r}, which is not followed; pack the file")
    return name


def _place_for(card: ModelCard, root: Path) -> Path:
    for entry in entries():
        if entry.name == card.name and entry.origin == "shipped":
            raise ModelError(
                f"a model called {card.name!r} came with napari-posterior and would hide this one; "
                "give the bundle another name in its card"
            )
    target = root / card.name
    known = {one.name for one in entries((("cached", root),))}
    if os.path.lexists(target) or card.name in known:
        raise ModelError(
            f"there is a model called {card.name!r} in the cache already; remove it first"
        )
    return target


def _missing(name: str, words: str) -> ModelError:
    if name == CARD_FILE:
        return ModelError(f"{words} holds no {CARD_FILE}; choose the folder or zip of a bundle")
    return ModelError(f"the file {name} is missing in {words}; get the bundle again")


def _too_large(words: str) -> ModelError:
    return ModelError(
        f"{words} is too large for a model: at most {MAX_FILES} files and "
        f"{MAX_BYTES // 2**30} GiB are taken; choose another"
    )
