"""``napari-posterior measure``, ``sites``, ``colocalise`` and ``statistics``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_posterior.cli.options import Overwrite
from napari_posterior.cli.outcome import note, reported, say
from napari_posterior.errors import InputError, OutputError

if TYPE_CHECKING:
    import pandas as pd

_Csv = Annotated[Path | None, typer.Option("--out", "-o", metavar="CSV", help="File to write.")]

__all__ = ["colocalise", "list_all", "measure", "sites"]


@reported
def measure(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One run, or several.")],
    statistic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name of `napari-posterior statistics`; may be repeated.  "
            "[default: puncta_count]",
        ),
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(metavar="LABELS", help="Image of labels: one region each.")
    ] = None,
    objects: Annotated[
        bool, typer.Option("--objects", help="A row for every punctum or object, not for a number.")
    ] = False,
    out: _Csv = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure every sample of a run: a table of sample, statistic, region, value."""
    chosen = statistic or ["puncta" if objects else "puncta_count"]
    _check_out(out, overwrite=overwrite)
    table = _gather(runs, chosen, regions, objects=objects)
    if out is not None:
        _write(table, out)
    if objects:
        say(f"{len(table)} objects")
    else:
        _tell(table)
    if out is not None:
        say(f"The table is {out.absolute()}.")


@reported
def sites(
    teacher_run: Annotated[Path, typer.Argument(metavar="TEACHER_RUN", help="Run of the teacher.")],
    student_run: Annotated[
        Path, typer.Argument(metavar="STUDENT_RUN", help="Run of the student, on the same image.")
    ],
    statistic: Annotated[
        str, typer.Option(metavar="NAME", help="The detector: a statistic that gives objects.")
    ] = "puncta",
    radius: Annotated[
        float | None,
        typer.Option(help="Pixels between a detection and its site.  [default: 2.4]"),
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(metavar="LABELS", help="Image of labels: where to look.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Difference of two probabilities that does not matter.")
    ] = 0.2,
    out: _Csv = None,
    overwrite: Overwrite = False,
) -> None:
    """Find each punctum of two runs, and how often each run has it: lost and invented ones."""
    from napari_posterior.api.sites import compare_puncta

    _check_out(out, overwrite=overwrite)
    found = compare_puncta(
        teacher_run,
        student_run,
        statistic=statistic,
        radius=radius,
        regions=regions,
        tolerance=tolerance,
    )
    for sentence in found.sentences:
        say(sentence)
    if out is not None:
        _write(found.to_frame(), out)
        say(f"The table is {out.absolute()}.")


@reported
def colocalise(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run of an image with channels.")],
    channels: Annotated[tuple[int, int], typer.Option(metavar="A B", help="Which two, from 0.")] = (
        0,
        1,
    ),
    distance: Annotated[
        float, typer.Option(help="Largest distance in pixels of two puncta that are neighbours.")
    ] = 3.0,
    regions: Annotated[
        Path | None, typer.Option(metavar="LABELS", help="Image of labels, such as cells.")
    ] = None,
    out: _Csv = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how far two channels lie in the same places, on every pair of samples."""
    from napari_posterior.api.colocalising import colocalise as colocalise_run

    _check_out(out, overwrite=overwrite)
    table = colocalise_run(run, channels=channels, distance=distance, regions=regions)
    for _, row in table.iterrows():
        words = row["statistic"].replace("_", " ")
        if row["value"] == row["value"]:
            say(f"{row['region']}, {words}: {row['value']:.3f} ± {row['se']:.3f} (standard error)")
        else:
            say(f"{row['region']}, {words}: not defined")
    say(table.attrs["assumption"])
    if out is not None:
        _write(table, out)
        say(f"The table is {out.absolute()}.")


@reported
def list_all() -> None:
    """List what can be measured on every sample, with units and parameters."""
    from napari_posterior.statistics import get_statistic, list_statistics

    for name in list_statistics():
        try:
            one = get_statistic(name)
        except InputError as error:
            note(f"note: {error}")
            continue
        say(f"{name}: {one.title}{f', {one.unit}' if one.unit else ''}")
        for given in one.parameters:
            unit = f" {given.unit}" if given.unit else ""
            told = f": {given.doc}" if given.doc else ""
            say(f"    {given.name} = {given.default!r}{unit}{told}")


def _gather(
    runs: list[Path], chosen: list[str], regions: Path | None, *, objects: bool
) -> pd.DataFrame:
    import pandas as pd

    from napari_posterior.api.measuring import measure as measure_run
    from napari_posterior.api.measuring import measure_objects

    if objects and len(chosen) > 1:
        raise InputError("--objects lists those of one statistic; give one --statistic")
    if not objects:
        return pd.concat(
            [measure_run(run, chosen, regions=regions) for run in runs], ignore_index=True
        )
    return pd.concat(
        [measure_objects(run, chosen[0], regions=regions) for run in runs], ignore_index=True
    )


def _tell(table: pd.DataFrame) -> None:
    """Write mean and spread over the samples, a line for each run, statistic and region."""
    keys = ["run", "sampler", "statistic", "region", "unit"]
    for (run, sampler, name, region, unit), values in table.groupby(keys, sort=False)["value"]:
        there = values.dropna()
        unit = f" {unit}" if unit else ""
        if there.empty:
            say(f"{run} ({sampler}), {name}, {region}: not defined in any sample")
            continue
        spread = f" ± {there.std():.4g}" if len(there) > 1 else ""
        missing = len(values) - len(there)
        left = f", not defined in {missing}" if missing else ""
        say(
            f"{run} ({sampler}), {name}, {region}: {there.mean():.4g}{spread}{unit} "
            f"(mean ± SD of {len(there)} sample{'s' * (len(there) != 1)}{left})"
        )


def _check_out(out: Path | None, *, overwrite: bool) -> None:
    """Say before time is spent that the table cannot be written.

    Raises
    ------
    OutputError
        If there is such a file that may not be overwritten, or no folder for it.
    """
    if out is None:
        return
    if out.is_dir():
        raise OutputError(f"{out} is a folder; give the name of a CSV file")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists; choose another --out, or add --overwrite")
    if not out.absolute().parent.is_dir():
        raise OutputError(f"the folder {out.absolute().parent} does not exist; make it first")


def _write(table: pd.DataFrame, out: Path) -> None:
    try:
        table.to_csv(out, index=False)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror or error}); choose another --out"
        ) from error
