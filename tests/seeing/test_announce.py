"""Findings leave with wall times and with the span of footage to keep."""

from __future__ import annotations

import msgspec

from agent.contract import events
from agent.contract.events import CrossingData, Direction, IncidentData, IncidentKind, MotionData, decode_data
from agent.processes.announce import announce
from agent.scene.engine import Finding
from agent.units import NS_PER_S, parse_rfc3339

ANCHOR_NS = parse_rfc3339("2026-11-22T14:03:00+07:00")
INCIDENT = IncidentData(
    incident_id="0",
    kind=IncidentKind.INTRUSION,
    zone="yard",
    begin_s=12.5,
    end_s=None,
    score=0.7,
    box=(0.1, 0.1, 0.2, 0.2),
    tracks=(1,),
    model="m@0",
)


def test_an_open_incident_keeps_ten_seconds_before_it_and_seventy_from_now() -> None:
    finding = Finding(events.INCIDENT_OPENED, INCIDENT)
    notice = announce(finding, camera="c01", anchor_wall_ns=ANCHOR_NS, now_media_ns=14 * NS_PER_S)
    assert notice.type == "incident.opened" and notice.camera == "c01"
    assert (notice.hold_start_wall_ns - ANCHOR_NS, notice.hold_end_wall_ns - ANCHOR_NS) == (
        round(2.5 * NS_PER_S),
        84 * NS_PER_S,
    )
    data = decode_data(events.INCIDENT_OPENED, notice.data)
    assert isinstance(data, IncidentData)
    assert (data.begin, data.end) == ("2026-11-22T07:03:12.500Z", None) and data.begin_s == 12.5


def test_a_closed_incident_keeps_ten_seconds_after_its_end() -> None:
    closed = msgspec.structs.replace(INCIDENT, end_s=20.0)
    notice = announce(
        Finding(events.INCIDENT_CLOSED, closed), camera="c01", anchor_wall_ns=ANCHOR_NS, now_media_ns=25 * NS_PER_S
    )
    assert notice.hold_end_wall_ns == ANCHOR_NS + 30 * NS_PER_S
    data = decode_data(events.INCIDENT_CLOSED, notice.data)
    assert isinstance(data, IncidentData) and data.end == "2026-11-22T07:03:20.000Z"


def test_motion_and_crossings_get_wall_times_and_keep_nothing() -> None:
    motion = Finding(events.MOTION, MotionData(begin_s=1.0, end_s=2.0, ratio=0.1, regions=()))
    crossing = Finding(
        events.CROSSING,
        CrossingData(line="north", direction=Direction.FORWARD, label="car", track_id=1, at_s=3.0, speed_kmh=None),
    )
    for finding, field, wall in ((motion, "end", "14:03:02"), (crossing, "at", "14:03:03")):
        notice = announce(finding, camera="c01", anchor_wall_ns=ANCHOR_NS, now_media_ns=0)
        assert (notice.hold_start_wall_ns, notice.hold_end_wall_ns) == (0, 0)
        data = decode_data(finding.type, notice.data)
        assert parse_rfc3339(getattr(data, field)) == parse_rfc3339(f"2026-11-22T{wall}+07:00")
