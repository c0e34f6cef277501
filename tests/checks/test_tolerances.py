"""Tolerances: what users may give, what it means in the unit of a quantity, and what is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_posterior.checks.verdicts.tolerances import DEFAULTS, PRESETS, Tolerance, Tolerances
from napari_posterior.errors import InputError


@pytest.mark.parametrize(
    ("key", "given_", "expected"),
    [
        ("mean", 0.3, (None, 0.3)),
        ("sites.lost", 0.1, (None, 0.1)),
        ("puncta_count", 4, (-4.0, 4.0)),
        ("puncta_count", np.float32(0.5), (-0.5, 0.5)),
        ("likelihood", np.int64(1), (-1.0, 1.0)),
        ("variance", (0.5, 2), (0.5, 2.0)),
        ("puncta_count.spread", [0.5, None], (0.5, None)),
        ("puncta_count", (-3, 5), (-3.0, 5.0)),
    ],
)
def test_numbers_are_read(key, given_, expected) -> None:
    read = Tolerance.read(given_, key=key)
    assert (read.kind, read.low, read.high) == ("range", *expected)
    assert read.origin == "user"


@pytest.mark.parametrize("text", ["10 %", "10%", " ±10 % ", "10.0 percent", "+10.%"])
def test_shares_are_read(text: str) -> None:
    read = Tolerance.read(text, key="puncta_count")
    assert (read.kind, read.high) == ("relative", 0.1)


@pytest.mark.parametrize("text", ["0.5 sd", ".5SD", "±0.5 sd"])
def test_standard_deviations_are_read(text: str) -> None:
    read = Tolerance.read(text, key="filament_length")
    assert (read.kind, read.high) == ("sd", 0.5)


@pytest.mark.parametrize(
    ("key", "given_"),
    [
        ("puncta_count", "ten percent"),
        ("puncta_count", "1.2.3 %"),
        ("puncta_count", ". %"),
        ("puncta_count", "-10 %"),
        ("puncta_count", "0 %"),
        ("puncta_count", 0),
        ("puncta_count", -1.0),
        ("puncta_count", float("nan")),
        ("puncta_count", float("inf")),
        ("puncta_count", True),
        ("puncta_count", None),
        ("puncta_count", (1.0, 2.0, 3.0)),
        ("puncta_count", ("a", "b")),
        ("puncta_count", (None, None)),
        ("puncta_count", (5.0, -5.0)),
        ("puncta_count", (1.0, 5.0)),
        ("variance", (1.1, 1.5)),
        ("variance", 0.2),
        ("variance", "10 %"),
        ("puncta_count.spread", "10 %"),
        ("mean", "10 %"),
        ("mean", (0.1, 0.2)),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(key, given_) -> None:
    with pytest.raises(InputError) as refused:
        Tolerance.read(given_, key=key)
    assert ";" in str(refused.value) or "give" in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=12))
def test_no_text_is_read_with_an_error_of_ours(text: str) -> None:
    try:
        read = Tolerance.read(text, key="puncta_count")
    except InputError:
        return
    assert read.high > 0


def test_a_relative_tolerance_is_a_share_of_the_mean() -> None:
    limits = Tolerance("relative", None, 0.1).resolve(mean=-40.0, sd=5.0, unit="puncta")
    assert (limits.low, limits.high) == pytest.approx((-4, 4))
    assert "10 %" in limits.words
    assert "puncta" in limits.words


def test_of_a_mean_within_its_spread_a_share_becomes_half_a_standard_deviation() -> None:
    limits = Tolerance("relative", None, 0.1).resolve(mean=1.0, sd=4.0)
    assert limits.high == pytest.approx(2)
    assert "SD" in limits.words


def test_limits_that_cannot_be_worked_out_are_none() -> None:
    assert Tolerance("relative", None, 0.1).resolve(mean=0.0, sd=0.0) is None
    assert Tolerance("sd", None, 0.5).resolve(mean=3.0, sd=0.0) is None
    assert Tolerance("sd", None, 0.5).resolve() is None


def test_limits_hold_what_is_strictly_inside() -> None:
    limits = DEFAULTS["variance"].resolve()
    assert [limits.holds(v) for v in (0.79, 0.8, 1.0, 1.25, 1.3)] == [False, False, True, False,
                                                                      False]  # fmt: skip
    assert DEFAULTS["mean"].resolve().holds(-1.0)


@pytest.mark.parametrize("key", list(DEFAULTS))
def test_every_default_holds_no_difference(key: str) -> None:
    agreed = 1.0 if DEFAULTS[key] == DEFAULTS["variance"] or key in (
        "tiles", "dimension", "dependence") else 0.0  # fmt: skip
    limits = DEFAULTS[key].resolve(mean=10.0, sd=2.0)
    assert limits.holds(agreed)


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_require_what_they_measure(name: str) -> None:
    chosen = Tolerances.choose(name, statistics=PRESETS[name].statistics)
    assert chosen.preset == name
    assert set(chosen.required) == set(PRESETS[name].required)
    for key in chosen.required:
        kind = key if key in DEFAULTS else "spread" if key.endswith(".spread") else "statistic"
        assert chosen.of(key, kind) is not None


def test_statistics_asked_for_are_required_and_others_are_not() -> None:
    chosen = Tolerances.choose("puncta", statistics=["filament_length"])
    assert "filament_length" in chosen.required
    assert "puncta_count" not in chosen.required
    assert "likelihood" in chosen.required


def test_single_tolerances_go_with_a_question() -> None:
    chosen = Tolerances.choose(
        {"question": "intensity", "mean": 0.1, "mean_intensity": "2 %"},
        statistics=["mean_intensity"],
    )
    assert chosen.preset == "intensity"
    assert chosen.of("mean", "mean").high == 0.1
    assert chosen.of("mean_intensity", "statistic").high == 0.02
    assert chosen.of("variance", "variance").origin == "default"
    assert chosen.of("familiar", "") is None


def test_a_tolerance_of_a_kind_stands_for_all_of_it_but_the_one_given() -> None:
    chosen = Tolerances.choose(
        {"statistic": "20 %", "puncta_count": "5 %"}, statistics=["puncta_count", "area"]
    )
    assert chosen.of("puncta_count", "statistic").high == 0.05
    assert chosen.of("area", "statistic").high == 0.2


@pytest.mark.parametrize(
    "given_", ["no such question", {"question": "no"}, {"no_such_thing": 0.1}]
)  # fmt: skip
def test_what_is_not_known_is_refused(given_) -> None:
    with pytest.raises(InputError, match=r"choose from|give tolerances for"):
        Tolerances.choose(given_)


ranges = st.tuples(st.floats(-5, -1e-3), st.floats(1e-3, 5)).map(
    lambda ends: Tolerance("range", *ends, "user")
)
shares = st.builds(
    lambda kind, high: Tolerance(kind, None, high, "user"),
    st.sampled_from(["relative", "sd"]),
    st.floats(1e-3, 10),
)


@given(
    st.dictionaries(st.sampled_from([*DEFAULTS, "area"]), ranges | shares, max_size=5),
    st.sampled_from(list(PRESETS)),
)
def test_what_is_written_is_read_again(kept, name) -> None:
    tolerances = Tolerances(kept, PRESETS[name].required, name)
    written = json.loads(json.dumps(tolerances.to_dict()))
    assert Tolerances.from_dict(written) == tolerances
