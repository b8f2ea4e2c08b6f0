"""Who crosses a counting line, and which way. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.contract.events import Direction
from agent.scene.moment import Moment, Sighting
from agent.scene.zone import Point, Side, side_of
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label, iou, may_ride, share_a_saddle

# Where a vehicle stands is the middle of the ground it covers, not its nearer bumper, which is over a line half a
# length before. Seen from a pole (15 to 30 degrees down) the middle of a car 4.5 m long and 1.5 m high lies a fifth to
# a third of its box above the lower edge.
_MIDDLE_HEIGHTS = 0.25
_LONG = frozenset({Label.CAR, Label.BUS, Label.TRUCK})
# Of the object's own height: a track has crossed when its foot point is this far beyond the line. A box that jitters on
# the line is not counted to and fro.
_BEYOND_HEIGHTS = 0.1
# A detector that sees one lorry as two boxes must not count it twice: of two tracks that cross the same way within this
# time and cover each other this much, the second is the same vehicle (suburban_road_8cars at 29.7 s: 0.55). So is a
# rider with his machine.
_TWIN_NS = 1 * NS_PER_S
_TWIN_IOU = 0.4
# A track id does not come back after this.
_FORGET_NS = 30 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Crossing:
    """One track crossed the line. `at_ns` is the media time at which the place where it stands lay on the line, between
    two frames."""

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


@dataclass(frozen=True, slots=True)
class _Recent:
    crossing: Crossing
    box: Box
    media_ns: int


class CrossingCounter:
    """Counts one line both ways, each track once per direction. One owner; fed every moment in order.

    aspect: the picture's width over its height.
    """

    def __init__(self, line: str, points: tuple[Point, Point], *, aspect: float) -> None:
        self._line = line
        self._points = points
        self._aspect = aspect
        self._paths: dict[int, _Path] = {}
        self._recent: list[_Recent] = []

    def update(self, moment: Moment) -> list[Crossing]:
        self._recent = [one for one in self._recent if moment.media_ns - one.media_ns <= _TWIN_NS]
        seen = [sighting for sighting in moment.sightings if sighting.is_seen]
        boxes = {sighting.track_id: sighting.box for sighting in seen}
        crossed: list[Crossing] = []
        for sighting in seen:
            crossing = self._follow(sighting, moment.media_ns)
            if crossing is not None and not self._is_twin(crossing, sighting.box, boxes):
                crossed.append(crossing)
                self._recent.append(_Recent(crossing, sighting.box, moment.media_ns))
        for track_id, path in list(self._paths.items()):
            if moment.media_ns - path.seen_ns > _FORGET_NS:
                del self._paths[track_id]
        return crossed

    def _is_twin(self, crossing: Crossing, box: Box, boxes: Mapping[int, Box]) -> bool:
        """Whether what crosses here was counted a moment ago as another track. `boxes`: where all tracks are now."""
        return any(
            one.crossing.direction is crossing.direction
            and _is_one(crossing, box, one.crossing, boxes.get(one.crossing.track_id, one.box))
            for one in self._recent
        )

    def _follow(self, sighting: Sighting, media_ns: int) -> Crossing | None:
        """A track that is new here is followed from before it was believed: cars are fast and doubted for a second."""
        path = self._paths.get(sighting.track_id)
        if path is not None:
            return self._step(path, sighting, sighting.box, media_ns)
        looks = [*((look.media_ns, look.box) for look in sighting.early), (media_ns, sighting.box)]
        side = side_of(self._points, _stand(looks[0][1], sighting.label), self._aspect)
        # Where it was first seen is where it came from, however near the line.
        path = self._paths[sighting.track_id] = _Path(side, looks[0][0], is_right=side.offset > 0)
        steps = [self._step(path, sighting, box, at_ns) for at_ns, box in looks[1:]]
        return next((one for one in reversed(steps) if one is not None), None)

    def _step(self, path: _Path, sighting: Sighting, box: Box, media_ns: int) -> Crossing | None:
        side = side_of(self._points, _stand(box, sighting.label), self._aspect)
        if (side.offset > 0) != (path.side.offset > 0):
            part = path.side.offset / (path.side.offset - side.offset)
            path.along = path.side.along + part * (side.along - path.side.along)
            path.at_ns = path.seen_ns + round(part * (media_ns - path.seen_ns))
        path.side, path.seen_ns = side, media_ns
        if (side.offset > 0) == path.is_right or abs(side.offset) < _BEYOND_HEIGHTS * box.h:
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


def _is_one(one: Crossing, box: Box, other: Crossing, other_box: Box) -> bool:
    rides = may_ride(one.label, other.label) and share_a_saddle(box, other_box)
    return rides or iou(box, other_box) >= _TWIN_IOU


def _stand(box: Box, label: Label) -> Point:
    x, y = box.foot
    return (x, y - _MIDDLE_HEIGHTS * box.h) if label in _LONG else (x, y)
