"""What the node foresees: how long each camera's footage will be kept, whether the disk lasts, which holds end soon.

Read-only, from the store and the policy that the ledger keeps: the node, the command `forecast` and a person's command
over a data folder say the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from agent.health.endurance import Endurance, WearSeen, judge, rate
from agent.health.forecast import CameraOutlook, CameraRoom, HeldBytes, Written, forecast, room_bytes
from agent.health.wear import device_number, probe_wear
from agent.recording import account, holds, index, keeping, plans
from agent.recording.folder import disk_usage
from agent.recording.holds import Hold
from agent.recording.holdshare import Share
from agent.recording.policy import Policy
from agent.recording.records import HoldKind
from agent.units import DAY_S, NS_PER_S, WallSpan, day_of

# A week holds a school day and a market day; a ring that turns faster shows what it has.
_RATE_NS: Final = 7 * DAY_S * NS_PER_S
# What a hold keeps is old by its end; how old each segment is changes no forecast by more than the hold's length.
_DAY_NS: Final = DAY_S * NS_PER_S


@dataclass(frozen=True, slots=True)
class CameraStock:
    """What is there of one camera now; `oldest_wall_ns` None: nothing."""

    footage_bytes: int
    oldest_wall_ns: int | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """`staff` are the staff's holds, those that end first first."""

    cameras: tuple[CameraOutlook, ...]
    stock: dict[str, CameraStock]
    ring_bytes: int
    endurance: Endurance
    share: Share
    incident_held_bytes: int
    staff: tuple[Hold, ...]


def look(conn: sqlite3.Connection, data_dir: Path, now_wall_ns: int, uptime_s: float) -> Outlook:
    """`uptime_s`: since the machine's boot. Raises DiskError, StoreError."""
    free_bytes, disk_bytes = disk_usage(data_dir)
    usage = {each.camera: each for each in index.usage(conn)}
    footage_bytes = sum(each.bytes for each in usage.values())
    told = plans.current(conn)
    policy = told or Policy(max_bytes=disk_bytes, min_free_bytes=0, keep_days=0, timezone="")
    cameras = [each.camera for each in policy.cameras] or sorted(usage)
    ring_bytes = room_bytes(
        max_bytes=policy.max_bytes,
        min_free_bytes=policy.min_free_bytes,
        footage_bytes=footage_bytes,
        free_bytes=free_bytes,
    )
    outlooks = forecast([_room(conn, policy, each, now_wall_ns) for each in cameras], ring_bytes, now_wall_ns)
    rates = [each.bytes_per_day for each in outlooks if each.bytes_per_day is not None]
    incident = {each.path: each.bytes for each in holds.held_segments(conn, HoldKind.INCIDENT)}
    staff = [each for each in holds.all_holds(conn) if each.kind is HoldKind.STAFF]
    return Outlook(
        cameras=outlooks,
        stock={
            camera: CameraStock(seen.bytes, seen.first_wall_ns) if (seen := usage.get(camera)) else CameraStock(0, None)
            for camera in cameras
        },
        ring_bytes=ring_bytes,
        endurance=judge(
            rate(policy.endurance_bytes, policy.disk_class, disk_bytes),
            _wear(data_dir, uptime_s, sum(rates) if rates else None),
            day_of(now_wall_ns, account.zone(conn)),
            date.fromisoformat(policy.service_until) if policy.service_until else None,
        ),
        share=keeping.shares(conn, data_dir, "")[0],
        incident_held_bytes=sum(incident.values()),
        staff=tuple(sorted(staff, key=lambda hold: (hold.expires_wall_ns or 1 << 62, hold.hold_id))),
    )


def _room(conn: sqlite3.Connection, policy: Policy, camera: str, now_wall_ns: int) -> CameraRoom:
    of_camera = policy.of(camera)
    found = index.written(conn, camera, now_wall_ns - _RATE_NS)
    return CameraRoom(
        camera=camera,
        written=None if found is None else Written(*found),
        keep_days=of_camera.keep_days,
        max_bytes=of_camera.max_bytes or None,
        held=_held(conn, camera, now_wall_ns),
    )


def _held(conn: sqlite3.Connection, camera: str, now_wall_ns: int) -> Sequence[HeldBytes]:
    """Each held segment once, by the age of the hold that reaches back furthest over it."""
    taken: set[str] = set()
    found: list[HeldBytes] = []
    mine = sorted((each for each in holds.all_holds(conn) if each.camera == camera), key=lambda each: each.span)
    for hold in mine:
        fresh = [each for each in holds.segments_of(conn, camera, hold.span) if each.path not in taken]
        taken.update(each.path for each in fresh)
        found.append(HeldBytes(_age_days(hold.span, now_wall_ns), sum(each.bytes for each in fresh)))
    return found


def _age_days(span: WallSpan, now_wall_ns: int) -> float:
    return max(now_wall_ns - span.end_ns, 0) / _DAY_NS


def _wear(data_dir: Path, uptime_s: float, footage_bytes_per_day: int | None) -> WearSeen:
    wear = probe_wear(device_number(data_dir))
    return WearSeen(
        used_ratio=wear.used_ratio,
        lifetime_written_bytes=wear.lifetime_written_bytes,
        written_bytes=wear.written_bytes,
        uptime_s=uptime_s,
        footage_bytes_per_day=footage_bytes_per_day,
    )
