"""Where a point lies: in a polygon, beside a line. Coordinates are fractions of the picture, x right, y down. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


def contains(polygon: Sequence[Point], x: float, y: float) -> bool:
    """Whether the point lies inside, by the even-odd rule; on the outline it may be either.

    Source: the crossing test of Franklin's PNPOLY.
    """
    is_inside = False
    previous_x, previous_y = polygon[-1]
    for corner_x, corner_y in polygon:
        if (corner_y > y) != (previous_y > y):
            at_x = corner_x + (y - corner_y) * (previous_x - corner_x) / (previous_y - corner_y)
            if x < at_x:
                is_inside = not is_inside
        previous_x, previous_y = corner_x, corner_y
    return is_inside


def area_of(polygon: Sequence[Point]) -> float:
    """Enclosed area as a fraction of the picture (shoelace formula), whichever way round the corners go."""
    doubled = 0.0
    previous_x, previous_y = polygon[-1]
    for x, y in polygon:
        doubled += previous_x * y - x * previous_y
        previous_x, previous_y = x, y
    return abs(doubled) / 2


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two sides that are not neighbours properly cross, as in a bow tie."""
    count = len(polygon)
    for first in range(count):
        for second in range(first + 2, count):
            if first == 0 and second == count - 1:
                continue
            a, b = polygon[first], polygon[first + 1]
            c, d = polygon[second], polygon[(second + 1) % count]
            if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
                return True
    return False


def _turn(a: Point, b: Point, c: Point) -> float:
    """Positive when c lies right of a → b as drawn: y grows downwards, so the usual sign is mirrored."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@dataclass(frozen=True, slots=True)
class Side:
    """Where a point lies beside a line.

    `offset`: signed distance from the endless line in picture heights; positive is the right of points[0] → points[1]
    as drawn. `along`: where the foot of the perpendicular falls, 0 at points[0], 1 at points[1], beyond them outside.
    """

    offset: float
    along: float


def side_of(line: tuple[Point, Point], point: Point, aspect: float) -> Side:
    """The point's side of the line. `aspect` is the picture's width over its height, so that distances are true.

    The line must have a length (the scene file is checked for it).
    """
    (ax, ay), (bx, by) = line
    dx, dy = (bx - ax) * aspect, by - ay
    px, py = (point[0] - ax) * aspect, point[1] - ay
    length = math.hypot(dx, dy)
    return Side(offset=(dx * py - dy * px) / length, along=(px * dx + py * dy) / (length * length))
