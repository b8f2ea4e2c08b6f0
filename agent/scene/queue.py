"""Whether vehicles that stand wait in a queue: one behind the other, come the same way, and not driven past. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.scene.travel import turn_deg
from agent.units import NS_PER_S

# In sizes of the larger one. At a signal cars keep 2 m: 6.5 m from centre to centre, which is under two sizes seen
# along the road; the lane beside is 3.5 m away, which is one.
_GAP_SIZES = 2.5
_ASIDE_SIZES = 0.8
# Who passes is in the lane beside, or in the one beyond.
_PASSING_SIZES = 3.0
# Come from the same road, bends and perspective allowed for.
_SAME_WAY_DEG = 45.0
# The longest red of a junction: signal cycles end at 150 s (Highway Capacity Manual) and double where a policeman holds
# them; who stands for longer does not wait for a light.
_LONGEST_RED_NS = 300 * NS_PER_S
# Traffic that passes what stands shows for this long that the road is open.
_OPEN_ROAD_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Place:
    """Where one vehicle is: its centre and size in picture heights."""

    track_id: int
    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """One standing vehicle. `came_deg`: its heading as it came, None if that was not seen."""

    place: Place
    came_deg: float | None
    since_ns: int


class QueueWatch:
    """Tells the queues of one zone. One owner; fed every moment in order."""

    def __init__(self) -> None:
        self._ahead: dict[tuple[int, int], float] = {}
        self._passed_ns: dict[int, int] = {}

    def update(self, standing: Sequence[Waiting], moving: Sequence[Place], now_ns: int) -> set[int]:
        """The track ids of those that stand in a queue with another, and no longer than the longest red."""
        self._note_passers(standing, moving, now_ns)
        return {
            one.place.track_id
            for one in standing
            if now_ns - one.since_ns <= _LONGEST_RED_NS
            and any(
                _is_in_line(one, other) and not self._is_passed(one, other, now_ns)
                for other in standing
                if other is not one
            )
        }

    def _note_passers(self, standing: Sequence[Waiting], moving: Sequence[Place], now_ns: int) -> None:
        ahead: dict[tuple[int, int], float] = {}
        for one in standing:
            for mover in moving:
                if one.came_deg is None:
                    continue
                along, aside = _seen_from(one.place, one.came_deg, mover)
                if abs(aside) > _PASSING_SIZES:
                    continue
                pair = (one.place.track_id, mover.track_id)
                if along > 0 > self._ahead.get(pair, along):
                    self._passed_ns[one.place.track_id] = now_ns
                ahead[pair] = along
        self._ahead = ahead
        here = {one.place.track_id for one in standing}
        self._passed_ns = {key: value for key, value in self._passed_ns.items() if key in here}

    def _is_passed(self, one: Waiting, other: Waiting, now_ns: int) -> bool:
        lately_ns = max(self._passed_ns.get(each.place.track_id, 0) for each in (one, other))
        return lately_ns > 0 and now_ns - lately_ns <= _OPEN_ROAD_NS


def _is_in_line(one: Waiting, other: Waiting) -> bool:
    if one.came_deg is None or other.came_deg is None or turn_deg(one.came_deg, other.came_deg) > _SAME_WAY_DEG:
        return False
    along, aside = _seen_from(one.place, one.came_deg, other.place)
    return abs(along) <= _GAP_SIZES and abs(aside) <= _ASIDE_SIZES


def _seen_from(place: Place, heading_deg: float, other: Place) -> tuple[float, float]:
    """How far ahead and how far aside the other is, in sizes of the larger one."""
    size = max(place.size, other.size)
    heading = math.radians(heading_deg)
    dx, dy = (other.x - place.x) / size, (other.y - place.y) / size
    return dx * math.cos(heading) + dy * math.sin(heading), dx * math.sin(heading) - dy * math.cos(heading)
