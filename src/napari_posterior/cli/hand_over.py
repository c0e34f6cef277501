"""``napari-posterior hand-over``: where a student may hand over to its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from napari_posterior.api.choosing import NEGLIGIBLE, choose_hand_over
from napari_posterior.cli.lines import Lines
from napari_posterior.cli.options import (
    Background,
    CameraFile,
    Device,
    Gain,
    Model,
    Offset,
    PsfSigma,
    ReadNoise,
    Seed,
)
from napari_posterior.cli.outcome import reported, say
from napari_posterior.cli.restore import given_camera

if TYPE_CHECKING:
    from napari_posterior.api.choosing import HandOverChoice

__all__ = ["hand_over"]


@reported
def hand_over(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="TIFF, NPY, PNG or JPEG file, grey levels.")
    ],
    student: Annotated[str, typer.Option(help="Name of the student.")],
    model: Model = "fluo2d",
    steps: Annotated[int | None, typer.Option(help="Of the student.")] = None,
    tau: Annotated[
        list[float] | None,
        typer.Option(
            help="Time to try, between 0 (clean) and 1 (noise); may be repeated.  "
            "[default: 0.1 to 0.95]"
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-k", help="Pairs at each time.")] = 16,
    level: Annotated[float, typer.Option(help="Of the tests at one time together.")] = 0.05,
    negligible: Annotated[
        float,
        typer.Option(help="Differences that do not matter: of the mean in posterior SD."),
    ] = NEGLIGIBLE,
    seed: Seed = 0,
    camera: CameraFile = None,
    gain: Gain = None,
    offset: Offset = None,
    read_noise: ReadNoise = None,
    psf_sigma: PsfSigma = None,
    background: Background = 0.0,
    device: Device = "auto",
) -> None:
    """Find the earliest time at which a student may hand over to its teacher on IMAGE.

    Draws the teacher, and the student with hand-over at rising times, from the same noise, until
    paired tests of mean and variance find no difference that matters.
    """
    from napari_posterior.physics.psf import Psf

    found = choose_hand_over(
        image,
        student=student,
        model=model,
        steps=steps,
        taus=tau or None,
        samples=samples,
        level=level,
        negligible=negligible,
        seed=seed,
        camera=given_camera(camera, gain, offset, read_noise),
        psf=None if psf_sigma is None else Psf(psf_sigma),
        background=background,
        device=device,
        precision="float32",
        on_event=Lines(f"{student} and teacher"),
    )
    _tell(found)


def _tell(found: HandOverChoice) -> None:
    for line in found.to_frame().to_string(index=False, float_format="{:.3g}".format).splitlines():
        say(line)
    for sentence in found.sentences:
        say(sentence)
    if found.tau is not None:
        steps = "" if found.steps is None else f" --steps {found.steps}"
        say(f"restore --sampler {found.student}{steps} --correction hand-over:tau={found.tau:g}")
