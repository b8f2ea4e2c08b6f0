"""The broker client against a real mosquitto: each trap of the contract's list, and the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.messaging.broker import (
    BrokerEvent,
    BrokerOptions,
    Confirmed,
    Connected,
    Disconnected,
    Message,
    Outcome,
    Publication,
    Will,
    parse_url,
)
from agent.messaging.client import BrokerClient
from agent.stage import Backoff
from tests.broker import Broker, wait_until

FAST = Backoff(initial_s=0.05, max_s=0.2)


class Listener:
    """Keeps what one client heard."""

    def __init__(self) -> None:
        self.events: list[BrokerEvent] = []
        self.poison = threading.Event()

    def __call__(self, event: BrokerEvent) -> None:
        self.events.append(event)
        if self.poison.is_set() and isinstance(event, Message):
            self.poison.clear()
            raise ValueError("a callback that fails")

    def of(self, kind: type) -> list:
        return [event for event in list(self.events) if isinstance(event, kind)]


@pytest.fixture
def connect() -> Iterator[Callable[..., tuple[BrokerClient, Listener]]]:
    clients: list[BrokerClient] = []

    def make(options: BrokerOptions, *, is_waiting: bool = True) -> tuple[BrokerClient, Listener]:
        listener = Listener()
        client = BrokerClient(options, listener, backoff=FAST)
        clients.append(client)
        client.start()
        if is_waiting:
            wait_until(lambda: client.status.is_connected, "never connected")
        return client, listener

    yield make
    for client in clients:
        client.close(1.0)


def options(broker: Broker, client_id: str = "n1", **more: object) -> BrokerOptions:
    return BrokerOptions(url=broker.url, client_id=client_id, **more)  # type: ignore[arg-type]


def payloads(listener: Listener) -> list[bytes]:
    return [message.payload for message in listener.of(Message)]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_messages_arrive_in_order_and_each_is_confirmed(broker, connect, protocol):
    _, reader = connect(options(broker, "reader", subscriptions=("t/#",), protocol=protocol))
    client, sender = connect(options(broker, protocol=protocol))
    tokens = [client.publish(Publication(f"t/{n}", str(n).encode())) for n in range(500)]
    wait_until(lambda: len(sender.of(Confirmed)) == 500, "not all confirmed")
    assert [one.token for one in sender.of(Confirmed)] == tokens
    assert {one.outcome for one in sender.of(Confirmed)} == {Outcome.DELIVERED}
    wait_until(lambda: len(payloads(reader)) == 500, "not all arrived")
    assert payloads(reader) == [str(n).encode() for n in range(500)]


def test_an_exception_in_a_callback_ends_the_connection_and_a_new_one_follows(broker, connect):
    client, listener = connect(options(broker, subscriptions=("t",)))
    listener.poison.set()
    client.publish(Publication("t", b"1"))
    wait_until(lambda: len(listener.of(Connected)) == 2, "not connected again")
    assert client.publish(Publication("t", b"2")) is not None
    wait_until(lambda: b"2" in payloads(listener), "the new connection does not work")


def test_a_refused_puback_is_reported_as_refused(make_broker, connect, tmp_path: Path):
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write allowed\n")
    broker = make_broker(f"allow_anonymous true\nacl_file {acl}")
    client, listener = connect(options(broker))
    client.publish(Publication("forbidden", b"1"))
    client.publish(Publication("allowed", b"2"))
    wait_until(lambda: len(listener.of(Confirmed)) == 2, "not answered")
    refused, delivered = listener.of(Confirmed)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "Not authorized")
    assert delivered.outcome is Outcome.DELIVERED


def test_an_oversize_message_is_refused_here_and_the_connection_stays(make_broker, connect):
    broker = make_broker("allow_anonymous true\nmax_packet_size 2000")
    client, listener = connect(options(broker))
    assert listener.of(Connected)[0].max_packet_bytes == 2000
    client.publish(Publication("t", b"x" * 5000))
    client.publish(Publication("t", b"x"))
    wait_until(lambda: len(listener.of(Confirmed)) == 2, "not answered")
    assert [one.reason for one in listener.of(Confirmed)] == ["packet_too_large", ""]
    assert listener.of(Disconnected) == []


def test_nothing_is_taken_while_offline(broker, connect):
    client, listener = connect(options(broker))
    broker.kill()
    wait_until(lambda: not client.status.is_connected, "the loss was not noticed")
    assert client.publish(Publication("t", b"1")) is None
    broker.start()
    wait_until(lambda: client.status.is_connected, "not connected again")
    generations = [one.generation for one in listener.of(Connected)]
    assert client.publish(Publication("t", b"2"), generation=generations[0]) is None
    assert client.publish(Publication("t", b"2"), generation=generations[-1]) is not None


def test_the_receive_maximum_is_honoured(make_broker, connect):
    broker = make_broker("allow_anonymous true\nmax_inflight_messages 3")
    client, listener = connect(options(broker))
    assert listener.of(Connected)[0].window == 3
    for n in range(200):
        client.publish(Publication("t", str(n).encode()))
    wait_until(lambda: len(listener.of(Confirmed)) == 200, "not all confirmed")
    assert listener.of(Disconnected) == []


def test_a_graceful_close_waits_for_outstanding_confirmations(broker, connect):
    _, reader = connect(options(broker, "reader", subscriptions=("t",)))
    client, listener = connect(options(broker))
    for n in range(200):
        client.publish(Publication("t", str(n).encode()))
    client.close(10.0)
    assert len(listener.of(Confirmed)) == 200
    wait_until(lambda: len(payloads(reader)) == 200, "not all arrived")
    assert listener.events[-1].reason == "closed"


def test_a_killed_client_leaves_its_will_and_a_closed_one_does_not(broker, connect):
    def will(generation: int) -> Will:
        return Will(Publication("will", f"lost {generation}".encode()))

    _, reader = connect(options(broker, "reader", subscriptions=("will",)))
    first, _ = connect(options(broker, "n1", will=will))
    first.close(1.0)
    # A second client with the same id takes the session over: to the broker the first is lost.
    connect(options(broker, "n2", will=will, session_expiry_s=0))
    connect(options(broker, "n2", is_clean_start=True))
    wait_until(lambda: payloads(reader) == [b"lost 1"], "no will, or one too many")


def test_a_frozen_broker_is_given_up_and_met_again(broker, connect):
    client, listener = connect(options(broker, keepalive_s=1))
    broker.freeze()
    wait_until(lambda: len(listener.of(Disconnected)) > 0, "silence was not noticed")
    broker.thaw()
    wait_until(lambda: client.status.is_connected, "not connected again")


def test_the_session_and_its_subscriptions_outlive_a_connection(broker, connect):
    first, _ = connect(options(broker, "n1", subscriptions=("t",)))
    first.close(1.0)
    sender, _ = connect(options(broker, "other"))
    sender.publish(Publication("t", b"while away"))
    sender.close(2.0)
    _, again = connect(options(broker, "n1", subscriptions=("t",)))
    wait_until(lambda: payloads(again) == [b"while away"], "the broker kept nothing")
    assert again.of(Connected)[0].is_session_present


def test_a_refused_subscription_is_reported(make_broker, connect, tmp_path: Path):
    # mosquitto 2.0 refuses a subscription through dynamic security only; a filter beyond 200 levels it refuses always.
    broker = make_broker("allow_anonymous true")
    deep = "/".join("x" * 250)
    _, listener = connect(options(broker, subscriptions=("t", deep)), is_waiting=False)
    wait_until(lambda: len(listener.events) > 0, "nothing heard")
    heard = listener.events[0]
    assert isinstance(heard, Disconnected) or heard.refused_filters == (deep,)


def test_bad_credentials_are_a_refusal_with_a_remedy(make_broker, connect, tmp_path: Path):
    (tmp_path / "passwords").write_text("")
    broker = make_broker(f"allow_anonymous false\npassword_file {tmp_path}/passwords")
    client, listener = connect(options(broker, username="n1", password="wrong"), is_waiting=False)
    wait_until(lambda: len(listener.of(Disconnected)) >= 2, "not tried again")
    assert listener.of(Disconnected)[0].is_refusal
    assert client.status.reason in ("bad_credentials", "not_authorised")
    assert client.status.remedy


def test_an_unknown_host_and_a_closed_port_are_told_apart(connect):
    for url, reason in (
        ("mqtt://127.0.0.1:9", "connection_refused"),
        ("mqtt://no-such-host.invalid", "unknown_host"),
    ):
        _, listener = connect(BrokerOptions(url=url, client_id="n1"), is_waiting=False)
        wait_until(lambda heard=listener: len(heard.of(Disconnected)) > 0, "no answer")
        assert listener.of(Disconnected)[0].reason == reason
        assert not listener.of(Disconnected)[0].is_refusal


def test_message_expiry_travels(broker, connect):
    _, reader = connect(options(broker, "reader", subscriptions=("t",)))
    client, _ = connect(options(broker))
    client.publish(Publication("t", b"1", expiry_s=180))
    wait_until(lambda: len(payloads(reader)) == 1, "not arrived")
    assert reader.of(Message)[0].expiry_s in (179, 180)


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtts://user:pw@x", "mqtt://x/y", "mqtt://x:99999"])
def test_a_url_that_is_no_broker_is_refused(url):
    with pytest.raises(ConfigError):
        parse_url(url)


def test_an_unacknowledged_message_comes_again_and_an_acknowledged_one_does_not(broker, connect):
    manual = {"subscriptions": ("t/#",), "is_manual_ack": True}
    reader, heard = connect(options(broker, "reader", **manual))
    sender, _ = connect(options(broker))
    for number in range(25):
        sender.publish(Publication("t/x", str(number).encode()))
    wait_until(lambda: len(payloads(heard)) >= 4, "nothing came")
    reader.acknowledge(heard.of(Message)[:4])
    wait_until(lambda: len(payloads(heard)) == 25, "what was confirmed made no room")
    reader.close(1.0)
    second, again = connect(options(broker, "reader", **manual))
    wait_until(lambda: bool(payloads(again)), "nothing came again")
    second.acknowledge(again.of(Message)[:1])
    wait_until(lambda: len(payloads(again)) == 21, "not everything came again")
    assert payloads(again) == [str(number).encode() for number in range(4, 25)]
