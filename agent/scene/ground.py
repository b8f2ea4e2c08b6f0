"""From the picture to the ground: four points and more fix a plane, and with it metres and kilometres an hour. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.scene.grammar import Calibration

# Beyond this the horizon is near: a pixel is many metres, and what is measured there is noise.
_FARTHEST_M = 300.0
# Below this the pivot of the elimination is rounding; the scene file refuses such points (agent.scene.file).
_LEAST_PIVOT = 1e-12

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class GroundPoint:
    """A place on the site's own flat grid, in metres."""

    x_m: float
    y_m: float


class Ground:
    """The plane that the ground points of a scene fix; with more than four the best in the least squares."""

    def __init__(self, calibration: Calibration) -> None:
        image = [point.image for point in calibration.points]
        ground = [point.ground_m for point in calibration.points]
        self._centre = (
            sum(x for x, _ in ground) / len(ground),
            sum(y for _, y in ground) / len(ground),
        )
        # Metres of a UTM grid are millions: without their mean the equations lose their digits (Hartley 1997).
        self._scale = max(1e-6, *(math.dist(self._centre, point) for point in ground))
        moved = [((x - self._centre[0]) / self._scale, (y - self._centre[1]) / self._scale) for x, y in ground]
        self._to_ground = homography(image, moved)
        # The sign of the third coordinate tells this side of the horizon from the other.
        self._sign = 1.0 if sum(self._depth(*point) > 0 for point in image) * 2 > len(image) else -1.0

    def at(self, x: float, y: float) -> GroundPoint | None:
        """Where on the ground this point of the picture is (fractions); None at or above the horizon, and far away."""
        (a, b, c), (d, e, f), _ = self._to_ground
        depth = self._depth(x, y)
        if depth * self._sign <= 0:
            return None
        along, across = (a * x + b * y + c) / depth, (d * x + e * y + f) / depth
        if math.hypot(along, across) * self._scale > _FARTHEST_M:
            return None
        return GroundPoint(along * self._scale + self._centre[0], across * self._scale + self._centre[1])

    def _depth(self, x: float, y: float) -> float:
        g, h, i = self._to_ground[2]
        return g * x + h * y + i


def homography(source: Sequence[tuple[float, float]], target: Sequence[tuple[float, float]]) -> Matrix:
    """The projective map that takes the source points to the target points, with its last element 1.

    Source: the inhomogeneous linear solution of Hartley and Zisserman, Multiple View Geometry, 4.1, by the normal
    equations. At least four points, no three of them on one line.
    """
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    normal = [[sum(row[i] * row[j] for row in rows) for j in range(9)] for i in range(8)]
    a, b, c, d, e, f, g, h = _solve(normal)
    return ((a, b, c), (d, e, f), (g, h, 1.0))


def _solve(system: list[list[float]]) -> list[float]:
    """Gauss-Jordan elimination with the largest pivot; the last column is the right-hand side."""
    size = len(system)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(system[row][column]))
        system[column], system[pivot] = system[pivot], system[column]
        head = system[column][column]
        if abs(head) < _LEAST_PIVOT:
            head = _LEAST_PIVOT
        system[column] = [value / head for value in system[column]]
        for row in range(size):
            if row != column:
                factor = system[row][column]
                system[row] = [value - factor * top for value, top in zip(system[row], system[column], strict=True)]
    return [row[size] for row in system]
