"""A client that has another certificate: connects anew in order, as the same client."""

from __future__ import annotations

from agent.messaging.broker import BrokerEvent, BrokerOptions, Connected, Disconnected, Message, Publication, Will
from agent.messaging.client import BrokerClient
from tests.broker import Broker, wait_until


def test_a_reconnection_says_no_will_and_keeps_the_session(broker: Broker) -> None:
    heard: list[BrokerEvent] = []
    ear = BrokerClient(BrokerOptions(broker.url, "ear", subscriptions=("will",)), heard.append)
    events: list[BrokerEvent] = []
    will = Will(Publication("will", b"x"))
    client = BrokerClient(BrokerOptions(broker.url, "node", will=lambda _: will), events.append)
    ear.start()
    client.start()
    try:
        wait_until(lambda: bool(heard) and bool(events), "no connection")
        client.reconnect()
        wait_until(lambda: len(connections(events)) == 2, "no second connection")
        assert [each.is_session_present for each in connections(events)] == [False, True]
        ends = [event for event in events if isinstance(event, Disconnected)]
        assert [end.is_refusal for end in ends] == [False]
        # Said now, the will would have come before this.
        client.publish(Publication("will", b"after"))
        wait_until(lambda: any(isinstance(event, Message) for event in heard), "the ear is deaf")
        assert [event.payload for event in heard if isinstance(event, Message)] == [b"after"]
    finally:
        client.close(0.0)
        ear.close(0.0)


def test_a_client_that_is_not_connected_has_nothing_to_renew(broker: Broker) -> None:
    broker.kill()
    events: list[BrokerEvent] = []
    client = BrokerClient(BrokerOptions(broker.url, "node"), events.append)
    client.start()
    try:
        wait_until(lambda: bool(events), "no attempt")
        client.reconnect()
        broker.start()
        wait_until(lambda: len(connections(events)) == 1, "it does not come")
    finally:
        client.close(0.0)


def connections(events: list[BrokerEvent]) -> list[Connected]:
    return [event for event in events if isinstance(event, Connected)]
