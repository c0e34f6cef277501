"""Statistics of many samples as one table."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import (
    FunctionStatistic,
    Objects,
    Region,
    list_objects,
    make_context,
    measure_samples,
    tidy,
)


@pytest.fixture
def context():
    return make_context(Measurement(np.full((8, 8), 10.0), Camera(), Psf(1.2)))


def total(x, context):
    return float(x.sum() if context.region is None else x[context.region].sum())


TOTAL = FunctionStatistic(total, "total", "total", "photoelectrons", "sum", regions=True)


def samples(index):
    return [np.full((8, 8), index, np.float32)]


LEFT = np.zeros((8, 8), bool)
LEFT[:, :2] = True


def test_rows_come_by_sample_whatever_the_number_of_threads(context) -> None:
    indices = [0, 2, 3, 7, 8, 11, 12]
    tables = [
        measure_samples(samples, indices, [TOTAL, "mean_intensity"], [context], workers=n)
        for n in (1, 3)
    ]
    assert tables[0] == tables[1]
    assert [row.sample for row in tables[0][::2]] == indices
    assert [row.value for row in tables[0][::2]] == [64.0 * index for index in indices]


def test_every_region_has_a_row(context) -> None:
    regions = [Region("left", LEFT), Region("right", ~LEFT)]
    table = tidy(measure_samples(samples, [1], [TOTAL], [context], regions=regions), run="a")
    assert list(table.columns) == ["run", "sample", "statistic", "region", "value", "unit"]
    assert dict(zip(table["region"], table["value"], strict=True)) == {"left": 16, "right": 48}


def test_a_table_goes_to_csv_and_back(context, tmp_path) -> None:
    import pandas as pd

    table = tidy(measure_samples(samples, [0, 1], [TOTAL], [context]))
    table.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table, check_dtype=False)


def test_what_the_listener_raises_ends_the_measuring(context) -> None:
    seen, lock = [], threading.Lock()

    def read(index):
        with lock:
            seen.append(index)
        return samples(index)

    class Stop(Exception):
        pass

    def stop(done, of):
        assert of == 100
        raise Stop

    with pytest.raises(Stop):
        measure_samples(read, range(100), [TOTAL], [context], workers=2, on_sample=stop)
    assert len(seen) < 10


def test_an_error_in_a_thread_reaches_the_caller(context) -> None:
    def broken(x, context):
        raise ValueError("no such filter")

    one = FunctionStatistic(broken, "broken", "broken", "")
    with pytest.raises(ValueError, match="no such filter"):
        measure_samples(samples, range(4), [one], [context], workers=2)


def bright(x, context):
    rows, columns = np.nonzero(x > 0)
    found = Objects(
        np.stack([rows, columns], axis=1).astype(float),
        {"height": x[rows, columns]},
        {"height": "e"},
    )
    return found.take(context.inside(found.positions))


BRIGHT = FunctionStatistic(bright, "bright", "bright pixels", "pixels", regions=True)


def test_objects_are_listed_with_sample_plane_and_units(context) -> None:
    def read(index):
        planes = [np.zeros((8, 8)), np.zeros((8, 8))]
        planes[1][3, index] = 2.5
        return planes

    table = list_objects(read, [0, 5], BRIGHT, [context, context])
    assert table.to_dict("list") == {
        "sample": [0, 5],
        "plane": [1, 1],
        "region": ["whole image"] * 2,
        "row [px]": [3.0, 3.0],
        "column [px]": [0.0, 5.0],
        "height [e]": [2.5, 2.5],
    }
    inside = list_objects(read, [0, 5], BRIGHT, [context] * 2, regions=[Region("left", LEFT)])
    assert inside["column [px]"].tolist() == [0.0]


def test_a_statistic_without_objects_lists_none(context) -> None:
    with pytest.raises(InputError, match="no objects"):
        list_objects(samples, [0], TOTAL, [context])


def test_means_over_objects_have_the_unit_of_their_column(context) -> None:
    def read(index):
        x = np.zeros((8, 8))
        x[3, 3] = 2.5
        return [x]

    table = tidy(measure_samples(read, [0], [BRIGHT], [context]))
    units = dict(zip(table["statistic"], table["unit"], strict=True))
    assert units == {"bright": "pixels", "bright.mean_height": "e"}
