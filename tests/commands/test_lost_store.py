"""A node that forgot which commands it obeyed: nothing signed before the loss is obeyed again, and fresh ones are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agent.clock import ClockQuality
from agent.commands.storemark import check_store, fresh_after_s
from agent.commands.trust import TIME_TOLERANCE_S, Trust
from agent.contract.commands import JWS_TYPE, Actor, Answer, AnswerState, CommandPayload
from agent.contract.pinned import PinnedKeys
from agent.contract.wire import encode
from agent.recording import holds
from agent.signing import sign_general
from agent.store import STORE_NAME, open_store, transaction
from agent.units import NS_PER_S
from tests.commands.attacks import MALI, SOMCHAI, Person
from tests.commands.desk import Node, at

SPAN = {"camera": "c01", "from": at(1), "to": at(3)}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """It obeys two people, and knows its store by name."""
    (tmp_path / "ring").mkdir()
    made = Node(tmp_path / "ring", trust=Trust.SIGNED)
    assert made.facts.command_keys is not None
    made.facts.command_keys.write_bytes(encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
    made.facts = replace(made.facts, store_mark=tmp_path / "command-store")
    start(made)
    yield made
    made.close()


def start(node: Node) -> None:
    node.restart().check_memory(node.ring.conn)


def forget(node: Node) -> None:
    """What a new store knows of commands: nothing."""
    with transaction(node.ring.conn):
        for table in ("command", "command_counter", "command_store"):
            node.ring.conn.execute(f"DELETE FROM {table}")
    start(node)


def later(node: Node, seconds: float) -> None:
    node.ring.clock.now_wall_ns += int(seconds * NS_PER_S)


def sign(command: CommandPayload, who: Person = SOMCHAI) -> bytes:
    return encode(sign_general(encode(command), [who.key], typ=JWS_TYPE))


def receive(node: Node, command: CommandPayload, who: Person = SOMCHAI) -> Answer:
    node.answers.clear()
    node.receive(command, message=sign(command, who))
    return node.final(command)


def test_a_command_recorded_before_the_loss_is_not_obeyed_a_second_time(node: Node) -> None:
    recorded = node.command("hold.set", SPAN)
    assert receive(node, recorded).state is AnswerState.SUCCEEDED
    with transaction(node.ring.conn):
        node.ring.conn.execute("DELETE FROM hold")
    forget(node)
    later(node, 5)
    answer = receive(node, recorded)
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "floor_due")
    assert "sign it again in" in answer.message
    assert holds.all_holds(node.ring.conn) == []
    assert "command_store_lost" in [warning.kind for warning in node.warnings()]


def test_what_is_signed_after_the_loss_is_obeyed_and_nothing_before_its_counter_is(node: Node) -> None:
    old = node.command("hold.set", SPAN)
    forget(node)
    later(node, TIME_TOLERANCE_S + 2)
    assert receive(node, node.command("hold.set", SPAN)).state is AnswerState.SUCCEEDED
    assert receive(node, old).reason == "floor_due"


def test_a_desk_whose_clock_is_ahead_gains_nothing(node: Node) -> None:
    """What it signed just before the loss says that it was signed a minute after."""
    now_s = node.ring.clock.now_wall_ns // NS_PER_S
    ahead = node.command("hold.set", SPAN, iat=now_s + TIME_TOLERANCE_S, exp=now_s + TIME_TOLERANCE_S + 120)
    forget(node)
    later(node, TIME_TOLERANCE_S)
    assert receive(node, ahead).reason == "floor_due"


def test_what_changes_nothing_is_answered_at_once(node: Node) -> None:
    forget(node)
    assert receive(node, node.command("ping")).state is AnswerState.SUCCEEDED


def test_without_a_sure_clock_the_loss_is_dated_when_there_is_one(node: Node) -> None:
    node.ring.clock.quality = ClockQuality.UNSYNCED
    forget(node)
    assert receive(node, node.command("hold.set", SPAN)).reason == "clock_unsure"
    later(node, 600)
    signed_meanwhile = node.command("hold.set", SPAN)
    node.ring.clock.quality = ClockQuality.SYNCED
    assert receive(node, signed_meanwhile).reason == "floor_due"
    later(node, TIME_TOLERANCE_S + 2)
    assert receive(node, node.command("hold.set", SPAN)).state is AnswerState.SUCCEEDED


def test_a_restart_after_the_loss_forgets_neither_the_loss_nor_its_time(node: Node) -> None:
    recorded = node.command("hold.set", SPAN)
    forget(node)
    assert receive(node, recorded).reason == "floor_due"
    later(node, 30)
    start(node)
    assert receive(node, recorded).reason == "floor_due"
    warned = [each.kind for each in node.warnings()].count("command_store_lost")
    assert warned == 1


def test_a_store_put_back_from_a_copy_is_as_forgetful_as_a_lost_one(tmp_path: Path) -> None:
    mark, folder = tmp_path / "mark", tmp_path / "data"
    folder.mkdir()
    conn = open_store(folder)
    assert not check_store(conn, mark)
    assert not check_store(conn, mark)
    conn.close()
    copy = {path.name: path.read_bytes() for path in folder.glob(f"{STORE_NAME}*")}
    for path in folder.glob(f"{STORE_NAME}*"):
        path.unlink()
    conn = open_store(folder)
    assert check_store(conn, mark)
    assert fresh_after_s(conn, 7 * NS_PER_S, is_clock_synced=True) == 7
    assert fresh_after_s(conn, 9 * NS_PER_S, is_clock_synced=True) == 7
    conn.close()
    for path in folder.glob(f"{STORE_NAME}*"):
        path.unlink()
    for name, data in copy.items():
        (folder / name).write_bytes(data)
    conn = open_store(folder)
    assert check_store(conn, mark)
    conn.close()


def test_a_mark_that_is_lost_alone_is_written_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    conn = open_store(tmp_path)
    assert not check_store(conn, mark)
    name = mark.read_bytes()
    mark.unlink()
    assert not check_store(conn, mark)
    assert mark.read_bytes() == name
    mark.write_bytes(b"\xff\xfe damaged \x00")
    assert check_store(conn, mark)
    conn.close()


def test_the_same_issuer_under_another_persons_key_is_another_issuer(node: Node) -> None:
    assert receive(node, node.command("ping", ctr=2**62)).state is AnswerState.SUCCEEDED
    theirs = msgspec.structs.replace(node.command("ping", ctr=5), actor=Actor(id="mali", role="operator"))
    assert receive(node, theirs, MALI).state is AnswerState.SUCCEEDED
    assert receive(node, node.command("ping", ctr=6)).reason == "replayed"
