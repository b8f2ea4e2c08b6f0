"""The centre's answers in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.authority.claims import Refusal
from agent.contract.enrolment import EnrolAnswer

# The office looks at waiting keys by hand: a node that asks twice a minute costs nothing and loses little.
WAIT_S: Final = 30

_SENTENCES: Final[Mapping[Refusal, str]] = {
    Refusal.USED: "this work order was used by another node; ask the office for a new one",
    Refusal.EXPIRED: "this work order has expired; ask the office for a new one",
    Refusal.NOT_YET: "this work order is not valid yet; check the office's clock",
    Refusal.WITHDRAWN: "the office has withdrawn this work order; ask for a new one",
    Refusal.DENIED: "the office did not recognise this node; call the office",
    Refusal.OCCUPIED: "another node is in force at this site; ask the office for an order that replaces it",
    Refusal.TOO_MANY: "too many nodes have asked with this work order; call the office",
    Refusal.WRONG_SITE: "this is not the site of this node or order; ask the office for the right order",
    Refusal.WRONG_ORG: "this order is of another organisation",
    Refusal.UNKNOWN_ORDER: "the office does not know this work order",
    Refusal.UNKNOWN_KEY: "this office's key has not signed this document",
    Refusal.WRONG_KEY: "the document expects another node's key; compare the six words with the label",
    Refusal.BAD_CSR: "the certificate request does not fit the node",
    Refusal.REVOKED: "this node was revoked; reset it to the factory's state and ask for a new work order",
    Refusal.MALFORMED: "this is no request of a node",
}


def refused(reason: Refusal) -> EnrolAnswer:
    return EnrolAnswer(v=1, state="refused", reason=reason.value, message=_SENTENCES[reason])


def waiting() -> EnrolAnswer:
    message = "waiting for the office to approve this node; tell it the six words"
    return EnrolAnswer(v=1, state="waiting", message=message, retry_s=WAIT_S)


def granted(grant: str) -> EnrolAnswer:
    return EnrolAnswer(v=1, state="granted", grant=grant)
