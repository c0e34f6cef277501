from __future__ import annotations

import pytest

from napari_posterior.errors import InputError
from napari_posterior.session.axes import axes_offered, parse_axes, write_axes


def test_axes_are_read_in_any_case_and_with_room_around_them():
    assert parse_axes(" tZyx ", 4) == ("t", "z", "y", "x")
    assert write_axes(("t", "z", "y", "x")) == "TZYX"


@pytest.mark.parametrize(
    ("text", "ndim"), [("zyx", 4), ("zzyx", 4), ("qyx", 3), ("zxy", 3), ("", 3), ("yxz", 3)]
)
def test_axes_that_cannot_be_are_refused_with_an_example(text, ndim):
    with pytest.raises(InputError, match=rf"{ndim} axes; .* as in {axes_offered(ndim)[0]}"):
        parse_axes(text, ndim)


def test_every_order_that_is_offered_can_be_read_and_the_usual_ones_come_first():
    assert axes_offered(3) == ("ZYX", "TYX", "CYX")
    assert axes_offered(4)[:3] == ("TZYX", "CZYX", "TCYX")
    assert axes_offered(5)[0] == "TCZYX"
    assert [len(axes_offered(ndim)) for ndim in (2, 3, 4, 5, 6)] == [1, 3, 6, 6, 0]
    for ndim in (2, 3, 4, 5):
        for text in axes_offered(ndim):
            assert write_axes(parse_axes(text, ndim)) == text
