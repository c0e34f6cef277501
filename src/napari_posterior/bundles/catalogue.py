"""Which bundles there are: shipped with the package or in the user's cache; needs no torch."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from napari_posterior.bundles.card import CARD_FILE
from napari_posterior.bundles.reading import read_card
from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.bundles.card import ModelCard

__all__ = [
    "CACHE_VARIABLE",
    "MEMORY_VARIABLE",
    "Entry",
    "cache_folder",
    "entries",
    "find_model",
    "list_models",
]

CACHE_VARIABLE = "NAPARI_POSTERIOR_CACHE"
"""Environment variable that names the user's cache folder."""

MEMORY_VARIABLE = "NAPARI_POSTERIOR_MEMORY_SHARE"
"""Environment variable with the part of the free memory that a network call may take."""


@dataclass(frozen=True)
class Entry:
    """One bundle of the catalogue.

    Attributes
    ----------
    name : str
        What users type: the name in the card, or that of the folder if the card is broken.
    folder : Path
        Where the bundle lies.
    origin : str
        ``"shipped"`` or ``"cached"``.
    card : ModelCard or None
        The card; None if it could not be read.
    problem : str
        Why the card could not be read; empty if it could.
    """

    name: str
    folder: Path
    origin: str
    card: ModelCard | None
    problem: str = ""


def shipped_folder() -> Path:
    """Return the folder of the bundles that come with the package."""
    return Path(str(files("napari_posterior.bundles"))) / "shipped"


def cache_folder() -> Path:
    """Return the folder of the user's own bundles; it need not exist.

    The environment variable ``NAPARI_POSTERIOR_CACHE`` names it; without one it is the cache
    folder that the operating system keeps for programs.
    """
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "napari-posterior"


def entries(roots: Sequence[tuple[str, Path]] | None = None) -> list[Entry]:
    """List the bundles, shipped before cached; a shipped name hides a cached one.

    Parameters
    ----------
    roots : sequence of (origin, folder), optional
        Where to look. Default: the shipped and the cache folder.

    Returns
    -------
    list of Entry
        Sorted by name within each root, also those whose card cannot be read.
    """
    if roots is None:
        roots = (("shipped", shipped_folder()), ("cached", cache_folder() / "models"))
    found: dict[str, Entry] = {}
    for origin, root in roots:
        for folder in _bundle_folders(root):
            entry = _entry(origin, folder)
            found.setdefault(entry.name, entry)
    return list(found.values())


def list_models() -> list[ModelCard]:
    """List the cards of the bundles that are shipped or cached.

    Reads cards only, neither weights nor torch; a bundle with a broken card is left out.
    """
    return [entry.card for entry in entries() if entry.card is not None]


def find_model(model: str | os.PathLike[str]) -> Path:
    """Find the folder of a bundle.

    Parameters
    ----------
    model : str or path
        A name of the catalogue, or the folder of a bundle.

    Returns
    -------
    Path
        The folder, which holds a card.

    Raises
    ------
    ModelError
        If there is no such bundle; the message lists those that there are.
    """
    known = {entry.name: entry.folder for entry in entries()}
    if isinstance(model, str) and model in known:
        return known[model]
    folder = Path(model).expanduser()
    if (folder / CARD_FILE).is_file():
        return folder
    names = ", ".join(known) if known else "none"
    if folder.is_dir() and str(model):
        raise ModelError(
            f"the folder {folder} is not a model bundle, it holds no {CARD_FILE}; give the folder "
            f"of a bundle or one of the models that are here: {names}"
        )
    raise ModelError(
        f"there is no model called {str(model)!r}; the models that are here: {names}; "
        "or give the folder of a bundle"
    )


def _bundle_folders(root: Path) -> list[Path]:
    try:
        # hidden ones are being imported or removed
        visible = (path for path in root.iterdir() if not path.name.startswith("."))
        return sorted(path for path in visible if (path / CARD_FILE).is_file())
    except OSError:
        # A cache that does not exist or cannot be read holds no bundles.
        return []


def _entry(origin: str, folder: Path) -> Entry:
    try:
        card = read_card(folder)
    except ModelError as error:
        return Entry(folder.name, folder, origin, None, str(error))
    return Entry(card.name, folder, origin, card)
