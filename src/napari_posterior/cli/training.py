"""``napari-posterior train`` and ``distill``: plans from options, progress as lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_posterior.api.progress import time_left
from napari_posterior.cli.outcome import note, say

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.training.fit import Progress

__all__ = ["run_distill", "run_train"]


def run_train(out: Path, *, work: Path | None, overwrite: bool, **options: Any) -> None:
    """Train on simulated scenes; `options` that are None keep their defaults.

    Raises
    ------
    PosteriorError
        As `napari_posterior.training.train.train` does.
    """
    from napari_posterior.bundles.device import pick_device
    from napari_posterior.training.plan import TrainingPlan
    from napari_posterior.training.train import train

    options["device"] = pick_device(options["device"])
    plan = TrainingPlan(**_given(options))
    folder = train(out, plan=plan, work=work, overwrite=overwrite, report=tell, note=note)
    say(f"The bundle is {folder.absolute()}; add students with napari-posterior distill {folder}")


def run_distill(
    bundle: Path,
    *,
    methods: list[str] | None,
    steps: int | None,
    name: str | None,
    work: Path | None,
    **options: Any,
) -> None:
    """Distil students of a bundle; `options` that are None keep their defaults.

    Raises
    ------
    PosteriorError
        As `napari_posterior.training.distill.distill` does.
    """
    from napari_posterior.bundles.device import pick_device
    from napari_posterior.training.distill import DistillPlan, distill
    from napari_posterior.training.files import work_folder
    from napari_posterior.training.methods import FAMILY
    from napari_posterior.training.own.streams import open_data

    options["device"] = pick_device(options["device"])
    # students of a teacher of the user's own images learn from these
    options["data"] = open_data(work_folder(bundle, work) / "data")
    folder = distill(
        bundle,
        methods=tuple(methods or FAMILY),
        steps=steps,
        name=name,
        plan=DistillPlan(**_given(options)),
        work=work,
        report=tell,
        note=note,
    )
    say(f"The students are in {folder.absolute()}")


def tell(progress: Progress) -> None:
    """Write a line of progress; a function of the module, so that processes can be given it."""
    left = time_left(progress.seconds_left)
    loss = "" if math.isnan(progress.loss) else f", loss {progress.loss:.4f}"
    if progress.held_out is not None:
        loss += f", held out {progress.held_out:.4f}"
    note(f"{progress.name}: step {progress.step} of {progress.steps}{loss}, {left}")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
