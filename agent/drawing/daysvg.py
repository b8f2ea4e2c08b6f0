"""A day of each camera as one picture (SVG) that can be opened in any browser, printed or put into a report. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

from agent.drawing.daysort import Sort, Stretch, hours, stretches
from agent.recording.cameraday import Calendar, CameraDay, IncidentMark
from agent.units import NS_PER_MS, NS_PER_S, WallSpan

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTH: Final = 1280.0
_LEFT: Final = 112.0
_RIGHT: Final = 32.0
_TOP: Final = 112.0
_ROW: Final = 92.0
_BAR_AT: Final = 24.0
_BAR: Final = 30.0
_LIST_LINE: Final = 20.0
_MOST_LISTED: Final = 30
# What a person must see stays visible, however short it was.
_THINNEST: Final = 1.5
# Of 12 px text in the fonts below; a label that would touch the one before is left to its tooltip.
_LETTER: Final = 6.6

_FILLS: Final = {
    Sort.RECORDED: "#2b8a8a",
    Sort.FAULT: "url(#fault)",
    Sort.UNKNOWN: "url(#unknown)",
    Sort.PLANNED: "url(#planned)",
    Sort.DELETED: "url(#deleted)",
    Sort.OUTSIDE: "#f1f3f5",
}
_LEGEND: Final = (Sort.RECORDED, Sort.FAULT, Sort.UNKNOWN, Sort.PLANNED, Sort.DELETED, Sort.OUTSIDE)
_INCIDENT: Final = "#7b2cbf"
_HOLD: Final = "#e8a200"
_INK: Final = "#1f2933"
_SOFT: Final = "#616e7c"
# Hatched, so that the kinds differ without colour and in print; the colours keep apart for the colour-blind as well.
_DEFS: Final = """<defs>
<pattern id="fault" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="7" height="7" fill="#d9480f"/><rect width="2.5" height="7" fill="#ffa94d"/></pattern>
<pattern id="unknown" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="7" height="7" fill="#a61e4d"/><path d="M0 1H7M1 0V7" stroke="#fcc2d7" stroke-width="1.6"/></pattern>
<pattern id="planned" width="8" height="8" patternUnits="userSpaceOnUse">
<rect width="8" height="8" fill="#d0ebff"/><circle cx="4" cy="4" r="1.3" fill="#4dabf7"/></pattern>
<pattern id="deleted" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#e4e7eb"/><rect width="1.2" height="6" fill="#9aa5b1"/></pattern>
</defs>"""


def day_svg(calendar: Calendar) -> str:
    """The whole picture; hovering over anything in it tells its times and what is known of it."""
    listed = _listed(calendar)
    rows_end = _TOP + _ROW * max(len(calendar.cameras), 1)
    height = rows_end + 66 + (44 + _LIST_LINE * len(listed) if listed else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" '
        f'font-family="Sarabun, Noto Sans, Noto Sans Thai, Helvetica, Arial, sans-serif" font-size="13" fill="{_INK}">',
        f"<title>{escape(_headline(calendar))}</title>",
        _DEFS,
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<text x="32" y="42" font-size="22" font-weight="600">{escape(_headline(calendar))}</text>',
        f'<text x="32" y="66" fill="{_SOFT}">{escape(_subline(calendar))}</text>',
        *_axis(calendar, rows_end),
    ]
    for number, day in enumerate(calendar.cameras):
        parts += [f'<g transform="translate(0 {_TOP + number * _ROW:.0f})">', *_row(calendar, day), "</g>"]
    if not calendar.cameras:
        parts.append(f'<text x="32" y="{_TOP + 40:.0f}">The ring knows no camera yet.</text>')
    parts += _legend(calendar, rows_end + 26)
    parts += _list(listed, rows_end + 84)
    return "\n".join([*parts, "</svg>", ""])


def _headline(calendar: Calendar) -> str:
    return f"{calendar.day:%A}, {calendar.day.day} {calendar.day:%B %Y}"


def _subline(calendar: Calendar) -> str:
    first, last = _local(calendar.span.start_ns, calendar.zone), _local(calendar.span.end_ns, calendar.zone)
    zones = dict.fromkeys(f"UTC{at:%z}"[:6] + ":" + f"{at:%z}"[3:] for at in (first, last))
    hours_long = calendar.span.duration_ns / NS_PER_S / 3600
    long = "" if hours_long == 24 else f", a day of {hours_long:g} hours"
    now = _local(calendar.now_wall_ns, calendar.zone)
    return f"{calendar.zone.key} ({' to '.join(zones)}){long}; as known on {now:%Y-%m-%d at %H:%M:%S}"


def _axis(calendar: Calendar, bottom: float) -> Iterator[str]:
    for hour in hours(calendar, 1):
        x = _x(hour.wall_ns, calendar.span)
        is_main = hour.hour % 6 == 0
        colour = "#cbd2d9" if is_main else "#eef1f4"
        yield f'<path d="M{x} {_TOP - 6:.0f}V{bottom - 14:.0f}" stroke="{colour}"/>'
        if hour.hour % 2 == 0:
            weight = ' font-weight="600"' if is_main else ""
            yield f'<text x="{x}" y="{_TOP - 12:.0f}" text-anchor="middle" fill="{_SOFT}"{weight}>{hour.label}</text>'


def _row(calendar: Calendar, day: CameraDay) -> Iterator[str]:
    zone, whole = calendar.zone, calendar.span
    middle = _BAR_AT + _BAR / 2 + 5
    yield f'<text x="{_LEFT - 16}" y="{middle}" text-anchor="end" font-size="15" font-weight="600">{day.camera}</text>'
    # The shortest last, so that nothing lies under something longer.
    for part in sorted(stretches(day), key=lambda each: -each.span.duration_ns):
        x, wide = _place(part.span, whole)
        title = f"<title>{escape(_part_words(part, zone))}</title>"
        yield (f'<rect x="{x}" y="{_BAR_AT}" width="{wide}" height="{_BAR}" fill="{_FILLS[part.sort]}">{title}</rect>')
    yield (
        f'<rect x="{_LEFT}" y="{_BAR_AT}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_BAR}" fill="none" '
        'stroke="#9aa5b1" rx="1"/>'
    )
    for held in day.held:
        x, wide = _place(held, whole)
        title = f"<title>{_times(held, zone)}: held, the ring does not delete it</title>"
        yield f'<rect x="{x}" y="{_BAR_AT + _BAR + 2}" width="{wide}" height="4" fill="{_HOLD}">{title}</rect>'
    yield from _marks(calendar, day)
    # A rim of white keeps the lines of the hours out of the words.
    yield (
        f'<text x="{_LEFT}" y="{_BAR_AT + _BAR + 22}" font-size="12" fill="{_SOFT}" stroke="#fff" stroke-width="5" '
        f'paint-order="stroke">{escape(_sum_words(day))}</text>'
    )


def _marks(calendar: Calendar, day: CameraDay) -> Iterator[str]:
    """A pin where an incident began, a line as long as it lasted, and its kind where there is room for the words."""
    free = 0.0
    for mark in day.incidents:
        span = mark.span(calendar.now_wall_ns)
        begin = max(mark.start_wall_ns, calendar.span.start_ns)
        x, wide = _place(WallSpan(begin, min(max(span.end_ns, begin), calendar.span.end_ns)), calendar.span)
        title = f"<title>{escape(_mark_words(mark, calendar.zone))}</title>"
        yield (
            f'<g fill="{_INCIDENT}">{title}<rect x="{x}" y="{_BAR_AT - 4}" width="{wide}" height="4"/>'
            f'<path d="M{x} {_BAR_AT - 4}l-4.5 -8h9z"/></g>'
        )
        long = len(mark.kind) * _LETTER
        at = x + 7 if x + 7 + long < _WIDTH - _RIGHT else x - 7 - long
        if at >= free:
            words = escape(mark.kind.replace("_", " "))
            yield f'<text x="{at:.1f}" y="{_BAR_AT - 6}" font-size="12" fill="{_INCIDENT}">{words}</text>'
            free = at + long + 14
        free = max(free, x + 8)


def _legend(calendar: Calendar, y: float) -> Iterator[str]:
    shown = {part.sort for day in calendar.cameras for part in stretches(day)}
    x = _LEFT
    for sort in _LEGEND:
        if sort in shown:
            yield (
                f'<rect x="{x:.0f}" y="{y - 11}" width="22" height="13" fill="{_FILLS[sort]}" stroke="#9aa5b1" '
                f'stroke-width="0.6"/><text x="{x + 29:.0f}" y="{y}">{escape(sort.value)}</text>'
            )
            x += 29 + len(sort.value) * _LETTER + 24
    if any(day.held for day in calendar.cameras):
        yield f'<rect x="{x:.0f}" y="{y - 6}" width="22" height="4" fill="{_HOLD}"/>'
        yield f'<text x="{x + 29:.0f}" y="{y}">held</text>'
        x += 29 + 4 * _LETTER + 24
    if any(day.incidents for day in calendar.cameras):
        yield f'<path d="M{x + 6:.0f} {y}l-5 -9h10z" fill="{_INCIDENT}"/><text x="{x + 18:.0f}" y="{y}">incident</text>'


def _listed(calendar: Calendar) -> list[str]:
    marks = [(mark, day.camera) for day in calendar.cameras for mark in day.incidents]
    marks.sort(key=lambda each: each[0].start_wall_ns)
    lines = [f"{camera}  {_mark_words(mark, calendar.zone)}" for mark, camera in marks[:_MOST_LISTED]]
    return lines if len(marks) <= _MOST_LISTED else [*lines, f"and {len(marks) - _MOST_LISTED} more"]


def _list(lines: list[str], y: float) -> Iterator[str]:
    if lines:
        yield f'<text x="{_LEFT}" y="{y}" font-size="15" font-weight="600">Incidents</text>'
    for number, line in enumerate(lines):
        yield f'<text x="{_LEFT}" y="{y + 24 + number * _LIST_LINE}" xml:space="preserve">{escape(line)}</text>'


def _sum_words(day: CameraDay) -> str:
    missing = [f"{reason.replace('_', ' ')} {_length(ms)}" for reason, ms in day.missing_ms().items()]
    return ",  ".join([f"recorded {_length(day.recorded_ms)}", *missing])


def _part_words(part: Stretch, zone: ZoneInfo) -> str:
    words = f": {part.evidence}" if part.evidence else ""
    reason = part.reason.replace("_", " ") or "recorded"
    return f"{_times(part.span, zone)}  {reason}  {_length(part.span.duration_ns // NS_PER_MS)}{words}"


def _mark_words(mark: IncidentMark, zone: ZoneInfo) -> str:
    end = f"{_local(mark.end_wall_ns, zone):%H:%M:%S}" if mark.end_wall_ns else "still open"
    where = f" in {mark.where}" if mark.where else ""
    what = f"{mark.kind.replace('_', ' ')}{where}{': ' if mark.reason else ''}{mark.reason}"
    return f"{_local(mark.start_wall_ns, zone):%H:%M:%S} – {end}  {what}"


def _times(span: WallSpan, zone: ZoneInfo) -> str:
    return f"{_local(span.start_ns, zone):%H:%M:%S} – {_local(span.end_ns, zone):%H:%M:%S}"


def _place(span: WallSpan, whole: WallSpan) -> tuple[float, float]:
    x = _x(span.start_ns, whole)
    return x, round(max(_x(span.end_ns, whole) - x, _THINNEST), 2)


def _x(wall_ns: int, whole: WallSpan) -> float:
    share = (wall_ns - whole.start_ns) / whole.duration_ns
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 2)


def _length(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    fraction = f".{rest:03d}" if rest and seconds < 60 else ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _local(wall_ns: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=wall_ns // 1000)).astimezone(zone)
