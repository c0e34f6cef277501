"""``napari-posterior models certify BUNDLE``: what each solver of a teacher loses, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_posterior.bundles.catalogue import find_model
from napari_posterior.cli.outcome import note, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_posterior.sampling.certify import Certification, Measured

__all__ = ["run_certify", "table"]


def run_certify(
    bundle: str, *, measure_all: bool, write: bool, device: str, **options: Any
) -> None:
    """Measure the solvers of a teacher and say which one is chosen; writes only if it is told to.

    Parameters
    ----------
    bundle : str
        Name of a model, or its folder.
    measure_all : bool
        Measure the candidates too that cost more than the cheapest one that passes.
    write : bool
        Make the chosen one the reference of the bundle.
    device : str
        Where to compute.
    **options
        Of a ``CertifyPlan``; those that are None keep their defaults.

    Raises
    ------
    PosteriorError
        As `certify_bundle` and `write_reference` do.
    """
    from napari_posterior.bundles.certificate import Certificate
    from napari_posterior.bundles.device import pick_device
    from napari_posterior.cli.training import tell
    from napari_posterior.training.reference import (
        CertifyPlan,
        certify_bundle,
        check_no_students,
        in_steps,
        write_reference,
    )

    folder = find_model(bundle)
    if write:
        check_no_students(folder)
    found = certify_bundle(
        folder,
        plan=CertifyPlan(**{name: value for name, value in options.items() if value is not None}),
        stop_early=not measure_all,
        device=pick_device(device),
        report=in_steps(tell),
    )
    for line in table(found):
        say(line)
    if found.shortfall is not None:
        say(f"\n{found.shortfall}")
    say(f"\nChosen: {found.chosen.choice.label}; {Certificate.of(found).words}")
    if write:
        say(f"The reference is written to {write_reference(folder, found).absolute()}")
    else:
        note("Nothing was written; --write makes it the reference of a bundle without students")


def table(found: Certification) -> Iterator[str]:
    """Write what was measured as lines: a solver each, a column for each band.

    Bias of the variance in per cent with its interval, in bands of cycles per pixel; the largest
    change of the mean, and what is left open at most, as shares of the variance.
    """
    bands = found.ruler.bands
    head = "".join(f"{f'{band.low:g} to {band.high:g}':>26s}" for band in bands)
    yield (
        f"{found.scenes} scenes, {found.samples} samples each; bias of the variance in %, "
        f"{found.level:.0%} intervals"
    )
    yield f"{'solver':43s}{'NFE':>4s}{head}{'mean':>7s}  left open"
    for row in found.candidates:
        left = f"{100 * max(found.remaining(row)):9.2f}"
        yield f"{_row(row)}{left}{'  passes' if found.passes(row) else ''}"
    yield "the ruler against its refinement"
    yield _row(found.ruler)
    if found.doubled is not None:
        yield "the chosen one against its refinement"
        yield _row(found.doubled)
    if found.self_check is not None:
        yield "the teacher's self-check: a stochastic solver against the refined ruler"
        yield _row(found.self_check)


def _row(row: Measured) -> str:
    cells = "".join(
        f"{f'{100 * band.variance:+.2f} ({_ends(band.variance_interval)})':>26s}"
        for band in row.bands
    )
    mean = 100 * max(band.mean for band in row.bands)
    return f"{row.choice.label:43s}{row.choice.nfe:4d}{cells}{mean:7.2f}"


def _ends(interval: tuple[float, float]) -> str:
    return ", ".join(f"{100 * end:+.2f}" for end in interval)
