"""Numbers that a biologist measures on an image, computed on every sample."""

from __future__ import annotations

from napari_posterior.statistics.base import (
    FunctionStatistic,
    Statistic,
    evaluate,
    get_statistic,
    list_statistics,
    statistic,
)
from napari_posterior.statistics.context import StatisticContext, make_context
from napari_posterior.statistics.filaments import (
    connection,
    connections,
    filament_fragments,
    filament_length,
    filament_length_um,
)
from napari_posterior.statistics.intensity import mean_intensity, total_intensity
from napari_posterior.statistics.puncta import Puncta, detect_puncta, puncta_count

__all__ = [
    "FunctionStatistic",
    "Puncta",
    "Statistic",
    "StatisticContext",
    "connection",
    "connections",
    "detect_puncta",
    "evaluate",
    "filament_fragments",
    "filament_length",
    "filament_length_um",
    "get_statistic",
    "list_statistics",
    "make_context",
    "mean_intensity",
    "puncta_count",
    "statistic",
    "total_intensity",
]
