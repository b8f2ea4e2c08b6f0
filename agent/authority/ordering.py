"""Making work orders, within the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority import nodes, orders, sites
from agent.authority.certificates import read_csr_of_anybody
from agent.authority.claims import Refusal
from agent.authority.granting import let_in
from agent.authority.keys import KeyStore
from agent.authority.orders import MadeOrder, OrderWish
from agent.authority.records import Settings, SiteRecord
from agent.contract.enrolment import ORDER_PREFIX, ORDER_TYP, WorkOrder
from agent.contract.wire import encode
from agent.enrolment.nodekey import node_id
from agent.errors import EnrolmentError, RegisterError
from agent.signing import sign_compact, spki_sha256


def make_orders(
    conn: sqlite3.Connection, keys: KeyStore, settings: Settings, wishes: Sequence[OrderWish], *, now_s: int
) -> list[MadeOrder]:
    """Raises RegisterError where a site is unknown, has a node that is not replaced, or a key does not fit."""
    known = {each.site: each for each in sites.site_records(conn, {wish.site for wish in wishes})}
    signers = {org: keys.office_key(org) for org in {each.org for each in known.values()}}
    made = []
    for wish in wishes:
        site = known[wish.site]
        order = _make_order(conn, keys, settings, wish, site, now_s=now_s)
        made.append(MadeOrder(order, sign_order(order, signers[site.org])))
    return made


def sign_order(order: WorkOrder, key: ec.EllipticCurvePrivateKey) -> str:
    """The text that a technician carries."""
    return ORDER_PREFIX + sign_compact(encode(order), key, typ=ORDER_TYP)


def _make_order(
    conn: sqlite3.Connection, keys: KeyStore, settings: Settings, wish: OrderWish, site: SiteRecord, *, now_s: int
) -> WorkOrder:
    if wish.life_s <= 0:
        raise RegisterError(site=site.site, reason="bad_life", remedy="an order lives for more than no time")
    key = None if wish.csr is None else _expected_key(wish.csr, wish.spki_sha256)
    fingerprint = wish.spki_sha256 if key is None else spki_sha256(key)
    node = None if fingerprint is None else node_id(fingerprint)
    wish = replace(wish, spki_sha256=fingerprint, replaces=_replaced(conn, wish, node))
    order = orders.write_order(wish, site, settings, node=node, now_s=now_s)
    orders.store_order(conn, order)
    if key is None or node is None:
        return order
    _refuse_a_bad_place(conn, order, node)
    record = orders.find_order(conn, order.order)
    assert record is not None
    return msgspec.structs.replace(order, grant=let_in(conn, keys, settings, record, key, node=node, now_s=now_s))


def _expected_key(csr: str, fingerprint: str | None) -> ec.EllipticCurvePublicKey:
    """The key of a CSR that lies beside its label: both come from first boot, so both must say the same."""
    try:
        key = read_csr_of_anybody(csr)
    except EnrolmentError as exc:
        raise RegisterError(reason="bad_csr", remedy=exc.remedy) from exc
    if fingerprint not in (None, spki_sha256(key)):
        raise RegisterError(reason="wrong_key", remedy="the request is of another node than the label; take both anew")
    return key


def _replaced(conn: sqlite3.Connection, wish: OrderWish, node: str | None) -> str | None:
    """The node whose place is taken: the one wished for, or the site's last if it is in force no more."""
    occupant = nodes.occupant(conn, wish.site)
    if wish.replaces is not None:
        replaced = nodes.find_node(conn, wish.replaces)
        if replaced is None or replaced.site != wish.site:
            remedy = "name the node that stands at this site: `wayside-provision office nodes`"
            raise RegisterError(site=wish.site, replaces=wish.replaces, reason="wrong_site", remedy=remedy)
    if occupant not in (None, node, wish.replaces):
        remedy = f"a node is in force here; if it is dead, add --replaces {occupant}"
        raise RegisterError(site=wish.site, node=occupant, reason="occupied", remedy=remedy)
    last = wish.replaces or nodes.last_node(conn, wish.site)
    return None if last == node else last


def _refuse_a_bad_place(conn: sqlite3.Connection, order: WorkOrder, node: str) -> None:
    """A grant in advance is no way round the judgement of claims: a key lives at one site and not after revocation."""
    known = nodes.find_node(conn, node)
    if known is not None and (known.is_revoked or known.site != order.site):
        reason = Refusal.REVOKED if known.is_revoked else Refusal.WRONG_SITE
        remedy = "reset that node to the factory's state; it then has a new key"
        raise RegisterError(node=node, site=known.site, reason=reason.value, remedy=remedy)
