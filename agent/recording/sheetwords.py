"""What stands on a contact sheet: title, times, and why a picture is missing. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from agent.recording.cut import ClipPlan
from agent.recording.reasons import REASON_WORDS
from agent.recording.sheet import SheetGap, SheetTile
from agent.units import NS_PER_S

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LINE_CHARS: Final = 34


def title_of(plan: ClipPlan, zone: ZoneInfo) -> str:
    start, end = _local(plan.asked.start_ns, zone), _local(plan.asked.end_ns, zone)
    until = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{plan.camera}  {start:%Y-%m-%d %H:%M:%S} - {until} {f'{start:%z}'[:3]}:{f'{start:%z}'[3:]}"


def note_of(plan: ClipPlan) -> str:
    missing_s = sum(gap.span.duration_ns for gap in plan.gaps) / NS_PER_S
    return f"{missing_s:.0f} s of it are missing" if plan.gaps else "nothing of it is missing"


def label_of(tile: SheetTile, zone: ZoneInfo) -> str:
    if isinstance(tile, SheetGap):
        return f"{_local(tile.span.start_ns, zone):%H:%M:%S} - {_local(tile.span.end_ns, zone):%H:%M:%S}"
    at = _local(tile.wall_ns, zone)
    return f"{at:%H:%M:%S}.{at.microsecond // 100_000}"


def gap_words(gap: SheetGap) -> tuple[str, ...]:
    """Short lines."""
    if gap.more:
        return ("no footage in", f"{gap.more + 1} short gaps", "within this time")
    words, lines, line = REASON_WORDS.get(gap.reason, gap.reason).split(), ["no footage:"], ""
    for word in words:
        if line and len(line) + 1 + len(word) > _LINE_CHARS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return (*lines, line, f"{gap.span.duration_s:.1f} s")


def _local(wall_ns: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=wall_ns // 1000)).astimezone(zone)
