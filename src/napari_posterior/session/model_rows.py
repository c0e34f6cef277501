"""What there is to know of a model before it is used: where it is, how large, whether it is whole.

No weights are read here, and no torch is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_posterior.bundles.card import CARD_FILE
from napari_posterior.bundles.catalogue import entries
from napari_posterior.session.choices import ModelChoice, read_models
from napari_posterior.session.run_files import folder_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.bundles.catalogue import Entry
    from napari_posterior.session.models import SessionState

__all__ = ["ModelRow", "ModelState", "needed_models", "read_rows"]

ModelState: TypeAlias = Literal["shipped", "cached", "missing", "refused"]


@dataclass(frozen=True)
class ModelRow:
    """A line in the table of models.

    Attributes
    ----------
    name : str
        As in ``restore(model=...)``.
    version : str
        What its card says; empty where there is none.
    state : str
        ``"shipped"``: it came with the package; ``"cached"``: it is in the user's cache;
        ``"missing"``: something needs it and it is not there; ``"refused"``: it cannot be used.
    reason : str
        Why it is missing or refused, in one sentence; empty otherwise.
    bytes : int
        What its files take on disk.
    samplers : tuple of str
        Teacher first, then the students, then the point estimate.
    folder : Path or None
        Where it is; None where it is missing.
    removable : bool
        Whether it is in the user's cache.
    choice : ModelChoice or None
        What can be chosen of it; None where it is missing.
    """

    name: str
    version: str
    state: ModelState
    reason: str = ""
    bytes: int = 0
    samplers: tuple[str, ...] = ()
    folder: Path | None = None
    removable: bool = False
    choice: ModelChoice | None = None


def needed_models(state: SessionState) -> dict[str, str]:
    """Return the models that the runs of a session need, with the runs, in words."""
    found: dict[str, list[str]] = {}
    for entry in state.runs:
        if entry.run is not None:
            found.setdefault(entry.run.request.model, []).append(f"#{entry.number} {entry.label}")
    return {name: ", ".join(runs) for name, runs in found.items()}


def read_rows(
    needed: Mapping[str, str], refused: Mapping[str, str]
) -> tuple[tuple[ModelRow, ...], tuple[ModelChoice, ...]]:
    """Look at all models: small files, and the sizes of the large ones; for a worker.

    Parameters
    ----------
    needed : mapping of str to str
        Models that something needs, with what that is.
    refused : mapping of str to str
        Models that were looked at more closely and cannot be used, with the reason.

    Returns
    -------
    rows : tuple of ModelRow
        Also of models that are not there or cannot be used.
    choices : tuple of ModelChoice
        What can be chosen from now on.
    """
    choices = read_models()
    by_name = {one.name: one for one in choices}
    found = [_row(entry, by_name.get(entry.name), refused) for entry in entries()]
    known = {row.name for row in found}
    missing = [
        ModelRow(
            name,
            "",
            "missing",
            f"{runs} was drawn with it; import it to draw more samples of that run.",
        )
        for name, runs in needed.items()
        if name not in known and not (Path(name) / CARD_FILE).is_file()
    ]
    return (*found, *missing), choices


def _row(entry: Entry, choice: ModelChoice | None, refused: Mapping[str, str]) -> ModelRow:
    reason = entry.problem or ("" if choice is None else choice.problem)
    reason = reason or refused.get(entry.name, "") or _incomplete(entry)
    state: ModelState = (
        "refused" if reason else "shipped" if entry.origin == "shipped" else "cached"
    )
    samplers = () if choice is None else tuple(one.name for one in choice.samplers)
    return ModelRow(
        name=entry.name,
        version="" if entry.card is None else entry.card.version,
        state=state,
        reason=reason,
        bytes=folder_bytes(entry.folder),
        samplers=samplers,
        folder=entry.folder,
        removable=entry.origin == "cached",
        choice=choice,
    )


def _incomplete(entry: Entry) -> str:
    """Say which file of a model is missing or of another size; its content is not read."""
    files = {} if entry.card is None else entry.card.files
    for name, record in sorted(files.items()):
        try:
            size = (entry.folder / name).stat().st_size
        except OSError:
            return f"the file {name} is missing; get the bundle again"
        if size != record.size:
            return f"the file {name} has {size} bytes instead of {record.size}; get it again"
    return ""
