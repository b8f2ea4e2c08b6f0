"""What a stretch of a camera's day is, as a person sees it at a glance, and how a day is divided into columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from agent.recording.cameraday import Calendar, CameraDay
from agent.recording.gaps import GapReason
from agent.units import NS_PER_S, WallSpan

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The finest step in which zones change their offset today (Lord Howe Island) is half an hour.
_HALF_HOUR_NS: Final = 1800 * NS_PER_S


class Sort(StrEnum):
    """From the best to the worst: where several share a column, the last one is shown."""

    RECORDED = "recorded"
    OUTSIDE = "not in service, or still to come"
    PLANNED = "left out on purpose"
    DELETED = "deleted"
    FAULT = "missing"
    UNKNOWN = "missing, nothing tells why"
    PART = "recorded in part"


_ORDER: Final = tuple(Sort)
_SORTS: Final = {
    GapReason.NOT_PROVISIONED: Sort.OUTSIDE,
    GapReason.NOT_YET: Sort.OUTSIDE,
    GapReason.NOT_SCHEDULED: Sort.PLANNED,
    GapReason.UPDATING: Sort.PLANNED,
    GapReason.EXPIRED: Sort.DELETED,
    GapReason.ERASED: Sort.DELETED,
    GapReason.CAUSE_UNKNOWN: Sort.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """`reason` is empty for footage."""

    span: WallSpan
    sort: Sort
    reason: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Hour:
    """A full hour of the site's clock at a moment of the day."""

    wall_ns: int
    hour: int

    @property
    def label(self) -> str:
        return f"{self.hour:02d}"


def stretches(day: CameraDay) -> list[Stretch]:
    """The whole day in order."""
    found = [Stretch(span, Sort.RECORDED) for span in day.footage]
    found += [Stretch(gap.span, _SORTS.get(gap.reason, Sort.FAULT), gap.reason.value, gap.evidence) for gap in day.gaps]
    return sorted(found, key=lambda each: each.span.start_ns)


def columns(parts: Sequence[Stretch], whole: WallSpan, count: int) -> list[Sort]:
    """One sort for each of `count` equal columns. Neither footage nor a gap is ever lost in a column: what has both is
    PART, and of several sorts of gap the worst is shown."""
    seen: list[set[Sort]] = [set() for _ in range(count)]
    for part in parts:
        for at in range(_column(part.span.start_ns, whole, count), _column(part.span.end_ns - 1, whole, count) + 1):
            seen[at].add(part.sort)
    return [_one(sorts) for sorts in seen]


def column(wall_ns: int, whole: WallSpan, count: int) -> int:
    """The column that holds this moment; moments outside count to the nearest."""
    return _column(min(max(wall_ns, whole.start_ns), whole.end_ns - 1), whole, count)


def hours(calendar: Calendar, step: int) -> Iterator[Hour]:
    """The site's full hours that `step` divides. Where clocks are set back one comes twice, where they are set forward
    one may be left out."""
    for wall_ns in range(calendar.span.start_ns, calendar.span.end_ns, _HALF_HOUR_NS):
        local = (_EPOCH + timedelta(microseconds=wall_ns // 1000)).astimezone(calendar.zone)
        if local.minute == 0 and local.hour % step == 0:
            yield Hour(wall_ns, local.hour)


def _column(wall_ns: int, whole: WallSpan, count: int) -> int:
    return (wall_ns - whole.start_ns) * count // whole.duration_ns


def _one(sorts: set[Sort]) -> Sort:
    if Sort.RECORDED in sorts and len(sorts) > 1:
        return Sort.PART
    return max(sorts, key=_ORDER.index, default=Sort.OUTSIDE)
