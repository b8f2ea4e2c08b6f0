"""The uplink against a real mosquitto and a real store, with a centre at the other end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config import BrokerConfig
from agent.contract.envelope import Envelope, decode_envelope, position_of
from agent.contract.events import GAP, MOTION, GapData, Lane, MotionData
from agent.contract.states import (
    Ack,
    Alert,
    CameraState,
    ClockHealth,
    DiskHealth,
    Health,
    Info,
    Known,
    MachineHealth,
    NodeState,
    OutboxHealth,
    Presence,
    Severity,
    StreamState,
    ViewState,
)
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode, encode, format_sequence
from agent.messaging import outbox
from agent.messaging.alarm import Alarm, AlarmKind
from agent.messaging.broker import BrokerEvent, BrokerOptions, Message, Publication
from agent.messaging.client import BrokerClient
from agent.messaging.conversation import UplinkOptions
from agent.messaging.facts import NodeFacts
from agent.messaging.outbox import EventDraft, Moment, Origin
from agent.messaging.uplink import Uplink
from agent.stage import Backoff
from agent.store import open_store, transaction
from tests.broker import Broker, wait_until

ADDRESS = NodeAddress("org", "site", "n1")
AT = "2026-11-22T14:03:00.000Z"


class Node:
    """A node as small as it may be, with its own connection to the store."""

    def __init__(self, folder: Path, broker: Broker, *, max_bytes: int = 1 << 30) -> None:
        self.folder = folder
        self.origin = Origin(ADDRESS, "boot", max_bytes)
        self.conn = open_store(folder)
        self.alarms: list[Alarm] = []
        self.commands: list[tuple[str, bytes, bool]] = []
        self.alerts: dict[str, Alert | None] = {}
        options = UplinkOptions(BrokerConfig(broker.url, connect_spread_s=0), self.origin, lambda: open_store(folder))
        self.uplink = Uplink(options, self)

    def moment(self) -> Moment:
        return Moment(time.time_ns(), time.monotonic_ns(), "synced")

    def facts(self) -> NodeFacts:
        info = Info(
            at=AT,
            software="0",
            hardware=None,
            os=None,
            python="3",
            boot_id="boot",
            timezone="Asia/Bangkok",
            trust="open",
            cameras=(),
            models=(),
            commands=("ping",),
        )
        camera = CameraState(stream=StreamState.STREAMING, stream_since=AT, view=ViewState.UNKNOWN, view_since=None)
        return NodeFacts(info, {"c01": camera}, dict(self.alerts))

    def health(self, waiting: OutboxHealth) -> Health:
        disk = DiskHealth(
            write_p99_ms=None,
            free_bytes=None,
            total_bytes=None,
            footage_bytes=None,
            forecast_days=None,
            endurance_used_ratio=None,
        )
        machine = MachineHealth(
            temperature_c=None,
            throttled=Known.UNKNOWN,
            under_voltage=Known.UNKNOWN,
            load_1min=None,
            memory_available_bytes=None,
            memory_total_bytes=None,
            uptime_s=None,
        )
        clock = ClockHealth(quality="unsynced", error_s=None)
        return Health(at=AT, cameras=(), disk=disk, clock=clock, machine=machine, vision=None, outbox=waiting)

    def on_command(self, name: str, payload: bytes, *, is_retained: bool) -> None:
        self.commands.append((name, payload, is_retained))

    def on_desired(self, payload: bytes) -> None:
        self.commands.append(("desired", payload, True))

    def on_alarm(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)

    def tell(self, n: int) -> None:
        """One event of each lane."""
        gap = GapData(start=AT, end=None, seconds=None, reason="agent_down")
        motion = MotionData(begin_s=n, end_s=n + 1, ratio=0.1, regions=())
        with transaction(self.conn):
            outbox.append(self.conn, self.origin, EventDraft(GAP, "c01", gap, self.moment()))
            outbox.append(self.conn, self.origin, EventDraft(MOTION, "c01", motion, self.moment()))
        self.uplink.wake()

    def waiting(self) -> outbox.OutboxStatus:
        return outbox.status(self.conn)


class Centre:
    """Stores what it hears and, when told to, acknowledges lane a as far as it has it without a hole."""

    def __init__(self, broker: Broker) -> None:
        self.is_acking = threading.Event()
        self.heard: list[Message] = []
        self.stored: dict[str, dict[int, Envelope]] = {"a": {}, "b": {}}
        self.order: dict[str, list[int]] = {"a": [], "b": []}
        options = BrokerOptions(broker.url, "centre", subscriptions=("wayside/v1/#",))
        self.client = BrokerClient(options, self._hear, backoff=Backoff(0.05, 0.2))
        self.client.start()
        wait_until(lambda: self.client.status.is_connected, "the centre is not connected")

    def _hear(self, event: BrokerEvent) -> None:
        if not isinstance(event, Message):
            return
        self.heard.append(event)
        if "/evt/" in event.topic:
            envelope = decode_envelope(event.payload)
            position = position_of(envelope)
            if position.sequence not in self.stored[position.lane.value]:
                self.order[position.lane.value].append(position.sequence)
            self.stored[position.lane.value][position.sequence] = envelope
            if self.is_acking.is_set() and position.lane is Lane.A:
                self.ack(position.epoch, self.whole("a"))

    def whole(self, lane: str) -> int:
        """The last sequence up to which nothing is missing."""
        last = 0
        while last + 1 in self.stored[lane]:
            last += 1
        return last

    def ack(self, epoch: str, up_to: int) -> None:
        payload = encode(Ack(epoch=epoch, a=format_sequence(up_to)))
        self.client.publish(Publication(ADDRESS.ack, payload, is_retained=True))

    def states(self) -> list[NodeState]:
        return [decode(message.payload, NodeState) for message in list(self.heard) if message.topic == ADDRESS.state]

    def on(self, topic: str) -> list[Message]:
        return [message for message in list(self.heard) if message.topic == topic]


@pytest.fixture
def centre(broker: Broker) -> Iterator[Centre]:
    made = Centre(broker)
    yield made
    made.client.close(1.0)


@pytest.fixture
def make_node(tmp_path: Path, broker: Broker) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(**more: int) -> Node:
        node = Node(tmp_path, broker, **more)
        made.append(node)
        node.uplink.start()
        wait_until(lambda: node.uplink.status.is_connected, "the node is not connected")
        return node

    yield make
    for node in made:
        if node.uplink._stage.is_alive:
            node.uplink.stop(2.0)
        node.conn.close()


def test_the_birth_says_state_info_cameras_and_health(centre, make_node):
    make_node()
    wait_until(lambda: len(centre.heard) >= 4, "no birth")
    topics = [message.topic for message in centre.heard][:4]
    assert topics == [ADDRESS.state, ADDRESS.info, ADDRESS.camera_state("c01"), ADDRESS.health]
    assert centre.states()[0].state is Presence.ONLINE
    health = centre.on(ADDRESS.health)[0]
    assert health.expiry_s in (179, 180)
    assert decode(health.payload, Health).outbox.a == 0


def test_a_graceful_stop_drains_and_says_so(centre, make_node):
    centre.is_acking.set()
    node = make_node()
    for n in range(50):
        node.tell(n)
    node.uplink.stop(10.0)
    wait_until(lambda: centre.whole("b") == 50, "lane b has a hole")
    wait_until(lambda: len(centre.states()) == 3, "states are missing")
    assert [state.state for state in centre.states()] == [Presence.ONLINE, Presence.DRAINING, Presence.OFFLINE]
    assert len({state.session for state in centre.states()}) == 1
    assert node.waiting().count_b == 0


def test_lane_a_stays_until_the_ack_and_lane_b_goes_at_the_puback(centre, make_node):
    node = make_node()
    for n in range(20):
        node.tell(n)
    wait_until(lambda: centre.whole("a") == 20 and node.waiting().count_b == 0, "not drained")
    wait_until(lambda: node.waiting().confirmed_a == 20, "not confirmed")
    assert node.waiting().count_a == 20
    centre.ack(node.waiting().epoch, 20)
    wait_until(lambda: node.waiting().count_a == 0, "the ack was not applied")
    assert centre.order == {"a": list(range(1, 21)), "b": list(range(1, 21))}


def test_a_killed_broker_costs_no_event_and_no_order(broker, centre, make_node):
    centre.is_acking.set()
    node = make_node()
    for n in range(300):
        node.tell(n)
        if n == 100:
            broker.kill()
        if n == 200:
            broker.start()
    wait_until(lambda: centre.whole("a") == 300, "lane a has a hole", limit_s=30)
    wait_until(lambda: node.waiting().count_a == 0 and node.waiting().count_b == 0, "not drained")
    wait_until(lambda: 300 in centre.stored["b"], "lane b's end did not arrive")
    # Lane b is gone at PUBACK, and a killed broker loses what it had not yet written or passed on.
    missing_b = set(range(1, 301)) - set(centre.stored["b"])
    assert len(missing_b) <= 100
    assert {n for n in missing_b if n > 102} == set()
    assert centre.order["a"] == sorted(centre.order["a"])
    assert centre.order["b"] == sorted(centre.order["b"])
    sessions = [state.session for state in centre.states() if state.state is Presence.ONLINE]
    assert len(set(sessions)) == 2
    assert sessions == sorted(sessions)


def test_events_made_before_the_first_connection_and_after_a_restart_arrive(broker, centre, make_node):
    first = make_node()
    wait_until(lambda: len(centre.states()) == 1, "no birth")
    broker.kill()
    wait_until(lambda: not first.uplink.status.is_connected, "the loss was not noticed")
    for n in range(30):
        first.tell(n)
    first.uplink.stop(0.5)
    broker.start()
    wait_until(lambda: centre.client.status.is_connected, "the centre is not back")
    second = make_node()
    wait_until(lambda: centre.whole("a") == 30 and centre.whole("b") == 30, "events are missing")
    assert second.waiting().epoch == first.waiting().epoch
    sessions = [state.session for state in centre.states()]
    assert sessions[-1] > sessions[0] + 100


def test_an_ack_that_cannot_be_true_is_refused_and_alarmed(centre, make_node):
    node = make_node()
    node.tell(1)
    wait_until(lambda: centre.whole("a") == 1, "not arrived")
    centre.ack(node.waiting().epoch, 99)
    wait_until(lambda: any(alarm.kind is AlarmKind.ACK_REFUSED for alarm in node.alarms), "no alarm")
    centre.ack("01a205d3-d5a4-7072-bb2a-71aee103f25e", 1)
    wait_until(lambda: [alarm.kind for alarm in node.alarms].count(AlarmKind.ACK_REFUSED) == 2, "no second alarm")
    assert node.waiting().count_a == 1
    centre.ack(node.waiting().epoch, 1)
    wait_until(lambda: node.waiting().count_a == 0, "a right ack no longer counts")
    assert [alarm.is_active for alarm in node.alarms if alarm.kind is AlarmKind.ACK_REFUSED] == [True, True, False]


def test_republish_sends_again_what_is_kept(centre, make_node):
    node = make_node()
    for n in range(10):
        node.tell(n)
    wait_until(lambda: centre.whole("a") == 10, "not arrived")
    centre.stored["a"].clear()
    node.uplink.republish(Lane.A, 4)
    wait_until(lambda: set(centre.stored["a"]) == set(range(4, 11)), "not sent again")


def test_a_command_reaches_the_node_with_its_retain_flag(centre, make_node):
    node = make_node()
    centre.client.publish(Publication(ADDRESS.command("ping"), b"{}"))
    centre.client.publish(Publication(ADDRESS.command("clip.plan"), b"[]"))
    wait_until(lambda: len(node.commands) == 2, "not heard")
    assert node.commands == [("ping", b"{}", False), ("clip.plan", b"[]", False)]


def test_an_answer_waits_for_the_connection_and_then_arrives(broker, centre, make_node):
    node = make_node()
    broker.kill()
    wait_until(lambda: not node.uplink.status.is_connected, "the loss was not noticed")
    assert node.uplink.respond("desk-1", b"{}")
    broker.start()
    wait_until(lambda: len(centre.on(ADDRESS.response("desk-1"))) == 1, "no answer")
    assert 3500 < (centre.on(ADDRESS.response("desk-1"))[0].expiry_s or 0) <= 3600


def test_an_alert_is_said_once_and_cleared_by_an_empty_message(centre, make_node):
    node = make_node()
    node.alerts["disk-full"] = Alert(kind="disk_full", severity=Severity.CRITICAL, since=AT, message_en="full")
    node.uplink.facts_changed()
    node.uplink.facts_changed()
    wait_until(lambda: len(centre.on(ADDRESS.alert("disk-full"))) == 1, "no alert")
    node.alerts["disk-full"] = None
    node.uplink.facts_changed()
    wait_until(lambda: len(centre.on(ADDRESS.alert("disk-full"))) == 2, "not cleared")
    assert centre.on(ADDRESS.alert("disk-full"))[1].payload == b""
    assert len(centre.on(ADDRESS.info)) == 1


def test_an_uplink_without_a_broker_stops_at_once(tmp_path: Path, broker: Broker):
    broker.kill()
    node = Node(tmp_path, broker)
    node.uplink.start()
    wait_until(lambda: node.uplink.status.reason == "connection_refused", "no attempt")
    node.uplink.stop(2.0)
    assert not node.uplink.status.is_connected
    node.conn.close()
