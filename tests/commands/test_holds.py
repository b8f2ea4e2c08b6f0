"""Holds and erasing by command: what is kept, what is refused in which words, and that a kill does neither twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.centre.receive import Receiver
from agent.contract.commands import Answer, AnswerState
from agent.contract.keeping import FootageEraseResult, HoldReleaseResult, HoldSetResult
from agent.contract.wire import decode
from agent.recording import holds
from agent.recording.custody import accesses
from agent.recording.janitor import Janitor
from agent.recording.policy import CameraPolicy, Policy
from agent.recording.records import Configured, HoldKind
from agent.recording.retention import RetentionLimits
from agent.units import DAY_S, NS_PER_S
from tests.clip.footage import START_NS, Where
from tests.commands.desk import CAMERAS, Node, at
from tests.commands.test_clip_commands import export_args, receiver

__all__ = ["receiver"]
SPAN = {"camera": "c01", "from": at(1), "to": at(3)}


def rule(node: Node, *, max_bytes: int, own_bytes: int = 0) -> None:
    """Write the ring's bounds down, as the node does at its start."""
    own = CameraPolicy(camera="c01", keep_days=30, max_bytes=own_bytes)
    policy = Policy(max_bytes=max_bytes, min_free_bytes=0, keep_days=30, timezone="Asia/Bangkok", cameras=(own,))
    node.ring.note(Configured(cameras=CAMERAS, timezone="Asia/Bangkok", org="o", site="s", node="n", policy=policy))


def size(node: Node) -> int:
    return int(node.ring.conn.execute("SELECT sum(bytes) FROM segment").fetchone()[0])


def sweep(node: Node) -> list[bool]:
    """Of a ring that may hold nothing; which segments are left, oldest first."""
    paths = [node.facts.data_dir / row[0] for row in node.ring.conn.execute("SELECT path FROM segment ORDER BY n")]
    limits = RetentionLimits(0, 0, 30)
    Janitor(node.facts.data_dir, node.ring.conn, node.ring.ledger, clock=node.ring.clock, limits=limits).sweep()
    return [path.exists() for path in paths]


def held(answer: Answer) -> HoldSetResult:
    return decode(answer.result, HoldSetResult)


def test_what_a_person_holds_outlives_the_ring_until_it_is_released(node: Node) -> None:
    node.ring.index(node.ring.record(4, Where(n=1)))
    answer = node.ask("hold.set", {**SPAN, "days": 90, "reviewer": "mali"})
    assert answer.state is AnswerState.SUCCEEDED
    result = held(answer)
    assert (result.hold.hold_id, result.hold.kind, result.segments) == (answer.jti, "staff", 1)
    assert (result.hold.actor, result.hold.reason, result.hold.reviewer) == ("somchai", "case 12", "mali")
    assert result.hold.case_ref == "12"
    assert 0 < result.bytes == result.share.bytes
    assert sweep(node) == [True, False]
    released = node.ask("hold.release", {"hold_id": answer.jti})
    assert released.state is AnswerState.SUCCEEDED
    assert decode(released.result, HoldReleaseResult).freed_bytes == result.bytes
    assert sweep(node) == [False]
    assert [(link.act, link.outcome) for link in accesses(node.facts.data_dir)] == [
        ("held", "succeeded"),
        ("released", "succeeded"),
    ]


def test_a_hold_beyond_the_share_is_refused_in_words_and_keeps_nothing(node: Node) -> None:
    rule(node, max_bytes=2 * size(node))
    answer = node.ask("hold.set", SPAN)
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "share_exceeded")
    assert "staff holds may take 40% of the ring" in answer.message
    assert "hold less" in answer.message
    assert holds.all_holds(node.ring.conn) == []


def test_a_cameras_own_bound_has_a_share_too(node: Node) -> None:
    rule(node, max_bytes=100 * size(node), own_bytes=2 * size(node))
    answer = node.ask("hold.set", SPAN)
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "share_exceeded")
    assert "what c01 may take" in answer.message


def test_holding_the_same_again_needs_no_room(node: Node) -> None:
    rule(node, max_bytes=3 * size(node))
    for _ in range(2):
        assert node.ask("hold.set", SPAN).state is AnswerState.SUCCEEDED
    assert len(holds.all_holds(node.ring.conn)) == 2


def test_a_staff_hold_is_never_lapsed_for_room_and_ends_at_its_expiry_only(node: Node) -> None:
    assert node.ask("hold.set", {**SPAN, "days": 2}).state is AnswerState.SUCCEEDED
    node.ring.clock.now_wall_ns = START_NS + 2 * DAY_S * NS_PER_S
    assert sweep(node) == [True]
    node.ring.clock.now_wall_ns += 11 * NS_PER_S
    assert sweep(node) == [False]


def test_what_is_not_there_is_not_held_silently(node: Node) -> None:
    node.ring.clock.now_wall_ns = START_NS + 60 * NS_PER_S
    answer = node.ask("hold.set", {**SPAN, "to": at(8)})
    assert (answer.state, answer.reason) == (AnswerState.PARTIAL, "gaps")
    (gap,) = held(answer).gaps
    assert (gap.start, gap.seconds) == (at(4), 4)
    nothing = node.ask("hold.set", {"camera": "c02", "from": at(1), "to": at(3)})
    assert (nothing.state, nothing.reason) == (AnswerState.REJECTED, "nothing_recorded")
    future = node.ask("hold.set", {**SPAN, "from": at(100), "to": at(200)})
    assert (future.state, future.reason) == (AnswerState.REJECTED, "in_the_future")
    assert len(holds.all_holds(node.ring.conn)) == 1


@pytest.mark.parametrize(("times", "told"), [(0, "no hold of this id was ever made"), (1, "released by somchai")])
def test_a_hold_that_is_not_there_cannot_be_released_and_the_answer_says_why(node: Node, times: int, told: str) -> None:
    hold_id = node.ask("hold.set", SPAN).jti
    for _ in range(times):
        node.ask("hold.release", {"hold_id": hold_id})
    answer = node.ask("hold.release", {"hold_id": hold_id if times else hold_id[:-4] + "0000"})
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "unknown_hold")
    assert told in answer.message


@pytest.mark.parametrize("name", ["hold.set", "hold.release", "footage.erase"])
def test_a_command_that_a_kill_interrupted_after_its_work_works_once(node: Node, name: str) -> None:
    """The journal has it unanswered, the ledger has its fact: as a kill between the two leaves it."""
    args = {"hold_id": node.ask("hold.set", SPAN).jti} if name == "hold.release" else SPAN
    command = node.command(name, args)
    node.receive(command)
    seq = node.ring.ledger.last_seq
    node.ring.conn.execute("UPDATE command SET state = 'running', answer = NULL WHERE jti = ?", (command.jti,))
    node.answers.clear()
    node.restart()
    with node.running():
        while not node.finals(command):
            node.stop.wait(0.01)
    assert node.final(command).state is AnswerState.SUCCEEDED
    assert node.ring.ledger.last_seq == seq


def test_a_clip_with_hold_days_keeps_its_footage(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    args = {**export_args(receiver.announce(tmp_path / "in.mp4")), "hold_days": 7}
    answer = node.export(args)
    assert answer.state is AnswerState.SUCCEEDED
    (hold,) = holds.all_holds(node.ring.conn)
    assert (hold.hold_id, hold.kind) == (answer.jti, HoldKind.STAFF)
    assert (hold.expires_wall_ns - hold.made_wall_ns) == 7 * DAY_S * NS_PER_S
    assert sweep(node) == [True]


def test_a_clip_whose_footage_cannot_be_kept_is_refused_before_it_is_cut(
    node: Node, receiver: Receiver, tmp_path: Path
) -> None:
    rule(node, max_bytes=2 * size(node))
    answer = node.export({**export_args(receiver.announce(tmp_path / "in.mp4")), "hold_days": 7})
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "share_exceeded")
    assert not (tmp_path / "in.mp4").exists()


def test_erasing_takes_whole_segments_and_never_held_ones(node: Node) -> None:
    hold_id = node.ask("hold.set", SPAN).jti
    refused = node.ask("footage.erase", SPAN)
    assert (refused.state, refused.reason) == (AnswerState.REJECTED, "held")
    assert hold_id in refused.message
    node.ask("hold.release", {"hold_id": hold_id})
    answer = node.ask("footage.erase", SPAN)
    assert answer.state is AnswerState.SUCCEEDED
    result = decode(answer.result, FootageEraseResult)
    assert result.erased is not None
    assert (result.segments, result.erased.start, result.erased.end) == (1, at(0), at(4))
    gaps = node.ask("gaps", {"from": at(0), "to": at(4), "camera": "c01"})
    assert b"erased" in bytes(gaps.result)
    assert [audit.outcome for audit in node.audits() if audit.action == "footage.erase"] == [
        "accepted",
        "rejected",
        "accepted",
        "succeeded",
    ]
