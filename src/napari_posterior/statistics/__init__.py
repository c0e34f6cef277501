"""Numbers and objects that a biologist measures on an image, computed on every sample."""

from __future__ import annotations

from napari_posterior.statistics.base import FunctionStatistic, Objects, Parameter, Statistic
from napari_posterior.statistics.changes import Changes, estimate_changes, permutation_test
from napari_posterior.statistics.channel_pairs import Colocalisation
from napari_posterior.statistics.context import StatisticContext, make_context
from napari_posterior.statistics.evaluate import Quantity, evaluate, not_testable, quantify
from napari_posterior.statistics.existence import Existence, compare_sites
from napari_posterior.statistics.filaments import (
    connection,
    connections,
    filament_fragments,
    filament_length,
    filament_length_um,
)
from napari_posterior.statistics.intensity import (
    corrected_intensity,
    corrected_mean_intensity,
    mean_intensity,
    total_intensity,
)
from napari_posterior.statistics.measured_puncta import detect_in_measurement
from napari_posterior.statistics.object_matching import MatchedObjects, match_objects
from napari_posterior.statistics.objects import find_objects, measure_objects, objects_in
from napari_posterior.statistics.puncta import (
    CURVE_FACTORS,
    Puncta,
    count_curve,
    detect_puncta,
    puncta_count,
    puncta_count_3d,
    puncta_curve,
)
from napari_posterior.statistics.regions import Region, region_in_polygon, regions_of_labels
from napari_posterior.statistics.registry import (
    get_statistic,
    list_statistics,
    register_statistic,
    statistic,
)
from napari_posterior.statistics.sites import Sites, pool_sites
from napari_posterior.statistics.table import list_objects, measure_samples, tidy

__all__ = [
    "CURVE_FACTORS",
    "Changes",
    "Colocalisation",
    "Existence",
    "FunctionStatistic",
    "MatchedObjects",
    "Objects",
    "Parameter",
    "Puncta",
    "Quantity",
    "Region",
    "Sites",
    "Statistic",
    "StatisticContext",
    "compare_sites",
    "connection",
    "connections",
    "corrected_intensity",
    "corrected_mean_intensity",
    "count_curve",
    "detect_in_measurement",
    "detect_puncta",
    "estimate_changes",
    "evaluate",
    "filament_fragments",
    "filament_length",
    "filament_length_um",
    "find_objects",
    "get_statistic",
    "list_objects",
    "list_statistics",
    "make_context",
    "match_objects",
    "mean_intensity",
    "measure_objects",
    "measure_samples",
    "not_testable",
    "objects_in",
    "permutation_test",
    "pool_sites",
    "puncta_count",
    "puncta_count_3d",
    "puncta_curve",
    "quantify",
    "region_in_polygon",
    "regions_of_labels",
    "register_statistic",
    "statistic",
    "tidy",
    "total_intensity",
]
