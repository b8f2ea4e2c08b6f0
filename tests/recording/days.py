"""A day of two cameras as a site has them: hours of footage, gaps of many kinds, incidents, a hold. No files."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from agent.contract.events import IncidentData, IncidentKind
from agent.identity import new_uuid7
from agent.notices import SegmentClosed
from agent.recording import evidence, incidents, index
from agent.recording.incidents import OpenIncident
from agent.recording.naming import SegmentName
from agent.recording.records import AgentStarted, Configured, HoldKind, HoldMade, OutageTold
from agent.store import transaction
from agent.units import NS_PER_MS, WallSpan, day_span, format_rfc3339
from tests.recording.ring import Ring, S

BANGKOK = "Asia/Bangkok"


def at(day: date, text: str, zone: str = BANGKOK) -> int:
    """Wall time of a time of day such as 14:03 or 14:03:05."""
    return int(datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=ZoneInfo(zone)).timestamp()) * S


def serve(ring: Ring, day: date, *, cameras: tuple[str, ...] = ("c01", "c02"), zone: str = BANGKOK) -> None:
    """The cameras are in service from three hours into the day on."""
    ring.clock.now_wall_ns = day_span(day, ZoneInfo(zone)).start_ns + 3 * 3600 * S
    with transaction(ring.conn):
        evidence.note(ring.conn, ring.ledger, AgentStarted(boot_id="b"))
        configured = Configured(cameras=cameras, timezone=zone, org="o", site="s", node="n")
        evidence.note(ring.conn, ring.ledger, configured)


def footage(ring: Ring, camera: str, run: int, span: WallSpan) -> None:
    name = SegmentName(camera, 1, run, 0, span.start_ns // NS_PER_MS)
    told = SegmentClosed(
        camera=camera,
        path=str(name.path()),
        boot=1,
        run=run,
        n=0,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        frames=25,
        bytes=1000,
        start_mono_ns=0,
        clock_quality="synced",
    )
    with transaction(ring.conn):
        index.closed(ring.conn, told)


def outage(ring: Ring, camera: str, span: WallSpan, reason: str, detail: str = "") -> None:
    ring.note(
        OutageTold(
            camera=camera, boot=1, start_wall_ns=span.start_ns, end_wall_ns=span.end_ns, reason=reason, detail=detail
        )
    )


def incident(ring: Ring, camera: str, span: WallSpan, kind: IncidentKind, zone: str, reason: str) -> str:
    """With an end of 0 it is still open."""
    name = new_uuid7()
    data = IncidentData(
        incident_id=name,
        kind=kind,
        zone=zone,
        begin_s=1.0,
        end_s=2.0 if span.end_ns else None,
        score=0.9,
        box=(0.1, 0.1, 0.1, 0.1),
        tracks=(),
        model="rule",
        begin=format_rfc3339(span.start_ns),
        end=format_rfc3339(span.end_ns) if span.end_ns else None,
        reason_en=reason,
    )
    found = OpenIncident(name, camera, msgspec.json.encode(data))
    with transaction(ring.conn):
        incidents.note(
            ring.conn,
            found,
            session="v",
            is_open=not span.end_ns,
            begin_wall_ns=span.start_ns,
            has_still=False,
        )
    return name


def busy_day(ring: Ring, day: date) -> None:
    """c01: a camera that went away twice; c02: recorded by a schedule, with one hole that nothing explains."""
    serve(ring, day)

    def span(start: str, end: str) -> WallSpan:
        return WallSpan(at(day, start), at(day, end))

    for run, (start, end) in enumerate(
        [("03:00", "07:42:10"), ("07:55", "14:03:05"), ("14:03:47", "18:20"), ("20:10", "23:30")]
    ):
        footage(ring, "c01", run + 1, span(start, end))
    outage(ring, "c01", span("07:42:10", "07:55"), "camera_unreachable", "no route to host")
    outage(ring, "c01", span("14:03:05", "14:03:47"), "camera_stalled", "no packet for 5 s")
    outage(ring, "c01", span("18:20", "20:10"), "disk_full")
    for run, (start, end) in enumerate([("03:00", "09:00"), ("09:30", "12:00"), ("13:00", "23:30")]):
        footage(ring, "c02", run + 1, span(start, end))
    outage(ring, "c02", span("12:00", "13:00"), "not_scheduled")
    incident(
        ring, "c01", span("08:31:12", "08:33:40"), IncidentKind.STOPPED_VEHICLE, "lane-1", "a car has stood for 60 s"
    )
    incident(ring, "c01", span("14:03:02", "14:20"), IncidentKind.CRASH_SUSPECTED, "", "two vehicles met and stand")
    incident(ring, "c01", span("14:04", "14:19"), IncidentKind.PERSON_ON_ROAD, "road", "2 people on the road")
    incident(ring, "c02", WallSpan(at(day, "23:10"), 0), IncidentKind.INTRUSION, "yard", "a person in the yard")
    ring.note(
        HoldMade(
            hold_id="h1",
            kind=HoldKind.STAFF,
            camera="c01",
            start_wall_ns=at(day, "14:00"),
            end_wall_ns=at(day, "14:30"),
            made_wall_ns=at(day, "15:00"),
            expires_wall_ns=0,
            reference="case 12",
        )
    )
