"""Whether to believe a command. Pure: the facts come in, a refusal or None goes out.

The order of the checks is the contract's, because each later one may assume the earlier ones. Whether signatures hold
is told by agent.commands.pinned; what they are good for is judged here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.contract.commands import COMMAND_EXPIRY_MAX_S, JWS_TYPE, AnswerState, CommandName, CommandPayload
from agent.contract.pinned import PinnedKey
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
        CommandName.REPUBLISH,
        CommandName.CLIP_PLAN,
        CommandName.SNAPSHOT,
        CommandName.GAPS,
        CommandName.TRAFFIC,
        CommandName.FORECAST,
    }
)


# Contract: what cannot be taken back needs two people.
TWO_ACTORS: Final = frozenset({CommandName.FOOTAGE_ERASE, CommandName.HOLD_RELEASE, CommandName.SETUP_OPEN})
_TROUBLES: Final[dict[str, str]] = {
    "unsigned": 'this node obeys signed commands only (trust = "signed")',
    "no_keys": "no key is pinned on this node: command_keys of its configuration names none that can be read",
    "unknown_key": "a signing key is not pinned on this node",
    "bad_signature": "the command was changed after it was signed",
    "wrong_type": f"a signature is not of a {JWS_TYPE}",
}


class Trust(StrEnum):
    SIGNED = "signed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Signatures:
    """Who signed a command, each key that holds; or `trouble`, the machine word why none is believed."""

    signers: tuple[PinnedKey, ...] = ()
    trouble: str = ""

    def others(self, actor: str) -> tuple[str, ...]:
        """Who signed beside this actor."""
        return tuple(sorted({each.actor for each in self.signers} - {actor}))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the node knows when a command arrives. `topic_name` is the last word of the topic it came on; `responses` is
    the prefix that every reply topic of this node has, with its final slash. `fresh_after_s`: what was signed until
    then may be a replay, because the store that would know was lost (agent.commands.storemark)."""

    trust: Trust
    urn: str
    responses: str
    topic_name: str
    is_retained: bool
    wall_s: int
    is_clock_synced: bool
    fresh_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is the machine word of the answer, `message` for people; `can_answer` is false where the reply topic
    itself cannot be believed, so that a forged command cannot make the node write elsewhere."""

    state: AnswerState
    reason: str
    message: str
    can_answer: bool = True


def judge(command: CommandPayload, signed: Signatures, seen: Circumstances) -> Refusal | None:
    """The first check of the contract that this command fails, up to the time; the journal does `jti` and `ctr`."""
    if not _is_reply_topic(command.reply_to, seen.responses):
        return _rejected("foreign_reply_topic", "the reply topic must lie under this node's rsp/", can_answer=False)
    if seen.is_retained:
        return _rejected("retained", "a command must not be retained; publish it again without the retain flag")
    if command.name != seen.topic_name:
        return _rejected("wrong_topic", f"the command says {command.name} but came on cmd/{seen.topic_name}")
    if seen.trust is Trust.SIGNED and (refusal := _judge_signatures(command, signed)) is not None:
        return refusal
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


def _judge_signatures(command: CommandPayload, signed: Signatures) -> Refusal | None:
    """Every signature is of a pinned key that may ask this; one is the actor's own; two are of two people where due."""
    if signed.trouble:
        return _rejected(signed.trouble, _TROUBLES.get(signed.trouble, "its signatures cannot be believed"))
    for each in signed.signers:
        if each.commands and command.name not in each.commands:
            return _rejected("key_not_allowed", f"the key of {each.actor} may not ask for {command.name}")
    claimed = (command.actor.id, command.actor.role)
    if claimed not in [(each.actor, each.role) for each in signed.signers]:
        return _rejected("wrong_actor", "the actor that the command names has not signed it in that role")
    if command.name in TWO_ACTORS and len({each.actor for each in signed.signers}) < 2:
        return _rejected("second_signature_due", f"{command.name} needs the signatures of two different actors")
    return None


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
    return _judge_floor(command, seen)


def _judge_floor(command: CommandPayload, seen: Circumstances) -> Refusal | None:
    """After a lost store an issuer's first command that was surely signed after the loss is its counter's floor."""
    if seen.fresh_after_s is None or seen.trust is Trust.OPEN or command.name in LOW_RISK:
        return None
    # A requester's clock may be ahead by the tolerance: so late may what it signed before the loss claim to be.
    floor_s = seen.fresh_after_s + TIME_TOLERANCE_S
    if command.iat > floor_s:
        return None
    wait_s = max(floor_s + 1 - seen.wall_s, 1)
    message = f"the node lost its memory of commands and obeys those signed from now on; sign it again in {wait_s} s"
    return _rejected("floor_due", message)


def is_counter_fresh(counter: int, newest: int | None, *, is_seen: bool) -> bool:
    """Whether `ctr` may still be used: unseen, and not below the window under the newest of its issuer."""
    if newest is None:
        return True
    return not is_seen and counter > newest - COUNTER_WINDOW


def _rejected(reason: str, message: str, *, can_answer: bool = True) -> Refusal:
    return Refusal(AnswerState.REJECTED, reason, message, can_answer)
