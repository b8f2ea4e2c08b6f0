"""How each track travels: speed, heading and way, in sizes of itself, so that near and far are judged alike. Pure.

A size is the square root of a box's area: some 3.5 m of a car seen from a pole, a third of that of a motorcycle.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from agent.scene.moment import Moment, Sighting
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label

# What a rule looks back on: a crash, from the approach to the stop.
_REMEMBER_NS = 6 * NS_PER_S
# A track that comes back after this is judged anew.
_FORGET_NS = 5 * NS_PER_S
# The mean of the looks in this time at either end of a span: a single box is off by a tenth of itself.
_SMOOTH_NS = 3 * NS_PER_S // 10
# A step of more than this many sizes between two looks is a track that went over to another object.
_LEAP_SIZES = 1.5


@dataclass(frozen=True, slots=True)
class Look:
    """One sighting of a track. x and y are its centre in picture heights, so that distances are true."""

    media_ns: int
    x: float
    y: float
    size: float
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Going:
    """From one time to another: the way as the crow flies in sizes, its speed, and its heading (0 right, 90 down);
    `began_ns`, the media time of the first look that counted."""

    way_sizes: float
    speed_sizes: float
    heading_deg: float
    began_ns: int


class Travel:
    """The last seconds of one track."""

    def __init__(self, sighting: Sighting) -> None:
        self.label: Label = sighting.label
        self.looks: deque[Look] = deque()

    @property
    def last(self) -> Look:
        return self.looks[-1]

    def add(self, look: Look, label: Label) -> None:
        self.label = label
        if self.looks and _is_leap(self.looks[-1], look):
            self.looks.clear()
        self.looks.append(look)
        while look.media_ns - self.looks[0].media_ns > _REMEMBER_NS:
            self.looks.popleft()

    def going(self, from_ns: int, to_ns: int) -> Going | None:
        """How it went between two media times; None where the looks do not cover at least half of that time."""
        looks = [look for look in self.looks if from_ns <= look.media_ns <= to_ns]
        if len(looks) < 2 or 2 * (looks[-1].media_ns - looks[0].media_ns) < to_ns - from_ns:
            return None
        began_ns, x, y = _mean([look for look in looks if look.media_ns - looks[0].media_ns < _SMOOTH_NS])
        ended_ns, to_x, to_y = _mean([look for look in looks if looks[-1].media_ns - look.media_ns < _SMOOTH_NS])
        if ended_ns <= began_ns:
            return None
        size = sum(look.size for look in looks) / len(looks)
        way = math.hypot(to_x - x, to_y - y) / size
        heading = math.degrees(math.atan2(to_y - y, to_x - x)) % 360
        return Going(way, way * NS_PER_S / (ended_ns - began_ns), heading, looks[0].media_ns)


class Travels:
    """The travels of the tracks of some labels. One owner; fed every moment in order.

    aspect: the picture's width over its height.
    """

    def __init__(self, labels: frozenset[Label], *, aspect: float) -> None:
        self._labels = labels
        self._aspect = aspect
        self._travels: dict[int, Travel] = {}

    def __iter__(self) -> Iterator[tuple[int, Travel]]:
        return iter(self._travels.items())

    def update(self, moment: Moment) -> None:
        """Fold in what was seen; an upheaval ends everything, as what follows may be another view."""
        if moment.is_upheaval:
            self._travels.clear()
        for sighting in moment.sightings:
            if sighting.is_seen and sighting.label in self._labels:
                travel = self._travels.setdefault(sighting.track_id, Travel(sighting))
                travel.add(self._look(sighting, moment.media_ns), sighting.label)
        over = [key for key, travel in self._travels.items() if moment.media_ns - travel.last.media_ns > _FORGET_NS]
        for track_id in over:
            del self._travels[track_id]

    def of(self, track_id: int) -> Travel | None:
        return self._travels.get(track_id)

    def _look(self, sighting: Sighting, media_ns: int) -> Look:
        box = sighting.box
        x, y = box.centre
        size = math.sqrt(max(box.w * self._aspect * box.h, 1e-6))
        return Look(media_ns, x * self._aspect, y, size, box, sighting.score)


def turn_deg(one_deg: float, other_deg: float) -> float:
    """The angle between two headings, 0 to 180."""
    apart = abs(one_deg - other_deg) % 360
    return min(apart, 360 - apart)


def _is_leap(before: Look, after: Look) -> bool:
    return math.hypot(after.x - before.x, after.y - before.y) > _LEAP_SIZES * max(before.size, after.size)


def _mean(looks: list[Look]) -> tuple[int, float, float]:
    count = len(looks)
    return (
        round(sum(look.media_ns for look in looks) / count),
        sum(look.x for look in looks) / count,
        sum(look.y for look in looks) / count,
    )
