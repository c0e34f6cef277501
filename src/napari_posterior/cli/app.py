"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import napari_posterior
from napari_posterior.cli.compare import compare
from napari_posterior.cli.compare_images import compare_images
from napari_posterior.cli.correct import correct
from napari_posterior.cli.experiments import dependence, self_calibration
from napari_posterior.cli.hand_over import hand_over
from napari_posterior.cli.measuring import colocalise, list_all, measure, sites
from napari_posterior.cli.options import (
    Background,
    Batch,
    CameraFile,
    Device,
    Gain,
    Model,
    Offset,
    Out,
    Overwrite,
    Precision,
    PsfSigma,
    ReadNoise,
    Seed,
    Steps,
    Tile,
)
from napari_posterior.cli.outcome import reported, say
from napari_posterior.cli.restore_corrected import restore_corrected
from napari_posterior.cli.train_commands import distill, train

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "main"]

app = typer.Typer(
    name="napari-posterior",
    help="Draw many plausible restorations of a fluorescence image, and measure what a fast "
    "sampler keeps of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(
    help="List the models, show, check or certify one.", invoke_without_command=True
)
app.add_typer(models_app, name="models", rich_help_panel=None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the name of the program; by default what it was called with.
    """
    app(args=arguments, prog_name="napari-posterior")


def _tell_version(wanted: bool) -> None:
    if wanted:
        say(f"napari-posterior {napari_posterior.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say the version and leave.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


@app.command(short_help="Restore and compare on a sample image.")
@reported
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path(
        "napari-posterior-demo"
    ),
    samples: Annotated[int, typer.Option("--samples", "-k", help="Samples of each run.")] = 16,
    model: Model = "fluo2d",
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Restore a sample image with teacher and student, compare them, write a report."""
    from napari_posterior.cli.demo import run_demo

    run_demo(out, samples=samples, model=model, device=device, overwrite=overwrite)


@app.command(short_help="Draw samples of the object behind an image.")
@reported
def restore(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="TIFF, NPY, PNG or JPEG file, grey levels.")
    ],
    model: Model = "fluo2d",
    sampler: Annotated[str, typer.Option(help="teacher, a student's name, or mse.")] = "teacher",
    steps: Steps = None,
    samples: Annotated[
        int | None, typer.Option("--samples", "-k", help="Samples to draw.  [default: 16]")
    ] = None,
    seed: Seed = 0,
    camera: CameraFile = None,
    gain: Gain = None,
    offset: Offset = None,
    read_noise: ReadNoise = None,
    psf_sigma: PsfSigma = None,
    background: Background = 0.0,
    blind: Annotated[
        bool | None,
        typer.Option("--blind/--no-blind", help="Tell the networks no camera and no PSF."),
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    tile: Tile = "auto",
    batch: Batch = "auto",
    correction: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:OPTIONS]",
            help="hand-over, refine or guided, of a student by its teacher: "
            "hand-over:tau=0.3,steps=6",
        ),
    ] = None,
    out: Out = None,
    resume: Annotated[
        Path | None, typer.Option(help="Run of the same request to go on with.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw samples of the object behind IMAGE into a run, NAME.posterior.zarr."""
    from napari_posterior.cli.restore import run_restore, whole_number
    from napari_posterior.physics.psf import Psf

    run_restore(
        image,
        camera=camera,
        gain=gain,
        offset=offset,
        read_noise=read_noise,
        out=out,
        resume=resume,
        model=model,
        sampler=sampler,
        steps=steps,
        samples=samples,
        seed=seed,
        psf=None if psf_sigma is None else Psf(psf_sigma),
        background=background,
        blind=blind,
        device=device,
        precision=precision,
        tile=None if tile == "none" else whole_number(tile, "--tile", "auto or none"),
        batch=whole_number(batch, "--batch", "auto"),
        correction=correction,
        overwrite=overwrite,
    )


@app.command(short_help="Measure gain, offset and read noise of a camera.")
@reported
def camera(
    frames: Annotated[
        list[str],
        typer.Argument(
            metavar="FRAMES...",
            help="Exposures of one field that stays in place, in one file or several.",
        ),
    ],
    flats: Annotated[
        bool, typer.Option("--flats", help="FRAMES are evenly lit, one file for each level.")
    ] = False,
    dark: Annotated[
        str | None, typer.Option(metavar="FILE", help="Exposures without light, with --flats.")
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Bits of the converter.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File for restore --camera: .json, or .tif for maps."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure a camera from raw frames by photon transfer, with 95 % intervals."""
    from napari_posterior.cli.camera import run_camera

    run_camera(frames, flats=flats, dark=dark, bits=bits, out=out, overwrite=overwrite)


app.command(short_help="Say what a student keeps of its teacher.")(compare)
app.command("compare-images", short_help="Say what it keeps on images like these.")(compare_images)
app.command(short_help="See whether a student follows the measurement.")(dependence)
app.command(short_help="Estimate the teacher from many student samples.")(correct)
app.command("restore-corrected", short_help="The teacher's mean and uncertainty, in time.")(
    restore_corrected
)
app.command("hand-over", short_help="Find where a student may hand over.")(hand_over)
app.command("self-calibration", short_help="See whether error bars hold on simulated objects.")(
    self_calibration
)


@models_app.callback()
@reported
def models(context: typer.Context) -> None:
    """List the models that come with the package or lie in the cache."""
    from napari_posterior.cli.models import list_all

    if context.invoked_subcommand is None:
        list_all()


@models_app.command("show")
@reported
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a model, or its folder.")],
) -> None:
    """Show the card of a model."""
    from napari_posterior.cli.models import show

    show(name)


@models_app.command("check")
@reported
def check_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a model, or its folder.")],
    device: Device = "auto",
) -> None:
    """Check the files of a model and run its self-test.

    Its samplers are given a measurement and noise that came with it, and must draw what they drew
    when it was written.
    """
    from napari_posterior.cli.models import check

    check(name, device=device)


@models_app.command("certify")
@reported
def certify_model(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="Name of a model, or its folder.")
    ],
    scenes: Annotated[
        int | None, typer.Option(help="Simulated scenes that no training saw.  [default: 24]")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", "-k", help="Samples of each.  [default: 4]")
    ] = None,
    measure_all: Annotated[
        bool, typer.Option("--all", help="Measure also what costs more than the chosen one.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Make it the reference, if there are no students.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Measure what each solver of a teacher loses, and which may be its reference."""
    from napari_posterior.cli.certify import run_certify

    run_certify(
        bundle,
        scenes=scenes,
        samples=samples,
        measure_all=measure_all,
        write=write,
        device=device,
    )


app.command(short_help="Count and measure on every sample of a run.")(measure)
app.command(short_help="Find what a student loses or invents, punctum by punctum.")(sites)
app.command(short_help="Measure how far two channels lie in the same places.")(colocalise)
app.command("statistics", short_help="List what can be measured.")(list_all)
app.command(short_help="Train a point estimate and a teacher.")(train)
app.command(short_help="Distil students from a teacher.")(distill)


@app.command(short_help="Look at the installation.")
@reported
def doctor() -> None:
    """Say what is installed, what there is to compute with, and whether the models are whole."""
    from napari_posterior.cli.doctor import run_doctor

    run_doctor()
