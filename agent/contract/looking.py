"""Arguments and results of the commands that look: a picture, live pictures, the roads. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

from agent.contract.events import TrafficData
from agent.contract.wire import Count, Down, Identifier, Instant, Up, Uuid7


class LiveStartArgs(Down, frozen=True, kw_only=True):
    """Look for `lease_s` from now on; the same again before it ends makes it last longer. With `ingest_url` the
    camera's sub stream (the main one where there is none) is pushed there as it is, by RTSP over TLS (`rtsps://`) to a
    host of `upload_hosts`; without, a JPEG a second comes on `cam/{camera}/live`."""

    camera: Identifier
    ingest_url: Annotated[str, msgspec.Meta(pattern=r"^rtsps?://[^\s]+$", max_length=2048)] | None = None
    lease_s: Annotated[float, msgspec.Meta(ge=5, le=600)] = 60.0


class LiveStartResult(Up, frozen=True, kw_only=True):
    """Sent when the first picture is on its way. It ends by itself at `until`. `stream` is `main` or `sub`; `codec` is
    `h264`, `hevc` or, for pictures, `mjpeg`."""

    camera: Identifier
    lease_id: Uuid7
    until: Instant
    stream: str
    codec: str
    width: Count
    height: Count


class LiveStopArgs(Down, frozen=True, kw_only=True):
    """One lease, or all of the camera."""

    camera: Identifier
    lease_id: Uuid7 | None = None


class LiveStopResult(Up, frozen=True, kw_only=True):
    """`ended` counts the leases that ran."""

    ended: Count


class SnapshotArgs(Down, frozen=True, kw_only=True):
    """Exactly one: the newest picture of a camera, or the still kept with an incident."""

    camera: Identifier | None = None
    incident: Uuid7 | None = None

    def __post_init__(self) -> None:
        if (self.camera is None) == (self.incident is None):
            raise ValueError("name a camera or an incident, one of them")


class SnapshotResult(Up, frozen=True, kw_only=True):
    """A JPEG of at most 30 kB."""

    camera: str
    jpeg_base64: str
    taken_at: Instant


class TrafficArgs(Down, frozen=True, kw_only=True):
    """All roads of the node, those that one camera sees, or one approach."""

    camera: Identifier | None = None
    approach: Identifier | None = None


class CameraTraffic(Up, frozen=True, kw_only=True):
    """As `cam/{cam}/traffic`; a level that was measured too long ago is `unknown`."""

    camera: str
    measured_at: Instant
    approaches: tuple[TrafficData, ...]


class TrafficResult(Up, frozen=True, kw_only=True):
    cameras: tuple[CameraTraffic, ...]
