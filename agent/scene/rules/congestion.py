"""Vehicles fill the road and hardly move. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median, median_low

from agent.contract.events import IncidentKind
from agent.scene.grammar import Congestion
from agent.scene.moment import VEHICLES, Hit, Moment, Sighting
from agent.scene.travel import Travels
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S

# Points of a grid over the zone; each says whether a vehicle stands on it. 256 of them tell a twentieth of the zone.
_GRID = 16
# Standing bumper to bumper, cars of 4.5 m keep 7 m each and are 1.8 m wide in lanes of 3.5 m: a third of the road is
# covered from above, and more seen at a slant. Free traffic (2 s apart at 50 km/h) covers less than a tenth.
_FILLED = 0.2
_STAY_FILLED = 0.15
# The least that can be a jam: two cars are two cars.
_LEAST_VEHICLES = 4
# A queue that creeps at 5 km/h moves 0.4 sizes a second; traffic at 15 km/h moves 1.2.
_SLOW_SIZES = 0.6
_LOOK_BACK_NS = 2 * NS_PER_S
# A detector misses vehicles in a throng from one frame to the next.
_STEADY_NS = 3 * NS_PER_S
# A bus that passes in front, or a green that lets three cars go, does not end a jam.
_PAUSE_NS = 5 * NS_PER_S


class CongestionRule:
    """See `agent.scene.grammar.Congestion` for what it means and what it does not."""

    kind = IncidentKind.CONGESTION

    def __init__(self, settings: Congestion, polygon: Sequence[Point], *, aspect: float) -> None:
        self._after_ns = int(settings.after_s * NS_PER_S)
        self._polygon = tuple(polygon)
        self._grid = _grid_of(self._polygon)
        self._travels = Travels(VEHICLES, aspect=aspect)
        self._fills: deque[tuple[int, float]] = deque()
        self._since_ns: int | None = None
        self._last_ns = 0

    def update(self, moment: Moment) -> list[Hit]:
        self._travels.update(moment)
        inside = [one for one in moment.sightings if one.label in VEHICLES and contains(self._polygon, *one.box.foot)]
        self._fills.append((moment.media_ns, self._filled(inside)))
        while moment.media_ns - self._fills[0][0] > _STEADY_NS:
            self._fills.popleft()
        jammed_ns = self._jammed_since(inside, moment.media_ns)
        if jammed_ns is not None:
            self._last_ns = moment.media_ns
            if self._since_ns is None:
                self._since_ns = jammed_ns
        elif moment.media_ns - self._last_ns > _PAUSE_NS:
            self._since_ns = None
        if self._since_ns is None or self._last_ns - self._since_ns < self._after_ns:
            return []
        in_order = sorted(inside, key=lambda one: one.track_id)
        return [_hit(one, self._since_ns, self._last_ns) for one in in_order]

    def _jammed_since(self, inside: Sequence[Sighting], media_ns: int) -> int | None:
        """From when on the vehicles that fill the road have been so slow; None where they do not, or are not."""
        filled = median(part for _, part in self._fills)
        if len(inside) < _LEAST_VEHICLES or filled < (_FILLED if self._since_ns is None else _STAY_FILLED):
            return None
        goings = [
            going
            for one in inside
            if (travel := self._travels.of(one.track_id)) is not None
            and (going := travel.going(media_ns - _LOOK_BACK_NS, media_ns)) is not None
        ]
        if len(goings) < _LEAST_VEHICLES or median(going.speed_sizes for going in goings) >= _SLOW_SIZES:
            return None
        return median_low(going.began_ns for going in goings)

    def _filled(self, inside: Sequence[Sighting]) -> float:
        """The part of the zone that vehicles cover, 0 to 1."""
        boxes = [one.box for one in inside]
        covered = sum(any(box.x <= x <= box.right and box.y <= y <= box.bottom for box in boxes) for x, y in self._grid)
        return covered / len(self._grid)


def _grid_of(polygon: Sequence[Point]) -> tuple[Point, ...]:
    """Points spread evenly over the polygon; its corners where it is too thin to hold any."""
    left, right = min(x for x, _ in polygon), max(x for x, _ in polygon)
    top, bottom = min(y for _, y in polygon), max(y for _, y in polygon)
    steps = [(index + 0.5) / _GRID for index in range(_GRID)]
    points = [(left + (right - left) * along, top + (bottom - top) * down) for along in steps for down in steps]
    return tuple(point for point in points if contains(polygon, *point)) or tuple(polygon)


def _hit(sighting: Sighting, since_ns: int, media_ns: int) -> Hit:
    return Hit(
        track_id=sighting.track_id,
        label=sighting.label,
        box=sighting.box,
        score=sighting.score,
        since_ns=since_ns,
        last_ns=media_ns,
    )
