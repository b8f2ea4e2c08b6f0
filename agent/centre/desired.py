"""A desired document from the centre's side: made, signed by one person or two, sent, and waited for.

A second person need not sit at the same desk: a signed document is a file to which signatures are added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from agent.centre.client import CentreClient
from agent.contract.commands import JWS_TYPE, Jws, decode_jws, from_base64url
from agent.contract.states import Desired, Reported
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode, encode
from agent.errors import BrokerUnreachable, NoAnswer, WireError
from agent.signing import sign_general

# Retained facts follow a subscription at once; over a satellite within this.
_RETAINED_S: Final = 3.0
_TICK_S: Final = 0.2


def sign_document(document: Desired, keys: Sequence[EllipticCurvePrivateKey]) -> Jws:
    return sign_general(encode(document), keys, typ=JWS_TYPE)


def add_signatures(jws: Jws, keys: Sequence[EllipticCurvePrivateKey]) -> Jws:
    """The same payload with these signatures beside those that it has. Raises WireError."""
    added = sign_general(from_base64url(jws.payload), keys, typ=JWS_TYPE)
    return msgspec.structs.replace(jws, signatures=(*jws.signatures, *added.signatures))


def read_document(message: bytes) -> tuple[Jws, Desired]:
    """What a file of somebody else's asks for, to be read before it is signed. Verifies nothing. Raises WireError."""
    jws = decode_jws(message)
    return jws, decode(from_base64url(jws.payload), Desired)


def newest_report(client: CentreClient, address: NodeAddress, *, limit_s: float = _RETAINED_S) -> Reported | None:
    """What the node reported last, of a client that hears `reported`; None where nothing came within the limit."""
    return _hear_report(client, address, limit_s)


def next_revision(report: Reported | None) -> int:
    """Above everything that the node has told of: one that was taken back is used up as well."""
    if report is None:
        return 1
    return max(report.revision or 0, report.rejected_revision or 0, report.trying or 0) + 1


def send_document(
    client: CentreClient,
    address: NodeAddress,
    jws: Jws,
    *,
    timeout_s: float,
    before: Reported | None = None,
    on_report: Callable[[Reported], None] | None = None,
) -> Reported:
    """Publish it retained and wait until the node has confirmed, refused or taken back its revision; `before` is the
    report that was there already. `timeout_s` counts from the last report. Raises WireError, NoAnswer,
    BrokerUnreachable."""
    revision = decode(from_base64url(jws.payload), Desired).revision
    if not client.publish(address.desired, encode(jws), is_retained=True):
        raise BrokerUnreachable(reason="offline", remedy="the broker is away; try again")
    newest = before
    while (report := _hear_report(client, address, timeout_s)) is not None:
        newest = report
        if on_report is not None:
            on_report(report)
        if is_settled(report, revision):
            return report
    if newest is not None and is_settled(newest, revision):
        # The node had judged this very document before and has nothing new to say.
        return newest
    raise NoAnswer(node=address.node, revision=revision, remedy="is the node online? `wayside centre fleet` tells")


def is_settled(report: Reported, revision: int) -> bool:
    """Whether the node has said its last word on a revision."""
    return report.trying is None and revision in (report.revision, report.rejected_revision)


def is_in_force(report: Reported, revision: int) -> bool:
    """Another document of a revision that is in force is refused, and both are told."""
    return report.revision == revision and report.rejected_revision != revision


def _hear_report(client: CentreClient, address: NodeAddress, limit_s: float) -> Reported | None:
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        message = client.inbox.take(_TICK_S)
        if message is None or message.topic != address.reported:
            continue
        try:
            return decode(message.payload, Reported)
        except WireError:
            continue
    return None
