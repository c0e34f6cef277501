"""``napari-posterior models``, ``models show NAME`` and ``models check NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_posterior.bundles.card import SAMPLER_FILE, part_folder
from napari_posterior.bundles.catalogue import cache_folder, entries, find_model
from napari_posterior.bundles.checksums import find_problems
from napari_posterior.bundles.reading import read_card, read_sampler
from napari_posterior.bundles.readme import make_readme
from napari_posterior.cli.outcome import BAD_INPUT, note, say
from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.bundles.card import ModelCard

__all__ = ["check", "list_all", "show", "size_of"]


def list_all() -> None:
    """List every model with its samplers; a broken one is named with the reason."""
    found = entries()
    for entry in found:
        if entry.card is None:
            note(f"note: {entry.problem}")
            continue
        card = entry.card
        say(
            f"{card.name} {card.version} ({entry.origin}, {size_of(card) / 1e6:.1f} MB): "
            f"{', '.join(card.samplers)}"
        )
        say(f"    {card.description}")
    if not any(entry.card for entry in found):
        say(f"There are no models; put bundles into {cache_folder() / 'models'}.")


def show(name: str) -> None:
    """Show the card of a model and whether its files are whole.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    folder = find_model(name)
    card = read_card(folder)
    problems = find_problems(folder, card.files)
    if not problems:
        samplers = {
            part: read_sampler(folder / part_folder(part) / SAMPLER_FILE) for part in card.parts
        }
        say(make_readme(card, samplers).rstrip())
    say(f"\nFolder: {folder}")
    _stop_if_damaged(folder, problems)


def check(name: str, *, device: str) -> None:
    """Compare the files of a model with its card, and what it draws with its self-test.

    Parameters
    ----------
    name : str
        Name of a model, or its folder.
    device : str
        Where to draw.

    Raises
    ------
    ModelError
        If there is no such model, or it fails its self-test.
    InputError
        If the device is not there.
    """
    from napari_posterior.bundles.bundle import open_bundle
    from napari_posterior.bundles.device import pick_device
    from napari_posterior.bundles.selftest import check_selftest, has_selftest

    place = pick_device(device)
    folder = find_model(name)
    card = read_card(folder)
    _stop_if_damaged(folder, find_problems(folder, card.files))
    say(f"{card.name} {card.version}: {len(card.files)} files match their checksums")
    if not has_selftest(card):
        say("No self-test came with this model, so what its samplers draw was not checked.")
        return
    found = check_selftest(open_bundle(folder), place)
    for sampler, difference in found.differences.items():
        say(f"    {sampler}: off by at most {difference:.3g} of the picture's sd")
    if not found.passed:
        elsewhere = "" if place == "cpu" else ", or try --device cpu"
        raise ModelError(
            f"the model {card.name!r} does not draw what it drew when it was written "
            f"({found.words}); get the bundle again{elsewhere}"
        )
    say(f"{card.name} {card.version}: {found.words}")


def _stop_if_damaged(folder: Path, problems: list[str]) -> None:
    for problem in problems:
        note(f"napari-posterior: the bundle {folder} is damaged: {problem}; get the bundle again")
    if problems:
        raise typer.Exit(BAD_INPUT)


def size_of(card: ModelCard) -> int:
    """Return the size in bytes of the files that a card lists."""
    return sum(record.size for record in card.files.values())
