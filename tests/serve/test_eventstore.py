"""The centre's event store: each event once, what is missing is known, and an ack that never promises too much."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.centre.acks import Coverage, NumberRange
from agent.centre.eventstore import EVENTS_NAME, EventStore
from agent.centre.intake import Arrival, EventArrival, FactArrival, Misfit, read_message
from agent.centre.missing import Absence, Missing
from agent.contract.envelope import Stamp, event_topic, make_envelope
from agent.contract.events import GAP, MOTION, EventData, GapData, Lane, MotionData, ShedData, wire_type
from agent.contract.states import Ack, NodeState, Presence
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode, format_sequence
from agent.errors import StoreError
from agent.identity import uuid7

NODE = NodeAddress("org", "site", "n1")
OTHER = NodeAddress("org", "site", "n2")
EPOCH = uuid7(1_700_000_000_000, bytes(10))
LATER = uuid7(1_700_000_001_000, bytes(10))
AT_NS = 1_700_000_000_000_000_000
AT = "2023-11-14T22:13:20.000Z"


def message(
    sequence: int, *, lane: Lane = Lane.A, epoch: str = EPOCH, address: NodeAddress = NODE, event_id: int | None = None
) -> tuple[str, bytes]:
    data: EventData = GapData(start=AT, end=None, seconds=None, reason="agent_down")
    if lane is Lane.B:
        data = MotionData(begin_s=1.0, end_s=2.0, ratio=0.1, regions=())
    return told(GAP if lane is Lane.A else MOTION, data, sequence, epoch=epoch, address=address, event_id=event_id)


def told(
    kind: str,
    data: EventData,
    sequence: int,
    *,
    epoch: str = EPOCH,
    address: NodeAddress = NODE,
    event_id: int | None = None,
) -> tuple[str, bytes]:
    lane = Lane.B if kind == MOTION else Lane.A
    # An id of its own for every place in the lanes, the same each time.
    unique = f"{epoch}{lane}{sequence}" if event_id is None else str(event_id)
    stamp = Stamp(lane, epoch, sequence, "boot", 1, "synced")
    envelope = make_envelope(
        kind,
        data,
        id=uuid7(1_700_000_000_000, hash_of(unique)),
        source=address.urn,
        subject="cam/c01",
        wall_ns=AT_NS,
        stamp=stamp,
    )
    return event_topic(address, envelope), encode(envelope)


def hash_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:10]


def event(sequence: int, **more: object) -> Arrival:
    arrival = read_message(*message(sequence, **more))  # type: ignore[arg-type]
    assert isinstance(arrival, EventArrival)
    return arrival


def online(epoch: str) -> Arrival:
    state = NodeState(state=Presence.ONLINE, session=1, epoch=epoch, at=AT)
    arrival = read_message(NODE.state, encode(state))
    assert isinstance(arrival, FactArrival)
    return arrival


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(tmp_path)
    yield store
    store.close()


def acked(store: EventStore, *arrivals: Arrival) -> int | None:
    acks = dict(store.keep(arrivals, AT_NS).acks)
    return int(acks[NODE].a) if NODE in acks else None


def test_an_event_is_stored_once_however_often_it_comes(store: EventStore) -> None:
    first = store.keep([event(1), event(1), event(2)], AT_NS)
    again = store.keep([event(2), event(1)], AT_NS)
    assert (len(first.events), first.copies) == (2, 1)
    assert (len(again.events), again.copies) == (0, 2)
    assert store.count() == 2


def test_a_copy_is_acknowledged_again_for_the_first_ack_may_not_have_left(store: EventStore) -> None:
    acked(store, event(1), event(2))
    assert acked(store, event(1)) == 2


def test_lane_a_is_never_acknowledged_beyond_a_hole(store: EventStore) -> None:
    assert acked(store, event(1), event(3), event(4)) == 1
    assert store.missing() == [Missing(NODE.urn, EPOCH, Lane.A, NumberRange(2, 2), Absence.AWAITED)]
    assert acked(store, event(2)) == 4
    assert store.missing() == []


def test_what_is_passed_over_is_said_once_when_it_is_seen(store: EventStore) -> None:
    passed_over = Missing(NODE.urn, EPOCH, Lane.A, NumberRange(2, 4), Absence.AWAITED)
    assert store.keep([event(1), event(5), event(6)], AT_NS).missing == (passed_over,)
    assert store.keep([event(3), event(7)], AT_NS).missing == ()


def test_nothing_is_acknowledged_while_the_first_is_missing(store: EventStore) -> None:
    assert acked(store, event(2), event(3)) is None


def test_lane_b_is_stored_and_not_acknowledged(store: EventStore) -> None:
    assert acked(store, event(1, lane=Lane.B)) is None
    assert store.count() == 1


def test_a_new_start_knows_what_the_last_one_stored(tmp_path: Path) -> None:
    before = EventStore(tmp_path)
    before.keep([event(1), event(2), event(5)], AT_NS)
    before.close()
    after = EventStore(tmp_path)
    assert [(address, int(ack.a)) for address, ack in after.acks()] == [(NODE, 2)]
    assert acked(after, event(3), event(4), event(6)) == 6
    after.close()


def test_a_new_epoch_counts_for_itself_and_the_old_one_is_no_longer_acknowledged(store: EventStore) -> None:
    assert acked(store, event(1), event(2)) == 2
    kept = store.keep([event(1, epoch=LATER)], AT_NS)
    assert [(ack.epoch, int(ack.a)) for _, ack in kept.acks] == [(LATER, 1)]
    late = store.keep([event(3)], AT_NS)
    assert len(late.events) == 1
    assert [ack.epoch for _, ack in late.acks] == [LATER]


def test_the_nodes_own_word_decides_its_epoch(store: EventStore) -> None:
    store.keep([event(1), event(1, epoch=LATER)], AT_NS)
    kept = store.keep([online(EPOCH)], AT_NS)
    assert [ack.epoch for _, ack in kept.acks] == [EPOCH]


def test_a_late_will_does_not_bring_an_old_epoch_back(store: EventStore) -> None:
    store.keep([event(1), event(1, epoch=LATER)], AT_NS)
    lost = read_message(NODE.state, encode(NodeState(state=Presence.LOST, session=1, epoch=EPOCH, at=AT)))
    assert lost is not None
    store.keep([lost], AT_NS)
    assert [ack.epoch for _, ack in store.acks()] == [LATER]


def test_nodes_are_acknowledged_each_for_itself(store: EventStore) -> None:
    kept = store.keep([event(1), event(1, address=OTHER), event(2, address=OTHER)], AT_NS)
    assert {address.node: int(ack.a) for address, ack in kept.acks} == {"n1": 1, "n2": 2}


def test_what_a_node_keeps_no_more_is_known_as_lost_and_stops_nothing(store: EventStore) -> None:
    acked(store, event(4), event(7))
    store.give_up(NODE.urn, EPOCH, Lane.A, NumberRange(1, 3))
    assert [int(ack.a) for _, ack in store.acks()] == [4]
    assert [(each.numbers, each.absence) for each in store.missing(NODE.urn)] == [
        (NumberRange(1, 3), Absence.LOST),
        (NumberRange(5, 6), Absence.AWAITED),
    ]


def test_what_another_store_acknowledged_is_lost_here_and_fills_no_outbox(store: EventStore) -> None:
    stands = encode(Ack(epoch=EPOCH, a=format_sequence(900)))
    former = read_message(NODE.ack, stands, is_retained=True)
    assert former is not None
    assert read_message(NODE.ack, stands) is None
    assert acked(store, former) is None
    assert acked(store, event(901), event(902)) == 902
    assert acked(store, event(904)) == 902
    assert [(each.numbers, each.absence) for each in store.missing()] == [
        (NumberRange(1, 900), Absence.LOST),
        (NumberRange(903, 903), Absence.AWAITED),
    ]
    # Should one of them come all the same, it is stored like any other.
    assert len(store.keep([event(7)], AT_NS).events) == 1


def test_the_own_ack_on_the_broker_takes_nothing_away(store: EventStore) -> None:
    acked(store, event(1), event(2), event(4))
    own = read_message(NODE.ack, encode(Ack(epoch=EPOCH, a=format_sequence(2))), is_retained=True)
    assert own is not None
    store.keep([own], AT_NS)
    assert acked(store, event(5)) == 2
    assert acked(store, event(3)) == 5


def test_what_a_node_shed_is_explained_except_what_came_all_the_same(store: EventStore) -> None:
    shed = ShedData(first=format_sequence(2), last=format_sequence(5), count=4)
    arrival = read_message(*told(wire_type("shed"), shed, 1))
    assert arrival is not None
    store.keep([event(1, lane=Lane.B), event(6, lane=Lane.B), arrival, event(4, lane=Lane.B)], AT_NS)
    assert store.count() == 4
    assert [(each.lane, each.numbers, each.absence) for each in store.missing()] == [
        (Lane.B, NumberRange(2, 3), Absence.SHED),
        (Lane.B, NumberRange(5, 5), Absence.SHED),
    ]


def test_the_same_event_under_a_second_number_is_stored_once_and_leaves_no_hole(store: EventStore) -> None:
    assert acked(store, event(1, event_id=7), event(2, event_id=7), event(3)) == 3
    assert store.count() == 2
    assert store.missing() == []


def test_another_event_under_a_number_that_is_taken_is_set_aside_and_not_lost(
    store: EventStore, tmp_path: Path
) -> None:
    kept = store.keep([event(1), event(1, event_id=9)], AT_NS)
    assert [misfit.reason for misfit in kept.misfits] == ["number_taken"]
    rows = sqlite3.connect(tmp_path / EVENTS_NAME).execute("SELECT payload FROM misfit").fetchall()
    assert rows == [(message(1, event_id=9)[1],)]


def test_facts_are_replaced_and_an_empty_one_is_gone(store: EventStore) -> None:
    topic = NODE.alert("disk-slow")
    for payload in (b'{"first":1}', b'{"second":1}'):
        store.keep([FactArrival(NODE, topic, payload)], AT_NS)
    assert store.fact(topic) == b'{"second":1}'
    store.keep([FactArrival(NODE, topic, b"")], AT_NS)
    assert store.fact(topic) is None


def test_a_batch_that_the_disk_refuses_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    store = EventStore(tmp_path)
    store.keep([event(1)], AT_NS)
    # SQLite's own limit stands for a full disk: the same error, from the same place.
    store._conn.execute(f"PRAGMA max_page_count = {store._conn.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StoreError, match="full"):
        store.keep([event(number) for number in range(2, 200)], AT_NS)
    store.close()
    after = EventStore(tmp_path)
    assert after.count() == 1
    assert [int(ack.a) for _, ack in after.acks()] == [1]
    after.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreError, match="--store"):
        EventStore(file)


# Copies, holes, new starts, in any order: the ack is always what stands on disk without a hole.
STEPS = st.lists(st.one_of(st.integers(1, 30), st.just(0)), max_size=60)


@settings(max_examples=40)
@given(STEPS)
def test_whatever_comes_the_ack_is_what_is_stored_without_a_hole(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = EventStore(folder)
    stored: set[int] = set()
    for step in steps:
        if step == 0:
            store.close()
            store = EventStore(folder)
            continue
        whole = acked(store, event(step)) or 0
        stored.add(step)
        assert set(range(1, whole + 1)) <= stored
        assert whole + 1 not in stored
    assert store.count() == len(stored)
    store.close()


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=30))
def test_ranges_cover_what_was_added_and_nothing_else(added: list[tuple[int, int]]) -> None:
    coverage = Coverage()
    numbers: set[int] = set()
    for first, more in added:
        coverage.add(NumberRange(first, first + more))
        numbers |= set(range(first, first + more + 1))
    assert {number for number in range(1, 80) if number in coverage} == numbers
    holes = {number for hole in coverage.holes() for number in range(hole.first, hole.last + 1)}
    assert holes == set(range(1, max(numbers, default=0))) - numbers
    assert coverage.highest == max(numbers, default=0)


@pytest.mark.parametrize(
    "change",
    [
        (b'"sequence":"00000000000000000001"', b'"sequence":"00000000000000000000"'),
        (b'"sequence":"00000000000000000001"', b'"sequence":"99999999999999999999"'),
        (b'"lane":"a"', b'"lane":"b"'),
        (b"urn:wayside:org:site:n1", b"urn:wayside:org:site:n2"),
        (b"cam/c01", b"cam/c02"),
        (b'"epoch"', b'"epochs"'),
    ],
)
def test_an_event_that_contradicts_itself_or_its_topic_is_a_misfit(change: tuple[bytes, bytes]) -> None:
    topic, payload = message(1)
    assert isinstance(read_message(topic, payload), EventArrival)
    assert isinstance(read_message(topic, payload.replace(*change)), Misfit)


def test_an_event_of_a_type_that_this_centre_does_not_know_is_stored() -> None:
    topic, payload = message(1)
    newer = payload.replace(b"wayside.gap.v1", b"wayside.flood.v3")
    assert isinstance(read_message(topic.replace("/gap", "/flood"), newer), EventArrival)


@given(st.binary(max_size=200), st.sampled_from(["evt/c01/gap", "state", "info", "alert/x", "rsp/x", "cmd/ping", ""]))
def test_bytes_of_any_kind_are_read_without_a_fault(payload: bytes, tail: str) -> None:
    arrival = read_message(f"{NODE.root}/{tail}", payload)
    assert arrival is None or isinstance(arrival, FactArrival | Misfit)
