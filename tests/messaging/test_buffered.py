"""Our way through paho against its own: what came together is read together, what is held leaves whole and in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.messaging.broker import BrokerOptions, Confirmed, Message, Outcome, Publication
from agent.messaging.client import BrokerClient
from tests.broker import Broker, wait_until

# Of 60 kB each: more than any socket's buffers hold.
_COUNT = 300
_BODY = bytes(60_000)


class Heard:
    """What one client heard, from its own thread."""

    def __init__(self) -> None:
        self.confirmed: list[Confirmed] = []
        self.messages: list[Message] = []

    def __call__(self, event: object) -> None:
        if isinstance(event, Confirmed):
            self.confirmed.append(event)
        elif isinstance(event, Message):
            self.messages.append(event)


def running(options: BrokerOptions) -> tuple[BrokerClient, Heard]:
    heard = Heard()
    client = BrokerClient(options, heard)
    client.start()
    wait_until(lambda: client.status.is_connected, "never connected")
    return client, heard


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_more_than_the_socket_takes_leaves_in_order_once_the_broker_reads_again(
    make_broker: Callable[[str], Broker], protocol: str
) -> None:
    broker = make_broker(f"allow_anonymous true\nmax_inflight_messages {_COUNT}\nmax_queued_messages 0")
    listener, ear = running(BrokerOptions(broker.url, "ear", subscriptions=("x/#",), protocol=protocol))
    client, heard = running(BrokerOptions(broker.url, "mouth", protocol=protocol, window=_COUNT))
    try:
        broker.freeze()
        tokens = [client.publish(Publication(f"x/{number}", _BODY)) for number in range(_COUNT)]
        broker.thaw()
        wait_until(lambda: len(heard.confirmed) == _COUNT, "not all were confirmed")
        wait_until(lambda: len(ear.messages) == _COUNT, "not all arrived")
    finally:
        client.close()
        listener.close()
    assert [each.token for each in heard.confirmed] == tokens
    assert {each.outcome for each in heard.confirmed} == {Outcome.DELIVERED}
    assert [each.topic for each in ear.messages] == [f"x/{number}" for number in range(_COUNT)]
    assert {each.payload for each in ear.messages} == {_BODY}


def test_a_puback_tells_of_a_refusal_and_of_nobody_who_listens(
    make_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    (tmp_path / "acl").write_text("topic readwrite x/open\n")
    broker = make_broker(f"allow_anonymous true\nacl_file {tmp_path / 'acl'}")
    client, heard = running(BrokerOptions(broker.url, "mouth"))
    try:
        for topic in ("x/open", "x/shut", "x/open"):
            client.publish(Publication(topic, b"{}"))
        wait_until(lambda: len(heard.confirmed) == 3, "not all were confirmed")
    finally:
        client.close()
    assert [(each.outcome, each.reason, each.is_unheard) for each in heard.confirmed] == [
        (Outcome.DELIVERED, "", True),
        (Outcome.REFUSED, "Not authorized", False),
        (Outcome.DELIVERED, "", True),
    ]
