"""Whether to believe a command. Pure: the facts come in, a refusal or None goes out.

The order of the checks is the contract's, because each later one may assume the earlier ones. Signatures and pinned
keys have their place here and come with step 5; until then only `trust = "open"` accepts anything at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.contract.commands import COMMAND_EXPIRY_MAX_S, AnswerState, CommandName, CommandPayload
from agent.contract.topics import check_identifier
from agent.errors import WireError

# Contract: `iat` and `exp` may be off by this much when the node's clock is synchronised.
TIME_TOLERANCE_S: Final = 60
# Contract: counters may arrive out of order within this window per issuer.
COUNTER_WINDOW: Final = 1024
# With an unsure clock a command may be replayed, so only those that change nothing are obeyed (contract, checks).
LOW_RISK: Final = frozenset(
    {
        CommandName.PING,
        CommandName.CLIP_PLAN,
        CommandName.SNAPSHOT,
        CommandName.GAPS,
        CommandName.TRAFFIC,
        CommandName.FORECAST,
    }
)


class Trust(StrEnum):
    SIGNED = "signed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the node knows when a command arrives. `topic_name` is the last word of the topic it came on; `responses` is
    the prefix that every reply topic of this node has, with its final slash."""

    trust: Trust
    urn: str
    responses: str
    topic_name: str
    is_retained: bool
    wall_s: int
    is_clock_synced: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is the machine word of the answer, `message` for people; `can_answer` is false where the reply topic
    itself cannot be believed, so that a forged command cannot make the node write elsewhere."""

    state: AnswerState
    reason: str
    message: str
    can_answer: bool = True


def judge(command: CommandPayload, signatures: int, seen: Circumstances) -> Refusal | None:
    """The first check of the contract that this command fails, up to the time; the journal does `jti` and `ctr`."""
    if not _is_reply_topic(command.reply_to, seen.responses):
        return _rejected("foreign_reply_topic", "the reply topic must lie under this node's rsp/", can_answer=False)
    if seen.is_retained:
        return _rejected("retained", "a command must not be retained; publish it again without the retain flag")
    if command.name != seen.topic_name:
        return _rejected("wrong_topic", f"the command says {command.name} but came on cmd/{seen.topic_name}")
    if seen.trust is Trust.SIGNED:
        return _rejected(*_why_not_signed(signatures))
    if command.aud != seen.urn:
        return _rejected("wrong_audience", f"this node is {seen.urn}")
    return _judge_time(command, seen)


def _is_reply_topic(topic: str, responses: str) -> bool:
    """Whether an answer can go there: one word under `responses` that may stand in a topic."""
    try:
        check_identifier(topic.removeprefix(responses), what="requester")
    except WireError:
        return False
    return topic.startswith(responses)


def _why_not_signed(signatures: int) -> tuple[str, str]:
    if signatures == 0:
        return "unsigned", 'this node obeys signed commands only (trust = "signed")'
    return "unknown_key", "none of the signing keys is pinned on this node"


def _judge_time(command: CommandPayload, seen: Circumstances) -> Refusal | None:
    if command.exp - command.iat > COMMAND_EXPIRY_MAX_S:
        return _rejected("lives_too_long", f"exp may be at most {COMMAND_EXPIRY_MAX_S} s after iat")
    if not seen.is_clock_synced:
        # An open node proves nothing by refusing: its commands are unsigned anyway.
        if seen.trust is Trust.OPEN or command.name in LOW_RISK:
            return None
        return _rejected(
            "clock_unsure", "the node's clock is not synchronised, so this command cannot be told from a replay"
        )
    if seen.wall_s > command.exp + TIME_TOLERANCE_S:
        return Refusal(AnswerState.EXPIRED, "expired", "the command arrived after its exp; ask again")
    if command.iat > seen.wall_s + TIME_TOLERANCE_S:
        return _rejected("from_the_future", "iat lies ahead of the node's clock; check the requester's clock")
    return None


def is_counter_fresh(counter: int, newest: int | None, *, is_seen: bool) -> bool:
    """Whether `ctr` may still be used: unseen, and not below the window under the newest of its issuer."""
    if newest is None:
        return True
    return not is_seen and counter > newest - COUNTER_WINDOW


def _rejected(reason: str, message: str, *, can_answer: bool = True) -> Refusal:
    return Refusal(AnswerState.REJECTED, reason, message, can_answer)
