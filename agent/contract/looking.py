"""Arguments and results of the commands that show a live picture. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

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
