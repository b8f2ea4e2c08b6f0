"""What the ring proves about a camera: how old its newest footage is, the picture in it, a clip pulled and verified.

Reads only; a running node is not disturbed. Needs the node's libraries (av) for pictures alone.
"""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.errors import (
    ClipDamaged,
    ClipRefused,
    DiskError,
    FootageError,
    RingMissing,
    SegmentDamaged,
    StoreError,
)
from agent.recording import index
from agent.recording.boot import require_ring
from agent.recording.clipfile import verify_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.index import SegmentRow, SegmentState
from agent.recording.ringclip import plan_from_ring
from agent.recording.segment import Fragment
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan
from provisioning.acceptance.measures import ProvenClip

if TYPE_CHECKING:
    from agent.media.decoder import Picture

CLIP_S: Final = 10
# A fragment is on disk at most 2 s after its last frame (product); 3 s leaves room for a camera that sends late.
_ON_DISK_S: Final = 3
# Wide enough to see a plate's place, small enough that eight of them travel by phone.
_PICTURE_WIDTH_PX: Final = 960
# IMWRITE_JPEG_QUALITY is 1.
_JPEG: Final = (1, 80)


@dataclass(frozen=True, slots=True)
class NewestFootage:
    """The end of a camera's newest footage, and where its newest IDR stands. `idr` is None in footage without one."""

    end_wall_ns: int
    path: Path
    init: bytes
    idr: Fragment | None


@dataclass(frozen=True, slots=True)
class ClipProblem:
    """No clip: `reason` is the word of the text `accept.item.clip.{reason}`."""

    reason: str
    detail: str = ""


def newest_footage(data_dir: Path, camera: str) -> NewestFootage | None:
    """None while this ring holds nothing of the camera, or cannot be read at all."""
    try:
        require_ring(data_dir)
        conn = open_store(data_dir, readonly=True)
    except (RingMissing, StoreError, DiskError):
        return None
    try:
        rows = _newest_rows(conn, camera)
    finally:
        conn.close()
    for row in rows:
        found = _look_into(data_dir, row)
        if found is not None:
            return found
    return None


def _newest_rows(conn: sqlite3.Connection, camera: str) -> list[SegmentRow]:
    """The segment being written, and the last before it: a new one is empty for a second."""
    beyond = WallSpan(2**62, 2**62 + 1)
    rows = [row for row in index.in_state(conn, SegmentState.OPEN) if row.camera == camera]
    rows += index.neighbours(conn, camera, beyond)
    return sorted(rows, key=lambda row: row.start_wall_ns, reverse=True)[:3]


def _look_into(data_dir: Path, row: SegmentRow) -> NewestFootage | None:
    try:
        segment = read_segment(data_dir, row.name)
    except (SegmentDamaged, DiskError):
        # Between two writes a file may not parse.
        return None
    if segment is None or segment.scan.span is None:
        return None
    idr = next((each for each in reversed(segment.scan.fragments) if each.starts_at_idr), None)
    return NewestFootage(segment.scan.span.end_ns, data_dir / row.path, segment.scan.init, idr)


def ring_picture(newest: NewestFootage, masks: Sequence[Sequence[tuple[float, float]]] = ()) -> bytes:
    """The newest IDR in the ring as JPEG, masks burnt in; empty when it cannot be decoded: the camera's picture is then
    not known."""
    picture = decode_idr(newest)
    return encode_picture(picture, masks) if picture is not None else b""


def decode_idr(newest: NewestFootage) -> Picture | None:
    """The newest IDR of this footage, decoded on the calling thread; None when it is gone or does not decode."""
    import av

    from agent.media.decoder import Picture

    if newest.idr is None:
        return None
    try:
        with newest.path.open("rb") as file:
            data = os.pread(file.fileno(), newest.idr.size_bytes, newest.idr.offset)
        with av.open(io.BytesIO(newest.init + data), "r") as container:
            frame = next(container.decode(video=0), None)
    except (OSError, av.FFmpegError):
        return None
    return Picture(frame, 0) if frame is not None else None


def encode_picture(picture: Picture, masks: Sequence[Sequence[tuple[float, float]]] = ()) -> bytes:
    """JPEG, at most 960 px wide. `masks` are polygons in fractions of the picture, painted black."""
    import cv2

    from agent.vision.mask import burn_masks

    bgr = burn_masks(picture.bgr(), masks)
    if picture.width > _PICTURE_WIDTH_PX:
        size = (_PICTURE_WIDTH_PX, round(picture.height * _PICTURE_WIDTH_PX / picture.width))
        _, jpeg = cv2.imencode(".jpg", cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), _JPEG)
    else:
        _, jpeg = cv2.imencode(".jpg", bgr, _JPEG)
    return bytes(jpeg)


def pull_test_clip(data_dir: Path, camera: str, out: Path, now_wall_ns: int) -> ProvenClip | ClipProblem:
    """The last ten seconds that can be on disk, by the code that serves staff's requests, verified as they would.

    Nothing of it is missing, or it is a ClipProblem: `not_yet` (wait and try again), `partial`, `none`, `damaged`.
    """
    end_ns = now_wall_ns - _ON_DISK_S * NS_PER_S
    asked = WallSpan(end_ns - CLIP_S * NS_PER_S, end_ns)
    try:
        require_ring(data_dir)
        conn = open_store(data_dir, readonly=True)
    except (RingMissing, StoreError, DiskError) as exc:
        return ClipProblem("none", str(exc))
    try:
        plan = plan_from_ring(conn, data_dir, camera, asked, now_wall_ns)
        if not plan.files:
            return ClipProblem("none", ", ".join(sorted({gap.reason for gap in plan.gaps})))
        if plan.is_partial:
            reasons = {gap.reason for gap in plan.gaps}
            is_young = reasons <= {"not_provisioned", "not_yet"}
            return ClipProblem("not_yet" if is_young else "partial", ", ".join(sorted(reasons)))
        return _proven(export_clip(plan, data_dir, out)[0].path)
    except ClipDamaged as exc:
        return ClipProblem("damaged", str(exc))
    except (ClipRefused, FootageError, StoreError, OSError) as exc:
        return ClipProblem("none", str(exc))
    finally:
        conn.close()


def _proven(path: Path) -> ProvenClip:
    facts = verify_clip(path)
    return ProvenClip(
        file=path.name,
        sha256=facts.sha256,
        size_bytes=facts.size_bytes,
        codec=facts.codec,
        frames=facts.frames,
        duration_s=facts.duration_s,
        start_wall_ns=facts.start_wall_ns,
        end_wall_ns=facts.end_wall_ns,
    )
