"""``napari-posterior camera``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.api.calibration import calibrate_camera
from napari_posterior.cli.outcome import note, say
from napari_posterior.errors import OutputError
from napari_posterior.physics.camera_files import write_camera

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["run_camera"]


def run_camera(
    frames: Sequence[str],
    *,
    flats: bool,
    dark: str | None,
    bits: int | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Measure a camera, say its numbers, and write them where that is asked for.

    Raises
    ------
    InputError
        If the frames cannot be used.
    OutputError
        If the file is there already, or cannot be written.
    """
    if out is not None and out.exists() and not overwrite:
        raise OutputError(f"{out} exists already; choose another file, or add --overwrite")
    found = calibrate_camera(list(frames), flats=flats, dark=dark, bits=bits)
    for text in found.notes:
        note(f"note: {text}")
    say(f"camera: {found.camera.words}")
    if out is not None:
        write_camera(found.camera, out)
        say(f"The camera is in {out}; give it to restore with --camera {out}.")
