"""`wayside footage list --day`: a day of each camera as bars in the terminal, as an SVG, or as JSON."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from agent.clock import SystemClock
from agent.contract.wire import WireGap, WireSpan
from agent.errors import DiskError, UsageError
from agent.recording.calendar import calendar
from agent.recording.cameraday import Calendar, CameraDay
from agent.units import NS_PER_S, WallSpan, format_rfc3339

# Where no terminal says its width, as in a pipe or a report by mail.
_PLAIN_WIDTH: Final = 100


class DayIncident(msgspec.Struct, frozen=True):
    """`end` is null while it is open."""

    incident_id: str
    kind: str
    zone: str
    start: str
    end: str | None
    reason: str


class DayOfCamera(msgspec.Struct, frozen=True):
    camera: str
    recorded_s: float
    spans: list[WireSpan]
    gaps: list[WireGap]
    incidents: list[DayIncident]
    held: list[WireSpan]


class DayReport(msgspec.Struct, frozen=True):
    """`seconds` is the day's length, which each camera's `recorded_s` and gaps add up to."""

    day: str
    timezone: str
    start: str
    end: str
    seconds: float
    cameras: list[DayOfCamera]


def show_day(
    conn: sqlite3.Connection,
    data: Path,
    cameras: Sequence[str],
    day: date,
    *,
    svg: Path | None,
    is_ascii: bool,
    as_json: bool,
) -> None:
    """Print the day; with `svg` draw it as well. Raises UsageError, DiskError."""
    if svg is not None and (svg.is_dir() or not svg.parent.is_dir()):
        raise UsageError(svg=str(svg), remedy="name a file in a folder that exists")
    found = calendar(conn, data, cameras, day, SystemClock().wall_ns())
    if svg is not None:
        from agent.drawing.daysvg import day_svg

        try:
            svg.write_text(day_svg(found), encoding="utf-8")
        except OSError as exc:
            raise DiskError(path=str(svg), error=exc.strerror or "", remedy="choose another place") from exc
    if as_json:
        print(msgspec.json.encode(_report(found)).decode())
        return
    _print_text(found, is_ascii=is_ascii)
    if svg is not None:
        print(f"\nDrawn to {svg}")


def _print_text(found: Calendar, *, is_ascii: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    from agent.drawing.daybar import draw_day

    width = shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns
    # rich leaves colours out for a pipe and where NO_COLOR is set.
    console = Console(highlight=False, soft_wrap=True, width=width)
    for line in draw_day(found, width, is_ascii=is_ascii or not _can_show_blocks()):
        console.print(Text.assemble(*((piece.text, piece.style) for piece in line)))


def _can_show_blocks() -> bool:
    """A terminal without UTF-8 shows question marks instead; one on a serial line mostly has the C locale, under which
    Python writes UTF-8 all the same (PEP 540)."""
    if not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8"):
        return False
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "C")
    is_plain = locale.split(".")[0] in ("C", "POSIX") and "utf" not in locale.lower()
    return not (is_plain and sys.stdout.isatty())


def _report(found: Calendar) -> DayReport:
    def at(wall_ns: int) -> str:
        return format_rfc3339(wall_ns, found.zone)

    def wire(span: WallSpan) -> WireSpan:
        return WireSpan(start=at(span.start_ns), end=at(span.end_ns))

    def of_camera(day: CameraDay) -> DayOfCamera:
        gaps = [
            WireGap(
                start=at(gap.start_wall_ns),
                end=at(gap.end_wall_ns),
                seconds=round(gap.span.duration_s, 3),
                reason=gap.reason.value,
            )
            for gap in day.gaps
        ]
        incidents = [
            DayIncident(
                mark.incident_id,
                mark.kind,
                mark.where,
                at(mark.start_wall_ns),
                at(mark.end_wall_ns) if mark.end_wall_ns else None,
                mark.reason,
            )
            for mark in day.incidents
        ]
        spans, held = [wire(span) for span in day.footage], [wire(span) for span in day.held]
        return DayOfCamera(day.camera, day.recorded_ms / 1000, spans, gaps, incidents, held)

    return DayReport(
        day=found.day.isoformat(),
        timezone=found.zone.key,
        start=at(found.span.start_ns),
        end=at(found.span.end_ns),
        seconds=found.span.duration_ns / NS_PER_S,
        cameras=[of_camera(day) for day in found.cameras],
    )
