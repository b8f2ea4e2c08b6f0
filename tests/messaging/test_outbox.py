"""The outbox over a real store: sequences, the cap, shedding, acks."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.envelope import data_of, decode_envelope
from agent.contract.events import GAP, MOTION, SHED, GapData, Lane, MotionData, ShedData
from agent.contract.states import Ack
from agent.contract.topics import NodeAddress
from agent.contract.wire import format_sequence
from agent.errors import StoreError, WireError
from agent.messaging import outbox
from agent.messaging.outbox import AckOutcome, EventDraft, Moment, Origin
from agent.store import open_store, transaction

ADDRESS = NodeAddress("org", "site", "n1")
MOMENT = Moment(1_800_000_000_000_000_000, 5, "synced")
ROOMY = Origin(ADDRESS, "boot", 1 << 30)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def gap(detail: str = "") -> EventDraft:
    data = GapData(start="2026-11-22T14:03:00Z", end=None, seconds=None, reason="agent_down", detail=detail)
    return EventDraft(GAP, "c01", data, MOMENT)


def motion() -> EventDraft:
    return EventDraft(MOTION, "c01", MotionData(begin_s=0, end_s=1, ratio=0.1, regions=()), MOMENT)


def add(conn: sqlite3.Connection, draft: EventDraft, origin: Origin = ROOMY) -> bool:
    with transaction(conn):
        return outbox.append(conn, origin, draft) is not None


def everything(conn: sqlite3.Connection) -> list[outbox.OutboxItem]:
    return outbox.take_batch(conn, after_a=0, after_b=0, max_items=1_000_000, max_bytes=1 << 30)


def sheds(conn: sqlite3.Connection) -> list[ShedData]:
    envelopes = [decode_envelope(item.payload) for item in everything(conn)]
    return [data for one in envelopes if one.type == SHED and isinstance(data := data_of(one), ShedData)]


def test_each_lane_counts_from_one_and_lane_a_leaves_first(conn):
    for draft in (motion(), gap(), motion(), gap()):
        add(conn, draft)
    assert [(item.lane, item.sequence) for item in everything(conn)] == [
        (Lane.A, 1),
        (Lane.A, 2),
        (Lane.B, 1),
        (Lane.B, 2),
    ]


def test_an_event_of_a_rolled_back_transaction_never_was(conn):
    conn.execute("BEGIN IMMEDIATE")
    outbox.append(conn, ROOMY, gap())
    conn.execute("ROLLBACK")
    add(conn, gap())
    assert [item.sequence for item in everything(conn)] == [1]


def test_appending_outside_a_transaction_is_refused(conn):
    with pytest.raises(StoreError):
        outbox.append(conn, ROOMY, gap())


def test_an_event_above_64_kib_is_refused_and_spends_no_sequence(conn):
    with pytest.raises(WireError):
        add(conn, gap("x" * 70_000))
    add(conn, gap())
    assert [item.sequence for item in everything(conn)] == [1]


def test_a_new_store_has_a_new_epoch_and_a_kept_one_its_own(tmp_path: Path):
    epochs = []
    for folder in ("one", "one", "two"):
        (tmp_path / folder).mkdir(exist_ok=True)
        conn = open_store(tmp_path / folder)
        outbox.prepare(conn)
        epochs.append(outbox.status(conn).epoch)
        conn.close()
    assert epochs[0] == epochs[1] != epochs[2]


def test_at_the_cap_lane_b_goes_first_and_one_event_says_which(conn):
    small = Origin(ADDRESS, "boot", 20_000)
    for _ in range(100):
        add(conn, motion(), small)
    add(conn, gap(), small)
    status = outbox.status(conn)
    (shed,) = sheds(conn)
    assert shed.first == format_sequence(1)
    assert shed.count == int(shed.last) == status.shed_count == 100 - status.count_b
    assert status.bytes <= 20_000 + 1_000


def test_lane_a_is_never_shed_and_then_no_new_b_is_taken(conn):
    small = Origin(ADDRESS, "boot", 20_000)
    for _ in range(100):
        assert add(conn, gap(), small)
    assert not add(conn, motion(), small)
    assert not add(conn, motion(), small)
    status = outbox.status(conn)
    assert (status.count_a, status.count_b, status.last_b) == (101, 0, 2)
    (shed,) = sheds(conn)
    assert (shed.first, shed.last, shed.count) == (format_sequence(1), format_sequence(2), 2)


def test_a_sent_shed_event_is_not_rewritten_and_a_second_waits_for_its_ack(conn):
    small = Origin(ADDRESS, "boot", 20_000)
    for _ in range(100):
        add(conn, gap(), small)
    add(conn, motion(), small)
    everything(conn)
    add(conn, motion(), small)
    add(conn, motion(), small)
    assert len(sheds(conn)) == 1
    epoch = outbox.status(conn).epoch
    assert outbox.acknowledge(conn, Ack(epoch=epoch, a=format_sequence(101))) is AckOutcome.APPLIED
    add(conn, motion(), small)
    (shed,) = sheds(conn)
    assert (shed.first, shed.last, shed.count) == (format_sequence(2), format_sequence(3), 2)


def test_an_ack_is_believed_only_within_its_epoch_and_what_was_sent(conn):
    for _ in range(5):
        add(conn, gap())
    outbox.take_batch(conn, after_a=0, after_b=0, max_items=3)
    epoch = outbox.status(conn).epoch
    other = "01a205d3-d5a4-7072-bb2a-71aee103f25e"
    acks = [(other, 1), (epoch, 4), (epoch, 2), (epoch, 2), (epoch, 1), (epoch, 3)]
    assert [outbox.acknowledge(conn, Ack(epoch=one, a=format_sequence(n))) for one, n in acks] == [
        AckOutcome.OTHER_EPOCH,
        AckOutcome.BEYOND_SENT,
        AckOutcome.APPLIED,
        AckOutcome.STALE,
        AckOutcome.STALE,
        AckOutcome.APPLIED,
    ]
    assert [item.sequence for item in everything(conn)] == [4, 5]


def test_a_refused_event_of_lane_b_is_told_as_lost(conn):
    for _ in range(3):
        add(conn, motion())
    outbox.give_up(conn, ROOMY, 2, MOMENT)
    outbox.give_up(conn, ROOMY, 2, MOMENT)
    assert [item.sequence for item in everything(conn) if item.lane is Lane.B] == [1, 3]
    assert [(shed.first, shed.count) for shed in sheds(conn)] == [(format_sequence(2), 1)]


@given(st.lists(st.sampled_from(["a", "b", "send", "ack", "puback"]), max_size=120))
@settings(max_examples=40, deadline=None)
def test_whatever_happens_every_hole_of_lane_b_is_told_and_lane_a_has_none(steps):
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript((Path(outbox.__file__).parents[1] / "schema.sql").read_text())
    small = Origin(ADDRESS, "boot", 6_000)
    outbox.prepare(conn)
    told: dict[int, outbox.OutboxItem] = {}
    arrived_b: set[int] = set()
    for step in [*steps, "send", "ack", "b", "send", "ack", "b", "send"]:
        if step in "ab":
            add(conn, gap() if step == "a" else motion(), small)
            continue
        items = everything(conn)
        told.update({item.sequence: item for item in items if item.lane is Lane.A})
        status = outbox.status(conn)
        if step == "ack":
            outbox.acknowledge(conn, Ack(epoch=status.epoch, a=format_sequence(status.sent_a)))
        if step == "puback":
            sent_b = [item.sequence for item in items if item.lane is Lane.B]
            arrived_b.update(sent_b)
            outbox.confirm(conn, up_to_a=status.sent_a, sequences_b=sent_b)
    status = outbox.status(conn)
    real = conn.execute("SELECT count(*), ifnull(sum(length(topic) + length(payload)), 0) FROM outbox_event").fetchone()
    assert (status.count_a + status.count_b, status.bytes) == real
    assert sorted(told) == list(range(1, status.last_a + 1))
    kept_b = {item.sequence for item in everything(conn) if item.lane is Lane.B}
    losses = [data_of(one) for item in told.values() if (one := decode_envelope(item.payload)).type == SHED]
    explained = set(itertools.chain.from_iterable(range(int(one.first), int(one.last) + 1) for one in losses))
    assert set(range(1, status.last_b + 1)) <= arrived_b | kept_b | explained
    assert sum(one.count for one in losses) == status.shed_count
    conn.close()


def test_a_hundred_thousand_events_shed_nothing_below_the_default_cap(conn):
    with transaction(conn):
        for _ in range(2_000):
            outbox.append(conn, ROOMY, gap())
    # 50 times as many are kept in the same way; the bytes say that the cap is far.
    assert outbox.status(conn).bytes * 50 < ROOMY.max_bytes
    assert outbox.status(conn).shed_count == 0
