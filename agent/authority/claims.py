"""May this key have papers for this order? The one judgement of the authority. Pure.

Everything here has been verified already: the order's signature by an office key, the request's by the node's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.authority.records import Approval, OrderRecord

# An order may have been made on another of the office's machines: what NTP keeps them apart by, generously.
CLOCK_TOLERANCE_S: Final = 300


class Ruling(StrEnum):
    """GRANT: make papers and mark the claim used. AGAIN: this key has them already, hand out the same."""

    GRANT = "granted"
    AGAIN = "again"
    WAIT = "waiting"
    REFUSE = "refused"


class Refusal(StrEnum):
    """The machine words of a refusal; EnrolAnswer.reason and ClaimRefused.reason."""

    USED = "used"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    WITHDRAWN = "withdrawn"
    DENIED = "denied"
    OCCUPIED = "occupied"
    TOO_MANY = "too_many"
    WRONG_SITE = "wrong_site"
    WRONG_ORG = "wrong_org"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_KEY = "unknown_key"
    WRONG_KEY = "wrong_key"
    BAD_CSR = "bad_csr"
    REVOKED = "revoked"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Presented:
    """What a node presents: the order's own words and its key."""

    order: str
    org: str
    site: str
    claim_sha256: str
    node: str
    spki_sha256: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the register knows beside the order. `node_site`: where this key already has papers. `occupant`: the node
    in force at the order's site. `applicants`: how many other keys wait with this order."""

    node_site: str | None = None
    is_revoked: bool = False
    occupant: str | None = None
    approval: Approval | None = None
    applicants: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    ruling: Ruling
    reason: Refusal | None = None


# Whoever photographed an order could ask with key after key; an office looks at a handful (flow 4).
MAX_APPLICANTS: Final = 8


def judge_claim(presented: Presented, order: OrderRecord | None, standing: Standing, *, now_s: int) -> Judgement:
    """A claim is good once, for one key, at one site, from `iat_s` until before `exp_s`.

    Whoever asked in time may be approved later. The key that used the claim gets its papers again at any time, because
    the answer may have been lost on the way; a revoked key gets nothing.
    """
    refusal = _forged(presented, order) if order is not None else Refusal.UNKNOWN_ORDER
    if refusal is not None or order is None:
        return _refuse(refusal or Refusal.UNKNOWN_ORDER)
    if standing.is_revoked:
        return _refuse(Refusal.REVOKED)
    if order.used_by is not None:
        return Judgement(Ruling.AGAIN) if order.used_by == presented.node else _refuse(Refusal.USED)
    refusal = _untimely(order, standing, now_s) or _misplaced(presented, order, standing)
    if refusal is not None:
        return _refuse(refusal)
    if order.spki_sha256 is not None or standing.approval is Approval.APPROVED:
        return Judgement(Ruling.GRANT)
    if standing.approval is None and standing.applicants >= MAX_APPLICANTS:
        return _refuse(Refusal.TOO_MANY)
    return Judgement(Ruling.WAIT)


def _forged(presented: Presented, order: OrderRecord) -> Refusal | None:
    """The words differ from the register's although an office key signed them."""
    if presented.org != order.org:
        return Refusal.WRONG_ORG
    if presented.site != order.site:
        return Refusal.WRONG_SITE
    if presented.claim_sha256 != order.claim_sha256:
        return Refusal.UNKNOWN_ORDER
    return None


def _untimely(order: OrderRecord, standing: Standing, now_s: int) -> Refusal | None:
    if order.is_withdrawn:
        return Refusal.WITHDRAWN
    if standing.approval is Approval.DENIED:
        return Refusal.DENIED
    if now_s < order.iat_s - CLOCK_TOLERANCE_S:
        return Refusal.NOT_YET
    if now_s >= order.exp_s and standing.approval is None:
        return Refusal.EXPIRED
    return None


def _misplaced(presented: Presented, order: OrderRecord, standing: Standing) -> Refusal | None:
    if order.spki_sha256 not in (None, presented.spki_sha256):
        return Refusal.WRONG_KEY
    if standing.node_site not in (None, order.site):
        return Refusal.WRONG_SITE
    if standing.occupant not in (None, presented.node, order.replaces):
        return Refusal.OCCUPIED
    return None


def _refuse(reason: Refusal) -> Judgement:
    return Judgement(Ruling.REFUSE, reason)
