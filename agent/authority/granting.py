"""Making a node's papers: the certificate and the grant that carries it, within the caller's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority import nodes, orders, sites
from agent.authority.certificates import issue_node, serial_of, to_pem
from agent.authority.configuration import granted_config
from agent.authority.keys import KeyStore
from agent.authority.records import NodeRecord, OrderRecord, Settings
from agent.contract.enrolment import CERTIFICATE_LIFE_S, GRANT_TYP, Grant
from agent.contract.wire import encode
from agent.signing import key_id, public_to_pem, sign_compact, spki_sha256

# X.509's word for it (RFC 5280, 5.3.1): the certificate's place was taken.
SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Granting:
    """Whom to make papers for. `order` is the one that let the node in, also when it renews."""

    order: str
    org: str
    site: str
    node: str
    key: ec.EllipticCurvePublicKey
    replaces: str | None


def let_in(
    conn: sqlite3.Connection,
    keys: KeyStore,
    settings: Settings,
    order: OrderRecord,
    key: ec.EllipticCurvePublicKey,
    *,
    node: str,
    now_s: int,
) -> str:
    """Use the order up for this key: the node it replaces is revoked, its papers are made. Returns the grant's text."""
    granting = Granting(order.id, order.org, order.site, node, key, order.replaces)
    record = NodeRecord(
        node=node,
        org=order.org,
        site=order.site,
        spki_sha256=spki_sha256(key),
        kid=key_id(key),
        public_pem=public_to_pem(key),
        since_s=now_s,
        serial="",
        not_after_s=0,
        replaces=order.replaces,
    )
    nodes.put_node(conn, record)
    if order.replaces is not None:
        nodes.revoke(conn, order.replaces, SUPERSEDED, now_s=now_s)
    orders.mark_used(conn, order.id, node, now_s=now_s)
    return make_papers(conn, keys, settings, granting, now_s=now_s)


def make_papers(conn: sqlite3.Connection, keys: KeyStore, settings: Settings, granting: Granting, *, now_s: int) -> str:
    """A new certificate and its grant, stored. Returns the grant's text."""
    org, site, node = granting.org, granting.site, granting.node
    certificate = issue_node(keys.node_ca(org), granting.key, org=org, site=site, node=node, now_s=now_s)
    revision = nodes.next_revision(conn, site)
    grant = Grant(
        v=1,
        order=granting.order,
        org=org,
        site=site,
        node=node,
        certificate=to_pem(certificate),
        anchors=keys.anchors(org),
        config=granted_config(sites.site_record(conn, site), settings, node=node),
        revision=revision,
        iat=now_s,
        enrol_url=settings.enrol_url,
        replaces=granting.replaces,
    )
    text = sign_compact(encode(grant), keys.office_key(org), typ=GRANT_TYP)
    not_after_s = now_s + CERTIFICATE_LIFE_S
    serial = serial_of(certificate)
    nodes.store_certificate(conn, nodes.Issued(serial, node, granting.order, revision, now_s, not_after_s, text))
    return text
