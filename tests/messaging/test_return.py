"""How a fleet comes back to a broker that was away: nobody decides it but each node's own waits."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest

from agent.messaging.broker import BrokerEvent, BrokerOptions, Connected, Disconnected
from agent.messaging.client import BrokerClient, loses_place, retry_backoff
from tests.broker import Broker, wait_until

SPREAD_S = 30.0
FLEET = 5_000


def returns_s(outage_s: float, chance: random.Random) -> list[float]:
    """When each node's first attempt after the outage is made, counted from its end."""
    backoff = retry_backoff(SPREAD_S)
    found = []
    for _ in range(FLEET):
        at_s, failures = chance.uniform(0, SPREAD_S), 0
        while at_s < outage_s:
            failures = backoff.count(failures, 0.01)
            # An attempt at an address that does not answer lasts up to the connect limit.
            at_s += chance.uniform(0, 5) + backoff.delay_s(failures, chance.random())
        found.append(at_s - outage_s)
    return sorted(found)


def busiest_second(times_s: list[float]) -> int:
    return max(bisect_left(times_s, each + 1.0) - at for at, each in enumerate(times_s))


@pytest.mark.parametrize("outage_s", [0.0, 1.0, 5.0, 15.0, 20.0, 29.0, 60.0, 300.0, 3600.0])
def test_whenever_a_broker_is_back_no_second_sees_a_twentieth_of_the_fleet(outage_s: float) -> None:
    times_s = returns_s(outage_s, random.Random(39))
    assert busiest_second(times_s) < FLEET / 20
    assert times_s[-1] < SPREAD_S + 5


@pytest.mark.parametrize(
    ("reason", "was_live", "is_lost"),
    [
        ("connection_lost", True, True),
        ("server_shutting_down", True, True),
        # Cut while it was being made: a killed broker does that to many at once.
        ("connection_lost", False, True),
        ("network", False, True),
        ("connection_refused", False, False),
        ("timeout", False, False),
        ("no_answer", False, False),
        ("certificate_revoked", False, False),
    ],
)
def test_a_place_is_drawn_anew_only_by_those_who_lost_the_broker_in_one_moment(
    reason: str, was_live: bool, is_lost: bool
) -> None:
    assert loses_place(reason, was_live=was_live) is is_lost


def test_a_client_of_its_own_is_soon_back() -> None:
    backoff = retry_backoff(0.0)
    assert [backoff.delay_s(failures, 0.5) for failures in (1, 2, 3, 20)] == [0.5, 1.0, 2.0, 60.0]


def test_one_of_a_fleet_comes_back_to_a_broker_that_was_killed_under_it_and_stayed_away(broker: Broker) -> None:
    events: list[BrokerEvent] = []
    client = BrokerClient(BrokerOptions(broker.url, "n1", connect_spread_s=0.2), events.append)

    def count(kind: type[BrokerEvent]) -> int:
        return sum(isinstance(event, kind) for event in list(events))

    client.start()
    try:
        wait_until(lambda: count(Connected) == 1, "it does not connect")
        broker.kill()
        # The connection that was lost, and attempts that nobody answered.
        wait_until(lambda: count(Disconnected) >= 3, "it does not try again")
        broker.start()
        wait_until(lambda: count(Connected) == 2, "it does not come back")
    finally:
        client.close(0.0)
