"""Events in a line that a person reads. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from agent.contract.envelope import Envelope, data_of
from agent.contract.events import (
    AuditData,
    ClipData,
    ClockData,
    CrossingData,
    EventData,
    GapData,
    IncidentData,
    MotionData,
    RecordingData,
    SecurityData,
    ShedData,
    TrafficData,
)
from agent.units import format_rfc3339, parse_rfc3339


def describe(envelope: Envelope, zone: ZoneInfo) -> str:
    """`14:03:07 c01 intrusion opened in yard: …`: local time, camera, what happened. Raises WireError for bad data."""
    at = format_rfc3339(parse_rfc3339(envelope.time), zone)[11:19]
    place = envelope.subject.removeprefix("cam/")
    return f"{at} {place:<6} {_sentence(data_of(envelope), envelope.type)}"


def _sentence(data: EventData, event_type: str) -> str:
    match data:
        case IncidentData():
            return _incident(data, event_type)
        case MotionData():
            return f"motion for {data.end_s - data.begin_s:.1f} s, at most {data.ratio:.1%} of the picture"
        case CrossingData():
            speed = "" if data.speed_kmh is None else f" at {data.speed_kmh:.0f} km/h"
            return f"{data.label} crossed line {data.line} {data.direction.value}{speed}"
        case TrafficData():
            return road_line(data)
        case RecordingData():
            why = f" ({data.reason})" if data.reason else ""
            return f"recording {data.state.value}{why}"
        case GapData(end=None):
            return f"no footage since {data.start} ({data.reason})"
        case GapData():
            return f"no footage from {data.start} to {data.end}, {data.seconds:.1f} s ({data.reason})"
        case ClipData():
            return f"clip {data.state} for {data.actor}: {data.purpose}"
        case ClockData():
            return f"clock {data.previous} → {data.quality}, stepped {data.step_s:.1f} s"
        case AuditData():
            return f"{data.actor} asked {data.action}: {data.outcome}"
        case ShedData():
            return f"{data.count} messages of lane b were shed because the outbox was full"
        case SecurityData():
            return f"look at this: {data.kind}: {data.detail}"
    return event_type


def road_line(data: TrafficData) -> str:
    """One approach in a line: how it is, and what was counted in the minute before."""
    vehicles = sum(data.flow.values())
    parts = [f"{vehicles} vehicle{'' if vehicles == 1 else 's'} in the last {data.end_s - data.begin_s:.0f} s"]
    if data.speed_kmh is not None:
        parts.append(f"{data.speed_kmh:.0f} km/h")
    if data.queue_vehicles:
        parts.append(f"{data.queue_vehicles} standing" + (f" over {data.queue_m:.0f} m" if data.queue_m else ""))
    name = f" ({data.name_en})" if data.name_en else ""
    return f"road {data.approach}{name} is {data.level.value}: {', '.join(parts)}"


def _incident(data: IncidentData, event_type: str) -> str:
    phase = event_type.split(".")[2]
    where = f" in {data.zone}" if data.zone else ""
    lasted = "" if data.end_s is None else f" after {data.end_s - data.begin_s:.1f} s"
    reason = f": {data.reason_en}" if data.reason_en and phase == "opened" else ""
    kind = data.kind.value.replace("_", " ")
    return f"{kind} {phase}{where}{lasted}{reason}"
