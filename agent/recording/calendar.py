"""A day of each camera for people: what was recorded, what is missing and why, what happened, what is held."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from agent.errors import TimeError
from agent.recording.account import CameraAccount, account, zone
from agent.recording.cameraday import Calendar, CameraDay, IncidentMark
from agent.units import WallSpan, day_span, parse_rfc3339, subtract


def calendar(conn: sqlite3.Connection, data_dir: Path, cameras: Sequence[str], day: date, now_wall_ns: int) -> Calendar:
    """The day of these cameras. Raises SegmentDamaged never: what cannot be read is a gap with its reason."""
    site_zone = zone(conn)
    span = day_span(day, site_zone)
    days = tuple(
        CameraDay(
            each.camera,
            _footage(each),
            each.gaps,
            _incidents(conn, each.camera, span, now_wall_ns),
            _held(conn, each.camera, span),
        )
        for each in account(conn, data_dir, cameras, span, now_wall_ns)
    )
    return Calendar(day, site_zone, span, days, now_wall_ns)


def _footage(each: CameraAccount) -> tuple[WallSpan, ...]:
    return subtract(each.span, (gap.span for gap in each.gaps))


class _Told(msgspec.Struct, frozen=True):
    """What a picture needs of an IncidentData; its row was written by this node."""

    kind: str
    zone: str | None = None
    end: str | None = None
    reason_en: str = ""


def _incidents(conn: sqlite3.Connection, camera: str, span: WallSpan, now_wall_ns: int) -> tuple[IncidentMark, ...]:
    """All that touch the day. Reads every incident of the camera that is kept: a month of them at most."""
    rows = conn.execute(
        "SELECT incident_id, data, begin_wall_ns, is_open FROM incident"
        " WHERE camera = ? AND begin_wall_ns < ? ORDER BY begin_wall_ns, incident_id",
        (camera, span.end_ns),
    )
    marks = [_mark(*row) for row in rows]
    return tuple(
        mark for mark in marks if mark.start_wall_ns >= span.start_ns or mark.span(now_wall_ns).end_ns > span.start_ns
    )


def _mark(incident_id: str, data: bytes, begin_wall_ns: int, is_open: int) -> IncidentMark:
    told = msgspec.json.decode(data, type=_Told)
    try:
        # A closed one whose end was never told (vision died) is known by its begin alone.
        end_ns = parse_rfc3339(told.end) if told.end else begin_wall_ns
    except TimeError:
        end_ns = begin_wall_ns
    return IncidentMark(
        incident_id, told.kind, told.zone or "", begin_wall_ns, 0 if is_open else end_ns, told.reason_en
    )


def _held(conn: sqlite3.Connection, camera: str, span: WallSpan) -> tuple[WallSpan, ...]:
    rows = conn.execute(
        "SELECT start_wall_ns, end_wall_ns FROM hold WHERE camera = ? AND start_wall_ns < ? AND end_wall_ns > ?"
        " ORDER BY start_wall_ns",
        (camera, span.end_ns, span.start_ns),
    )
    parts = (WallSpan(*row).intersection(span) for row in rows)
    return tuple(part for part in parts if part is not None)
