"""The server against a real broker and a real node's outbox: nothing is lost, whatever is killed and when."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.centre.eventstore import EVENTS_NAME, EventStore
from agent.contract.events import GAP, MOTION, GapData, MotionData
from agent.contract.states import Ack
from agent.contract.wire import encode, format_sequence
from agent.messaging import outbox
from agent.messaging.broker import BrokerOptions, Message, Publication
from agent.messaging.client import BrokerClient
from agent.messaging.outbox import EventDraft
from agent.store import transaction
from tests.broker import Broker, wait_until
from tests.messaging.test_uplink import ADDRESS, AT, Node
from tests.serve.rig import Serve, make_office

# As the broker kit sets it: the receiver's backlog is bounded by the broker's disk, not by a thousand.
SETTINGS = "allow_anonymous true\nmax_queued_messages 0"


@pytest.fixture
def broker(make_broker: Callable[[str], Broker]) -> Broker:
    return make_broker(SETTINGS)


@pytest.fixture
def serve(tmp_path: Path, broker: Broker) -> Iterator[Serve]:
    make_office(tmp_path / "office")
    serve = Serve(tmp_path / "office", tmp_path / "centre", "--broker", broker.url)
    yield serve
    serve.kill()


@pytest.fixture
def node(tmp_path: Path, broker: Broker) -> Iterator[Node]:
    (tmp_path / "node").mkdir()
    node = Node(tmp_path / "node", broker)
    node.uplink.start()
    yield node
    node.uplink.stop(2.0)
    node.conn.close()


def tell(node: Node, count: int) -> None:
    """So many events in each lane."""
    gap = GapData(start=AT, end=None, seconds=None, reason="agent_down")
    motion = MotionData(begin_s=1, end_s=2, ratio=0.1, regions=())
    with transaction(node.conn):
        for _ in range(count):
            outbox.append(node.conn, node.origin, EventDraft(GAP, "c01", gap, node.moment()))
            outbox.append(node.conn, node.origin, EventDraft(MOTION, "c01", motion, node.moment()))
    node.uplink.wake()


def is_empty(node: Node) -> bool:
    waiting = node.waiting()
    return waiting.count_a == waiting.count_b == 0


def sequences(serve: Serve) -> dict[str, list[int]]:
    conn = sqlite3.connect(serve.store / EVENTS_NAME)
    rows = conn.execute("SELECT lane, sequence FROM event ORDER BY lane, sequence").fetchall()
    conn.close()
    return {lane: [number for each, number in rows if each == lane] for lane in ("a", "b")}


def test_events_are_stored_shown_and_acknowledged_and_the_outbox_empties(serve: Serve, node: Node) -> None:
    serve.start()
    tell(node, 20)
    wait_until(lambda: is_empty(node), "the outbox does not empty")
    assert sequences(serve) == {"a": [*range(1, 21)], "b": [*range(1, 21)]}
    wait_until(lambda: len(serve.of("wayside.gap.v1")) == 20, "not every event has a line")
    assert serve.stop() == 0
    assert serve.of("serve.ended")[0]["events"] == 40


def test_a_server_killed_between_receiving_and_storing_loses_nothing(serve: Serve, node: Node) -> None:
    serve.start()
    tell(node, 300)
    wait_until(lambda: serve.count() >= 100, "nothing is stored")
    # From here on it receives and cannot commit: somebody else holds the store.
    held = sqlite3.connect(serve.store / EVENTS_NAME, isolation_level=None, timeout=10)
    held.execute("BEGIN IMMEDIATE")
    tell(node, 700)
    wait_until(lambda: node.waiting().count_b == 0, "the broker has not taken everything", limit_s=60.0)
    before = node.waiting()
    serve.kill()
    held.execute("ROLLBACK")
    held.close()
    assert before.count_a > 0
    serve.start()
    wait_until(lambda: is_empty(node), "the outbox does not empty after the kill", limit_s=60.0)
    wait_until(lambda: serve.count() == 2000, "events are missing after the kill", limit_s=60.0)
    assert sequences(serve) == {"a": [*range(1, 1001)], "b": [*range(1, 1001)]}
    store = EventStore(serve.store)
    assert store.missing() == []
    store.close()


def test_a_broker_that_starts_later_is_met(serve: Serve, broker: Broker, node: Node) -> None:
    broker.stop()
    serve.start()
    status, _, body = serve.request("GET", "/v1/health")
    assert (status, b'"broker":false' in body) == (200, True)
    broker.start()
    # Before its first connection the broker keeps nothing for it: from here on it does.
    wait_until(lambda: b'"broker":true' in serve.request("GET", "/v1/health")[2], "the broker is not met")
    tell(node, 5)
    wait_until(lambda: is_empty(node), "the outbox does not empty", limit_s=30.0)
    assert serve.count() == 10


def test_what_came_while_it_was_away_is_stored_and_a_wrong_ack_put_right(
    serve: Serve, broker: Broker, node: Node
) -> None:
    serve.start()
    tell(node, 3)
    wait_until(lambda: is_empty(node), "the outbox does not empty")
    serve.stop()
    heard: list[bytes] = []

    def hear(event: object) -> None:
        if isinstance(event, Message):
            heard.append(event.payload)

    desk = BrokerClient(BrokerOptions(broker.url, "desk", subscriptions=(ADDRESS.ack,)), hear)
    desk.start()
    try:
        wait_until(lambda: desk.status.is_connected, "not connected")
        stale = Ack(epoch=node.waiting().epoch, a=format_sequence(1))
        desk.publish(Publication(ADDRESS.ack, encode(stale), is_retained=True))
        tell(node, 50)
        wait_until(lambda: node.waiting().count_b == 0, "the broker has not taken everything")
        assert node.waiting().count_a == 50
        serve.start()
        newest = encode(Ack(epoch=node.waiting().epoch, a=format_sequence(53)))
        wait_until(lambda: heard[-1:] == [newest] and is_empty(node), "what waited was not stored and acknowledged")
        assert serve.count() == 106
    finally:
        desk.close()


def test_a_full_disk_is_said_and_stops_the_acks_until_there_is_room(tmp_path: Path, broker: Broker, node: Node) -> None:
    make_office(tmp_path / "office")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    serve = Serve(tmp_path / "office", small, "--broker", broker.url)
    try:
        serve.start()
        ballast = small / "ballast"
        room = 4 * 1024 * 1024 - sum(file.stat().st_size for file in small.iterdir()) - 96 * 1024
        ballast.write_bytes(bytes(room))
        tell(node, 200)
        wait_until(lambda: "events cannot be stored" in serve.errors(), f"nothing is said: {serve.errors()}")
        assert node.waiting().count_a > 0
        status, _, body = serve.request("GET", "/v1/health")
        assert (status, b'"trouble":"store"' in body) == (503, True)
        ballast.unlink()
        wait_until(lambda: is_empty(node) and serve.count() == 400, "it does not go on when there is room")
        assert sequences(serve) == {"a": [*range(1, 201)], "b": [*range(1, 201)]}
    finally:
        serve.kill()
        subprocess.run(["umount", str(small)], check=True)
