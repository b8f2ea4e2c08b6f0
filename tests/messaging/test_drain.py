"""What a connection sends of lane a: after a broker that forgot, and with a centre that has caught up but for a few."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.contract.envelope import decode_envelope
from agent.contract.events import GAP, MOTION, GapData, MotionData
from agent.contract.states import Ack
from agent.contract.topics import NodeAddress
from agent.contract.wire import format_sequence
from agent.messaging import outbox
from agent.messaging.broker import Confirmed, Outcome, Publication
from agent.messaging.drain import Drain
from agent.messaging.outbox import EventDraft, Moment, Origin
from agent.store import open_store, transaction
from agent.units import NS_PER_S

ORIGIN = Origin(NodeAddress("org", "site", "n1"), "boot", 1 << 30)
MOMENT = Moment(1_800_000_000_000_000_000, 5, "synced")
COUNT = 150


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = open_store(tmp_path)
    outbox.prepare(opened)
    yield opened
    opened.close()


class Wire:
    """A broker that takes everything; `sent` are the sequences in the order in which they left."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._tokens = itertools.count(1)
        self.sent: list[int] = []
        self.drain = Drain(conn, ORIGIN, publish=self._publish, alarm=lambda _: None)

    def work(self) -> list[int]:
        """What leaves until nothing more does, each confirmed."""
        self.sent.clear()
        before = -1
        while len(self.sent) != before:
            before = len(self.sent)
            self.drain.work(MOMENT)
        return list(self.sent)

    def ack(self, number: int) -> None:
        self.drain.acknowledge(Ack(epoch=outbox.status(self._conn).epoch, a=format_sequence(number)), MOMENT.mono_ns)

    def _publish(self, publication: Publication) -> int | None:
        self.sent.append(int(decode_envelope(publication.payload).sequence or 0))
        return next(self._tokens)


def taken_by_a_broker(conn: sqlite3.Connection, count: int) -> Wire:
    """A node whose events of lane a were all confirmed by a broker, and none by the centre; connected again."""
    with transaction(conn):
        for _ in range(count):
            data = GapData(start="2026-11-22T14:03:00Z", end=None, seconds=None, reason="agent_down")
            outbox.append(conn, ORIGIN, EventDraft(GAP, "c01", data, MOMENT))
    wire = Wire(conn)
    wire.drain.begin(window=20, is_session_present=True)
    wire.work()
    for token in range(1, count + 1):
        wire.drain.settle(Confirmed(1, token, Outcome.DELIVERED), MOMENT.mono_ns)
    wire.work()
    wire.drain.begin(window=20, is_session_present=True)
    return wire


def test_a_broker_that_kept_the_session_is_sent_a_few_unacknowledged_again_and_not_many(conn):
    assert taken_by_a_broker(conn, 40).work() == list(range(1, 41))


def test_many_unacknowledged_wait_until_a_living_centre_lacks_but_a_few(conn):
    wire = taken_by_a_broker(conn, COUNT)
    assert wire.work() == []
    wire.ack(30)
    assert wire.work() == []
    wire.ack(148)
    assert wire.work() == [149, 150]
    wire.ack(149)
    assert wire.work() == []


def test_all_unacknowledged_are_sent_again_to_a_broker_without_our_session(conn):
    wire = taken_by_a_broker(conn, COUNT)
    wire.drain.begin(window=20, is_session_present=False)
    assert wire.work() == list(range(1, COUNT + 1))


def test_confirmations_are_written_down_many_at_a_time_and_all_when_nothing_more_is_to_come(conn):
    with transaction(conn):
        for number in range(40):
            data = MotionData(begin_s=float(number), end_s=None, ratio=0.1, regions=())
            outbox.append(conn, ORIGIN, EventDraft(MOTION, "c01", data, MOMENT))
    wire = Wire(conn)
    wire.drain.begin(window=20, is_session_present=True)
    wire.work()
    for token in range(1, 40):
        wire.drain.settle(Confirmed(1, token, Outcome.DELIVERED), MOMENT.mono_ns)
    wire.drain.work(MOMENT)
    assert outbox.status(conn).count_b == 40
    wire.drain.settle(Confirmed(1, 40, Outcome.DELIVERED), MOMENT.mono_ns)
    wire.drain.work(MOMENT)
    assert outbox.status(conn).count_b == 0


def test_an_event_that_nobody_heard_is_sent_again_soon_also_while_another_is_on_its_way(conn):
    with transaction(conn):
        for _ in range(2):
            data = GapData(start="2026-11-22T14:03:00Z", end=None, seconds=None, reason="agent_down")
            outbox.append(conn, ORIGIN, EventDraft(GAP, "c01", data, MOMENT))
    wire = Wire(conn)
    wire.drain.begin(window=20, is_session_present=False)
    assert wire.work() == [1, 2]
    wire.drain.settle(Confirmed(1, 1, Outcome.DELIVERED, is_unheard=True), MOMENT.mono_ns)
    wire.drain.work(MOMENT)
    wire.drain.settle(Confirmed(1, 2, Outcome.DELIVERED), MOMENT.mono_ns)
    wire.drain.work(MOMENT)
    wire.sent.clear()
    wire.drain.work(replace(MOMENT, mono_ns=MOMENT.mono_ns + 6 * NS_PER_S))
    assert wire.sent == [1, 2]
