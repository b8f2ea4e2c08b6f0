"""One road into the junction as a dispatcher sees it: flow, speed, queue, level, each minute and on change. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean, median

from agent.contract.events import Level, TrafficData
from agent.scene.grammar import Approach
from agent.scene.moment import VEHICLES, Moment, Sighting
from agent.scene.rules.crossing import Crossing
from agent.scene.speed import Speeds
from agent.scene.travel import Travels
from agent.scene.zone import Point, contains, side_of
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label

WINDOW_NS = 60 * NS_PER_S
# A level is told on change once it has held this long: a lorry that brakes is no jam.
_STEADY_NS = 10 * NS_PER_S
# What counts as standing: walking pace, or what a queue creeps at (agent.scene.rules.congestion).
_STANDS_KMH = 5.0
_STANDS_SIZES = 0.4
_LOOK_BACK_NS = 2 * NS_PER_S
# Without metres: the part of the time that something stands on the line. Loop detectors call below 0.15 free and above
# 0.35 congested (May, Traffic Flow Fundamentals, 7); and that many vehicles standing in the zone.
_BUSY_OCCUPANCY, _JAMMED_OCCUPANCY = 0.2, 0.4
_BUSY_QUEUE, _JAMMED_QUEUE = 3, 6
# A road on which things move for a fifth of the time while no vehicle is made out is not seen well enough to call free.
_UNSEEN_SHARE = 0.2
# A camera that was not looked through for this long says nothing (scene.md).
_BLIND_NS = 120 * NS_PER_S
# A vehicle is on the line when its foot is within this part of its box height of it.
_ON_LINE_HEIGHTS = 0.5
# The lane's length that a standing vehicle takes: 4.5 m and the gap before it.
_VEHICLE_M = 7.0
_ROAD_USERS = VEHICLES | {Label.BICYCLE}


@dataclass(frozen=True, slots=True)
class _Look:
    """One analysed frame of the approach. `speed`: the median of the vehicles that are there, in km/h."""

    media_ns: int
    speeds_kmh: tuple[float, ...]
    vehicles: int
    queue: int
    queue_m: float | None
    is_on_line: bool
    moves_unseen: bool


class ApproachMeter:
    """Measures one approach over a sliding minute. One owner; fed every moment in order.

    aspect: the picture's width over its height. `line`, `zone`: those that the approach names.
    """

    def __init__(
        self, approach: Approach, *, line: tuple[Point, Point], zone: Sequence[Point], aspect: float, metric: bool
    ) -> None:
        self._approach = approach
        self._line = line
        self._zone = tuple(zone)
        self._aspect = aspect
        self._metric = metric
        self._travels = Travels(VEHICLES, aspect=aspect)
        self._looks: deque[_Look] = deque()
        self._crossings: deque[Crossing] = deque()
        self._began_ns: int | None = None
        self._told_ns: int | None = None
        self._told = Level.UNKNOWN
        self._changing: tuple[Level, int] | None = None

    def update(self, moment: Moment, crossings: Sequence[Crossing], speeds: Speeds) -> TrafficData | None:
        """What there is to tell at this moment: each minute, and when the level has changed for good."""
        now_ns = moment.media_ns
        if self._looks and now_ns - self._looks[-1].media_ns > _BLIND_NS:
            self._forget()
        if self._began_ns is None or self._told_ns is None:
            self._began_ns = self._told_ns = now_ns
        self._travels.update(moment)
        self._looks.append(self._look(moment, speeds))
        ours = (one for one in crossings if one.line == self._approach.line)
        self._crossings.extend(one for one in ours if one.direction.value == self._approach.direction)
        while now_ns - self._looks[0].media_ns > WINDOW_NS:
            self._looks.popleft()
        while self._crossings and now_ns - self._crossings[0].at_ns > WINDOW_NS:
            self._crossings.popleft()
        level = self._level()
        if now_ns - self._told_ns >= WINDOW_NS or self._has_changed(level, now_ns):
            self._told_ns, self._told, self._changing = now_ns, level, None
            return self.measure()
        return None

    def measure(self) -> TrafficData:
        """The last minute as it stands."""
        looks = list(self._looks)
        speeds = [speed for look in looks for speed in look.speeds_kmh]
        queue = round(median(look.queue for look in looks[-_recent(looks) :])) if looks else None
        queue_m = [look.queue_m for look in looks[-_recent(looks) :] if look.queue_m is not None]
        flow: dict[str, int] = {}
        for crossing in self._crossings:
            flow[crossing.label.value] = flow.get(crossing.label.value, 0) + 1
        return TrafficData(
            approach=self._approach.id,
            begin_s=_seconds(looks[0].media_ns) if looks else 0.0,
            end_s=_seconds(looks[-1].media_ns) if looks else 0.0,
            flow=flow,
            speed_kmh=round(median(speeds), 1) if speeds else None,
            occupancy=round(fmean(look.is_on_line for look in looks), 3) if looks else None,
            queue_vehicles=queue,
            queue_m=round(median(queue_m), 1) if queue_m else None,
            headway_s=self._headway_s(),
            level=self._level(),
            name_th=self._approach.name_th,
            name_en=self._approach.name_en,
        )

    def _headway_s(self) -> float | None:
        """The median time between vehicles over the line."""
        times = sorted(crossing.at_ns for crossing in self._crossings)
        gaps = [(after - before) / NS_PER_S for before, after in pairwise(times)]
        return round(median(gaps), 1) if gaps else None

    def _forget(self) -> None:
        self._looks.clear()
        self._crossings.clear()
        self._began_ns = self._told_ns = None
        self._told, self._changing = Level.UNKNOWN, None

    def _has_changed(self, level: Level, now_ns: int) -> bool:
        if level is self._told:
            self._changing = None
        elif self._changing is None or self._changing[0] is not level:
            self._changing = (level, now_ns)
        return self._changing is not None and now_ns - self._changing[1] >= _STEADY_NS

    def _look(self, moment: Moment, speeds: Speeds) -> _Look:
        inside = [one for one in moment.sightings if one.label in _ROAD_USERS and contains(self._zone, *one.box.foot)]
        standing = [one for one in inside if self._stands(one, moment.media_ns, speeds)]
        known = [speed for one in inside if (speed := speeds.kmh(one.track_id)) is not None]
        unseen = not inside and any(contains(self._zone, *region.foot) for region in moment.regions)
        return _Look(
            media_ns=moment.media_ns,
            speeds_kmh=tuple(known),
            vehicles=len(inside),
            queue=len(standing),
            queue_m=self._queue_m(standing, speeds),
            is_on_line=any(self._is_on_line(one.box) for one in inside),
            moves_unseen=unseen,
        )

    def _stands(self, sighting: Sighting, now_ns: int, speeds: Speeds) -> bool:
        speed_kmh = speeds.kmh(sighting.track_id)
        if speed_kmh is not None:
            return speed_kmh <= _STANDS_KMH
        travel = self._travels.of(sighting.track_id)
        going = travel.going(now_ns - _LOOK_BACK_NS, now_ns) if travel is not None else None
        return going is not None and going.speed_sizes <= _STANDS_SIZES

    def _queue_m(self, standing: Sequence[Sighting], speeds: Speeds) -> float | None:
        """From the first to the last that stands, and the last one's own length; None without metres."""
        if not self._metric:
            return None
        places = [place for one in standing if (place := speeds.place(one.track_id)) is not None]
        if not places:
            return 0.0
        apart = (math.hypot(a.x_m - b.x_m, a.y_m - b.y_m) for a, b in combinations(places, 2))
        return max(apart, default=0.0) + _VEHICLE_M

    def _is_on_line(self, box: Box) -> bool:
        side = side_of(self._line, box.foot, self._aspect)
        return 0 <= side.along <= 1 and abs(side.offset) <= _ON_LINE_HEIGHTS * box.h

    def _level(self) -> Level:
        """See `agent.scene.grammar.Approach`. A road without vehicles is free, as long as the camera would see them."""
        if not self._looks or self._looks[-1].media_ns - self._looks[0].media_ns < _STEADY_NS:
            return Level.UNKNOWN
        if not any(look.vehicles for look in self._looks):
            unseen = fmean(look.moves_unseen for look in self._looks)
            return Level.UNKNOWN if unseen >= _UNSEEN_SHARE else Level.FREE
        speeds = [speed for look in self._looks for speed in look.speeds_kmh]
        if speeds:
            ratio = median(speeds) / self._approach.free_kmh
            if ratio < self._approach.jammed_ratio:
                return Level.JAMMED
            return Level.BUSY if ratio < self._approach.busy_ratio else Level.FREE
        return Level.UNKNOWN if self._metric else self._level_without_metres()

    def _level_without_metres(self) -> Level:
        occupancy = fmean(look.is_on_line for look in self._looks)
        queue = median(look.queue for look in self._looks)
        if queue >= _JAMMED_QUEUE or (occupancy >= _JAMMED_OCCUPANCY and queue >= _BUSY_QUEUE):
            return Level.JAMMED
        return Level.BUSY if occupancy >= _BUSY_OCCUPANCY or queue >= _BUSY_QUEUE else Level.FREE


def _recent(looks: Sequence[_Look]) -> int:
    """How many of the looks are of the last seconds: a queue is what stands now, not what stood a minute ago."""
    return sum(looks[-1].media_ns - look.media_ns <= _STEADY_NS for look in looks) if looks else 1


def _seconds(media_ns: int) -> float:
    return round(media_ns / NS_PER_S, 3)
