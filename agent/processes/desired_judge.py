"""Whether a desired document is believed, and whether it is news. Pure: the facts come in, a verdict goes out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.commands.trust import TIME_TOLERANCE_S, Signatures, Trust
from agent.contract.states import Desired

_TROUBLES: Final[dict[str, str]] = {
    "unsigned": "a desired document is signed",
    "no_keys": "no key is pinned on this node that could be asked",
    "unknown_key": "a signing key is not pinned on this node",
    "bad_signature": "it was changed after it was signed",
}


class Novelty(StrEnum):
    """`KNOWN`: the broker brings the retained document again at each connection."""

    NEW = "new"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the node knows. `floor`: the highest revision it ever took, -1 before the first; `document`: the digest of
    that one's payload."""

    trust: Trust
    urn: str
    floor: int
    document: str
    wall_s: int
    is_clock_synced: bool


@dataclass(frozen=True, slots=True)
class Distrust:
    """`reason` is a machine word, `message` for people. `is_authentic`: pinned keys signed it all the same."""

    reason: str
    message: str
    is_authentic: bool = False


def digest_of(payload: bytes) -> str:
    """Of the signed payload: the same document signed again is the same."""
    return hashlib.sha256(payload).hexdigest()


def judge_desired(document: Desired, digest: str, signed: Signatures, node: Standing) -> Distrust | Novelty:
    """The first check that it fails, in the order of the commands'; what its change weighs is judged later."""
    if node.trust is Trust.SIGNED and (distrust := _judge_signers(document, signed)) is not None:
        return distrust
    if document.aud != node.urn:
        return _authentic("wrong_audience", f"this node is {node.urn}")
    if node.is_clock_synced and document.iat > node.wall_s + TIME_TOLERANCE_S:
        return _authentic("from_the_future", "iat lies ahead of the node's clock")
    if document.revision < node.floor:
        return _authentic("replayed", f"revision {node.floor} was taken before; a revision never falls")
    if document.revision == node.floor:
        if digest == node.document:
            return Novelty.KNOWN
        return _authentic("revision_taken", f"revision {node.floor} was another document; raise the revision")
    return Novelty.NEW


def _judge_signers(document: Desired, signed: Signatures) -> Distrust | None:
    if signed.trouble:
        return Distrust(signed.trouble, _TROUBLES.get(signed.trouble, "its signatures cannot be believed"))
    for each in signed.signers:
        if each.commands:
            return Distrust("key_not_allowed", f"the key of {each.actor} is for some commands only")
    if document.iss not in {each.actor for each in signed.signers}:
        return Distrust("wrong_issuer", "the issuer that it names has not signed it")
    return None


def lacks_second(signed: Signatures, trust: Trust) -> bool:
    """Whether a grave change must wait for another person's signature."""
    return trust is Trust.SIGNED and len({each.actor for each in signed.signers}) < 2


def _authentic(reason: str, message: str) -> Distrust:
    return Distrust(reason, message, is_authentic=True)
