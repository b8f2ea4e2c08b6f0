"""The broker's clients that are no nodes, in the register: an access list is made from it alone."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from agent.authority import sites
from agent.authority.records import MemberRecord, MemberRole
from agent.authority.register_rows import checked_id
from agent.errors import RegisterError

# Always there: `wayside centre serve` calls itself so unless told otherwise (agent.cli.serve).
CENTRE: Final = MemberRecord("wayside-centre", MemberRole.RECEIVER)
# What a node may be called (agent.enrolment.nodekey): such a name is never given to anybody else.
_NODE_NAME: Final = re.compile(r"n[a-z2-7]{10}")


def members(conn: sqlite3.Connection) -> list[MemberRecord]:
    """The centre first, then by name."""
    bounds: dict[str, list[str]] = {}
    for row in conn.execute("SELECT * FROM member_site ORDER BY name, site"):
        bounds.setdefault(row["name"], []).append(row["site"])
    rows = conn.execute("SELECT * FROM member ORDER BY name")
    kept = [
        MemberRecord(row["name"], MemberRole(row["role"]), row["org"], tuple(bounds.get(row["name"], ())))
        for row in rows
    ]
    return [CENTRE, *kept]


def put_member(conn: sqlite3.Connection, member: MemberRecord) -> None:
    """Add it, or change what it hears. Raises RegisterError for a name that is a node's or the centre's, and for bounds
    that are not a partner's own."""
    checked_id(member.name, name="member")
    if _NODE_NAME.fullmatch(member.name) or member.name == CENTRE.name:
        raise RegisterError(member=member.name, reason="bad_name", remedy="that name is taken; choose another")
    orgs = {each.org for each in sites.organisations(conn)}
    if (member.role is MemberRole.PARTNER) != bool(member.org) or member.org not in orgs | {""}:
        remedy = f"a partner, and nobody else, belongs to an organisation: {', '.join(sorted(orgs)) or 'none yet'}"
        raise RegisterError(member=member.name, org=member.org, reason="unknown_org", remedy=remedy)
    foreign = [each.site for each in sites.site_records(conn, member.sites) if each.org != member.org]
    if member.sites and foreign:
        remedy = "a partner hears sites of its own organisation only"
        raise RegisterError(member=member.name, site=", ".join(foreign), reason="wrong_org", remedy=remedy)
    conn.execute("DELETE FROM member_site WHERE name = ?", (member.name,))
    conn.execute("INSERT OR REPLACE INTO member VALUES (?, ?, ?)", (member.name, member.role, member.org))
    conn.executemany("INSERT INTO member_site VALUES (?, ?)", [(member.name, site) for site in member.sites])


def drop_member(conn: sqlite3.Connection, name: str) -> bool:
    """Whether it was there. Its certificate stays good for the door, and for nothing behind it: it has no line left."""
    conn.execute("DELETE FROM member_site WHERE name = ?", (name,))
    return conn.execute("DELETE FROM member WHERE name = ?", (name,)).rowcount > 0
