"""When a camera is to be recorded, by the hours of a site's week. Pure.

A window is written in the site's civil time and belongs to the weekday on which it begins; one that does not end after
it begins reaches into the next day. Where daylight saving makes a time of day happen twice or never, a window begins at
the earlier reading and ends at the later: whoever looks at a clock on the site's wall within the window is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from agent.units import DAY_S, NS_PER_S, WallSpan, day_of, union

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 24 * 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The next change of a weekly schedule is at most a week away; a day more for windows over midnight.
_AHEAD_NS: Final = 9 * DAY_S * NS_PER_S


class Hours(msgspec.Struct, frozen=True):
    """One window as people write it and as the ledger keeps it: `start` and `end` are HH:MM, `end` up to 24:00."""

    days: tuple[str, ...]
    start: str
    end: str

    def __str__(self) -> str:
        days = "every day" if len(self.days) == len(WEEKDAYS) else " ".join(self.days)
        return f"{days} {self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a schedule says of one moment: `window` is the whole time in which it is on, None when it is off.
    `until_ns`: when that changes next."""

    window: WallSpan | None
    until_ns: int


class Schedule:
    """The weekly windows of one camera in the site's zone."""

    def __init__(self, hours: Iterable[Hours], zone: ZoneInfo) -> None:
        self._hours = tuple((frozenset(map(WEEKDAYS.index, each.days)), *_minutes(each)) for each in hours)
        self._zone = zone

    def windows(self, span: WallSpan) -> tuple[WallSpan, ...]:
        """The times within `span` that are to be recorded, ordered and apart."""
        whole = self._around(span)
        return tuple(part for each in whole if (part := each.intersection(span)) is not None)

    def standing(self, wall_ns: int) -> Standing:
        found = self._around(WallSpan(wall_ns, wall_ns + _AHEAD_NS))
        window = next((each for each in found if each.start_ns <= wall_ns < each.end_ns), None)
        if window is not None:
            return Standing(window, window.end_ns)
        return Standing(None, min((each.start_ns for each in found if each.start_ns > wall_ns), default=wall_ns + 1))

    def _around(self, span: WallSpan) -> tuple[WallSpan, ...]:
        """Whole windows that may touch `span`."""
        day, last = day_of(span.start_ns, self._zone) - timedelta(days=2), day_of(span.end_ns, self._zone)
        found: list[WallSpan] = []
        while day <= last:
            for days, start, end in self._hours:
                if day.weekday() in days:
                    begins = min(_instants(day, start, self._zone))
                    found.append(WallSpan(begins, max(_instants(day, end, self._zone))))
            day += timedelta(days=1)
        return union(found)


def _minutes(hours: Hours) -> tuple[int, int]:
    """Minutes since the midnight at which its day begins; the end may lie in the next day."""
    start, end = _minute(hours.start), _minute(hours.end)
    return start, end if end > start else end + _DAY_MINUTES


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _instants(day: date, minute: int, zone: ZoneInfo) -> Sequence[int]:
    """What a civil time may mean: the same twice but for the hours of a change (PEP 495)."""
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - the zone comes below
    second = timedelta(seconds=1)
    return [(naive.replace(tzinfo=zone, fold=fold) - _EPOCH) // second * NS_PER_S for fold in (0, 1)]
