"""From a message on cmd/ to one final answer, over a real store."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.commands import journal
from agent.commands.dispatch import Inbound
from agent.commands.ration import Ration
from agent.commands.trust import COUNTER_WINDOW, Trust
from agent.contract.commands import AnswerState, base64url, encode_unsigned
from agent.contract.looking import SnapshotResult
from agent.contract.requests import GapsResult, PingResult
from agent.recording import incidents
from agent.recording.incidents import OpenIncident
from agent.store import transaction
from agent.units import NS_PER_S
from tests.broker import wait_until
from tests.clip.footage import START_NS
from tests.commands.desk import ADDRESS, JPEG, Node, at

INCIDENT = "01939f3e-8a5b-7c3d-9e1f-0123456789ab"
MINUTE_NS = 60 * NS_PER_S


def test_a_ping_is_accepted_then_answered_and_both_are_audited(node: Node) -> None:
    command = node.command("ping")
    node.receive(command)
    assert node.states(command) == [AnswerState.ACCEPTED, AnswerState.SUCCEEDED]
    result = msgspec.json.decode(node.final(command).result, type=PingResult)
    assert (result.boot_id, result.clock_quality, result.clock_error_s) == ("boot", "synced", 0.01)
    assert [(each.action, each.outcome, each.actor) for each in node.audits()] == [
        ("ping", "accepted", "somchai"),
        ("ping", "succeeded", "somchai"),
    ]


def test_a_command_that_comes_again_is_answered_again_and_not_done_again(node: Node) -> None:
    command = node.command("ping")
    node.receive(command)
    node.ring.clock.now_wall_ns += 5 * NS_PER_S
    node.receive(command)
    first, second = node.finals(command)
    assert first == second
    assert [each.reason for each in node.audits()] == ["", "", "repeated"]


@pytest.mark.parametrize(("is_retained", "topic"), [(True, "ping"), (False, "gaps")])
def test_a_bad_copy_of_an_answered_command_gives_it_no_second_answer(node: Node, is_retained: bool, topic: str) -> None:
    command = node.command("ping")
    node.receive(command)
    node.receive(command, is_retained=is_retained, topic=topic)
    assert node.final(command).state is AnswerState.SUCCEEDED


def test_a_copy_after_its_time_gives_no_second_answer(node: Node) -> None:
    command = node.command("ping")
    node.receive(command)
    node.ring.clock.now_wall_ns += 10 * MINUTE_NS
    node.receive(command)
    assert node.final(command).state is AnswerState.SUCCEEDED


def test_who_repeats_anothers_command_does_not_hear_its_answer(node: Node) -> None:
    command = node.command("ping")
    node.receive(command)
    node.receive(msgspec.structs.replace(command, reply_to=ADDRESS.response("listener"), ctr=77))
    assert {topic for topic, _ in node.answers} == {ADDRESS.response("desk-1")}


def test_a_counter_is_used_once_and_those_far_behind_are_refused(node: Node) -> None:
    node.receive(node.command("ping", ctr=5_000))
    for counter in (5_000, 5_000 - COUNTER_WINDOW, 2**63, 10**30):
        command = node.command("ping", ctr=counter)
        node.receive(command)
        assert node.final(command).reason == "replayed"
    command = node.command("ping", ctr=5_001 - COUNTER_WINDOW)
    node.receive(command)
    assert node.final(command).state is AnswerState.SUCCEEDED


def test_the_counters_of_another_issuer_are_its_own(node: Node) -> None:
    node.receive(node.command("ping", ctr=9))
    command = node.command("ping", ctr=9, iss="other desk")
    node.receive(command)
    assert node.final(command).state is AnswerState.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "args", "reason", "says"),
    [
        ("node.reboot", {}, "unknown_command", "understands"),
        ("ping", {"loud": True}, "bad_arguments", "unknown field"),
        ("snapshot", {"camera": "c01", "incident": INCIDENT}, "bad_arguments", "one of them"),
        ("snapshot", {"camera": "c09"}, "unknown_camera", "c01, c02"),
        ("snapshot", {"incident": INCIDENT}, "unknown_incident", "no still"),
        ("gaps", {"day": "2569-11-22"}, "bad_time", "2026"),
        ("gaps", {"day": "0001-11-22"}, "bad_time", "check it"),
        ("gaps", {"from": "2300-01-01T00:00:00Z", "to": "2300-01-02T00:00:00Z"}, "bad_time", "check it"),
        (
            "clip.plan",
            {"camera": "c01", "from": "1066-01-01T00:00:00Z", "to": "1066-01-01T01:00:00Z"},
            "bad_time",
            "check",
        ),
        ("gaps", {"from": at(0)}, "bad_arguments", "from and to"),
        ("gaps", {"from": "2026-11-22T14:03:00", "to": at(9)}, "bad_time", "+07:00"),
        ("gaps", {"from": "2020-11-22T14:03:00Z", "to": at(9)}, "span_too_long", "31 days"),
        ("gaps", {"camera": "c09", "day": "2026-11-22"}, "unknown_camera", "c01, c02"),
        ("clip.plan", {"camera": "c09", "from": at(0), "to": at(4)}, "unknown_camera", "c01, c02"),
        ("clip.plan", {"camera": "c01", "from": at(4), "to": at(0)}, "bad_time", "swapped"),
        ("clip.plan", {"camera": "c01", "from": "2569-11-22T14:03:00Z", "to": at(9)}, "bad_time", "write 2026-11-22"),
        ("clip.plan", {"camera": "c01", "from": "2026-11-22T14:03:00", "to": at(9)}, "bad_time", "+07:00"),
        ("clip.plan", {"camera": "c01", "from": "2026-13-22T14:03:00Z", "to": at(9)}, "bad_time", "no such day"),
        ("clip.plan", {"camera": "c01", "from": "yesterday", "to": at(9)}, "bad_time", "RFC 3339"),
        ("clip.plan", {"camera": "c01", "from": at(-200_000), "to": at(9)}, "span_too_long", "a day"),
        ("clip.plan", {"camera": "c01", "from": at(100), "to": at(109)}, "in_the_future", "the node's clock says"),
    ],
)
def test_what_cannot_be_done_is_rejected_with_what_to_do(
    node: Node, name: str, args: dict[str, object], reason: str, says: str
) -> None:
    answer = node.ask(name, args)
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, reason)
    assert says in answer.message


def test_a_failure_says_what_is_away(node: Node) -> None:
    answer = node.ask("snapshot", {"camera": "c02"})
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "vision_away")
    assert "ask again" in answer.message


def test_a_snapshot_is_the_newest_picture_or_the_incidents_still(node: Node) -> None:
    now = msgspec.json.decode(node.ask("snapshot", {"camera": "c01"}).result, type=SnapshotResult)
    assert base64.b64decode(now.jpeg_base64) == JPEG
    incidents.write_still(node.facts.data_dir, INCIDENT, b"still")
    with transaction(node.ring.conn):
        incidents.note(
            node.ring.conn,
            OpenIncident(INCIDENT, "c01", b"{}"),
            session="s",
            is_open=True,
            begin_wall_ns=START_NS,
            has_still=True,
        )
    kept = msgspec.json.decode(node.ask("snapshot", {"incident": INCIDENT}).result, type=SnapshotResult)
    assert (kept.camera, base64.b64decode(kept.jpeg_base64), kept.taken_at) == ("c01", b"still", at(0))


def test_gaps_and_footage_add_up_to_the_span_and_to_the_day(node: Node) -> None:
    for args, whole_s in (({"from": at(-5), "to": at(10)}, 15), ({"day": "2026-11-22"}, 86_400)):
        result = msgspec.json.decode(node.ask("gaps", args).result, type=GapsResult)
        assert [each.camera for each in result.cameras] == ["c01", "c02"]
        for each in result.cameras:
            assert each.recorded_s + sum(gap.seconds for gap in each.gaps) == pytest.approx(whole_s, abs=0.01)
        assert result.cameras[0].recorded_s == pytest.approx(4, abs=0.1)
        assert result.cameras[1].recorded_s == 0


def test_a_reply_topic_that_is_not_ours_or_no_topic_gets_nothing(node: Node) -> None:
    for topic in (
        "wayside/v1/o/s/other/rsp/x",
        ADDRESS.root + "/state",
        ADDRESS.root + "/rsp/",
        ADDRESS.root + "/rsp/+",
    ):
        node.receive(node.command("ping", reply_to=topic))
    assert node.answers == []
    assert {each.reason for each in node.audits()} == {"foreign_reply_topic"}


def test_a_signed_node_obeys_nobody_yet_and_says_so(tmp_path: Path) -> None:
    node = Node(tmp_path, trust=Trust.SIGNED)
    answer = node.ask("ping")
    node.close()
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "unsigned")


def test_a_flood_of_refusals_fills_neither_lane_a_nor_is_it_hidden(node: Node) -> None:
    for _ in range(500):
        node.receive(node.command("ping", aud="urn:wayside:o:s:n"))
    assert len(node.told) == 20
    node.ring.clock.now_wall_ns += MINUTE_NS
    with node.running():
        wait_until(lambda: bool(node.warnings()), "nothing is told of the flood")
    (warning,) = node.warnings()
    assert (warning.kind, warning.detail.split()[0]) == ("commands_refused", "480")
    assert len(node.answers) == 500


def test_messages_that_are_no_commands_are_told_at_a_bounded_rate(node: Node) -> None:
    for _ in range(100):
        node.dispatcher.receive(node.ring.conn, Inbound("ping", b"{", is_retained=False))
    assert [each.kind for each in node.warnings()] == ["command_malformed"] * 5
    assert node.answers == []


@given(
    steps=st.lists(st.integers(0, 10 * MINUTE_NS), max_size=60),
    burst=st.integers(1, 5),
)
def test_a_ration_says_no_more_than_it_may_and_counts_the_rest(steps: list[int], burst: int) -> None:
    ration = Ration(burst, 60.0)
    now_ns = granted = 0
    for step in steps:
        now_ns += step
        granted += ration.take(now_ns)
    assert granted + ration.withheld == len(steps)
    assert granted <= burst + now_ns / MINUTE_NS


def test_what_was_accepted_before_a_crash_is_done_by_the_next_process(node: Node) -> None:
    command = node.command("ping")
    with transaction(node.ring.conn):
        journal.accept(node.ring.conn, command, node.ring.clock.wall_ns())
    node.restart()
    with node.running():
        wait_until(lambda: bool(node.finals(command)), "not taken up")
    assert node.final(command).state is AnswerState.SUCCEEDED


def test_what_ends_the_process_each_time_is_given_up(node: Node) -> None:
    command = node.command("ping")
    with transaction(node.ring.conn):
        journal.accept(node.ring.conn, command, node.ring.clock.wall_ns())
        for _ in range(5):
            journal.begin(node.ring.conn, command.jti)
    node.restart()
    with node.running():
        wait_until(lambda: bool(node.finals(command)), "not taken up")
    assert (node.final(command).state, node.final(command).reason) == (AnswerState.FAILED, "gave_up")


def test_a_new_process_says_fresh_answers_again_word_for_word_and_old_ones_not(node: Node) -> None:
    old, fresh = node.command("ping"), node.command("ping")
    node.receive(old)
    node.ring.clock.now_wall_ns += 3 * MINUTE_NS
    node.receive(msgspec.structs.replace(fresh, iat=fresh.iat + 180, exp=fresh.exp + 180))
    node.restart()
    with node.running():
        wait_until(lambda: len(node.finals(fresh)) == 2, "not taken up")
    assert len(node.finals(old)) == 1
    first, second = node.finals(fresh)
    assert first == second


def test_answers_are_kept_a_week(node: Node) -> None:
    command = node.command("ping")
    node.receive(command)
    node.ring.clock.now_wall_ns += 8 * 86_400 * NS_PER_S
    node.receive(node.command("ping"))
    assert journal.known(node.ring.conn, command.jti) is None


PAYLOAD = {
    "v": 1,
    "jti": INCIDENT,
    "aud": ADDRESS.urn,
    "iss": "desk",
    "ctr": 1,
    "iat": START_NS // NS_PER_S,
    "exp": START_NS // NS_PER_S + 100,
    "name": "clip.plan",
    "actor": {"id": "a", "role": "b"},
    "purpose": "",
    "case_ref": "",
    "reply_to": ADDRESS.response("x"),
    "args": {"camera": "c01", "from": at(0), "to": at(4)},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    message=st.binary(max_size=300)
    | JSON.map(msgspec.json.encode)
    | st.tuples(st.sampled_from(sorted(PAYLOAD)), JSON).map(lambda change: jws({**PAYLOAD, change[0]: change[1]}))
    | st.tuples(st.sampled_from(["camera", "from", "to", "x"]), JSON).map(
        lambda change: jws({**PAYLOAD, "args": {"camera": "c01", "from": at(0), "to": at(4), change[0]: change[1]}})
    ),
    name=st.sampled_from(["ping", "clip.plan", "gaps", "footage.erase"]),
)
def test_no_message_raises(node: Node, message: bytes, name: str) -> None:
    node.dispatcher.receive(node.ring.conn, Inbound(name, message, is_retained=False))


def jws(payload: object) -> bytes:
    return msgspec.json.encode({"payload": base64url(msgspec.json.encode(payload)), "signatures": []})


def test_a_message_nested_deeper_than_any_stack_is_only_malformed(node: Node) -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    inner = msgspec.json.encode({**PAYLOAD, "args": None}).replace(b'"args":null', b'"args":' + deep)
    for message in (deep, b'{"payload":' + deep + b"}", jws_raw(inner)):
        node.dispatcher.receive(node.ring.conn, Inbound("ping", message, is_retained=False))
    assert len(node.warnings()) == 3


def jws_raw(payload: bytes) -> bytes:
    return msgspec.json.encode({"payload": base64url(payload), "signatures": []})


def test_more_than_the_queue_holds_is_dropped_and_the_node_lives(node: Node) -> None:
    for _ in range(300):
        node.dispatcher.offer(Inbound("ping", encode_unsigned(node.command("ping")), is_retained=False))
    with node.running():
        wait_until(lambda: len(node.answers) == 400, "what was queued is not answered")
