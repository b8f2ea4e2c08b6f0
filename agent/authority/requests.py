"""What nodes send, verified: an enrolment's request and its order, a renewal's request. Reads no register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority.certificates import read_csr
from agent.authority.claims import Presented, Refusal
from agent.authority.orders import claim_hash
from agent.contract.enrolment import (
    ORDER_PREFIX,
    ORDER_TYP,
    RENEWAL_TYP,
    REQUEST_TYP,
    EnrolRequest,
    RenewRequest,
    WorkOrder,
)
from agent.contract.wire import decode
from agent.errors import ClaimRefused, EnrolmentError, SignatureError, WireError
from agent.signing import key_id, spki_sha256, unverified_payload, verify_compact

# An order of 64 KiB in base64 within a request in base64, and a CSR beside it.
MAX_REQUEST_CHARACTERS: Final = 131_072

# The public office keys of an organisation by kid; empty for one that is not ours.
OfficeKeys = Callable[[str], Mapping[str, ec.EllipticCurvePublicKey]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asking:
    """An enrolment's request that its own key has signed, with an order that an office key has signed."""

    presented: Presented
    key: ec.EllipticCurvePublicKey
    hardware: str
    software: str


@dataclass(frozen=True, slots=True)
class Renewing:
    """A renewal's request, signed by the key that its CSR names."""

    node: str
    serial: str
    key: ec.EllipticCurvePublicKey


def read_enrolment(text: str, office_keys: OfficeKeys) -> Asking:
    """Raises ClaimRefused: malformed, bad_csr, wrong_key (the request), unknown_key (the order)."""
    request = _claimed(text, EnrolRequest)
    key = _self_signed(text, request.node, request.csr, REQUEST_TYP)
    order = _order(request.order.removeprefix(ORDER_PREFIX), office_keys)
    presented = Presented(
        order=order.order,
        org=order.org,
        site=order.site,
        claim_sha256=claim_hash(order.claim),
        node=request.node,
        spki_sha256=spki_sha256(key),
    )
    return Asking(presented, key, hardware=request.hardware, software=request.software)


def read_renewal(text: str) -> Renewing:
    """Raises ClaimRefused: malformed, bad_csr, wrong_key. A renewal keeps the key, as the node's id follows from it."""
    request = _claimed(text, RenewRequest)
    key = _self_signed(text, request.node, request.csr, RENEWAL_TYP)
    return Renewing(request.node, request.serial, key)


def _claimed(text: str, kind: type[T]) -> T:
    """What the text says before anything is verified: where the key stands that it must be verified with."""
    if len(text) > MAX_REQUEST_CHARACTERS:
        raise _refused(Refusal.MALFORMED)
    try:
        return decode(unverified_payload(text), kind)
    except (SignatureError, WireError) as exc:
        raise _refused(Refusal.MALFORMED) from exc


def _self_signed(text: str, node: str, csr: str, typ: str) -> ec.EllipticCurvePublicKey:
    try:
        key = read_csr(csr, node=node)
    except EnrolmentError as exc:
        raise _refused(Refusal.BAD_CSR) from exc
    try:
        verify_compact(text, {key_id(key): key}, typ=typ)
    except SignatureError as exc:
        raise _refused(Refusal.WRONG_KEY) from exc
    return key


def _order(text: str, office_keys: OfficeKeys) -> WorkOrder:
    claimed = _claimed(text, WorkOrder)
    try:
        verify_compact(text, office_keys(claimed.org), typ=ORDER_TYP)
    except SignatureError as exc:
        raise _refused(Refusal.UNKNOWN_KEY) from exc
    return claimed


def _refused(reason: Refusal) -> ClaimRefused:
    return ClaimRefused(reason=reason.value)
