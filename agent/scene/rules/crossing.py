"""Who crosses a counting line, and which way. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.contract.events import Direction
from agent.scene.moment import Moment, Sighting
from agent.scene.zone import Point, Side, side_of
from agent.units import NS_PER_S
from agent.vision.geometry import Label

# Of the object's own height: a track has crossed when its foot point is this far beyond the line. A box that jitters on
# the line is not counted to and fro.
_BEYOND_HEIGHTS = 0.1
# A track id does not come back after this.
_FORGET_NS = 30 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Crossing:
    """One track crossed the line. `at_ns` is the media time of the foot point on the line, between two frames."""

    line: str
    direction: Direction
    track_id: int
    label: Label
    at_ns: int


@dataclass(slots=True)
class _Path:
    """Where one track stands towards the line: the last look, the side it belongs to, and its way over the line."""

    side: Side
    seen_ns: int
    is_right: bool
    along: float = 0.0
    at_ns: int | None = None
    counted: set[Direction] = field(default_factory=set)


class CrossingCounter:
    """Counts one line both ways, each track once per direction. One owner; fed every moment in order.

    aspect: the picture's width over its height.
    """

    def __init__(self, line: str, points: tuple[Point, Point], *, aspect: float) -> None:
        self._line = line
        self._points = points
        self._aspect = aspect
        self._paths: dict[int, _Path] = {}

    def update(self, moment: Moment) -> list[Crossing]:
        crossed = [
            crossing
            for sighting in moment.sightings
            if sighting.is_seen and (crossing := self._follow(sighting, moment.media_ns)) is not None
        ]
        for track_id, path in list(self._paths.items()):
            if moment.media_ns - path.seen_ns > _FORGET_NS:
                del self._paths[track_id]
        return crossed

    def _follow(self, sighting: Sighting, media_ns: int) -> Crossing | None:
        side = side_of(self._points, sighting.box.foot, self._aspect)
        path = self._paths.get(sighting.track_id)
        if path is None:
            # Where it was first seen is where it came from, however near the line.
            self._paths[sighting.track_id] = _Path(side, media_ns, is_right=side.offset > 0)
            return None
        if (side.offset > 0) != (path.side.offset > 0):
            part = path.side.offset / (path.side.offset - side.offset)
            path.along = path.side.along + part * (side.along - path.side.along)
            path.at_ns = path.seen_ns + round(part * (media_ns - path.seen_ns))
        path.side, path.seen_ns = side, media_ns
        if (side.offset > 0) == path.is_right or abs(side.offset) < _BEYOND_HEIGHTS * sighting.box.h:
            return None
        path.is_right = side.offset > 0
        return self._count(path, sighting)

    def _count(self, path: _Path, sighting: Sighting) -> Crossing | None:
        direction = Direction.FORWARD if path.is_right else Direction.BACKWARD
        passed_by = not 0 <= path.along <= 1
        if passed_by or path.at_ns is None or direction in path.counted:
            return None
        path.counted.add(direction)
        return Crossing(self._line, direction, sighting.track_id, sighting.label, path.at_ns)
