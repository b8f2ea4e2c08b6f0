"""What may be a crash: two vehicles that meet, one that is thrown off its way, or one that stops dead. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import combinations

from agent.scene.travel import Going, Travel, Travels, turn_deg
from agent.units import NS_PER_S
from agent.vision.geometry import Box, intersection

# A heading and a speed are taken over this long before and after; shorter, the jitter of boxes turns vehicles round.
_SPAN_NS = 8 * NS_PER_S // 10
# In sizes a second, of some 3.5 m: 6 km/h across the picture, and three times that seen from ahead.
_MOVES_SIZES = 0.5
# Meeting on the ground: the boxes overlap by this part of the smaller, and stand at the same depth, their lower edges
# no further apart than this part of the smaller one's height. What only hides another stands nearer or further.
_TOUCH = 0.08
_DEPTH = 0.35
# Cars that follow each other or pass side by side touch in the picture every minute; those that meet come from
# directions this far apart.
_CROSSING_DEG = 35.0
# Within 0.8 s nobody turns by this much at 10 km/h and more: at 0.8 g a car at 5 m/s turns by 70 degrees, at 10 m/s
# by 35, and at a junction they corner at 0.3 g.
_THROWN_DEG = 60.0
# Losing 4 m/s in 0.8 s is braking at 0.5 g, which is an emergency (a comfortable stop: 0.2 g).
_STOPS_FROM_SIZES = 1.2
_STOPS_TO_SIZES = 0.3


class Sign(Enum):
    MET = "met"
    THROWN = "thrown"
    STOPPED_DEAD = "stopped dead"


@dataclass(frozen=True, slots=True)
class Impact:
    """`parties`: the tracks that took part, with their boxes now."""

    media_ns: int
    sign: Sign
    parties: tuple[tuple[int, Box], ...]


def impacts(travels: Travels, media_ns: int) -> Iterator[Impact]:
    """The signs that show at this moment, judged one span after they happened. `travels`: of vehicles, up to now."""
    at_ns = media_ns - _SPAN_NS
    present = [(track_id, travel) for track_id, travel in travels if travel.last.media_ns == media_ns]
    for track_id, travel in present:
        sign = _jolt(travel, at_ns)
        if sign is not None:
            yield Impact(at_ns, sign, ((track_id, travel.last.box),))
    for (one_id, one), (other_id, other) in combinations(present, 2):
        if _meet(one, other, at_ns):
            yield Impact(at_ns, Sign.MET, ((one_id, one.last.box), (other_id, other.last.box)))


def _around(travel: Travel, at_ns: int) -> tuple[Going, Going] | None:
    """How it went before that time and after it."""
    before = travel.going(at_ns - _SPAN_NS, at_ns)
    after = travel.going(at_ns, at_ns + _SPAN_NS)
    return (before, after) if before is not None and after is not None else None


def _jolt(travel: Travel, at_ns: int) -> Sign | None:
    """Whether it was thrown off its way or stopped dead at that time."""
    if (both := _around(travel, at_ns)) is None:
        return None
    before, after = both
    if before.speed_sizes >= _MOVES_SIZES and after.speed_sizes >= _MOVES_SIZES:
        return Sign.THROWN if turn_deg(before.heading_deg, after.heading_deg) >= _THROWN_DEG else None
    is_dead_stop = before.speed_sizes >= _STOPS_FROM_SIZES and after.speed_sizes <= _STOPS_TO_SIZES
    return Sign.STOPPED_DEAD if is_dead_stop else None


def _meet(one: Travel, other: Travel, at_ns: int) -> bool:
    """Whether the two touched on the ground, coming from different directions."""
    here, there = _box_at(one, at_ns), _box_at(other, at_ns)
    if here is None or there is None:
        return False
    smaller = min(here.area, there.area)
    if intersection(here, there) < _TOUCH * smaller or abs(here.bottom - there.bottom) > _DEPTH * min(here.h, there.h):
        return False
    before = [travel.going(at_ns - _SPAN_NS, at_ns) for travel in (one, other)]
    moved = [going for going in before if going is not None and going.speed_sizes >= _MOVES_SIZES]
    if len(moved) == 2:
        return turn_deg(moved[0].heading_deg, moved[1].heading_deg) >= _CROSSING_DEG
    return False


def _box_at(travel: Travel, at_ns: int) -> Box | None:
    """The box of the look nearest to that time, if there was one within the span's half."""
    look = min(travel.looks, key=lambda each: abs(each.media_ns - at_ns))
    return look.box if abs(look.media_ns - at_ns) <= _SPAN_NS // 2 else None
