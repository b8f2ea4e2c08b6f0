"""No hold ends silently."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.contract.records import AuditData
from agent.processes.finding import tell_lapses
from agent.recording.holds import all_holds, incident_hold
from agent.recording.janitor import Janitor
from agent.recording.records import HoldMade
from agent.recording.retention import RetentionLimits
from agent.units import DAY_S, NS_PER_S, WallSpan
from tests.clip.footage import START_NS
from tests.recording.ring import Ring, staff_hold

SPAN = WallSpan(START_NS, START_NS + 3 * NS_PER_S)


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    made = Ring(tmp_path)
    made.index(made.record())
    yield made
    made.close()


def sweep(ring: Ring, max_bytes: int) -> list[AuditData]:
    told: list[AuditData] = []

    def tell(conn: sqlite3.Connection, event_type: str, data: object, camera: str) -> None:
        assert conn.in_transaction, "the hold and the word of its end are one commit"
        assert isinstance(data, AuditData)
        told.append(data)

    Janitor(
        ring.data_dir,
        ring.conn,
        ring.ledger,
        clock=ring.clock,
        limits=RetentionLimits(max_bytes, 0, 30),
        on_lapses=lambda lapses: tell_lapses(ring.conn, lapses, "n1", ring.clock.wall_ns(), tell),
    ).sweep()
    return told


@pytest.mark.parametrize(
    ("hold", "max_bytes", "told"),
    [
        (staff_hold("h1", SPAN.start_ns, SPAN.end_ns), 0, None),
        (staff_hold("h1", SPAN.start_ns, SPAN.end_ns, expires_ns=START_NS + DAY_S * NS_PER_S), 1 << 40, "expired"),
        (incident_hold("i1", "c01", SPAN, START_NS), 0, "quota"),
    ],
    ids=["a staff hold in a full ring", "a staff hold at its expiry", "an incident's for want of room"],
)
def test_the_end_of_a_hold_is_told_to_the_centre(ring: Ring, hold: HoldMade, max_bytes: int, told: str | None) -> None:
    ring.note(hold)
    ring.clock.now_wall_ns = START_NS + 2 * DAY_S * NS_PER_S
    heard = sweep(ring, max_bytes)
    assert [(each.action, each.actor, each.outcome, each.jti) for each in heard] == (
        [] if told is None else [("hold.lapsed", "n1", told, hold.hold_id)]
    )
    assert bool(all_holds(ring.conn)) is (told is None)
    assert sweep(ring, max_bytes) == []
