"""``napari-posterior train --images`` and ``--pairs``: on the user's own images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_posterior.cli.outcome import note, say
from napari_posterior.cli.restore import given_camera
from napari_posterior.cli.training import tell
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_posterior.training.own.clean import CleanFolder
    from napari_posterior.training.own.pairs import PairFolders

__all__ = ["own_images", "run_train_own"]


def own_images(
    *,
    images: Path | None,
    pairs: tuple[Path, Path] | None,
    psf: float | None,
    camera: Path | None,
    gain: float | None,
    offset: float | None,
    read_noise: float | None,
    peak: tuple[float, float] | None,
    others: Mapping[str, Any],
) -> CleanFolder | PairFolders | None:
    """Return the user's images as options name them; None where training is on simulated scenes.

    Parameters
    ----------
    images, pairs, psf, camera, gain, offset, read_noise, peak
        The options, None where they are not given.
    others : mapping of str to value
        Further options, by name, that only go with images of the user's own.

    Raises
    ------
    InputError
        If options are missing, or given that do not go together.
    """
    from napari_posterior.physics.psf import Psf
    from napari_posterior.training.own.clean import CleanFolder
    from napari_posterior.training.own.pairs import PairFolders

    known = given_camera(camera, gain, offset, read_noise)
    if images is None and pairs is None:
        given = {"--psf": psf, "the camera": known, "--peak": peak, **others}
        if extra := [name for name, value in given.items() if value is not None]:
            raise InputError(f"{extra[0]} goes with --images or --pairs; add the folder of images")
        return None
    if images is not None and pairs is not None:
        raise InputError("give either --images or --pairs, not both")
    width = None if psf is None else Psf(psf)
    if pairs is not None:
        if peak is not None:
            raise InputError("--peak goes with --images; with --pairs the noise is as measured")
        noisy, clean = pairs
        return PairFolders(noisy, clean, known, width or Psf())
    if known is None or width is None or images is None:
        raise InputError(
            "--images needs the microscope whose measurements are simulated; give --psf, and "
            "--gain, --offset and --read-noise or --camera"
        )
    return CleanFolder(images, known, width, **({} if peak is None else {"peak": peak}))


def run_train_own(
    out: Path,
    images: CleanFolder | PairFolders,
    *,
    steps: int | None,
    seed: int,
    processes: int | None,
    device: str,
    work: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train on the user's images; `options` that are None keep their defaults.

    Raises
    ------
    PosteriorError
        As `napari_posterior.training.own.train.train_own` does.
    """
    from napari_posterior.bundles.device import pick_device
    from napari_posterior.training.own.train import QUICK, train_own
    from napari_posterior.training.plan import TrainingPlan

    place = pick_device(device)
    if processes is None:
        # processes share the work on a CPU; on one GPU they would only wait for each other
        processes = TrainingPlan().processes if place == "cpu" else 1
    folder = train_own(
        out,
        images,
        plan=TrainingPlan(seed=seed, processes=processes, device=place, certify=QUICK),
        steps=steps,
        work=work,
        overwrite=overwrite,
        report=tell,
        note=_told,
        **{name: value for name, value in options.items() if value is not None},
    )
    say(
        f"The bundle is {folder.absolute()}; restore with --model {folder}, and add students with "
        f"napari-posterior distill {folder}"
    )


def _told(text: str) -> None:
    note(f"note: {text}")
