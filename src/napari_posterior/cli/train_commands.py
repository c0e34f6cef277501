"""The commands ``train`` and ``distill`` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_posterior.cli.options import Gain, Offset, Overwrite, ReadNoise
from napari_posterior.cli.outcome import reported

__all__ = ["distill", "train"]

Processes = Annotated[int | None, typer.Option(help="Processes, one thread each.  [default: 2]")]
TrainingSeed = Annotated[int, typer.Option("--seed", help="Seed of scenes, noise and weights.")]
TrainingDevice = Annotated[str, typer.Option("--device", help="Where to train.")]
Work = Annotated[Path | None, typer.Option(help="Folder of checkpoints; the same one goes on.")]


@reported
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the bundle.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of your clean images; needs the camera and --psf."),
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="NOISY CLEAN", help="Folders of your noisy and clean images of equal names."
        ),
    ] = None,
    psf: Annotated[
        float | None,
        typer.Option(
            metavar="SIGMA",
            help="Gaussian PSF sigma of what will be restored, pixels.  [default with --pairs: 1, "
            "as sharp as the clean images]",
        ),
    ] = None,
    camera: Annotated[
        Path | None, typer.Option(help="Camera file of what will be restored.")
    ] = None,
    gain: Gain = None,
    offset: Offset = None,
    read_noise: ReadNoise = None,
    peak: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="With --images: photoelectrons per pixel of bright structure.  [default: 5 500]",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Your images: model to go on from, or scratch.  [default: fluo2d]",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Your images: time to train.  [default: 20]")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Your images: licence of the weights.  [default: not stated]")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Optimiser steps of each network.  [default: 40000; your images: by --minutes]"
        ),
    ] = None,
    seed: TrainingSeed = 0,
    processes: Processes = None,
    device: TrainingDevice = "cpu",
    work: Work = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a point estimate and a teacher; an interrupted training goes on.

    On simulated scenes from nothing, as the shipped model, or with --images or --pairs on your own
    images from the weights of a model.
    """
    from napari_posterior.cli.own_training import own_images, run_train_own
    from napari_posterior.cli.training import run_train

    found = own_images(
        images=images,
        pairs=pairs,
        psf=psf,
        camera=camera,
        gain=gain,
        offset=offset,
        read_noise=read_noise,
        peak=peak,
        others={"--from": start, "--minutes": minutes, "--licence": licence},
    )
    if found is None:
        run_train(
            out,
            steps=steps,
            seed=seed,
            processes=processes,
            device=device,
            work=work,
            overwrite=overwrite,
        )
        return
    run_train_own(
        out,
        found,
        start=start,
        minutes=minutes,
        licence=licence,
        steps=steps,
        seed=seed,
        processes=processes,
        device=device,
        work=work,
        overwrite=overwrite,
    )


@reported
def distill(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle with a teacher.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="How to teach a student; may be repeated.  [default: kd, kd-euler, pd, lmd, cd]",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps of the student, where its method leaves a choice."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the student.  [default: its method's]")
    ] = None,
    train_steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of each student.  [default: its method's]")
    ] = None,
    trajectories: Annotated[
        int | None,
        typer.Option(help="Stored trajectories, where a method needs them.  [default: 10000]"),
    ] = None,
    seed: TrainingSeed = 0,
    processes: Processes = None,
    device: TrainingDevice = "cpu",
    work: Work = None,
) -> None:
    """Distil students from the teacher of a bundle and add them to it."""
    from napari_posterior.cli.training import run_distill

    run_distill(
        bundle,
        methods=method,
        steps=steps,
        name=name,
        work=work,
        train_steps=train_steps,
        trajectories=trajectories,
        seed=seed,
        processes=processes,
        device=device,
    )
