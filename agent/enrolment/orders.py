"""A work order read on the node, with no line to anybody: signed by the office, for this organisation, in its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from agent.contract.enrolment import ORDER_PREFIX, ORDER_TYP, Anchors, WorkOrder
from agent.contract.wire import decode
from agent.enrolment.nodekey import NodeKey
from agent.errors import ClaimRefused, SignatureError, WireError
from agent.signing import public_from_pem, verify_compact

MAX_ORDER_CHARS: Final = 65_536
# How far apart two good clocks may be (commands use the same, contract).
_CLOCK_S: Final = 60

_AGAIN: Final = "ask the office for a new work order"


def office_keys(anchors: Anchors) -> Mapping[str, ec.EllipticCurvePublicKey]:
    """Keys that sign orders and grants, by their kid. Raises SignatureError for a key that is none."""
    return {key.kid: public_from_pem(key.pem) for key in anchors.keys if key.use == "office"}


def order_jws(text: str) -> str:
    """The compact JWS in a QR's or file's text. Raises ClaimRefused `malformed`."""
    bare = text.strip()
    if not bare.startswith(ORDER_PREFIX) or len(bare) > MAX_ORDER_CHARS or not bare.isascii():
        raise ClaimRefused(reason="malformed", remedy="this is no work order of Wayside; scan the order's QR again")
    return bare.removeprefix(ORDER_PREFIX)


def read_order(text: str, anchors: Anchors, now_s: int, *, is_clock_sure: bool = False) -> WorkOrder:
    """The order in `text`, once all of it is believed.

    `now_s` is Unix time. A clock that nothing vouches for may be behind the order's own signed time and then yields to
    it; `is_clock_sure` refuses such an order as `not_yet`.
    Raises ClaimRefused: `malformed`, `unknown_key`, `bad_signature`, `wrong_type`, `wrong_org`, `not_yet`, `expired`.
    """
    try:
        payload = verify_compact(order_jws(text), office_keys(anchors), typ=ORDER_TYP)
        order = decode(payload, WorkOrder)
    except SignatureError as exc:
        remedy = f"{exc.remedy}; {_AGAIN}"
        raise ClaimRefused(reason=str(exc.facts.get("reason")), remedy=remedy) from exc
    except WireError as exc:
        raise ClaimRefused(reason="malformed", detail=exc.facts.get("detail"), remedy=_AGAIN) from exc
    if order.org != anchors.org:
        raise ClaimRefused(reason="wrong_org", org=order.org, remedy=f"this node belongs to {anchors.org}")
    if is_clock_sure and now_s < order.iat - _CLOCK_S:
        raise ClaimRefused(reason="not_yet", iat=order.iat, remedy="it begins later; check the office's clock")
    if max(now_s, order.iat) >= order.exp:
        raise ClaimRefused(reason="expired", exp=order.exp, remedy=_AGAIN)
    return order


def check_addressee(order: WorkOrder, key: NodeKey) -> None:
    """Raises ClaimRefused `wrong_key` when the order was written for another node's key."""
    is_other_key = order.spki_sha256 is not None and order.spki_sha256 != key.spki_sha256
    if is_other_key or (order.node is not None and order.node != key.node):
        remedy = f"this order is for node {order.node or 'of another key'}; compare its label, or {_AGAIN}"
        raise ClaimRefused(reason="wrong_key", node=key.node, ordered=order.node, remedy=remedy)
