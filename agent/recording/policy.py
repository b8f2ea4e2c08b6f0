"""What a node is told to record and to keep: as the ledger remembers it, so that every tool can judge by it. Pure.

The configuration in force is written down at each start of the node that finds it changed. From then on the hours of a
schedule are a fact, whatever ran or did not run in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.config import CameraConfig, Config
from agent.recording.schedule import Hours, Schedule
from agent.units import WallSpan, parse_bytes, subtract

_FALLBACK_ZONE = "Asia/Bangkok"


class CameraPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Of one camera. `keep_days` as in force, its own or the node's; `max_bytes` 0: no bound of its own. `record` is a
    mode of agent.config.CameraConfig; `before_s` and `after_s` count in the mode around incidents only."""

    camera: str
    keep_days: int
    max_bytes: int = 0
    record: str = "continuous"
    hours: tuple[Hours, ...] = ()
    before_s: float = 0.0
    after_s: float = 0.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Of the node. `endurance_bytes` 0: the disk's rating is not known, and then `disk_class` may be."""

    max_bytes: int
    min_free_bytes: int
    keep_days: int
    timezone: str
    cameras: tuple[CameraPolicy, ...] = ()
    endurance_bytes: int = 0
    disk_class: str = ""
    service_until: str = ""

    def of(self, camera: str) -> CameraPolicy:
        """What holds for a camera; one that is out of service goes by the node's days."""
        return next((each for each in self.cameras if each.camera == camera), self._retired(camera))

    @property
    def zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo(_FALLBACK_ZONE)

    def _retired(self, camera: str) -> CameraPolicy:
        return CameraPolicy(camera=camera, keep_days=self.keep_days)


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy and since when (wall clock) it rules."""

    since_wall_ns: int
    policy: Policy


def policy_of(config: Config) -> Policy:
    storage = config.storage
    return Policy(
        max_bytes=storage.max_ring_bytes,
        min_free_bytes=storage.min_free_bytes,
        keep_days=storage.keep_days,
        timezone=config.timezone,
        cameras=tuple(camera_policy(camera, storage.keep_days) for camera in config.cameras),
        endurance_bytes=parse_bytes(storage.endurance) if storage.endurance else 0,
        disk_class=storage.disk_class,
        service_until=storage.service_until.isoformat() if storage.service_until else "",
    )


def camera_policy(camera: CameraConfig, node_keep_days: int) -> CameraPolicy:
    is_around = camera.record == "around_incidents"
    return CameraPolicy(
        camera=camera.id,
        keep_days=camera.keep_days or node_keep_days,
        max_bytes=parse_bytes(camera.max_bytes) if camera.max_bytes else 0,
        record=camera.record,
        hours=hours_of(camera),
        before_s=camera.around.before_s if is_around else 0.0,
        after_s=camera.around.after_s if is_around else 0.0,
    )


def hours_of(camera: CameraConfig) -> tuple[Hours, ...]:
    return tuple(Hours(tuple(each.days), each.start, each.end) for each in camera.hours)


def left_out(history: Sequence[InForce], camera: str, span: WallSpan) -> tuple[WallSpan, ...]:
    """The times of `span` in which a schedule in force said not to record this camera; `history` in its order."""
    found: list[WallSpan] = []
    for index, each in enumerate(history):
        of_camera = each.policy.of(camera)
        until_ns = history[index + 1].since_wall_ns if index + 1 < len(history) else span.end_ns
        ruled = WallSpan(each.since_wall_ns, until_ns).intersection(span)
        if of_camera.record == "schedule" and ruled is not None:
            found.extend(subtract(ruled, Schedule(of_camera.hours, each.policy.zone).windows(ruled)))
    return tuple(found)
