"""Event data about the node's own doings: recording, gaps, the clock, clips, who did what, what was shed. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from agent.contract.wire import Count, Identifier, Instant, Seconds, Sequence, Sha256, Up, WireGap, WireSpan


class RecordingState(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"


class RecordingData(Up, frozen=True, kw_only=True):
    """A run of one camera began or ended. The picture's facts are absent (0, empty) when it ended before any."""

    state: RecordingState
    at: Instant
    boot: Count
    run: Count
    codec: str = ""
    width: Count = 0
    height: Count = 0
    reason: str = ""


class GapData(Up, frozen=True, kw_only=True):
    """No footage of the subject's camera. Told once when it begins (`end` and `seconds` null) and again, with the same
    `start`, when footage resumes. `reason` is a GapReason of agent.recording.gaps; `detail` is for people."""

    start: Instant
    end: Instant | None
    seconds: Seconds | None
    reason: str
    detail: str = ""


class ClockData(Up, frozen=True, kw_only=True):
    """The clock's quality changed or it was stepped. `step_s` is new minus old wall time, 0 without a step."""

    quality: str
    previous: str
    step_s: float
    error_s: float | None
    at: Instant


class ClipFileData(Up, frozen=True, kw_only=True):
    """One delivered file of a clip."""

    name: str
    bytes: Count
    sha256: Sha256
    start: Instant
    end: Instant
    frames: Count = 0
    codec: str = ""


class ClipData(Up, frozen=True, kw_only=True):
    """The end of one clip request, for the record: who asked, what was asked, what left the node."""

    jti: str
    state: str
    camera: Identifier
    asked: WireSpan
    delivered: tuple[WireSpan, ...]
    gaps: tuple[WireGap, ...]
    files: tuple[ClipFileData, ...]
    actor: str
    purpose: str
    case_ref: str = ""
    reason: str = ""


class AuditData(Up, frozen=True, kw_only=True):
    """Somebody did, or was refused, something. `outcome` is a command state; `action` a command or local act."""

    action: str
    actor: str
    role: str
    outcome: str
    at: Instant
    jti: str = ""
    purpose: str = ""
    case_ref: str = ""
    camera: str = ""
    span: WireSpan | None = None
    reason: str = ""


class SealedHead(Up, frozen=True, kw_only=True):
    """The last link of one chain: its number and the SHA-256 of its line."""

    chain: str
    n: Count
    sha256: Sha256


class SealData(Up, frozen=True, kw_only=True):
    """The heads of this node's evidence chains at one moment, which the node's key signs (agent.recording.chain).

    `heads`: a camera's chain by the camera's id. `custody`: the chain of who looked at what. `number` counts the seals
    and `previous` is the SHA-256 of the one before. `signature` is DER ECDSA over the canonical JSON of all the other
    fields, base64, by the key whose SHA-256 (SPKI) is `key`; both are empty where the node has no key.
    """

    number: Count
    at: Instant
    heads: tuple[SealedHead, ...]
    custody: SealedHead
    previous: Sha256
    ledger_seq: Count
    key: str = ""
    signature: str = ""


class ShedData(Up, frozen=True, kw_only=True):
    """Of lane b's sequences `from` to `to`, both included, `count` were lost: the outbox was full or the broker refuses
    them for good. So a hole in this range is explained. One that was on the wire may have arrived all the same."""

    first: Sequence = msgspec.field(name="from")
    last: Sequence = msgspec.field(name="to")
    count: Annotated[int, msgspec.Meta(ge=1)]


class SecurityData(Up, frozen=True, kw_only=True):
    """Something an operator must look at: a refused ack, a bad signature, a replayed command."""

    kind: str
    detail: str
    at: Instant
