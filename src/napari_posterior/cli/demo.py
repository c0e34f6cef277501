"""``napari-posterior demo``: teacher and student on a sample image, with a report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_posterior import api
from napari_posterior.cli.compare import tell_findings
from napari_posterior.cli.folders import free_folder
from napari_posterior.cli.outcome import say
from napari_posterior.cli.restore import announce, draw
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from napari_posterior.bundles.bundle import Bundle

__all__ = ["Sample", "read_sample", "run_demo"]


@dataclass(frozen=True)
class Sample:
    """A simulated image of the package, with what it was simulated with."""

    image: Path
    truth: Path
    camera: Camera
    psf: Psf
    background: float


def run_demo(out: Path, *, samples: int, model: str, device: str, overwrite: bool) -> None:
    """Restore the sample image with teacher and student, compare them and write a report.

    Raises
    ------
    PosteriorError
        If the folder is not free, the model is not there, or a run fails.
    """
    from napari_posterior.checks import write_report

    start = time.monotonic()
    free_folder(out, "report.json", overwrite=overwrite)
    sample = read_sample("puncta")
    bundle = api.load_model(model)
    student = choose_student(bundle)
    camera = sample.camera
    say(
        f"{sample.image.name}: simulated puncta; gain {camera.gain:g} ADU/e-, offset "
        f"{camera.offset:g} ADU, read noise {camera.read_noise:g} e-, PSF {sample.psf.sigma:g} px"
    )
    options: dict[str, Any] = {
        "model": bundle,
        "samples": samples,
        "camera": camera,
        "psf": sample.psf,
        "background": sample.background,
        "device": device,
        "overwrite": overwrite,
    }
    runs = []
    for name in ("teacher", student):
        runs.append(draw(sample.image, sampler=name, out=out / name, **options))
        announce(runs[-1])
    compared = time.monotonic()
    report = api.compare(*runs, truth=sample.truth)
    page = write_report(report, out)
    say(f"comparison: {time.monotonic() - compared:.1f} s")
    tell_findings(report)
    say(f"Done in {time.monotonic() - start:.0f} s. The report is {page.absolute()}")


def choose_student(bundle: Bundle) -> str:
    """Return the first student of a model: one of the fewest steps.

    Raises
    ------
    InputError
        If the model has none.
    """
    students = [name for name in bundle.names if bundle.info(name).role == "student"]
    if not students:
        raise InputError(
            f"the model {bundle.card.name!r} has no student to compare; distil one, or choose "
            "another model"
        )
    return students[0]


def read_sample(name: str) -> Sample:
    """Read a sample of the package; camera and PSF are written beside its pixels."""
    import tifffile

    folder = Path(str(files("napari_posterior"))) / "sample_data"
    image = folder / f"{name}.tif"
    with tifffile.TiffFile(image) as tif:
        told = tif.imagej_metadata or {}
    return Sample(
        image=image,
        truth=folder / f"{name}_truth.tif",
        camera=Camera(
            gain=float(told["gain"]),
            offset=float(told["offset"]),
            read_noise=float(told["read_noise"]),
        ),
        psf=Psf(float(told["psf_sigma"])),
        background=float(told["background"]),
    )
