"""What happened: the `data` of every event and the lane it travels in. Pure.

Media times (`_s`) count from the run's first PTS, on the wire and in `analyse` alike; the wire adds `begin` and `end`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from agent.contract.records import (
    AuditData,
    ClipData,
    ClipFileData,
    ClockData,
    GapData,
    RecordingData,
    RecordingState,
    SealData,
    SealedHead,
    SecurityData,
    ShedData,
)
from agent.contract.wire import (
    Count,
    Instant,
    Ratio,
    Seconds,
    Up,
    WireBox,
    decode,
)
from agent.errors import WireError

# Event data that stands in its own module and may be imported from here, where all the rest is.
__all__ = [
    "AuditData",
    "ClipData",
    "ClipFileData",
    "ClockData",
    "GapData",
    "RecordingData",
    "RecordingState",
    "SealData",
    "SealedHead",
    "SecurityData",
    "ShedData",
]


class Lane(StrEnum):
    """a: never shed, kept until the centre's own ack. b: gone at PUBACK, shed first when the outbox is full."""

    A = "a"
    B = "b"


class IncidentKind(StrEnum):
    STOPPED_VEHICLE = "stopped_vehicle"
    WRONG_WAY = "wrong_way"
    CONGESTION = "congestion"
    CRASH_SUSPECTED = "crash_suspected"
    PERSON_ON_ROAD = "person_on_road"
    INTRUSION = "intrusion"
    LOITERING = "loitering"
    CROWD = "crowd"
    ABANDONED_OBJECT = "abandoned_object"
    FIRE = "fire"
    SMOKE = "smoke"
    FLOOD = "flood"
    VIEW_COVERED = "view_covered"
    VIEW_MOVED = "view_moved"
    VIEW_DEFOCUSED = "view_defocused"
    VIEW_FROZEN = "view_frozen"
    VIEW_DARK = "view_dark"


class Direction(StrEnum):
    """Forward crosses from the left to the right of points[0] → points[1] as drawn."""

    FORWARD = "forward"
    BACKWARD = "backward"


class Level(StrEnum):
    FREE = "free"
    BUSY = "busy"
    JAMMED = "jammed"
    UNKNOWN = "unknown"


class IncidentData(Up, frozen=True, kw_only=True):
    """One incident as it stands now. `incident_id` is one UUIDv7 over opened, updated and closed.

    `zone` is null for incidents of the whole picture; `end_s` is null until closed; `box` is the newest; `model` names
    what saw it, as name@first 12 digits of its SHA-256, or the rule's own name where no model took part.
    """

    incident_id: str
    kind: IncidentKind
    zone: str | None
    begin_s: float
    end_s: float | None
    score: Ratio
    box: WireBox
    tracks: tuple[int, ...]
    model: str
    begin: Instant | None = None
    end: Instant | None = None
    reason_en: str = ""
    reason_th: str = ""


class MotionData(Up, frozen=True, kw_only=True):
    """A closed span in which something went through the picture, or stirred and was large or a person: leaves that sway
    are none. `ratio` is the largest part of the picture that changed; `regions` are boxes."""

    begin_s: float
    end_s: float
    ratio: Ratio
    regions: tuple[WireBox, ...]
    begin: Instant | None = None
    end: Instant | None = None


class CrossingData(Up, frozen=True, kw_only=True):
    """One track crossed a line. `speed_kmh` is null without calibration. `label` is `class` on the wire."""

    line: str
    direction: Direction
    label: str = msgspec.field(name="class")
    track_id: int
    at_s: float
    speed_kmh: float | None
    at: Instant | None = None


class TrafficData(Up, frozen=True, kw_only=True):
    """One approach over one window, a minute as a rule. What was not measured is null, and the level then unknown.

    `flow` counts vehicles by class; `occupancy` is the part of the window in which something stood on the line;
    `queue_m` is null without calibration; `headway_s` is the median time between two vehicles over the line.
    """

    approach: str
    begin_s: float
    end_s: float
    flow: dict[str, Count]
    speed_kmh: float | None
    occupancy: Ratio | None
    queue_vehicles: Count | None
    queue_m: float | None
    level: Level
    begin: Instant | None = None
    end: Instant | None = None
    headway_s: Seconds | None = None
    name_th: str = ""
    name_en: str = ""


class TrackData(Up, frozen=True, kw_only=True):
    """Only from `analyse --tracks`. A point is media_s, x, y, w, h, score, one per analysed frame."""

    track_id: int
    label: str = msgspec.field(name="class")
    points: tuple[tuple[float, float, float, float, float, float], ...]


class SummaryData(Up, frozen=True, kw_only=True):
    """Last line of `analyse`. `frames` are the video's, decoded or not. `problem` says why it is not about the whole
    video; empty when it is."""

    frames: Count
    video_s: Seconds
    wall_s: Seconds
    cpu_s: Seconds
    frames_decoded: Count
    inferences: Count
    model: str
    model_sha256: str
    frames_analysed: Count = 0
    provider: str = ""
    motion_model: str = ""
    motion_model_sha256: str = ""
    problem: str = ""


EventData = (
    IncidentData
    | MotionData
    | CrossingData
    | TrafficData
    | TrackData
    | SummaryData
    | RecordingData
    | GapData
    | ClockData
    | ClipData
    | AuditData
    | ShedData
    | SealData
    | SecurityData
)

INCIDENT_OPENED: Final = "wayside.incident.opened.v1"
INCIDENT_UPDATED: Final = "wayside.incident.updated.v1"
INCIDENT_CLOSED: Final = "wayside.incident.closed.v1"
MOTION: Final = "wayside.motion.v1"
CROSSING: Final = "wayside.crossing.v1"
TRAFFIC: Final = "wayside.traffic.v1"
TRACK: Final = "wayside.track.v1"
SUMMARY: Final = "wayside.summary.v1"
RECORDING: Final = "wayside.recording.v1"
GAP: Final = "wayside.gap.v1"
CLOCK: Final = "wayside.clock.v1"
CLIP: Final = "wayside.clip.v1"
AUDIT: Final = "wayside.audit.v1"
SEAL: Final = "wayside.seal.v1"
SHED: Final = "wayside.shed.v1"
SECURITY: Final = "wayside.security.v1"

DATA_TYPES: Final[dict[str, type[EventData]]] = {
    INCIDENT_OPENED: IncidentData,
    INCIDENT_UPDATED: IncidentData,
    INCIDENT_CLOSED: IncidentData,
    MOTION: MotionData,
    CROSSING: CrossingData,
    TRAFFIC: TrafficData,
    TRACK: TrackData,
    SUMMARY: SummaryData,
    RECORDING: RecordingData,
    GAP: GapData,
    CLOCK: ClockData,
    CLIP: ClipData,
    AUDIT: AuditData,
    SEAL: SealData,
    SHED: ShedData,
    SECURITY: SecurityData,
}

# By the second word of the type. `track` and `summary` never go on the wire, so they have no lane.
LANES: Final[dict[str, Lane]] = {
    **dict.fromkeys(("incident", "seal", "audit", "gap", "clock", "clip", "security", "shed"), Lane.A),
    **dict.fromkeys(("motion", "crossing", "recording", "traffic"), Lane.B),
}


def type_word(event_type: str) -> str:
    """The second word of a CloudEvents type, which is the last word of its topic. Raises WireError."""
    words = event_type.split(".")
    if len(words) < 3 or words[0] != "wayside" or not words[1]:
        raise WireError(what="type", text=event_type[:100])
    return words[1]


def lane_of(event_type: str) -> Lane:
    """Raises WireError for a type that never goes on the wire."""
    word = type_word(event_type)
    if word not in LANES:
        raise WireError(what="type", text=event_type[:100], remedy="this type has no lane and stays on the node")
    return LANES[word]


def wire_type(short: str) -> str:
    """ "incident.opened" as "wayside.incident.opened.v1". Raises WireError when no such type exists."""
    event_type = f"wayside.{short}.v1"
    if event_type not in DATA_TYPES:
        raise WireError(what="type", text=short[:100])
    return event_type


def decode_data(event_type: str, data: bytes | msgspec.Raw) -> EventData:
    """`data` as the struct of its type. Raises WireError for an unknown type or data that does not fit it."""
    kind = DATA_TYPES.get(event_type)
    if kind is None:
        raise WireError(what="type", text=event_type[:100])
    return decode(data, kind)
