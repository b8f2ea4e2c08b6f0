"""A day of each camera as bars of text: for a terminal of any width, in colour or without, or in plain ASCII. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from agent.drawing.daysort import Sort, column, columns, hours, stretches
from agent.recording.cameraday import Calendar, CameraDay, IncidentMark
from agent.units import NS_PER_MS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GLYPHS: Final = {
    Sort.RECORDED: "█",
    Sort.PART: "▒",
    Sort.FAULT: "╳",
    Sort.UNKNOWN: "?",
    Sort.PLANNED: "─",
    Sort.DELETED: "·",
    Sort.OUTSIDE: " ",
}
_ASCII: Final = {
    Sort.RECORDED: "#",
    Sort.PART: "%",
    Sort.FAULT: "x",
    Sort.UNKNOWN: "?",
    Sort.PLANNED: "-",
    Sort.DELETED: ".",
    Sort.OUTSIDE: " ",
}
_STYLES: Final = {
    Sort.RECORDED: "green",
    Sort.PART: "yellow",
    Sort.FAULT: "bold red",
    Sort.UNKNOWN: "bold magenta",
    Sort.PLANNED: "blue",
    Sort.DELETED: "bright_black",
    Sort.OUTSIDE: "",
}
_INCIDENT_STYLE: Final = "bold cyan"
_NARROWEST: Final = 24
# Hours are labelled as closely as they can be read: two digits and two blanks.
_STEPS: Final = (1, 2, 3, 4, 6, 12)
_LABEL: Final = 4
# A day has seldom more worth a line each; the rest stands in --json and in the picture.
_MOST_INCIDENTS: Final = 12
_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """Text in one style (of rich; empty: none)."""

    text: str
    style: str = ""


Line = tuple[Piece, ...]


def draw_day(calendar: Calendar, width: int, *, is_ascii: bool) -> Iterator[Line]:
    """The whole calendar; no line is longer than `width`, unless that is less than some 36 columns."""
    names = max([*(len(day.camera) for day in calendar.cameras), 3]) + 1
    # On a wide screen two columns an hour and camera more tell nothing: ten minutes a column are enough.
    count = min(max(width - names - 2, _NARROWEST), 288)
    yield (Piece(_headline(calendar), "bold"),)
    yield from _axis(calendar, names, count)
    shown: set[Sort] = set()
    for day in calendar.cameras:
        sorts = columns(stretches(day), calendar.span, count)
        shown.update(sorts)
        yield from _bar(day, sorts, names, is_ascii=is_ascii)
        yield from _incident_row(day, calendar, names, count, is_ascii=is_ascii)
    if not calendar.cameras:
        yield (Piece("The ring knows no camera yet."),)
        return
    yield from _legend(shown, width, has_incidents=any(day.incidents for day in calendar.cameras), is_ascii=is_ascii)
    yield ()
    yield from _totals(calendar, width)
    yield from _incident_list(calendar, width, is_ascii=is_ascii)


def _headline(calendar: Calendar) -> str:
    first, last = (_local(at_ns, calendar.zone) for at_ns in (calendar.span.start_ns, calendar.span.end_ns))
    offset = first.strftime("%z")
    after = last.strftime("%z")
    changes = "" if offset == after else f" to {after[:3]}:{after[3:]}"
    length = _length(calendar.span.duration_ns // NS_PER_MS).removesuffix(".000")
    day_name = calendar.day.strftime("%A")
    return f"{day_name} {calendar.day}  {calendar.zone.key} (UTC{offset[:3]}:{offset[3:]}{changes})  {length}"


def _axis(calendar: Calendar, names: int, count: int) -> Iterator[Line]:
    step = next((step for step in _STEPS if count * step // 24 >= _LABEL), _STEPS[-1])
    row = [" "] * (count + 1)
    free = 0
    for hour in hours(calendar, step):
        at = column(hour.wall_ns, calendar.span, count)
        if at >= free and at + 2 <= len(row):
            row[at : at + 2] = hour.label
            free = at + 3
    yield (Piece(" " * (names + 1) + "".join(row).rstrip(), "dim"),)


def _bar(day: CameraDay, sorts: Sequence[Sort], names: int, *, is_ascii: bool) -> Iterator[Line]:
    glyphs, edge = (_ASCII, "|") if is_ascii else (_GLYPHS, "│")
    pieces = [Piece(f"{day.camera:<{names}}", "bold"), Piece(edge, "dim")]
    at = 0
    while at < len(sorts):
        end = next((i for i in range(at, len(sorts)) if sorts[i] is not sorts[at]), len(sorts))
        pieces.append(Piece(glyphs[sorts[at]] * (end - at), _STYLES[sorts[at]]))
        at = end
    yield (*pieces, Piece(edge, "dim"))


def _incident_row(day: CameraDay, calendar: Calendar, names: int, count: int, *, is_ascii: bool) -> Iterator[Line]:
    """A mark where each incident began; a digit where several share a column."""
    found = [0] * count
    for mark in day.incidents:
        found[column(mark.start_wall_ns, calendar.span, count)] += 1
    if not any(found):
        return
    one = "^" if is_ascii else "▲"
    row = "".join(" " if n == 0 else one if n == 1 else str(n) if n < 10 else "+" for n in found)
    yield (Piece(" " * (names + 1)), Piece(row.rstrip(), _INCIDENT_STYLE))


def _legend(shown: set[Sort], width: int, *, has_incidents: bool, is_ascii: bool) -> Iterator[Line]:
    glyphs = _ASCII if is_ascii else _GLYPHS
    words = [
        (glyphs[sort], sort.value, _STYLES[sort]) for sort in _GLYPHS if sort in shown and sort is not Sort.OUTSIDE
    ]
    if Sort.OUTSIDE in shown:
        words.append(("blank", Sort.OUTSIDE.value, ""))
    if has_incidents:
        words.append(("^" if is_ascii else "▲", "an incident began (a digit: so many)", _INCIDENT_STYLE))
    line: list[Piece] = []
    used = 0
    for glyph, word, style in words:
        needed = len(glyph) + 1 + len(word) + (3 if line else 0)
        if line and used + needed > width:
            yield tuple(line)
            line, used = [], 0
        line += [Piece("   " if line else ""), Piece(glyph, style), Piece(f" {word}")]
        used += needed
    yield tuple(line)


def _totals(calendar: Calendar, width: int) -> Iterator[Line]:
    """What the bars only show roughly, to the millisecond; each column adds up to the day."""
    reasons: list[str] = []
    for day in calendar.cameras:
        reasons += [reason for reason in day.missing_ms() if reason not in reasons]
    names = max(len(name) for name in ("recorded", "the day", "of it held", *reasons)) + 1
    wide = max([_LENGTH, *(len(day.camera) for day in calendar.cameras)]) + 2
    at_once = max((width - names) // wide, 1)
    for first in range(0, len(calendar.cameras), at_once):
        days = calendar.cameras[first : first + at_once]
        yield (Piece(" " * names + "".join(f"{day.camera:>{wide}}" for day in days), "bold"),)
        yield _row("recorded", [day.recorded_ms for day in days], names, wide)
        for reason in reasons:
            yield _row(reason, [day.missing_ms().get(reason, 0) for day in days], names, wide)
        sums = [day.recorded_ms + sum(day.missing_ms().values()) for day in days]
        yield (Piece(_row("the day", sums, names, wide)[0].text, "bold"),)


def _row(name: str, lengths_ms: Sequence[int], names: int, wide: int) -> Line:
    cells = "".join(f"{_length(each) if each else '-':>{wide}}" for each in lengths_ms)
    return (Piece(f"{name:<{names}}{cells}"),)


def _incident_list(calendar: Calendar, width: int, *, is_ascii: bool) -> Iterator[Line]:
    marks = [(day.camera, mark) for day in calendar.cameras for mark in day.incidents]
    if not marks:
        return
    yield ()
    marks.sort(key=lambda each: each[1].start_wall_ns)
    for camera, mark in marks[:_MOST_INCIDENTS]:
        text = _incident_words(camera, mark, calendar.zone, is_ascii=is_ascii)
        yield (Piece(text if len(text) <= width else f"{text[: width - 3]}..."),)
    if len(marks) > _MOST_INCIDENTS:
        yield (Piece(f"and {len(marks) - _MOST_INCIDENTS} more incidents: see --svg or --json", "dim"),)


def _incident_words(camera: str, mark: IncidentMark, zone: ZoneInfo, *, is_ascii: bool) -> str:
    dash = "-" if is_ascii else "–"
    end = f"{_local(mark.end_wall_ns, zone):%H:%M:%S}" if mark.end_wall_ns else "still open"
    where = f" in {mark.where}" if mark.where else ""
    begun = f"{_local(mark.start_wall_ns, zone):%H:%M:%S}"
    return f"{begun} {dash} {end}  {camera}  {mark.kind}{where}{': ' if mark.reason else ''}{mark.reason}"


def _length(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}.{rest:03d}"


def _local(wall_ns: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=wall_ns // 1000)).astimezone(zone)
