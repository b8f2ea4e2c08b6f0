"""A node's health and its cameras' states, from what the processes last said. Pure.

Old words are not repeated as if they were new: what a silent process said is unknown after a few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.contract.states import (
    CameraHealth,
    CameraState,
    ClockHealth,
    DiskHealth,
    Health,
    MachineHealth,
    OutboxHealth,
    StreamState,
    TrialHealth,
    ViewState,
    VisionHealth,
)
from agent.notices import CameraStatus, StreamCondition, VisionStatus
from agent.units import WallSpan, format_rfc3339, union

# Statuses come each second; a process that missed this many is hung or gone (supervise kills it in about as long).
SILENT_AFTER_S: Final = 5.0
_STREAMS: Final = {
    StreamCondition.STREAMING: StreamState.STREAMING,
    StreamCondition.DEGRADED: StreamState.DEGRADED,
    StreamCondition.OFFLINE: StreamState.OFFLINE,
}


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Of the file system that holds a folder; `free_bytes` is what an ordinary user may still write."""

    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class DiskWear:
    """`written_bytes`: to the whole device since boot. `lifetime_written_bytes`: to the file system since it was made.
    `used_ratio`: of the device's rated writes, above 1 past its rating. None: the device does not tell."""

    written_bytes: int | None = None
    lifetime_written_bytes: int | None = None
    used_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class CameraReading:
    """One camera: its process's newest status (None: never heard) and how long ago that came. `recorded_ratio` as in
    CameraHealth, None when the index was not asked."""

    camera: str
    status: CameraStatus | None
    age_s: float
    recorded_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What a health report is made of. `vision` is None while vision is silent; `space` while the disk is missing."""

    wall_ns: int
    cameras: Sequence[CameraReading]
    vision: VisionStatus | None
    clock: ClockHealth
    space: DiskSpace | None
    machine: MachineHealth
    footage_bytes: int | None = None
    forecast_days: float | None = None
    wear: DiskWear = DiskWear()


def build_health(readings: Readings, outbox: OutboxHealth) -> Health:
    """The message, with null or unknown for all that nobody told."""
    space, vision = readings.space, readings.vision
    fresh = [one.status for one in readings.cameras if one.status is not None and one.age_s <= SILENT_AFTER_S]
    writes_ms = [status.disk_write_p99_ms for status in fresh if status.disk_write_p99_ms >= 0]
    return Health(
        at=format_rfc3339(readings.wall_ns),
        cameras=tuple(camera_health(one) for one in readings.cameras),
        disk=DiskHealth(
            write_p99_ms=max(writes_ms, default=None),
            free_bytes=space.free_bytes if space else None,
            total_bytes=space.total_bytes if space else None,
            footage_bytes=readings.footage_bytes,
            forecast_days=readings.forecast_days,
            endurance_used_ratio=readings.wear.used_ratio,
            written_bytes=readings.wear.written_bytes,
            lifetime_written_bytes=readings.wear.lifetime_written_bytes,
        ),
        clock=readings.clock,
        machine=readings.machine,
        vision=None
        if vision is None
        else VisionHealth(
            provider=vision.provider,
            frames_decoded=vision.frames_decoded,
            frames_analysed=vision.frames_analysed,
            frames_shed=vision.frames_shed,
            inferences=vision.inferences,
            packets_passed=vision.packets_passed,
            frames_passed=vision.frames_passed,
            model_problem=vision.model_problem or None,
            trial=_trial(vision),
        ),
        outbox=outbox,
    )


def _trial(vision: VisionStatus) -> TrialHealth | None:
    if not vision.shadow:
        return None
    return TrialHealth(
        model=vision.shadow,
        looks=vision.shadow_looks,
        agreed=vision.shadow_agreed,
        missed=vision.shadow_missed,
        extra=vision.shadow_extra,
    )


def camera_health(reading: CameraReading) -> CameraHealth:
    """A silent camera process keeps its counters, which are still true; its rates are unknown and its frames age on."""
    status = reading.status
    is_fresh = status is not None and reading.age_s <= SILENT_AFTER_S
    has_frames = status is not None and status.frame_age_s >= 0
    return CameraHealth(
        camera=reading.camera,
        stream=_STREAMS[status.stream] if status is not None and is_fresh else StreamState.UNKNOWN,
        frame_age_s=round(status.frame_age_s + reading.age_s, 3) if status is not None and has_frames else None,
        fps=status.fps if status is not None and is_fresh else None,
        bitrate_bps=status.bitrate_bps if status is not None and is_fresh else None,
        recorded_ratio=reading.recorded_ratio,
        frames_recorded=status.frames_recorded if status is not None else None,
        frames_lost=status.frames_lost if status is not None else None,
    )


def camera_state(reading: CameraReading, *, silent_since_wall_ns: int | None = None) -> CameraState:
    """The retained state. While the process is silent the stream is unknown, since `silent_since_wall_ns` if that is
    known. The view is unknown until somebody watches it."""
    status = reading.status
    if status is None or reading.age_s > SILENT_AFTER_S:
        since = None if silent_since_wall_ns is None else format_rfc3339(silent_since_wall_ns)
        return CameraState(
            stream=StreamState.UNKNOWN, stream_since=since, view=ViewState.UNKNOWN, view_since=None, reason=""
        )
    return CameraState(
        stream=_STREAMS[status.stream],
        stream_since=format_rfc3339(status.since_wall_ns),
        view=ViewState.UNKNOWN,
        view_since=None,
        reason="" if status.stream is StreamCondition.STREAMING else status.reason,
    )


def camera_states(readings: Sequence[CameraReading]) -> Mapping[str, CameraState]:
    """By camera, as agent.messaging.facts wants them."""
    return {reading.camera: camera_state(reading) for reading in readings}


def recorded_ratio(recorded: Sequence[WallSpan], window: WallSpan) -> float | None:
    """The part of `window` that has footage; overlaps count once. None for an empty window."""
    if window.is_empty:
        return None
    parts = [part for span in recorded if (part := span.intersection(window)) is not None]
    return sum(part.duration_ns for part in union(parts)) / window.duration_ns
