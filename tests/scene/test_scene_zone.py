"""Points in polygons and beside lines. y grows downwards, so left and right are those of the drawn picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.scene.zone import area_of, contains, crosses_itself, side_of

SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
# A yard with a notch in its right side, as around a house.
NOTCHED = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.4), (0.5, 0.4), (0.5, 0.6), (1.0, 0.6), (1.0, 1.0), (0.0, 1.0))
fractions = st.floats(0, 1)


@pytest.mark.parametrize(
    ("polygon", "point", "is_inside"),
    [
        (SQUARE, (0.5, 0.5), True),
        (SQUARE, (0.1, 0.5), False),
        (SQUARE, (0.5, 0.9), False),
        (SQUARE, (0.21, 0.79), True),
        (NOTCHED, (0.75, 0.5), False),
        (NOTCHED, (0.25, 0.5), True),
        (NOTCHED, (0.75, 0.3), True),
        (NOTCHED, (0.75, 0.7), True),
    ],
)
def test_a_point_is_inside_or_not(
    polygon: tuple[tuple[float, float], ...], point: tuple[float, float], is_inside: bool
) -> None:
    assert contains(polygon, *point) is is_inside
    assert contains(tuple(reversed(polygon)), *point) is is_inside


@given(fractions, fractions)
def test_a_rectangle_contains_what_lies_between_its_sides(x: float, y: float) -> None:
    if min(abs(x - 0.2), abs(x - 0.8), abs(y - 0.2), abs(y - 0.8)) > 1e-9:
        assert contains(SQUARE, x, y) is (0.2 < x < 0.8 and 0.2 < y < 0.8)


@given(st.lists(st.tuples(fractions, fractions), min_size=3, max_size=8), fractions, fractions)
def test_where_the_corners_start_does_not_matter(polygon: list[tuple[float, float]], x: float, y: float) -> None:
    turned = [*polygon[1:], polygon[0]]
    assert contains(polygon, x, y) is contains(turned, x, y)
    assert area_of(polygon) == pytest.approx(area_of(turned))


def test_a_bow_tie_crosses_itself_and_a_yard_does_not() -> None:
    assert crosses_itself(((0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8)))
    assert not crosses_itself(NOTCHED) and not crosses_itself(SQUARE)
    assert area_of(SQUARE) == pytest.approx(0.36)


@pytest.mark.parametrize(
    ("line", "right_of_it"),
    [
        # Drawn left to right: its right hand is below. Drawn downwards: its right hand is the picture's left.
        (((0.2, 0.5), (0.8, 0.5)), (0.5, 0.9)),
        (((0.8, 0.5), (0.2, 0.5)), (0.5, 0.1)),
        (((0.5, 0.2), (0.5, 0.8)), (0.1, 0.5)),
        (((0.5, 0.8), (0.5, 0.2)), (0.9, 0.5)),
        (((0.25, 0.75), (1.0, 0.55)), (0.7, 0.9)),
    ],
)
def test_the_right_of_a_line_is_the_right_hand_of_who_walks_it_in_the_picture(
    line: tuple[tuple[float, float], tuple[float, float]], right_of_it: tuple[float, float]
) -> None:
    assert side_of(line, right_of_it, 16 / 9).offset > 0
    assert side_of((line[1], line[0]), right_of_it, 16 / 9).offset < 0


def test_distances_are_in_picture_heights_whatever_the_aspect() -> None:
    upright = ((0.5, 0.0), (0.5, 1.0))
    assert side_of(upright, (0.25, 0.5), 2.0).offset == pytest.approx(0.5)
    assert side_of(upright, (0.25, 0.25), 2.0).along == pytest.approx(0.25)
    assert side_of(upright, (0.25, 1.5), 2.0).along > 1
