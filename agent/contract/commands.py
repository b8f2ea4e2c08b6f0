"""Commands to a node and its answers. Pure.

A command is a JWS in general JSON serialisation (RFC 7515, section 7.2.1) around `CommandPayload`. This module knows
its shape; whether to believe it is agent.commands.trust's business.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from agent.contract.wire import (
    Count,
    Down,
    Instant,
    Ratio,
    Up,
    Uuid7,
    decode,
    encode,
)
from agent.errors import WireError

# Contract: message expiry of a command is at most 300 s, of an answer one hour.
COMMAND_EXPIRY_MAX_S: Final = 300
ANSWER_EXPIRY_S: Final = 3600
JWS_TYPE: Final = "wayside-cmd"
_NOTHING: Final = msgspec.Raw(b"{}")
_NULL: Final = msgspec.Raw(b"null")


class CommandName(StrEnum):
    """Every command of the contract. Which of them a node understands stands in its `info`."""

    PING = "ping"
    REPUBLISH = "republish"
    CLIP_PLAN = "clip.plan"
    CLIP_EXPORT = "clip.export"
    CLIP_CANCEL = "clip.cancel"
    SHEET = "sheet"
    SNAPSHOT = "snapshot"
    TRAFFIC = "traffic"
    LIVE_START = "live.start"
    LIVE_STOP = "live.stop"
    HOLD_SET = "hold.set"
    HOLD_RELEASE = "hold.release"
    GAPS = "gaps"
    FORECAST = "forecast"
    CONFIG_REFRESH = "config.refresh"
    LOGS_COLLECT = "logs.collect"
    AGENT_RESTART = "agent.restart"
    NODE_REBOOT = "node.reboot"
    UPDATE_APPLY = "update.apply"
    MODEL_APPLY = "model.apply"
    CERT_RENEW = "cert.renew"
    SETUP_OPEN = "setup.open"
    FOOTAGE_ERASE = "footage.erase"


class Actor(Down, frozen=True, kw_only=True):
    """The person behind a command, as the requester knows them. Nothing is redacted: this is what the audit keeps."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class CommandPayload(Down, frozen=True, kw_only=True):
    """What is signed. `aud` is the node's urn, `iss` the requester's key holder, `ctr` its rising counter; `iat` and
    `exp` are seconds since 1970 (RFC 7519, NumericDate); `reply_to` is a full topic under this node's rsp/."""

    v: Literal[1]
    jti: Uuid7
    aud: str
    iss: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    ctr: Count
    iat: int
    exp: int
    name: str
    actor: Actor
    purpose: Annotated[str, msgspec.Meta(max_length=500)]
    case_ref: Annotated[str, msgspec.Meta(max_length=100)]
    reply_to: Annotated[str, msgspec.Meta(max_length=200)]
    args: msgspec.Raw = _NOTHING


class JwsSignature(Down, frozen=True, kw_only=True):
    """`protected` is base64url of {alg, kid, typ}. An unprotected header is refused: it proves nothing."""

    protected: str
    signature: str


class Jws(Down, frozen=True, kw_only=True):
    """`payload` is base64url without padding. `signatures` is empty only where `trust = "open"`."""

    payload: str
    signatures: tuple[JwsSignature, ...]


class JwsHeader(Down, frozen=True, kw_only=True):
    alg: Literal["ES256"]
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    typ: str


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Raises WireError for anything but unpadded base64url; a second spelling of one signed text must not exist."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise WireError(what="base64url") from exc
    if base64url(data) != text:
        raise WireError(what="base64url")
    return data


def encode_unsigned(payload: CommandPayload) -> bytes:
    """The message of a command under `trust = "open"`."""
    return encode(Jws(payload=base64url(encode(payload)), signatures=()))


def decode_jws(message: bytes) -> Jws:
    """Raises WireError."""
    return decode(message, Jws)


def decode_payload(jws: Jws) -> CommandPayload:
    """What the JWS claims; nothing is verified here. Raises WireError."""
    return decode(from_base64url(jws.payload), CommandPayload)


class AnswerState(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Exactly one final answer follows every command."""
        return self not in (AnswerState.ACCEPTED, AnswerState.RUNNING)


class Answer(Up, frozen=True, kw_only=True):
    """`rsp/{requester}`. `reason` is a machine word, `message` is for people; `result` fits the command's result type
    and is null until there is one. `expires` is when a 3.1.1 broker's copy must be ignored."""

    v: Literal[1]
    jti: Uuid7
    node: str
    name: str
    state: AnswerState
    at: Instant
    progress: Ratio | None = None
    reason: str = ""
    message: str = ""
    result: msgspec.Raw = _NULL
    expires: Instant | None = None
