"""What passes the broker when somebody asks a node: the question and its answers, read for the book of requests. Pure.

Nothing is believed here that a node would act on: the broker's access list says who may ask, the node checks the
signature, and this only remembers what was said (ADR 41).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from agent.contract.commands import Answer, AnswerState, decode_jws, decode_payload
from agent.contract.topics import NodeAddress, ParsedTopic
from agent.contract.wire import MAX_MESSAGE_BYTES, Identifier, Up, decode
from agent.errors import WireError


class Outcome(StrEnum):
    """What became of a request, in the words of the network's own report."""

    ASKED = "asked"
    RUNNING = "running"
    WHOLE = "whole"
    PARTIAL = "partial"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    # No word came within the command's life and an hour: the node was away, or its answer was lost.
    UNANSWERED = "unanswered"

    @property
    def is_open(self) -> bool:
        return self in (Outcome.ASKED, Outcome.RUNNING)


_OUTCOMES = {
    AnswerState.ACCEPTED: Outcome.RUNNING,
    AnswerState.RUNNING: Outcome.RUNNING,
    AnswerState.SUCCEEDED: Outcome.WHOLE,
    AnswerState.PARTIAL: Outcome.PARTIAL,
    AnswerState.REJECTED: Outcome.REFUSED,
    AnswerState.EXPIRED: Outcome.REFUSED,
    AnswerState.FAILED: Outcome.FAILED,
    AnswerState.CANCELLED: Outcome.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class AskArrival:
    """A command on its way to a node. `camera`, `start` and `end` (RFC 3339) are empty where it names none; `exp_s` is
    seconds since 1970 UTC by the asker's clock."""

    address: NodeAddress
    jti: str
    name: str
    actor: str
    role: str
    purpose: str
    case_ref: str
    camera: str
    start: str
    end: str
    exp_s: int


@dataclass(frozen=True, slots=True)
class AnswerArrival:
    """A node's word on a command. `outcome` is open while it works."""

    address: NodeAddress
    jti: str
    name: str
    outcome: Outcome
    progress: float | None
    reason: str
    message: str


class _Span(Up, frozen=True, kw_only=True):
    """What most commands' arguments have in common; the rest is the node's business."""

    camera: Identifier | None = None
    start: str | None = msgspec.field(name="from", default=None)
    end: str | None = msgspec.field(name="to", default=None)


def read_ask(parsed: ParsedTopic, payload: bytes) -> AskArrival:
    """Raises WireError for what no node would read either, and for one that is not for the node of its topic."""
    _bound(payload)
    command = decode_payload(decode_jws(payload))
    if command.aud != parsed.address.urn or command.name != parsed.name:
        raise WireError(what="command", detail="audience or name is not that of its topic", jti=command.jti)
    try:
        span = decode(command.args, _Span)
    except WireError:
        # Arguments that the node will refuse: the question was asked all the same.
        span = _Span()
    return AskArrival(
        address=parsed.address,
        jti=command.jti,
        name=command.name,
        actor=command.actor.id,
        role=command.actor.role,
        purpose=command.purpose,
        case_ref=command.case_ref,
        camera=span.camera or "",
        start=(span.start or "")[:40],
        end=(span.end or "")[:40],
        exp_s=command.exp,
    )


def read_answer(parsed: ParsedTopic, payload: bytes) -> AnswerArrival:
    """Raises WireError."""
    _bound(payload)
    answer = decode(payload, Answer)
    return AnswerArrival(
        address=parsed.address,
        jti=answer.jti,
        name=answer.name[:64],
        outcome=_OUTCOMES[answer.state],
        progress=answer.progress,
        reason=answer.reason[:100],
        message=answer.message[:500],
    )


def outcome_of(state: str) -> Outcome:
    """Of a command state as events spell it; one that this centre does not know has failed."""
    try:
        return _OUTCOMES[AnswerState(state)]
    except ValueError:
        return Outcome.FAILED


def _bound(payload: bytes) -> None:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError(what="message", bytes=len(payload))
