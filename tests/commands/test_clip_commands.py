"""clip.plan and clip.export over a real ring and the centre's real receiver."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.centre.receive import Announced, Receiver
from agent.commands.clipjob import EXPORTS
from agent.contract.commands import Answer, AnswerState
from agent.contract.requests import ClipExportResult, ClipPlanResult
from agent.recording.clipfile import verify_clip
from agent.recording.janitor import Janitor
from agent.recording.retention import RetentionLimits
from agent.store import open_store
from agent.units import NS_PER_S
from tests.broker import wait_until
from tests.clip.footage import START_NS, Settings, Where, encode, record
from tests.commands.desk import Node, at
from tests.recording.ring import staff_hold

WAIT_S = 10.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def export_args(*announced: Announced, start_s: float = 0, end_s: float = 4, camera: str = "c01") -> dict[str, object]:
    first, *more = [each.url for each in announced]
    return {
        "camera": camera,
        "from": at(start_s),
        "to": at(end_s),
        "upload_url": first,
        "upload_method": "tus",
        "more_upload_urls": more,
    }


def result_of(answer: Answer) -> ClipExportResult:
    return msgspec.json.decode(answer.result, type=ClipExportResult)


def reasons(answer: Answer) -> list[str]:
    return [gap.reason for gap in result_of(answer).gaps]


def leftovers(node: Node) -> list[Path]:
    folder = node.facts.data_dir / EXPORTS
    return list(folder.rglob("*")) if folder.exists() else []


def test_a_plan_says_what_an_export_would_deliver(node: Node) -> None:
    plan = msgspec.json.decode(
        node.ask("clip.plan", {"camera": "c01", "from": at(1), "to": at(3)}).result, type=ClipPlanResult
    )
    assert (plan.files, plan.gaps) == (1, ())
    assert plan.bytes > 0
    assert [(span.start, span.end) for span in plan.delivered] == [(at(1), at(3))]


def test_a_whole_clip_is_delivered_verified_and_told(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    answer = node.export(export_args(announced))
    assert (answer.state, answer.reason) == (AnswerState.SUCCEEDED, "")
    result = result_of(answer)
    received = announced.wait(WAIT_S)
    assert received is not None
    assert received.sha256 == result.files[0].sha256
    facts = verify_clip(received.path, result.files[0].sha256)
    assert facts.frames == 100
    assert facts.duration_s == pytest.approx(4, abs=0.05)
    (told,) = node.clips()
    assert (told.state, told.actor, told.purpose, told.case_ref) == ("succeeded", "somchai", "case 12", "12")
    assert leftovers(node) == []


def test_a_clip_with_a_hole_is_partial_and_names_it(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    node.ring.index(node.ring.record(6, Where(run=2)))
    answer = node.export(export_args(receiver.announce(tmp_path / "in.mp4"), end_s=10))
    assert (answer.state, answer.reason) == (AnswerState.PARTIAL, "gaps")
    (gap,) = result_of(answer).gaps
    assert gap.seconds == pytest.approx(2, abs=0.05)
    assert "gaps" in answer.message


def test_the_part_that_lies_ahead_is_not_yet(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    node.ring.clock.now_wall_ns = START_NS + 4 * NS_PER_S
    answer = node.export(export_args(receiver.announce(tmp_path / "in.mp4"), end_s=60))
    assert answer.state is AnswerState.PARTIAL
    assert reasons(answer) == ["not_yet"]


def test_nothing_recorded_is_a_failure_that_explains_itself(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    answer = node.export(export_args(receiver.announce(tmp_path / "in.mp4"), camera="c02"))
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "nothing_recorded")
    assert sum(gap.seconds for gap in result_of(answer).gaps) == pytest.approx(4)
    assert [told.state for told in node.clips()] == ["failed"]


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"camera": "c09"}, "unknown_camera", "c01, c02"),
        ({"from": at(100), "to": at(101)}, "in_the_future", "the node's clock"),
        ({"from": at(4), "to": at(0)}, "bad_time", "swapped"),
        ({"from": "2026-11-22T14:03:00"}, "bad_time", "+07:00"),
        ({"from": "2569-11-22T14:03:00Z"}, "bad_time", "write 2026-11-22T14:03:00Z"),
        ({"upload_url": "https://evil.example/x"}, "host_not_allowed", "upload_hosts"),
        ({"upload_url": "http://10.0.0.1/x"}, "not_https", "https"),
        ({"more_upload_urls": ["http://10.0.0.1/x"]}, "not_https", "https"),
    ],
)
def test_what_cannot_be_exported_is_rejected_with_what_to_do(
    node: Node, receiver: Receiver, tmp_path: Path, change: dict[str, object], reason: str, says: str
) -> None:
    answer = node.export({**export_args(receiver.announce(tmp_path / "in.mp4")), **change})
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, reason)
    assert says in answer.message
    assert leftovers(node) == []


def two_formats(node: Node) -> None:
    """The camera changed its picture size after four seconds."""
    wide = record(
        node.facts.data_dir,
        encode(Settings(seconds=4, width=128, height=64)),
        where=Where(run=2),
        start_ns=START_NS + 4 * NS_PER_S,
    )
    node.ring.index(wide)


def test_a_clip_in_two_files_needs_two_addresses(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    two_formats(node)
    one = receiver.announce(tmp_path / "one.mp4")
    answer = node.export(export_args(one, end_s=8))
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "too_few_addresses")
    node.restart()
    two = receiver.announce(tmp_path / "two.mp4")
    answer = node.export(export_args(one, two, end_s=8))
    assert answer.state is AnswerState.SUCCEEDED, answer
    assert [each.wait(WAIT_S) is not None for each in (one, two)] == [True, True]


def test_a_receiver_that_refuses_is_a_failure_with_its_answer(node: Node, receiver: Receiver) -> None:
    used_up = receiver.announce(Path("/nowhere")).url + "x"
    answer = node.export({"camera": "c01", "from": at(0), "to": at(4), "upload_url": used_up, "upload_method": "tus"})
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "receiver_refused")
    assert "ask for the clip again" in answer.message
    assert leftovers(node) == []


def test_a_clip_leaves_the_recorders_their_room(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    node.facts = dataclasses.replace(node.facts, keep_free_bytes=1 << 60)
    node.restart()
    answer = node.export(export_args(receiver.announce(tmp_path / "in.mp4")))
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "disk_full")
    assert "shorter" in answer.message


def test_an_address_that_has_run_out_is_not_tried(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    args = {**export_args(receiver.announce(tmp_path / "in.mp4")), "upload_expires": at(5)}
    answer = node.export(args)
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "address_expired")
    assert leftovers(node) == []


def test_what_a_dead_process_left_of_its_exports_is_removed_at_the_start(node: Node) -> None:
    left = node.facts.data_dir / EXPORTS / "some-jti" / "c01_1.mp4.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a clip")
    with node.running():
        wait_until(lambda: not left.exists(), "it is still there")


@pytest.mark.parametrize(("is_disk_full", "told"), [(False, []), (True, ["expired"])])
def test_the_ring_spares_what_is_copied_unless_recording_needs_the_room(
    node: Node, receiver: Receiver, tmp_path: Path, is_disk_full: bool, told: list[str]
) -> None:
    newest = node.ring.record(4, Where(n=1))
    node.ring.index(newest)
    node.ring.note(staff_hold("h1", START_NS + 5 * NS_PER_S, START_NS + 6 * NS_PER_S), at_s=10)
    older = node.facts.data_dir / node.ring.conn.execute("SELECT path FROM segment ORDER BY n").fetchone()[0]
    limits = RetentionLimits(max_bytes=0, min_free_bytes=1 << 60 if is_disk_full else 0, keep_days=30)

    def sweep(answer: Answer) -> None:
        """Progress is told after the clip's head is written and before its first piece is opened."""
        if answer.state is AnswerState.RUNNING and older.exists():
            conn = open_store(node.facts.data_dir)
            Janitor(node.facts.data_dir, conn, node.ring.ledger, clock=node.ring.clock, limits=limits).sweep()
            conn.close()

    node.on_answer = sweep
    answer = node.export(export_args(receiver.announce(tmp_path / "in.mp4"), end_s=8))
    assert older.exists() is not is_disk_full
    assert answer.state is (AnswerState.PARTIAL if is_disk_full else AnswerState.SUCCEEDED)
    assert reasons(answer) == told
