"""Spans of wall time, instants as people and messages write them, and sizes as configuration writes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.errors import TimeError, UnitError

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_S = 86_400

# The Thai solar calendar counts from 543 BCE (Royal Institute of Thailand), so 2569 is 2026.
BUDDHIST_OFFSET_YEARS = 543
# Footage cannot be older than digital cameras nor lie centuries ahead: years past this are taken as Buddhist.
_BUDDHIST_FROM_YEAR = 2400

# 64 bits of nanoseconds since 1970, which the store and the files count in, end in April 2262.
_LAST_YEAR = 2261

_RFC3339 = re.compile(
    r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)[Tt ](?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)"
    r"(?:\.(?P<f>\d{1,9}))?(?P<z>[Zz]|[+-]\d\d:\d\d)?"
)
_SIZE = re.compile(r"(?P<n>\d+(?:\.\d+)?)\s*(?P<u>[kMGT]i?)?B?")
_SIZE_FACTORS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class WallSpan:
    """A half-open interval of wall time, [start_ns, end_ns), in nanoseconds since 1970 UTC."""

    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / NS_PER_S

    @property
    def is_empty(self) -> bool:
        return self.end_ns <= self.start_ns

    def overlaps(self, other: WallSpan) -> bool:
        return self.start_ns < other.end_ns and other.start_ns < self.end_ns

    def intersection(self, other: WallSpan) -> WallSpan | None:
        """The part both share, or None when they share no time."""
        start, end = max(self.start_ns, other.start_ns), min(self.end_ns, other.end_ns)
        return WallSpan(start, end) if start < end else None


def union(spans: Iterable[WallSpan]) -> tuple[WallSpan, ...]:
    """The same time as ordered spans that neither touch nor overlap; empty spans vanish."""
    merged: list[WallSpan] = []
    for span in sorted(s for s in spans if not s.is_empty):
        if merged and span.start_ns <= merged[-1].end_ns:
            merged[-1] = WallSpan(merged[-1].start_ns, max(merged[-1].end_ns, span.end_ns))
        else:
            merged.append(span)
    return tuple(merged)


def subtract(whole: WallSpan, covered: Iterable[WallSpan]) -> tuple[WallSpan, ...]:
    """The parts of `whole` that no span of `covered` touches, in order."""
    holes: list[WallSpan] = []
    at_ns = whole.start_ns
    for span in union(covered):
        if span.start_ns > at_ns and at_ns < whole.end_ns:
            holes.append(WallSpan(at_ns, min(span.start_ns, whole.end_ns)))
        at_ns = max(at_ns, span.end_ns)
    if at_ns < whole.end_ns:
        holes.append(WallSpan(at_ns, whole.end_ns))
    return tuple(holes)


def parse_rfc3339(text: str, *, name: str = "time") -> int:
    """Wall time in ns of an RFC 3339 instant. The offset is required.

    Raises TimeError, which says what to write instead, for anything else; a year of the Buddhist era is recognised and
    refused with the right one, because guessing would hand out footage of the wrong day.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise TimeError(name=name, text=text, remedy="write it as RFC 3339, for example 2026-11-22T14:03:00+07:00")
    year = int(match["y"])
    if year >= _BUDDHIST_FROM_YEAR:
        right = text.strip().replace(match["y"], f"{year - BUDDHIST_OFFSET_YEARS:04d}", 1)
        raise TimeError(name=name, text=text, remedy=f"{year} is a Buddhist year; write {right}")
    if not 1970 <= year <= _LAST_YEAR:
        raise TimeError(name=name, text=text, remedy="no footage is from that year; check it")
    if match["z"] is None:
        raise TimeError(name=name, text=text, remedy=f"add the offset from UTC, for example {text.strip()}+07:00")
    iso_zone = "+00:00" if match["z"] in "Zz" else match["z"]
    day_and_time = f"{match['y']}-{match['mo']}-{match['d']}T{match['h']}:{match['mi']}:{match['s']}"
    try:
        instant = datetime.fromisoformat(day_and_time + iso_zone)
    except ValueError as exc:
        raise TimeError(name=name, text=text, remedy="no such day or time exists; correct it") from exc
    whole = (instant - _EPOCH) // timedelta(seconds=1)
    return whole * NS_PER_S + int((match["f"] or "0").ljust(9, "0"))


def parse_span(start: str, end: str) -> WallSpan:
    """The span between two RFC 3339 instants. Raises TimeError when either is malformed or the end is not after it."""
    span = WallSpan(parse_rfc3339(start, name="from"), parse_rfc3339(end, name="to"))
    if span.is_empty:
        raise TimeError(name="to", text=end, remedy=f"it must be later than --from ({start}); are they swapped?")
    return span


def format_rfc3339(wall_ns: int, zone: ZoneInfo | None = None) -> str:
    """RFC 3339 with milliseconds and an offset; UTC is written Z. Rounds down."""
    instant = _EPOCH + timedelta(microseconds=wall_ns // 1000)
    if zone is None:
        return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return instant.astimezone(zone).isoformat(timespec="milliseconds")


def day_span(day: date, zone: ZoneInfo) -> WallSpan:
    """The civil day in `zone` as wall time. 86 400 s where there is no daylight saving, as in Thailand."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    second = timedelta(seconds=1)
    return WallSpan((start - _EPOCH) // second * NS_PER_S, (end - _EPOCH) // second * NS_PER_S)


def day_of(wall_ns: int, zone: ZoneInfo) -> date:
    """The civil day in `zone` that holds this instant."""
    return (_EPOCH + timedelta(microseconds=wall_ns // 1000)).astimezone(zone).date()


def parse_bytes(text: str) -> int:
    """A size like "400GB", "64 MiB" or "1500": SI units are powers of 1000, binary ones of 1024. Raises UnitError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UnitError(text=text, remedy="write a size such as 400GB, 500MB or 64MiB")
    return int(float(match["n"]) * _SIZE_FACTORS[match["u"] or ""])
