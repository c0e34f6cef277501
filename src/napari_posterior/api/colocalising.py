"""How far two channels of a run lie in the same places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.api.measuring import planes_reader, prepare_run
from napari_posterior.api.regions import as_regions
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import pandas as pd

    from napari_posterior.runs.run import Run
    from napari_posterior.statistics.channel_pairs import Pairings

__all__ = ["colocalise"]


def colocalise(
    run: Run | str | os.PathLike[str],
    *,
    channels: tuple[int, int] = (0, 1),
    distance: float = 3.0,
    regions: Any = None,
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Measure the colocalisation of two channels on the samples of a run.

    Channels of a run are restored independently, so every number is the mean over all pairings of
    the samples of both: the posterior correlation between the channels is taken as zero. Planes
    of other axes are paired with each other and averaged.

    Parameters
    ----------
    run : Run or path
        With an axis of channels.
    channels : tuple of int
        Which two, from 0.
    distance : float
        Largest distance in pixels of two puncta that are neighbours.
    regions : optional
        Where, as of `measure`; cells for example.
    seed : int
        Of the random shifts that tell what chance would do.
    on_step : callable, optional
        Called with the number of pairs of planes done and that of all.

    Returns
    -------
    pandas.DataFrame
        Rows of run, sampler, region, statistic (Pearson, Manders, neighbours), value and its
        standard error over samples; ``attrs["assumption"]`` is what was assumed, as a sentence.

    Raises
    ------
    InputError
        If the run has no axis of channels or no such channel, fewer than two samples, or the
        regions do not fit.
    RunError
        If the run cannot be opened.
    """
    import pandas as pd

    from napari_posterior.statistics.channel_pairs import Colocalisation
    from napari_posterior.statistics.table import WHOLE

    opened, contexts = prepare_run(run)
    pairs = _plane_pairs(opened, channels)
    read, indices = planes_reader(opened), opened.samples.indices
    statistic = Colocalisation(distance=float(distance), seed=seed)
    where = as_regions(regions, opened.request.image.shape[-2:]) or (None,)
    rows: list[tuple[Any, ...]] = []
    assumption = ""
    for region in where:
        values: dict[str, list[np.ndarray]] = {}
        if region is not None:
            region.check_shape(opened.request.image.shape[-2:])
        mask = None if region is None else region.mask
        for number, pair in enumerate(pairs):
            samples = [[read(index)[plane] for index in indices] for plane in pair]
            its = [contexts[plane].within(mask) for plane in pair]
            found = statistic.measure_pairings(samples[0], samples[1], (its[0], its[1]))
            for key, one in found.items():
                values.setdefault(key, []).append(one.values)
                assumption = one.sentence
            if on_step is not None:
                on_step(number + 1, len(pairs))
        for key, tables in values.items():
            joined = _join(tables)
            name = WHOLE if region is None else region.name
            rows.append((name, key, joined.mean, joined.se))
    table = pd.DataFrame(rows, columns=["region", "statistic", "value", "se"])
    table.insert(0, "run", opened.path.name)
    table.insert(1, "sampler", opened.request.sampler)
    table.attrs["assumption"] = assumption
    return table


def _join(tables: list[np.ndarray]) -> Pairings:
    """Average planes, then the pairings of samples, with the error of the latter."""
    from napari_posterior.statistics.channel_pairs import pair_all

    mean = np.mean(tables, axis=0)
    count = range(len(mean))
    return pair_all(count, count, lambda i, j: float(mean[i, j]))


def _plane_pairs(run: Run, channels: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the planes of both channels that agree along all other axes."""
    image = run.request.image
    if "c" not in image.axes:
        raise InputError(
            f"{image.name} has the axes {''.join(image.axes).upper()} and no channels; label the "
            "axis of channels c before it is restored"
        )
    axis, lead = image.axes.index("c"), image.shape[:-2]
    if channels[0] == channels[1] or not all(0 <= one < lead[axis] for one in channels):
        raise InputError(
            f"there are channels 0 to {lead[axis] - 1}, and {channels} are asked for; give two of "
            "them"
        )
    number = np.arange(int(np.prod(lead))).reshape(lead)
    first, second = (np.take(number, one, axis=axis).ravel().tolist() for one in channels)
    return list(zip(first, second, strict=True))
