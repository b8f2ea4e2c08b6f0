"""What the ledger keeps of the ring: a struct for the `data` of each record type. Pure.

A type's name and fields never change their meaning once written; later versions add fields with defaults.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from agent.recording.policy import Policy


class RecordType(StrEnum):
    CONFIGURED = "configured"
    AGENT_STARTED = "agent_started"
    AGENT_STOPPED = "agent_stopped"
    PROCESS_STARTED = "process_started"
    PROCESS_STOPPED = "process_stopped"
    OUTAGE = "outage"
    HOLD = "hold"
    RELEASED = "released"
    EXPIRED = "expired"
    ERASED = "erased"
    CLOCK = "clock"
    RETIMED = "retimed"


class HoldKind(StrEnum):
    INCIDENT = "incident"
    STAFF = "staff"


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """The node took this configuration into service. Cameras that are missing here are out of service from now on.
    `policy`: what it records and keeps; null of a node before it was written down."""

    cameras: tuple[str, ...]
    timezone: str
    org: str
    site: str
    node: str
    policy: Policy | None = None


class AgentStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The node process began. `last_alive_wall_ns` is the last sign of life of the one before; 0: unknown."""

    boot_id: str
    last_alive_wall_ns: int = 0


class AgentStopped(msgspec.Struct, frozen=True, kw_only=True):
    """The node process was asked to end and did so in order."""


class ProcessStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A camera or vision process with a new session said hello. `started_wall_ns` is its own word; 0: not told."""

    process: str
    camera: str = ""
    session: str = ""
    started_wall_ns: int = 0


class ProcessStopped(msgspec.Struct, frozen=True, kw_only=True):
    """A camera or vision process was asked to end and did so in order."""

    process: str
    camera: str = ""
    session: str = ""


class OutageTold(msgspec.Struct, frozen=True, kw_only=True):
    """The camera process says since when it gets no footage and why; told again, with its end, when footage resumes."""

    camera: str
    boot: int
    start_wall_ns: int
    end_wall_ns: int
    reason: str
    detail: str = ""


class HoldMade(msgspec.Struct, frozen=True, kw_only=True):
    """Footage of this span must outlive the ring. `expires_wall_ns` 0: never by itself. `reference` is the incident or
    the case; who, why and who looks at it again (`reviewer`) are a person's."""

    hold_id: str
    kind: HoldKind
    camera: str
    start_wall_ns: int
    end_wall_ns: int
    made_wall_ns: int
    expires_wall_ns: int
    reference: str = ""
    actor: str = ""
    reason: str = ""
    reviewer: str = ""


class HoldReleased(msgspec.Struct, frozen=True, kw_only=True):
    """`cause`: `expired`, `quota` (incident holds only) or `released` by a person, who is then named. `request` names
    one act of releasing."""

    hold_id: str
    cause: str
    actor: str = ""
    reason: str = ""
    request: str = ""


class FootageExpired(msgspec.Struct, frozen=True, kw_only=True):
    """Retention deleted what this span held. One record a sweep and unbroken span, so that the ledger stays small."""

    camera: str
    start_wall_ns: int
    end_wall_ns: int
    segments: int
    bytes: int


class FootageErased(msgspec.Struct, frozen=True, kw_only=True):
    """A person had this footage deleted. Whole segments, from the path `first` to the path `last` in the order of
    recording; both are empty where only stills were left of the span. `request` names one act of erasing, which may
    take several records; `stills` of it are counted in the first. `asked` is the span that was asked for."""

    camera: str
    start_wall_ns: int
    end_wall_ns: int
    first: str
    last: str
    segments: int
    bytes: int
    stills: int
    asked: tuple[int, int]
    request: str
    actor: str
    purpose: str
    case_ref: str = ""


class ClockMarked(msgspec.Struct, frozen=True, kw_only=True):
    """How the clock stands from here on; the record's own two times say what it showed. Told at the node's start in a
    boot, when its quality changed, and when it was stepped by `step_ns` (else 0)."""

    quality: str
    previous: str = ""
    step_ns: int = 0
    error_s: float | None = None


class LabelSpan(msgspec.Struct, frozen=True, array_like=True):
    """Wall times within this span, as this boot told them, were wrong: `shift_ns` more is the truth."""

    from_wall_ns: int
    until_wall_ns: int
    shift_ns: int


class Retimed(msgspec.Struct, frozen=True, kw_only=True):
    """The clock is known: in this record's boot, what was at monotonic time m in [from, until) was at m + `offset_ns`.

    `error_s` bounds the clock's error at `until_mono_ns`; `labels` are the wrong times that were told until then.
    """

    from_mono_ns: int
    until_mono_ns: int
    offset_ns: int
    error_s: float | None = None
    labels: tuple[LabelSpan, ...] = ()


Record = (
    Configured
    | AgentStarted
    | AgentStopped
    | ProcessStarted
    | ProcessStopped
    | OutageTold
    | HoldMade
    | HoldReleased
    | FootageExpired
    | FootageErased
    | ClockMarked
    | Retimed
)

_TYPES: dict[RecordType, type[Record]] = {
    RecordType.CONFIGURED: Configured,
    RecordType.AGENT_STARTED: AgentStarted,
    RecordType.AGENT_STOPPED: AgentStopped,
    RecordType.PROCESS_STARTED: ProcessStarted,
    RecordType.PROCESS_STOPPED: ProcessStopped,
    RecordType.OUTAGE: OutageTold,
    RecordType.HOLD: HoldMade,
    RecordType.RELEASED: HoldReleased,
    RecordType.EXPIRED: FootageExpired,
    RecordType.ERASED: FootageErased,
    RecordType.CLOCK: ClockMarked,
    RecordType.RETIMED: Retimed,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in _TYPES.items()}


def type_of(record: Record) -> RecordType:
    return _NAMES[type(record)]


def decode_record(name: str, data: bytes) -> Record | None:
    """None for a type of a later version or data that does not fit its type."""
    if name not in _TYPES:
        return None
    try:
        return _decoders[RecordType(name)].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # RecursionError: of a field that a later version adds, nested without end.
        return None
