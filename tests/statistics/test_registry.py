"""Statistics that other packages bring."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.statistics import get_statistic, list_statistics, registry

SOURCE = """
from napari_posterior.statistics import FunctionStatistic


def _measure(x, context):
    return float(x.min())


darkest = FunctionStatistic(_measure, "darkest", "darkest pixel", "photoelectrons/px", "mean")


def make():
    return darkest


nothing = 3
"""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    (tmp_path / "other_package.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    found = [
        EntryPoint("darkest", "other_package:darkest", registry.ENTRY_POINTS),
        EntryPoint("made", "other_package:make", registry.ENTRY_POINTS),
        EntryPoint("nothing", "other_package:nothing", registry.ENTRY_POINTS),
        EntryPoint("missing", "no_such_package:thing", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda *, group: found)


def test_what_another_package_offers_is_listed_and_found(offered) -> None:
    assert {"darkest", "made", "puncta_count"} <= set(list_statistics())
    for name in ("darkest", "made"):
        assert get_statistic(name).measure(np.full((4, 4), 2.0), None) == 2.0


def test_an_offer_that_is_not_asked_for_is_not_loaded(offered) -> None:
    assert "missing" in list_statistics()
    assert get_statistic("puncta_count").name == "puncta_count"


def test_an_offer_that_cannot_be_loaded_is_told_of_in_a_sentence(offered) -> None:
    with pytest.raises(InputError, match=r"missing.*ModuleNotFoundError"):
        get_statistic("missing")
    with pytest.raises(InputError, match="no statistic"):
        get_statistic("nothing")
