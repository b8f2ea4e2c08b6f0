"""How long the ring keeps what each camera records, at the rate of the last week. Pure.

It foretells what agent.recording.retention will do: each camera's own bounds first; when the ring is full, the oldest
goes among the cameras that take more than an equal share. So a camera below that share keeps its footage, and all
others reach back equally far. What is held stays longer and takes room from the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.units import DAY_S, NS_PER_S

# A rate from less would be a guess: the segment that is being written is not yet counted.
_LEAST_S: Final = 600.0
# Halvings of the ring's days: 30 days to under a second.
_STEPS: Final = 26
# Rates wander by some percent with weather and traffic: a promise that is kept but for an hour in a day is not broken.
_SHORT_RATIO: Final = 0.96


@dataclass(frozen=True, slots=True)
class Written:
    """Footage of the time that is looked at: its bytes, and since when (wall clock) there was any."""

    bytes: int
    since_wall_ns: int


@dataclass(frozen=True, slots=True)
class HeldBytes:
    """What a hold keeps of one camera, and how old that is."""

    age_days: float
    bytes: int


@dataclass(frozen=True, slots=True)
class CameraRoom:
    """One camera: what is promised of it, and what it takes. `max_bytes` None: no bound of its own."""

    camera: str
    written: Written | None
    keep_days: int
    max_bytes: int | None = None
    held: Sequence[HeldBytes] = ()


@dataclass(frozen=True, slots=True)
class CameraOutlook:
    """`days` will really be kept; None while less than ten minutes were recorded."""

    camera: str
    promised_days: int
    days: float | None
    bytes_per_day: int | None

    @property
    def is_short(self) -> bool:
        return self.days is not None and self.days < self.promised_days * _SHORT_RATIO

    @property
    def is_below_promise(self) -> bool:
        return self.days is not None and self.days < self.promised_days


def room_bytes(*, max_bytes: int, min_free_bytes: int, footage_bytes: int, free_bytes: int) -> int:
    """What the ring can really hold: a disk that is smaller than its configuration, or that others fill, holds less."""
    return max(min(max_bytes, footage_bytes + free_bytes - min_free_bytes), 0)


def forecast(cameras: Sequence[CameraRoom], ring_bytes: int, now_wall_ns: int) -> tuple[CameraOutlook, ...]:
    """In the order given."""
    takers = [_Taker(each, _bytes_per_day(each.written, now_wall_ns)) for each in cameras]
    share_bytes = ring_bytes / max(len(takers), 1)
    days = _common_days(takers, ring_bytes, share_bytes)
    return tuple(taker.outlook(days, share_bytes) for taker in takers)


def least_days(outlooks: Sequence[CameraOutlook]) -> float | None:
    """Of the camera that is kept for the shortest time; None when of none it is known."""
    return min((each.days for each in outlooks if each.days is not None), default=None)


class _Taker:
    """How one camera's footage grows with the days that are kept of it."""

    def __init__(self, room: CameraRoom, bytes_per_day: float | None) -> None:
        self._room = room
        self._rate = bytes_per_day
        self._most_days = float(room.keep_days)
        own_bytes = room.max_bytes
        if own_bytes is not None:
            self._most_days = _largest(lambda days: self._bytes(days) <= own_bytes, self._most_days)

    def kept_days(self, common_days: float, share_bytes: float) -> float:
        """At least what fits its equal share, and no more than is promised."""
        fair_days = _largest(lambda days: self._bytes(days) <= share_bytes, self._most_days)
        return min(self._most_days, max(common_days, fair_days))

    def taken_bytes(self, common_days: float, share_bytes: float) -> float:
        return self._bytes(self.kept_days(common_days, share_bytes))

    def outlook(self, common_days: float, share_bytes: float) -> CameraOutlook:
        days = None if self._rate is None else round(self.kept_days(common_days, share_bytes), 2)
        rate = None if self._rate is None else round(self._rate)
        return CameraOutlook(self._room.camera, self._room.keep_days, days, rate)

    @property
    def most_days(self) -> float:
        return self._most_days

    def _bytes(self, days: float) -> float:
        """What it takes when this many days are kept: a hold within them takes no room of its own."""
        return (self._rate or 0.0) * days + sum(each.bytes for each in self._room.held if each.age_days > days)


def _common_days(takers: Sequence[_Taker], ring_bytes: int, share_bytes: float) -> float:
    """How far those reach back that take more than an equal share."""

    def fits(days: float) -> bool:
        return sum(taker.taken_bytes(days, share_bytes) for taker in takers) <= ring_bytes

    return _largest(fits, max((taker.most_days for taker in takers), default=0.0))


def _largest(fits: Callable[[float], bool], most_days: float) -> float:
    """The largest number of days that fits; those that fit come before those that do not."""
    if fits(most_days):
        return most_days
    low, high = 0.0, most_days
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _bytes_per_day(written: Written | None, now_wall_ns: int) -> float | None:
    if written is None or written.bytes <= 0:
        return None
    seen_s = (now_wall_ns - written.since_wall_ns) / NS_PER_S
    return None if seen_s < _LEAST_S else written.bytes / seen_s * DAY_S
