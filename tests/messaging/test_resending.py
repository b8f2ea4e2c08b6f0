"""When things are sent again: doubt about the broker, refusals, answers of a lost connection."""

from __future__ import annotations

from pathlib import Path

from agent.messaging.alarm import AlarmKind
from agent.messaging.answers import Answers
from agent.messaging.doubt import Doubt
from agent.units import NS_PER_S
from tests.broker import Broker, wait_until
from tests.messaging.test_uplink import Centre, Node

MINUTE_NS = 60 * NS_PER_S


def asked(doubt: Doubt, minute: int, *, acked: int = 0, confirmed: int = 100) -> int | None:
    return doubt.send_again_up_to(acked=acked, confirmed=confirmed, mono_ns=minute * MINUTE_NS)


def test_nothing_is_in_doubt_while_the_centre_follows():
    doubt = Doubt()
    assert [asked(doubt, minute, acked=100) for minute in range(0, 600, 10)] == [None] * 60


def test_without_acks_the_oldest_few_are_sent_again_ever_more_rarely():
    doubt = Doubt()
    when = [minute for minute in range(500) if asked(doubt, minute) == 20]
    assert when == [5, 15, 35, 75, 135, 195, 255, 315, 375, 435, 495]


def test_a_centre_that_answers_a_doubt_gets_the_rest_at_once_in_growing_chunks():
    doubt = Doubt()
    asked(doubt, 0)
    assert asked(doubt, 5) == 20
    doubt.acknowledged(acked=20, confirmed=100, mono_ns=5 * MINUTE_NS)
    assert asked(doubt, 5, acked=20) == 60
    doubt.acknowledged(acked=60, confirmed=100, mono_ns=5 * MINUTE_NS)
    assert asked(doubt, 5, acked=60) == 100
    doubt.acknowledged(acked=100, confirmed=100, mono_ns=5 * MINUTE_NS)
    assert asked(doubt, 500, acked=100) is None


def test_an_ordinary_ack_puts_the_doubt_off():
    doubt = Doubt()
    asked(doubt, 0)
    doubt.acknowledged(acked=10, confirmed=100, mono_ns=4 * MINUTE_NS)
    assert asked(doubt, 6, acked=10) is None


def test_an_event_that_nobody_heard_is_sent_again_within_seconds_and_then_ever_more_rarely():
    doubt = Doubt()
    asked_s = [second for second in range(1000) if second_of_doubt(doubt, second) is not None]
    assert asked_s == [5, 15, 35, 75, 155, 315, 615, 915]


def second_of_doubt(doubt: Doubt, second: int) -> int | None:
    """Nobody hears what is sent again, either."""
    again = doubt.send_again_up_to(acked=0, confirmed=1, mono_ns=second * NS_PER_S)
    if again is not None or second == 0:
        doubt.unheard(second * NS_PER_S)
    return again


def test_answers_of_a_lost_connection_are_sent_again_first_and_in_order():
    answers = Answers()
    for n in range(3):
        answers.add("t", str(n).encode(), 0)
    for token in (7, 8):
        assert answers.next(0) is not None
        answers.sent(token)
    assert answers.settle(7)
    assert not answers.settle(7)
    answers.recall()
    order = []
    while (publication := answers.next(NS_PER_S)) is not None:
        order.append((publication.payload, publication.expiry_s))
        answers.sent(100 + len(order))
    assert order == [(b"1", 3599), (b"2", 3599)]


def test_answers_older_than_an_hour_and_beyond_a_thousand_are_dropped_and_counted():
    answers = Answers()
    for n in range(1_001):
        answers.add("t", str(n).encode(), 0)
    assert answers.dropped == 1
    assert answers.next(3600 * NS_PER_S) is None
    assert answers.dropped == 1_001
    assert answers.is_empty


def test_a_refused_event_of_lane_a_waits_with_an_alarm_and_lane_b_is_told_as_lost(make_broker, tmp_path: Path):
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite wayside/#\ntopic deny wayside/v1/org/site/n1/evt/c01/motion\n")
    broker: Broker = make_broker(f"allow_anonymous true\nacl_file {acl}")
    centre, node = Centre(broker), Node(tmp_path, broker)
    node.uplink.start()
    for n in range(5):
        node.tell(n)
    wait_until(lambda: node.waiting().shed_count == 5, "lane b was not given up")
    wait_until(lambda: any(one.type == "wayside.shed.v1" for one in centre.stored["a"].values()), "not told")
    refused = [alarm for alarm in node.alarms if alarm.kind is AlarmKind.EVENT_REFUSED]
    assert len(refused) == 1
    assert "Not authorized" in refused[0].detail
    node.uplink.stop(1.0)
    centre.client.close(1.0)
    node.conn.close()


def test_a_lane_a_event_the_broker_refuses_is_kept_and_nothing_overtakes_it(make_broker, tmp_path: Path):
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite wayside/#\ntopic deny wayside/v1/org/site/n1/evt/c01/gap\n")
    broker: Broker = make_broker(f"allow_anonymous true\nacl_file {acl}")
    centre, node = Centre(broker), Node(tmp_path, broker)
    node.uplink.start()
    for n in range(5):
        node.tell(n)
    wait_until(lambda: AlarmKind.EVENT_REFUSED in [alarm.kind for alarm in node.alarms], "no alarm")
    node.uplink.stop(1.0)
    assert node.waiting().count_a == 5
    assert centre.stored["a"] == {}
    assert node.waiting().confirmed_a == 0
    centre.client.close(1.0)
    node.conn.close()
