"""Work orders: what is written on them, and how the register keeps their claims."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from agent.authority.records import OrderRecord, Settings, SiteRecord
from agent.contract.commands import base64url
from agent.contract.enrolment import CLAIM_LIFE_S, OrderedCamera, WorkOrder
from agent.identity import uuid7

_CLAIM_BYTES: Final = 32
# A QR of 1 800 characters is version 31 (141 modules): at 90 mm a module is 0.6 mm, which a phone reads from paper.
QR_CHARACTERS: Final = 1_800


@dataclass(frozen=True, slots=True)
class OrderWish:
    """What the office asks for. `spki_sha256`: the expected key, from its label; `csr`: that key's request in PEM, with
    which the grant is made in advance; `replaces`: the node whose place is taken."""

    site: str
    spki_sha256: str | None = None
    csr: str | None = None
    replaces: str | None = None
    life_s: int = CLAIM_LIFE_S


class MadeOrder(NamedTuple):
    """`text` is what the technician carries: the prefix and the compact JWS."""

    order: WorkOrder
    text: str


def claim_hash(claim: str) -> str:
    return hashlib.sha256(claim.encode()).hexdigest()


def write_order(wish: OrderWish, site: SiteRecord, settings: Settings, *, node: str | None, now_s: int) -> WorkOrder:
    """A fresh order with a fresh claim; the grant is put in afterwards."""
    return WorkOrder(
        v=1,
        order=uuid7(now_s * 1000, secrets.token_bytes(10)),
        org=site.org,
        site=site.site,
        site_name=site.name,
        district=site.district,
        claim=base64url(secrets.token_bytes(_CLAIM_BYTES)),
        iat=now_s,
        exp=now_s + wish.life_s,
        enrol_url=settings.enrol_url,
        timezone=settings.timezone,
        cameras=tuple(OrderedCamera(id=each.id, name=each.name, purpose=each.purpose) for each in site.cameras),
        node=node,
        spki_sha256=wish.spki_sha256,
        replaces=wish.replaces,
    )


def lighter(order: WorkOrder) -> WorkOrder | None:
    """The same order with less in it, for a QR; None when nothing can be spared. The grant goes first, as the node gets
    it from the centre as well; then what the cameras are for; then their names."""
    if order.grant is not None:
        return msgspec.structs.replace(order, grant=None)
    if any(camera.purpose for camera in order.cameras):
        bare = tuple(OrderedCamera(id=each.id, name=each.name) for each in order.cameras)
        return msgspec.structs.replace(order, cameras=bare)
    if any(camera.name for camera in order.cameras):
        return msgspec.structs.replace(order, cameras=tuple(OrderedCamera(id=each.id) for each in order.cameras))
    return None


def store_order(conn: sqlite3.Connection, order: WorkOrder) -> None:
    conn.execute(
        "INSERT INTO work_order (id, site, claim_sha256, iat_s, exp_s, spki_sha256, replaces)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (order.order, order.site, claim_hash(order.claim), order.iat, order.exp, order.spki_sha256, order.replaces),
    )


def find_order(conn: sqlite3.Connection, order: str) -> OrderRecord | None:
    query = "SELECT w.*, s.org FROM work_order w JOIN site s USING (site) WHERE w.id = ?"
    row = conn.execute(query, (order,)).fetchone()
    return None if row is None else _record(row)


def orders_of(conn: sqlite3.Connection, site: str) -> list[OrderRecord]:
    """Newest first."""
    query = (
        "SELECT w.*, s.org FROM work_order w JOIN site s USING (site) WHERE w.site = ? ORDER BY w.iat_s DESC, w.id DESC"
    )
    return [_record(row) for row in conn.execute(query, (site,))]


def all_orders(conn: sqlite3.Connection) -> list[OrderRecord]:
    """Oldest first."""
    query = "SELECT w.*, s.org FROM work_order w JOIN site s USING (site) ORDER BY w.iat_s, w.id"
    return [_record(row) for row in conn.execute(query)]


def mark_used(conn: sqlite3.Connection, order: str, node: str, *, now_s: int) -> None:
    conn.execute("UPDATE work_order SET used_by = ?, used_s = ? WHERE id = ?", (node, now_s, order))


def withdraw(conn: sqlite3.Connection, order: str, *, now_s: int) -> None:
    """An order nobody has used yet is good for nothing from now on."""
    conn.execute("UPDATE work_order SET withdrawn_s = ? WHERE id = ? AND withdrawn_s IS NULL", (now_s, order))


def _record(row: sqlite3.Row) -> OrderRecord:
    return OrderRecord(
        id=row["id"],
        org=row["org"],
        site=row["site"],
        claim_sha256=row["claim_sha256"],
        iat_s=row["iat_s"],
        exp_s=row["exp_s"],
        spki_sha256=row["spki_sha256"],
        replaces=row["replaces"],
        used_by=row["used_by"],
        is_withdrawn=row["withdrawn_s"] is not None,
    )
