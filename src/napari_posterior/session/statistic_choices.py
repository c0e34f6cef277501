"""What can be measured on every sample, as a window lists it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from napari_posterior.errors import InputError

__all__ = ["StatisticChoice", "read_statistics"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StatisticChoice:
    """A statistic that can be chosen.

    Attributes
    ----------
    name, title, unit : str
        Identifier, words and unit.
    """

    name: str
    title: str
    unit: str


def read_statistics() -> tuple[StatisticChoice, ...]:
    """List the statistics that there are, also those of other packages.

    Imports them, so it is to be called off the thread of a window. One that cannot be loaded is
    left out, and the log says why.
    """
    from napari_posterior.statistics import get_statistic, list_statistics

    found = []
    for name in list_statistics():
        try:
            one = get_statistic(name)
        except InputError as error:
            _LOG.info("%s", error)
            continue
        found.append(StatisticChoice(name, one.title, one.unit))
    return tuple(found)
