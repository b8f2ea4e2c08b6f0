"""Retained facts that the next replaces, health, and the centre's ack. What is not known is null or "unknown". Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from agent.contract.events import TrafficData
from agent.contract.pinned import PinnedKey
from agent.contract.wire import Count, Down, Identifier, Instant, Ratio, Seconds, Sequence, Up, Uuid7


class Presence(StrEnum):
    ONLINE = "online"
    DRAINING = "draining"
    OFFLINE = "offline"
    LOST = "lost"


class NodeState(Up, frozen=True, kw_only=True):
    """`state`. Each connection has its own session number, rising for the life of the store named by `epoch`.

    `lost` is the will, sent by the broker: ignore it unless its epoch and session are those of the last `online`.
    `at` is when this was written; in a will that is the moment of connecting, not of the loss.
    """

    state: Presence
    session: Count
    epoch: Uuid7
    at: Instant
    reason: str = ""


class ModelInfo(Up, frozen=True, kw_only=True):
    """A model in use. `provider` is the execution provider that ONNX Runtime chose."""

    name: str
    sha256: str
    provider: str


class CameraInfo(Up, frozen=True, kw_only=True):
    id: Identifier
    name: str = ""
    codec: str | None = None
    width: Count | None = None
    height: Count | None = None


class Info(Up, frozen=True, kw_only=True):
    """`info`: what this node is. Null: not known, or not there."""

    at: Instant
    software: str
    hardware: str | None
    os: str | None
    python: str
    boot_id: str
    timezone: str
    trust: str
    cameras: tuple[CameraInfo, ...]
    models: tuple[ModelInfo, ...]
    commands: tuple[str, ...]
    key_fingerprint: str | None = None
    certificate_end: Instant | None = None
    replaces: str | None = None


class Known(StrEnum):
    """A fact that the hardware may not tell."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class StreamState(StrEnum):
    STREAMING = "streaming"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class ViewState(StrEnum):
    OK = "ok"
    COVERED = "covered"
    MOVED = "moved"
    DEFOCUSED = "defocused"
    FROZEN = "frozen"
    DARK = "dark"
    UNKNOWN = "unknown"


class CameraHealth(Up, frozen=True, kw_only=True):
    """One camera's recording. `recorded_ratio` is the recorded part of the hour before; counters run since the camera
    process started, and `frames_lost` counts frames that arrived and were not recorded."""

    camera: Identifier
    stream: StreamState
    frame_age_s: Seconds | None
    fps: float | None
    bitrate_bps: float | None
    recorded_ratio: Ratio | None
    frames_recorded: Count | None
    frames_lost: Count | None


class DiskHealth(Up, frozen=True, kw_only=True):
    """`forecast_days`: how long the ring will keep the camera that it keeps shortest. `endurance_used_ratio`: of the
    device's rated writes, above 1 past its rating. `written_bytes`: to the whole device since boot;
    `lifetime_written_bytes`: to the file system since it was made."""

    write_p99_ms: float | None
    free_bytes: Count | None
    total_bytes: Count | None
    footage_bytes: Count | None
    forecast_days: float | None
    endurance_used_ratio: float | None
    written_bytes: Count | None = None
    lifetime_written_bytes: Count | None = None


class ClockHealth(Up, frozen=True, kw_only=True):
    """`error_s` bounds the wall clock's error; null when nothing vouches for it. `holdover`: the clock was synced and
    has lost its source `holdover_s` ago; the bound grows by 500 ppm since."""

    quality: Literal["synced", "holdover", "unsynced"]
    error_s: float | None
    holdover_s: Seconds | None = None


class MachineHealth(Up, frozen=True, kw_only=True):
    """`throttled` and `under_voltage`: now; `…_before`: at some time since boot. `over_current_events` counts since
    boot. `power_w`: what the module draws."""

    temperature_c: float | None
    throttled: Known
    under_voltage: Known
    load_1min: float | None
    memory_available_bytes: Count | None
    memory_total_bytes: Count | None
    uptime_s: Seconds | None
    throttled_before: Known = Known.UNKNOWN
    under_voltage_before: Known = Known.UNKNOWN
    over_current_events: Count | None = None
    power_w: float | None = None


class TrialHealth(Up, frozen=True, kw_only=True):
    """A detector on trial beside the serving one: `looks` it was given, things that both found, that only the serving
    one found (`missed`) and only the one on trial (`extra`). Nothing is told from what it finds."""

    model: str
    looks: Count
    agreed: Count
    missed: Count
    extra: Count


class VisionHealth(Up, frozen=True, kw_only=True):
    """Counters since the vision process started. Left out because nothing happened: `packets_passed` were not decoded,
    `frames_passed` not looked at. Left out because they were late: `frames_shed`. `model_problem`: why a model that
    users brought was refused; the one before it goes on."""

    provider: str
    frames_decoded: Count
    frames_analysed: Count
    frames_shed: Count
    inferences: Count
    packets_passed: Count = 0
    frames_passed: Count = 0
    model_problem: str | None = None
    trial: TrialHealth | None = None


class OutboxHealth(Up, frozen=True, kw_only=True):
    """What waits for the centre: lane a until its ack, lane b until the PUBACK. `oldest_age_s` is by the wall clock and
    null when nothing waits. `shed` counts lane-b events lost to the cap in this epoch."""

    epoch: Uuid7
    a: Count
    b: Count
    bytes: Count
    oldest_age_s: float | None
    shed: Count


class Health(Up, frozen=True, kw_only=True):
    """`health`, every 60 s; expires after 180 s and is never queued. `vision` is null while nobody watches."""

    at: Instant
    cameras: tuple[CameraHealth, ...]
    disk: DiskHealth
    clock: ClockHealth
    machine: MachineHealth
    vision: VisionHealth | None
    outbox: OutboxHealth


class CameraState(Up, frozen=True, kw_only=True):
    """`cam/{cam}/state`. `stream_since` and `view_since` are null when the beginning was not seen. `reason` is the
    GapReason while the stream is not `streaming`."""

    stream: StreamState
    stream_since: Instant | None
    view: ViewState
    view_since: Instant | None
    reason: str = ""


class TrafficState(Up, frozen=True, kw_only=True):
    """`cam/{cam}/traffic`. After `expires` every level in it is `unknown`: a stale `free` is no `free`."""

    measured_at: Instant
    expires: Instant
    approaches: tuple[TrafficData, ...]


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Alert(Up, frozen=True, kw_only=True):
    """`alert/{id}`, retained while it lasts; an empty payload clears it. `kind` is a machine word."""

    kind: str
    severity: Severity
    since: Instant
    message_en: str
    message_th: str = ""
    camera: str = ""


class Reported(Up, frozen=True, kw_only=True):
    """`reported`: the configuration in force, since `at`. `revision` is null while only the local file rules.
    `rejected_revision` is the newest `desired` that was refused or taken back, with why in `errors`; null with errors:
    the message or a local edit is wrong. `trying`: it runs and is not confirmed yet. `is_edited`: the file was changed
    on the site since the revision."""

    revision: int | None
    at: Instant
    rejected_revision: int | None = None
    errors: tuple[str, ...] = ()
    trying: int | None = None
    is_edited: bool = False


class Ack(Down, frozen=True, kw_only=True):
    """`ack`: the centre has stored lane a of this epoch up to and including sequence `a`."""

    epoch: Uuid7
    a: Sequence


class Desired(Down, frozen=True, kw_only=True):
    """Payload of the signed `desired`. `iss` is the actor of one of the signing keys. `config` has the structure of
    agent.config.Config: what it leaves unsaid stays as it is, a list that it says is the whole list, and what is the
    node's own (its paths, papers, secrets and scenes) it may leave out or repeat, but not change. `keys`: whom the node
    obeys from now on; left out, as before. A node that is not healthy again within `confirm_within_s` goes back."""

    v: Literal[1]
    aud: str
    iss: str
    revision: Count
    iat: int
    config: msgspec.Raw
    upload_hosts: tuple[str, ...] = ()
    keys: Annotated[tuple[PinnedKey, ...], msgspec.Meta(max_length=64)] | None = None
    confirm_within_s: Annotated[int, msgspec.Meta(ge=20, le=900)] = 180
