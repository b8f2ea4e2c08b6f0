"""Acceptance reports: believed by the key of the node's certificate on record, and kept."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass

import msgspec

from agent.authority import nodes
from agent.authority.records import NodeRecord
from agent.contract.enrolment import ACCEPTANCE_TYP
from agent.contract.wire import Identifier, Up, decode
from agent.errors import SignatureError, WireError
from agent.signing import claimed_key_id, public_from_pem, verify_compact


class ReportHead(Up, frozen=True, kw_only=True):
    """What every report says of itself, whatever else stands in it."""

    node: Identifier
    site: Identifier


@dataclass(frozen=True, slots=True)
class Accepted:
    """A report whose signature holds. `report` is its JSON; `is_new` is false for one that was kept before."""

    node: NodeRecord
    sha256: str
    report: msgspec.Raw
    is_new: bool


def accept(conn: sqlite3.Connection, text: str, *, now_s: int) -> Accepted:
    """Raises SignatureError: malformed, unknown_key, wrong_type, bad_signature, revoked, or wrong_node where the report
    speaks of another node or site than its signer's."""
    text = text.strip()
    node = nodes.find_node_of_key(conn, claimed_key_id(text))
    if node is None:
        raise SignatureError(reason="unknown_key", remedy="no node of this office has signed it")
    payload = verify_compact(text, {node.kid: public_from_pem(node.public_pem)}, typ=ACCEPTANCE_TYP)
    if node.is_revoked:
        raise SignatureError(reason="revoked", node=node.node, remedy="its node was revoked; accept the site anew")
    try:
        head = decode(payload, ReportHead)
    except WireError as exc:
        raise SignatureError(reason="malformed", remedy="it is no acceptance report") from exc
    if (head.node, head.site) != (node.node, node.site):
        raise SignatureError(reason="wrong_node", node=node.node, remedy="it speaks of another node or site")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    cursor = conn.execute("INSERT OR IGNORE INTO acceptance VALUES (?, ?, ?, ?)", (sha256, node.node, now_s, text))
    return Accepted(node, sha256, msgspec.Raw(payload), is_new=cursor.rowcount > 0)
