"""Times in words."""

from __future__ import annotations

import pytest

from napari_posterior.durations import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (2.4, "2 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (90000, "25.0 h"),
    ],
)
def test_a_time_is_written_in_seconds_minutes_or_hours(seconds: float, words: str) -> None:
    assert duration(seconds) == words
