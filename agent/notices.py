"""What the agent's processes tell each other over the runtime sockets. Pure.

A notice is the msgpack header of one frame of `agent.link`; some carry bytes as the frame's payload (named below).
Cameras and vision are trusted less than the node, so the node decodes these strictly and believes no path in them
without checking it against the camera's own folder.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class StreamRole(StrEnum):
    MAIN = "main"
    SUB = "sub"


class StreamCondition(StrEnum):
    """`stream` of the retained camera state."""

    STREAMING = "streaming"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class _Notice(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True): ...


class Hello(_Notice, frozen=True, tag="hello"):
    """First frame of every connection. `session` is fresh for each start of the process."""

    process: Literal["camera", "vision"]
    pid: int
    session: str
    camera: str = ""


class Goodbye(_Notice, frozen=True, tag="goodbye"):
    """Last frame of a process that was asked to end. A link that is lost without it means a crash."""

    session: str


class StreamStarted(_Notice, frozen=True, tag="stream_started"):
    """A run began. Camera → vision, and again whenever vision reconnects. Payload: the codec's extradata.

    `anchor_wall_ns` is the wall time of media time 0, which is the run's first PTS. Codec "raw": no packets follow but
    pictures (LoresFrame)."""

    camera: str
    role: StreamRole
    boot: int
    run: int
    codec: Literal["h264", "hevc", "mpeg4", "mjpeg", "raw"]
    width: int
    height: int
    anchor_wall_ns: int


class VideoPacket(_Notice, frozen=True, tag="packet"):
    """One access unit, camera → vision. Payload: its bytes. `media_ns` counts from the run's first PTS."""

    camera: str
    role: StreamRole
    run: int
    media_ns: int
    is_idr: bool


class LoresFrame(_Notice, frozen=True, tag="frame"):
    """One small picture of a CSI camera, camera → vision. Payload: luma and chroma planes without padding.

    `media_ns` is on the line of the run's packets. Each stands alone, so that any may be dropped.
    """

    camera: str
    role: StreamRole
    run: int
    media_ns: int
    width: int
    height: int
    layout: Literal["yuv420p", "nv12"]
    is_full_range: bool


class SegmentOpened(_Notice, frozen=True, tag="segment_opened"):
    """The camera created a segment file. `path` is relative to data_dir; its times are by the clock of this quality."""

    camera: str
    path: str
    boot: int
    run: int
    n: int
    start_wall_ns: int
    start_mono_ns: int = 0
    clock_quality: Literal["synced", "holdover", "unsynced"] = "synced"


class SegmentClosed(_Notice, frozen=True, tag="segment_closed"):
    """The camera closed and synced a segment; its file never changes again."""

    camera: str
    path: str
    boot: int
    run: int
    n: int
    start_wall_ns: int
    end_wall_ns: int
    frames: int
    bytes: int
    start_mono_ns: int = 0
    clock_quality: Literal["synced", "holdover", "unsynced"] = "synced"


class Outage(_Notice, frozen=True, tag="outage"):
    """No footage of `camera` since `start_wall_ns`, for `reason` (a GapReason of agent.recording.gaps).

    `end_wall_ns` is 0 while it lasts; the same outage is told again with its end (same camera and start) when footage
    resumes. `detail` is for people.
    """

    camera: str
    boot: int
    start_wall_ns: int
    end_wall_ns: int
    reason: str
    detail: str = ""


class CameraStatus(_Notice, frozen=True, tag="camera_status"):
    """How one camera's recording goes, camera → node, each second or so. Counters run since the process started; `lost`
    is what arrived and was not recorded, whatever the cause. `frame_age_s` is negative when no frame has come yet."""

    camera: str
    stream: StreamCondition
    since_wall_ns: int
    reason: str
    frames_recorded: int
    frames_lost: int
    vision_dropped: int
    frame_age_s: float
    fps: float
    bitrate_bps: float
    disk_write_p99_ms: float


class Finding(_Notice, frozen=True, tag="finding"):
    """Something vision saw, vision → node. Payload: the incident's still (JPEG, at most 30 kB) or nothing.

    `type` is the CloudEvents type without prefix and version ("incident.opened"), `data` the JSON of the matching
    type in agent.contract.events. The hold span is empty (0, 0) where no footage need be kept.
    """

    camera: str
    type: str
    data: bytes
    hold_start_wall_ns: int = 0
    hold_end_wall_ns: int = 0


class IncidentsWanted(_Notice, frozen=True, tag="incidents_wanted"):
    """Camera → vision: tell this connection of the camera's incidents (record = "around_incidents")."""

    camera: str


class IncidentSeen(_Notice, frozen=True, tag="incident_seen"):
    """Vision → camera: an incident opened, goes on (each minute at the latest) or closed. `until_wall_ns`: its end, and
    while it is open until when it may last if nothing more is heard of it."""

    camera: str
    incident_id: str
    begin_wall_ns: int
    until_wall_ns: int
    is_open: bool


class VisionStatus(_Notice, frozen=True, tag="vision_status"):
    """How seeing goes, vision → node, each second or so. Counters run since the process started."""

    provider: str
    detector: str
    detector_sha256: str
    motion_sha256: str
    frames_decoded: int
    frames_analysed: int
    frames_shed: int
    inferences: int
    motion_spans: int
    tracks: int
    incidents: int
    packets_passed: int = 0
    frames_passed: int = 0
    model_problem: str = ""
    shadow: str = ""
    shadow_looks: int = 0
    shadow_agreed: int = 0
    shadow_missed: int = 0
    shadow_extra: int = 0


class SnapshotWanted(_Notice, frozen=True, tag="snapshot_wanted"):
    """Node → vision: decode the newest picture of this camera."""

    request_id: str
    camera: str


class SheetTile(msgspec.Struct, frozen=True, array_like=True):
    """One place on a contact sheet. `size_bytes` of the payload are a small MP4 with its picture; with 0 there is none,
    and `words` say why."""

    label: str
    size_bytes: int
    words: tuple[str, ...] = ()


class SheetWanted(_Notice, frozen=True, tag="sheet_wanted"):
    """Node → vision: make a contact sheet of the pictures in the payload, which stand in the order of the tiles."""

    request_id: str
    camera: str
    title: str
    note: str
    tiles: tuple[SheetTile, ...]


class SnapshotTaken(_Notice, frozen=True, tag="snapshot_taken"):
    """Vision → node. Payload: a JPEG (of a snapshot at most 30 kB, of a sheet 300 kB), or nothing with `error` for
    people."""

    request_id: str
    camera: str
    wall_ns: int
    error: str = ""


class EndWanted(_Notice, frozen=True, tag="end_wanted"):
    """Node → camera or vision: end in order. Whoever keeps the processes alive starts it again."""


class LiveWanted(_Notice, frozen=True, tag="live_wanted"):
    """Node → push or eye: show it for `lease_s` from now on, at this ingest or as pictures (SnapshotTaken of this id);
    the same lease again: so long from then on, 0 ends it."""

    lease_id: str
    lease_s: float
    url: str = ""


class LeaseTold(_Notice, frozen=True, tag="lease_told"):
    """Back to the node: the first picture of this stream is on its way, or (None) no other will follow, and why."""

    lease_id: str
    stream: StreamStarted | None = None
    reason: str = ""
    detail: str = ""


Notice = (
    Hello
    | Goodbye
    | StreamStarted
    | VideoPacket
    | LoresFrame
    | SegmentOpened
    | SegmentClosed
    | Outage
    | CameraStatus
    | Finding
    | IncidentsWanted
    | IncidentSeen
    | VisionStatus
    | SnapshotWanted
    | EndWanted
    | SheetWanted
    | SnapshotTaken
    | LiveWanted
    | LeaseTold
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Notice] = msgspec.msgpack.Decoder(Notice)


def encode_notice(notice: Notice) -> bytes:
    return _encoder.encode(notice)


def decode_notice(header: bytes) -> Notice:
    """Raises msgspec.ValidationError (a msgspec.DecodeError) for anything that is not one of the notices above."""
    try:
        return _decoder.decode(header)
    except (UnicodeDecodeError, RecursionError) as exc:
        # Text that is not UTF-8: msgspec lets Python's own error through.
        raise msgspec.ValidationError(str(exc)) from exc
