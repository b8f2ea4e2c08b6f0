"""`wayside bench outbox`: events that survive the power, against raw paho; an incident among ten thousand older events.

Both sides talk to one mosquitto at QoS 1, one after the other, with payloads of the same bytes. Ours are on disk before
they are sent and gone from it after their PUBACK; the peer's are nowhere but in memory.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from agent.bench.films import Say
from agent.bench.mosquitto import LOOPBACK, Mosquitto
from agent.bench.rows import Pair, Row, median_row
from agent.bench.smallnode import SmallNode
from agent.contract import events
from agent.contract.envelope import decode_envelope
from agent.contract.events import IncidentData, IncidentKind
from agent.contract.topics import NodeAddress
from agent.errors import BenchError
from agent.identity import new_uuid7
from agent.messaging.outbox import EventDraft
from agent.units import NS_PER_MS

PEER: Final = "paho QoS 1"
# What the keeper of a node with eight busy cameras finds waiting after one sync.
_BATCH: Final = 50
# Fills the outbox faster than it is emptied.
_FILL: Final = 500
_WAITING: Final = 10_000
_INCIDENTS: Final = 200
_LIMIT_S: Final = 300.0
_POLL_S: Final = 0.005
_ADDRESS: Final = NodeAddress("bench", "site", "node")


def run(count: int, runs: int, say: Say) -> list[Row]:
    """`events_per_s`: from the first append to the last PUBACK of `count` events. `drain_per_s`: the same of events
    stored before, as after an outage. `incident_p50_ms`, `incident_p99_ms`: from before an incident's
    transaction until a subscriber has it, each with at least 10 000 older events of lane b waiting. Raises BenchError.
    """
    rates: list[Pair] = []
    drains: list[Pair] = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name, Mosquitto(Path(name)) as broker:
            ours = _rate(Path(name) / "node", broker, count)
            drained = _drain_rate(Path(name) / "stored", broker, count)
            peer = _peer_rate(broker, count, _payload(Path(name) / "other"))
            rates.append(Pair(ours, peer))
            drains.append(Pair(drained, peer))
            say(f"run {number + 1}: {ours:.0f} events a second, {drained:.0f} stored ones, {PEER} {peer:.0f}")
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name, Mosquitto(Path(name)) as broker:
        late_ms = _latencies(Path(name) / "node", broker, say)
    cuts = statistics.quantiles(late_ms, n=100)
    return [
        median_row("events_per_s", rates, unit="1/s", peer_name=PEER),
        median_row("drain_per_s", drains, unit="1/s", peer_name=PEER),
        median_row("incident_p50_ms", [Pair(cuts[49])], unit="ms"),
        median_row("incident_p99_ms", [Pair(cuts[98])], unit="ms"),
    ]


def _rate(folder: Path, broker: Mosquitto, count: int) -> float:
    node = SmallNode(folder, _ADDRESS, broker.url)
    try:
        node.uplink.start()
        _wait(lambda: node.uplink.status.is_connected, "the node did not connect")
        began_s = time.perf_counter()
        for first in range(0, count, _BATCH):
            node.append(node.motion(number) for number in range(first, min(first + _BATCH, count)))
        _wait(lambda: node.waiting().count_b == 0, "events are left in the outbox")
        return count / (time.perf_counter() - began_s)
    finally:
        node.close()


def _drain_rate(folder: Path, broker: Mosquitto, count: int) -> float:
    node = SmallNode(folder, _ADDRESS, broker.url)
    try:
        _fill(node, count)
        began_s = time.perf_counter()
        node.uplink.start()
        _wait(lambda: node.waiting().count_b == 0, "events are left in the outbox")
        return count / (time.perf_counter() - began_s)
    finally:
        node.close()


def _peer_rate(broker: Mosquitto, count: int, payload: bytes) -> float:
    acknowledged = threading.Semaphore(0)

    def on_publish(_client: mqtt.Client, _data: object, _mid: int, _code: ReasonCode, _properties: object) -> None:
        acknowledged.release()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, "peer", protocol=mqtt.MQTTv5)
    client.on_publish = on_publish
    client.connect(LOOPBACK, broker.port)
    client.loop_start()
    try:
        _wait(client.is_connected, "paho did not connect")
        began_s = time.perf_counter()
        for _ in range(count):
            client.publish("wayside/v1/bench/site/peer/evt/c01/motion", payload, qos=1)
        for _ in range(count):
            if not acknowledged.acquire(timeout=_LIMIT_S):
                raise BenchError(problem="the peer's messages were not acknowledged")
        return count / (time.perf_counter() - began_s)
    finally:
        client.disconnect()
        client.loop_stop()


def _payload(folder: Path) -> bytes:
    """One motion event as it goes over the wire."""
    node = SmallNode(folder, _ADDRESS, "mqtt://127.0.0.1:9")
    try:
        node.append([node.motion(1)])
        (payload,) = node.conn.execute("SELECT payload FROM outbox_event").fetchone()
        return bytes(payload)
    finally:
        node.conn.close()


def _latencies(folder: Path, broker: Mosquitto, say: Say) -> list[float]:
    """In ms, of incidents told while older events of lane b wait all the time."""
    heard_ns: dict[str, int] = {}

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        now_ns = time.monotonic_ns()
        told = decode_envelope(bytes(message.payload))
        heard_ns[told.id] = now_ns

    centre = mqtt.Client(CallbackAPIVersion.VERSION2, "centre", protocol=mqtt.MQTTv5)
    centre.on_message = on_message
    centre.connect(LOOPBACK, broker.port)
    centre.loop_start()
    node = SmallNode(folder, _ADDRESS, broker.url)
    try:
        _wait(centre.is_connected, "the centre did not connect")
        centre.subscribe("wayside/v1/+/+/+/evt/+/incident", qos=1)
        node.uplink.start()
        _wait(lambda: node.uplink.status.is_connected, "the node did not connect")
        told_ns: dict[str, int] = {}
        for _ in range(_INCIDENTS):
            # More than the node sends until the incident is told.
            _fill(node, _WAITING + 2 * _FILL)
            event_id, at_ns, waiting = _tell_incident(node)
            if waiting < _WAITING:
                raise BenchError(problem="the outbox ran dry", waiting=waiting)
            told_ns[event_id] = at_ns
        _wait(lambda: len(heard_ns) == _INCIDENTS, "not every incident reached the centre")
        say(f"{_INCIDENTS} incidents, each behind {_WAITING} events of lane b or more")
        return [(heard_ns[each] - at_ns) / NS_PER_MS for each, at_ns in told_ns.items()]
    finally:
        node.close(0.1)
        centre.disconnect()
        centre.loop_stop()


def _fill(node: SmallNode, least: int) -> None:
    """Until so many of lane b wait."""
    while (waiting := node.waiting().count_b) < least:
        node.append(node.motion(number) for number in range(waiting, min(waiting + _FILL, least)))


def _tell_incident(node: SmallNode) -> tuple[str, int, int]:
    """The event's id, when its transaction began, and how many of lane b waited then."""
    data = IncidentData(
        incident_id=new_uuid7(),
        kind=IncidentKind.INTRUSION,
        zone="gate",
        begin_s=1.0,
        end_s=None,
        score=0.9,
        box=(0.1, 0.1, 0.2, 0.2),
        tracks=(1,),
        model="bench",
    )
    waiting = node.waiting().count_b
    at_ns = time.monotonic_ns()
    node.append([EventDraft(events.INCIDENT_OPENED, "c01", data, node.moment())])
    (payload,) = node.conn.execute(
        "SELECT payload FROM outbox_event WHERE lane = 'a' ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return decode_envelope(payload).id, at_ns, waiting


def _wait(is_so: Callable[[], bool], problem: str) -> None:
    until_s = time.monotonic() + _LIMIT_S
    pause = threading.Event()
    while not is_so():
        if time.monotonic() > until_s:
            raise BenchError(problem=problem)
        pause.wait(_POLL_S)
