"""A replicated broker, NATS JetStream over MQTT 3.1.1, with the server in use killed in the middle of it all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from agent.centre.eventstore import EVENTS_NAME
from tests.broker import LOOPBACK, wait_until
from tests.faults.outage import NodeProcess, events_of_lane_a
from tests.faults.outage_node import truth
from tests.rigs.nats import NATS, NatsCluster
from tests.serve.rig import Serve, make_office

_STEP_NS = 1_000_000
# What is silent for so long does not come any more: the broker sends again after 10 s (`ack_wait`).
_SILENCE_S = 25.0
_REJOIN_LIMIT_S = 90.0


def nats(folder: Path, count: int) -> list[str]:
    """Raises AssertionError when an event of lane a is lost on its way from outbox to centre."""
    folder.mkdir(parents=True, exist_ok=True)
    if NATS is None:
        return ["nats: not run, nats-server is not installed (apt-get install nats-server)"]
    with NatsCluster(folder / "raw") as cluster:
        lines = [_raw(cluster, count)]
    with NatsCluster(folder / "ours") as cluster:
        return [*lines, _ours(folder, cluster, count)]


class _Client:
    """paho as it comes, with a lasting session, which reconnects by itself."""

    def __init__(self, name: str, port: int) -> None:
        self.taken: set[int] = set()
        self.heard: Counter[str] = Counter()
        self.heard_s = time.monotonic()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=False, protocol=mqtt.MQTTv311)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = self._on_publish
        self.client.on_message = self._on_message
        self.client.connect(LOOPBACK, port, keepalive=5)
        self.client.loop_start()
        wait_until(self.client.is_connected, f"{name} does not connect")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_publish(self, _c: mqtt.Client, _u: object, mid: int, _code: ReasonCode, _p: object) -> None:
        self.taken.add(mid)

    def _on_message(self, _c: mqtt.Client, _u: object, message: mqtt.MQTTMessage) -> None:
        self.heard[message.payload.decode()] += 1
        self.heard_s = time.monotonic()


def _raw(cluster: NatsCluster, count: int) -> str:
    """What the cluster alone keeps of what it confirmed; paho sends again what was not confirmed."""
    port = int(cluster.url.rpartition(":")[2])
    ear, mouth = _Client("ear", port), _Client("mouth", port)
    ear.client.subscribe("wayside/v1/+/+/+/evt/#", 1)
    threading.Event().wait(1.0)
    try:
        for number in range(count):
            mouth.client.publish("wayside/v1/org/site/node/evt/c01/incident", str(number), 1)
            if number == count // 2:
                wait_until(lambda: len(mouth.taken) > count // 4, "nothing is confirmed", limit_s=120.0)
                cluster.kill_the_one_in_use()
        wait_until(lambda: len(mouth.taken) == count, f"{len(mouth.taken)} of {count} confirmed", limit_s=180.0)

        def is_over() -> bool:
            return len(ear.heard) == count or time.monotonic() - ear.heard_s > _SILENCE_S

        wait_until(is_over, "it never ends", limit_s=300.0)
    finally:
        mouth.close()
        ear.close()
    lost, copies = count - len(ear.heard), ear.heard.total() - len(ear.heard)
    return f"nats: of {count} confirmed at QoS 1, {lost} never came, {copies} came again; a server killed"


def _ours(folder: Path, cluster: NatsCluster, count: int) -> str:
    make_office(folder / "office")
    line = ("--broker", cluster.url, "--name", "nats-centre", "--protocol", "3.1.1")
    serve = Serve(folder / "office", folder / "centre", *line)
    node = NodeProcess(folder / "node", cluster.url, _STEP_NS, "3.1.1")
    serve.start()
    try:
        node.start(count)
        wait_until(lambda: serve.count() > count // 4, "the centre hears nothing", limit_s=120.0)
        killed_s = time.monotonic()
        number = cluster.kill_the_one_in_use()
        node.wait_for(count)
        node.wait_for_acks()
        took_s = time.monotonic() - killed_s
        rejoined = _rejoin(cluster, number)
    finally:
        node.end()
        serve.stop()
    ((epoch, stored),) = truth(node.store, "a").items()
    centre = events_of_lane_a(serve.store / EVENTS_NAME)
    assert centre == {epoch: stored}, f"{len(stored)} stored, {len(centre.get(epoch, {}))} at the centre"
    return (
        f"nats: server {number} killed with both clients on it: {len(stored)} of {len(stored)} of lane a"
        f" at the centre, each once, acknowledged after {took_s:.1f} s; {rejoined}"
    )


def _rejoin(cluster: NatsCluster, number: int) -> str:
    """Told and not asserted: two of three serve all the same."""
    began_s = time.monotonic()
    cluster.start(number)
    pause = threading.Event()
    while time.monotonic() - began_s < _REJOIN_LIMIT_S:
        if cluster.servers[number].is_healthy():
            return f"the killed one rejoined after {time.monotonic() - began_s:.0f} s"
        pause.wait(0.5)
    return f"the killed one did not say within {_REJOIN_LIMIT_S:.0f} s that it had rejoined"
