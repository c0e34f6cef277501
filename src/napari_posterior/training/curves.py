"""Loss curves: the table that a training writes, as a picture beside it."""

from __future__ import annotations

import csv
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["curve_drawn", "draw_curve"]

_LABELS = {"loss": "training, mean between reports", "held_out": "held out, averaged weights"}
_COLOURS = {"loss": "#8a8f98", "held_out": "#b5351c"}


@contextmanager
def curve_drawn(table: Path, note: Callable[[str], None] | None = None) -> Iterator[None]:
    """Draw the curve of a training when it ends, also where it is interrupted or fails.

    Parameters
    ----------
    table : pathlib.Path
        The CSV file that the training writes.
    note : callable, optional
        Called with a sentence where there can be no picture; that stops nothing.
    """
    try:
        yield
    finally:
        try:
            draw_curve(table)
        except OutputError as error:
            if note is not None:
                note(f"{error}.")


def draw_curve(table: Path) -> Path | None:
    """Draw a table of losses as a PNG beside it.

    Parameters
    ----------
    table : pathlib.Path
        CSV with the columns step, loss and, if there is one, held_out; cells may be empty.

    Returns
    -------
    pathlib.Path or None
        The picture; None where the table does not exist or has no rows.

    Raises
    ------
    OutputError
        If matplotlib is missing or the picture cannot be written.
    """
    columns = _read(table)
    if not columns["step"]:
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OutputError(
            "loss curves are not drawn without matplotlib; get it with pip install "
            f'"napari-posterior[figures]" (the numbers are in {table})'
        ) from error
    # a figure of its own: pyplot would start a window kit and keep the figure
    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    shown: list[float] = []
    for name, label in _LABELS.items():
        points = [
            (step, value)
            for step, value in zip(columns["step"], columns[name], strict=True)
            if math.isfinite(value)
        ]
        if points:
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, label=label, color=_COLOURS[name], marker=".", markersize=3)
            shown.extend(values)
    if shown:
        # the first losses of new weights would leave no room for the others
        low, high = min(shown), float(np.quantile(shown, 0.97))
        room = 0.06 * max(high - low, 1e-3 * max(abs(high), 1e-6))
        axes.set_ylim(low - room, high + room)
        axes.legend(frameon=False)
    axes.set(xlabel="optimiser step", ylabel="loss", title=table.stem)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    picture = table.with_suffix(".png")
    try:
        figure.savefig(picture)
    except OSError as error:
        raise OutputError(
            f"{picture} cannot be written ({error.strerror or error}); the numbers are in {table}"
        ) from error
    return picture


def _read(table: Path) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {"step": [], "loss": [], "held_out": []}
    if not table.exists():
        return columns
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, values in columns.items():
                values.append(float(row.get(name) or "nan"))
    return columns
