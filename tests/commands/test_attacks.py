"""A forged command does nothing and stands in the audit: each way to forge one, and thousands made at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from agent.commands.dispatch import Inbound
from agent.contract.commands import JWS_TYPE, Actor, AnswerState, CommandPayload, encode_unsigned
from agent.contract.topics import NodeAddress
from agent.contract.wire import MAX_MESSAGE_BYTES, encode
from agent.recording import holds
from agent.signing import sign_general
from agent.units import NS_PER_S
from tests.broker import wait_until
from tests.commands.attacks import MALI, SOMCHAI, SPAN, STRANGER, Person, attack, guarded_node
from tests.commands.desk import ADDRESS, Node
from tests.upload.test_upload import answering

ELSEWHERE = NodeAddress("test-org", "test-site", "other-node")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Node]:
    made = guarded_node(tmp_path)
    yield made
    made.close()


def signed(command: CommandPayload, *people: Person) -> bytes:
    return encode(sign_general(encode(command), [each.key for each in people], typ=JWS_TYPE))


def late(node: Node) -> CommandPayload:
    now_s = node.ring.clock.now_wall_ns // NS_PER_S
    return node.command("hold.set", SPAN, iat=now_s - 300, exp=now_s - 61)


def early(node: Node) -> CommandPayload:
    now_s = node.ring.clock.now_wall_ns // NS_PER_S
    return node.command("hold.set", SPAN, iat=now_s + 61, exp=now_s + 120)


def hold(**changes: object) -> Callable[[Node], CommandPayload]:
    return lambda node: node.command("hold.set", SPAN, **changes)


def erase(node: Node) -> CommandPayload:
    return node.command("footage.erase", SPAN)


@pytest.mark.parametrize(
    ("make", "people", "reason", "is_answered"),
    [
        (hold(), (STRANGER,), "unknown_key", True),
        (hold(), (SOMCHAI, STRANGER), "unknown_key", True),
        (hold(), (MALI,), "wrong_actor", True),
        (hold(actor=Actor(id="somchai", role="judge")), (SOMCHAI,), "wrong_actor", True),
        (hold(aud=ELSEWHERE.urn), (SOMCHAI,), "wrong_audience", True),
        (hold(aud=""), (SOMCHAI,), "wrong_audience", True),
        (late, (SOMCHAI,), "expired", True),
        (early, (SOMCHAI,), "from_the_future", True),
        (hold(exp=2**62), (SOMCHAI,), "lives_too_long", True),
        (hold(reply_to=ELSEWHERE.response("desk-1")), (SOMCHAI,), "foreign_reply_topic", False),
        (hold(reply_to=ADDRESS.response("desk-1") + "/x"), (SOMCHAI,), "foreign_reply_topic", False),
        (hold(reply_to=ADDRESS.root + "/rsp/#"), (SOMCHAI,), "foreign_reply_topic", False),
        (hold(reply_to=ADDRESS.state), (SOMCHAI,), "foreign_reply_topic", False),
        (erase, (SOMCHAI,), "second_signature_due", True),
        (erase, (SOMCHAI, SOMCHAI), "second_signature_due", True),
        (erase, (SOMCHAI, STRANGER), "unknown_key", True),
    ],
)
def test_what_is_forged_does_nothing_and_is_in_the_audit(
    guarded: Node, make: Callable[[Node], CommandPayload], people: tuple[Person, ...], reason: str, is_answered: bool
) -> None:
    command = make(guarded)
    guarded.receive(command, message=signed(command, *people))
    assert [(each.jti, each.reason) for each in guarded.audits()] == [(command.jti, reason)]
    assert [each.reason for each in guarded.finals(command)] == ([reason] if is_answered else [])
    assert_nothing_was_done(guarded)


def assert_nothing_was_done(node: Node) -> None:
    assert holds.all_holds(node.ring.conn) == []
    assert node.ring.conn.execute("SELECT count(*) FROM command").fetchone()[0] == 0


def test_an_unsigned_command_does_nothing_where_signatures_are_due(guarded: Node) -> None:
    command = guarded.command("hold.set", SPAN)
    guarded.receive(command, message=encode_unsigned(command))
    assert [each.reason for each in guarded.audits()] == ["unsigned"]
    assert_nothing_was_done(guarded)


@pytest.mark.parametrize(("is_retained", "topic", "reason"), [(True, "", "retained"), (False, "ping", "wrong_topic")])
def test_a_command_that_the_broker_kept_or_that_came_on_another_topic_does_nothing(
    guarded: Node, is_retained: bool, topic: str, reason: str
) -> None:
    command = guarded.command("hold.set", SPAN)
    guarded.receive(command, message=signed(command, SOMCHAI), is_retained=is_retained, topic=topic)
    assert [each.reason for each in guarded.audits()] == [reason]
    assert_nothing_was_done(guarded)


def test_a_replay_is_answered_from_the_record_and_after_its_time_not_at_all(guarded: Node) -> None:
    command = guarded.command("hold.set", SPAN)
    message = signed(command, SOMCHAI)
    for _ in range(3):
        guarded.receive(command, message=message)
    first, *again = guarded.finals(command)
    assert again == [first, first]
    guarded.ring.clock.now_wall_ns += 600 * NS_PER_S
    guarded.receive(command, message=message)
    assert len(guarded.finals(command)) == 3
    assert [(each.outcome, each.reason) for each in guarded.audits()] == [
        ("accepted", ""), ("succeeded", ""), *[("succeeded", "repeated")] * 2, ("expired", "expired"),
    ]  # fmt: skip
    assert len(holds.all_holds(guarded.ring.conn)) == 1


def test_a_counter_that_was_seen_does_nothing_under_a_new_name(guarded: Node) -> None:
    first = guarded.command("ping")
    guarded.receive(first, message=signed(first, SOMCHAI))
    second = guarded.command("hold.set", SPAN, ctr=first.ctr)
    guarded.receive(second, message=signed(second, SOMCHAI))
    assert guarded.final(second).reason == "replayed"
    assert "replayed" in [each.reason for each in guarded.audits()]
    assert holds.all_holds(guarded.ring.conn) == []


@pytest.mark.parametrize("url", ["https://evil.example/clip", "http://127.0.0.1:1/clip", "https://10.0.0.7/clip"])
def test_a_clip_goes_to_no_host_that_the_node_was_not_told(guarded: Node, url: str) -> None:
    command = guarded.command("clip.export", {**SPAN, "upload_url": url})
    with guarded.running():
        guarded.dispatcher.offer(Inbound("clip.export", signed(command, SOMCHAI), is_retained=False))
        wait_until(lambda: bool(guarded.finals(command)), "no final answer")
    answer = guarded.final(command)
    assert (answer.state, answer.reason) in {
        (AnswerState.REJECTED, "host_not_allowed"),
        (AnswerState.REJECTED, "not_https"),
    }
    assert [each.outcome for each in guarded.audits()] == ["accepted", "rejected"]


def test_a_receiver_that_points_elsewhere_gets_nothing_and_so_does_elsewhere(node: Node) -> None:
    asked: list[str] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        request.send_error(500)

    with answering(elsewhere) as target:

        def redirect(request: BaseHTTPRequestHandler) -> None:
            request.rfile.read(int(request.headers.get("Content-Length", 0)))
            request.send_response(307)
            request.send_header("Location", target)
            request.send_header("Content-Length", "0")
            request.end_headers()

        with answering(redirect) as url:
            answer = node.export({**SPAN, "upload_url": url})
    assert (answer.state, answer.reason, asked) == (AnswerState.FAILED, "redirected", [])
    assert [(each.outcome, each.reason) for each in node.audits()] == [("accepted", ""), ("failed", "redirected")]


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 8 << 20])
def test_what_is_larger_than_a_message_may_be_is_not_even_read(guarded: Node, size: int) -> None:
    command = guarded.command("hold.set", SPAN)
    padded = signed(command, SOMCHAI).ljust(size)
    guarded.receive(command, message=padded)
    with guarded.running():
        guarded.dispatcher.offer(Inbound(command.name, padded, is_retained=False))
        wait_until(lambda: len(guarded.warnings()) == 2, "it is not in the audit")
    assert {each.detail for each in guarded.warnings()} == {f"cmd/hold.set: more than {MAX_MESSAGE_BYTES} bytes"}
    assert_nothing_was_done(guarded)


def test_of_hundreds_of_forgeries_none_is_executed_and_each_is_in_the_audit(guarded: Node) -> None:
    """20 000 of them: make faults ARGS=forgeries."""
    toll = attack(guarded, 600, seed=6)
    assert (toll.executed, toll.told) == (0, 600), toll.line()


def test_what_comes_faster_than_it_can_be_read_is_counted_in_the_audit(guarded: Node) -> None:
    for _ in range(500):
        guarded.dispatcher.offer(Inbound("ping", b"x", is_retained=False))
    with guarded.running():
        wait_until(lambda: "commands_dropped" in [each.kind for each in guarded.warnings()], "nobody is told")
    (told,) = [each.detail for each in guarded.warnings() if each.kind == "commands_dropped"]
    assert told.startswith("300 came")
