"""Exports that outlive their process, and those that somebody cancels: one final answer each, and a true one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.centre.receive import Receiver
from agent.commands import journal
from agent.commands.clipjob import EXPORTS, saved
from agent.commands.dispatch import Inbound
from agent.contract.commands import Answer, AnswerState, CommandPayload, encode_unsigned
from agent.contract.requests import ClipCancelResult, ClipExportResult
from agent.recording.records import OutageTold
from agent.store import transaction
from tests.broker import wait_until
from tests.clip.footage import START_NS
from tests.commands.desk import Node, at
from tests.commands.lines import never_takes, stalling
from tests.recording.ring import S

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def args(*urls: str, end_s: float = 4, method: str = "tus") -> dict[str, object]:
    first, *more = urls
    span = {"camera": "c01", "from": at(0), "to": at(end_s)}
    return {**span, "upload_url": first, "upload_method": method, "more_upload_urls": more}


def offer(node: Node, command: CommandPayload) -> None:
    node.dispatcher.offer(Inbound(command.name, encode_unsigned(command), is_retained=False))


def leftovers(node: Node) -> list[Path]:
    folder = node.facts.data_dir / EXPORTS
    return list(folder.rglob("*.mp4*")) if folder.exists() else []


def result_of(answer: Answer) -> ClipExportResult:
    return msgspec.json.decode(answer.result, type=ClipExportResult)


def was_running(answer: Answer) -> bool:
    assert answer.state is AnswerState.SUCCEEDED, answer
    return msgspec.json.decode(answer.result, type=ClipCancelResult).was_running


def interrupted(node: Node, command: CommandPayload) -> None:
    """The command is begun, tries in vain to send, and the node is stopped."""
    with never_takes() as receiver:
        command = msgspec.structs.replace(command, args=msgspec.Raw(msgspec.json.encode(args(receiver.url))))
        with node.running():
            offer(node, command)
            assert receiver.tried.wait(WAIT_S)
    assert node.finals(command) == []


def readdress(node: Node, command: CommandPayload, *urls: str, method: str = "tus") -> None:
    """The next process finds other addresses in the journal: the test's receiver is another one by then."""
    stored = msgspec.structs.replace(command, args=msgspec.Raw(msgspec.json.encode(args(*urls, method=method))))
    job = saved(node.ring.conn, command.jti)
    with transaction(node.ring.conn):
        node.ring.conn.execute("UPDATE command SET payload = ?", (msgspec.json.encode(stored),))
        if job is not None:
            forgotten = msgspec.structs.replace(job, places=("",) * len(job.places))
            journal.save_job(node.ring.conn, command.jti, msgspec.json.encode(forgotten))


def test_what_was_cut_before_a_stop_is_sent_by_the_next_process_as_it_was_cut(
    node: Node, receiver: Receiver, tmp_path: Path
) -> None:
    command = node.command("clip.export")
    interrupted(node, command)
    (cut,) = leftovers(node)
    assert cut.suffix == ".mp4"
    job = saved(node.ring.conn, command.jti)
    assert job is not None
    # A second cut would find nothing any more.
    with transaction(node.ring.conn):
        node.ring.conn.execute("DELETE FROM segment")
    announced = receiver.announce(tmp_path / "in.mp4")
    readdress(node, command, announced.url)
    node.restart()
    with node.running():
        wait_until(lambda: bool(node.finals(command)), "the export was not taken up")
        offer(node, command)
        wait_until(lambda: len(node.finals(command)) == 2, "a known command is not answered again")
    first, again = node.finals(command)
    assert first == again
    assert first.state is AnswerState.SUCCEEDED
    received = announced.wait(WAIT_S)
    assert received is not None
    assert received.sha256 == result_of(first).files[0].sha256 == job.result.files[0].sha256
    assert len(node.clips()) == 1
    assert leftovers(node) == []


def test_what_was_erased_meanwhile_is_not_sent(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    command = node.command("clip.export")
    interrupted(node, command)
    segment = node.ring.conn.execute("SELECT path FROM segment").fetchone()[0]
    (node.facts.data_dir / segment).unlink()
    with transaction(node.ring.conn):
        node.ring.conn.execute("DELETE FROM segment")
    end_ns = START_NS + 4 * S
    node.ring.note(
        OutageTold(camera="c01", boot=1, start_wall_ns=START_NS, end_wall_ns=end_ns, reason="erased", detail="")
    )
    announced = receiver.announce(tmp_path / "in.mp4")
    readdress(node, command, announced.url)
    node.restart()
    with node.running():
        wait_until(lambda: bool(node.finals(command)), "the export was not taken up")
    final = node.final(command)
    assert (final.state, final.reason) == (AnswerState.FAILED, "nothing_recorded")
    assert {gap.reason for gap in result_of(final).gaps} == {"erased"}
    assert leftovers(node) == []


def test_a_clip_that_had_arrived_when_the_node_died_is_answered_as_delivered(
    node: Node, receiver: Receiver, tmp_path: Path
) -> None:
    """The line between the receiver's last word and the journal's: the one-time address is used up by then."""
    command = node.command("clip.export", args(receiver.announce(tmp_path / "in.mp4").url))
    with node.running():
        offer(node, command)
        wait_until(lambda: bool(node.finals(command)), "no answer")
    first = node.final(command)
    place = msgspec.json.decode(command.args)["upload_url"]
    kept = msgspec.json.encode({"result": result_of(first), "places": [place], "sent": 0})
    with transaction(node.ring.conn):
        node.ring.conn.execute("UPDATE command SET state = 'running', answer = NULL")
        journal.save_job(node.ring.conn, command.jti, kept)
    folder = node.facts.data_dir / EXPORTS / command.jti
    folder.mkdir(parents=True)
    (folder / result_of(first).files[0].name).write_bytes((tmp_path / "in.mp4").read_bytes())
    node.answers.clear()
    node.restart()
    with node.running():
        wait_until(lambda: bool(node.finals(command)), "no answer after the restart")
    assert node.final(command).state is AnswerState.SUCCEEDED
    assert result_of(node.final(command)) == result_of(first)


def test_a_node_killed_again_and_again_delivers_the_clip_and_answers_once(
    node: Node, receiver: Receiver, tmp_path: Path
) -> None:
    announced = receiver.announce(tmp_path / "in.mp4")
    answers = tmp_path / "answers.jsonl"
    program = [sys.executable, "-m", "tests.commands.killed", str(node.facts.data_dir), str(answers)]
    with stalling(announced.url, 3000) as line:
        command = node.command("clip.export", args(line.url))
        node.receive(command)
        node.close()
        for _ in range(3):
            with subprocess.Popen(program, cwd=ROOT) as process:
                assert line.stalled.wait(WAIT_S), "nothing was sent"
                process.kill()
            line.more(4000)
        line.more(1 << 40)
        assert subprocess.run(program, cwd=ROOT, timeout=60, check=False).returncode == 0
    told = [msgspec.json.decode(each, type=Answer) for each in answers.read_bytes().splitlines()]
    finals = [answer for answer in told if answer.state.is_final]
    assert [(answer.jti, answer.state) for answer in finals] == [(command.jti, AnswerState.SUCCEEDED)]
    received = announced.wait(WAIT_S)
    assert received is not None
    assert received.sha256 == result_of(finals[0]).files[0].sha256
    node.ring = type(node.ring)(node.facts.data_dir)
    events = [row[0] for row in node.ring.conn.execute("SELECT topic FROM outbox_event WHERE topic LIKE '%/clip'")]
    assert len(events) == 1
    assert leftovers(node) == []


def test_an_upload_under_way_is_cancelled_at_once_and_its_receiver_told(node: Node) -> None:
    with never_takes() as receiver, node.running():
        command = node.command("clip.export", args(receiver.url))
        offer(node, command)
        assert receiver.tried.wait(WAIT_S)
        cancel = node.command("clip.cancel", {"jti": command.jti})
        offer(node, cancel)
        wait_until(lambda: bool(node.finals(cancel)), "the cancel is not answered")
        assert receiver.forgotten.wait(WAIT_S), "the receiver was not told"
        wait_until(lambda: not leftovers(node), "the cut clip is still there")
    assert was_running(node.final(cancel))
    final = node.final(command)
    assert (final.state, final.reason) == (AnswerState.CANCELLED, "cancelled")
    assert "somchai" in final.message
    assert [(told.state, told.files) for told in node.clips()] == [("cancelled", ())]
    assert [each.outcome for each in node.audits() if each.action == "clip.export"] == ["accepted", "cancelled"]
    node.restart()
    with node.running():
        again = node.command("clip.cancel", {"jti": command.jti})
        offer(node, again)
        wait_until(lambda: bool(node.finals(again)), "the second cancel is not answered")
    assert not was_running(node.final(again))
    # Said again word for word by the new process, because it is fresh; there is no second, other one.
    assert set(map(msgspec.json.encode, node.finals(command))) == {msgspec.json.encode(final)}


def test_a_clip_that_waits_its_turn_is_cancelled_and_never_begun(node: Node) -> None:
    command = node.command("clip.export", args("http://127.0.0.1:1/x"))
    node.receive(command)
    cancel = node.command("clip.cancel", {"jti": command.jti})
    node.receive(cancel)
    assert was_running(node.final(cancel))
    ping = node.command("ping")
    with node.running():
        offer(node, ping)
        wait_until(lambda: bool(node.finals(ping)), "no pong")
    assert {answer.state for answer in node.finals(command)} == {AnswerState.CANCELLED}
    assert AnswerState.RUNNING not in node.states(command)


def test_what_is_no_clip_of_this_node_cannot_be_cancelled(node: Node) -> None:
    answer = node.ask("clip.cancel", {"jti": node.command("ping").jti})
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "unknown_job")
    ping = node.command("ping")
    node.receive(ping)
    assert node.ask("clip.cancel", {"jti": ping.jti}).reason == "unknown_job"


def test_a_delivered_clip_stays_delivered(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    command = node.command("clip.export", args(receiver.announce(tmp_path / "in.mp4").url))
    with node.running():
        offer(node, command)
        wait_until(lambda: bool(node.finals(command)), "no answer")
    answer = node.ask("clip.cancel", {"jti": command.jti})
    assert not was_running(answer)
    assert "succeeded" in answer.message
    assert node.final(command).state is AnswerState.SUCCEEDED
