"""The commands that tend the node itself, as the desk meets them; real processes: tests/centre/test_tending.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.commands import journal
from agent.commands import restart as restarting
from agent.commands.dispatch import Inbound
from agent.commands.work import Papers
from agent.contract.commands import AnswerState, encode_unsigned
from agent.contract.tending import AgentRestartResult, CertRenewResult, ConfigRefreshResult, SetupOpenResult
from agent.contract.wire import decode
from tests.broker import wait_until
from tests.commands.desk import Node, at


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def restarted(answer_result: bytes) -> list[tuple[str, str]]:
    return [(each.process, each.camera) for each in decode(answer_result, AgentRestartResult).processes]


def test_a_camera_is_ended_and_the_answer_comes_when_it_is_back(node: Node) -> None:
    answer = node.export({"process": "camera", "camera": "c01"}, "agent.restart")
    assert answer.state is AnswerState.SUCCEEDED, answer
    assert restarted(answer.result) == [("camera", "c01")]
    assert node.tended.lives == {("camera", "c01"): 2, ("vision", ""): 1}


def test_one_that_does_not_run_is_not_waited_for(node: Node) -> None:
    answer = node.export({"process": "camera", "camera": "c02"}, "agent.restart")
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "not_running")


def test_one_that_never_comes_back_fails(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarting, "_BACK_LIMIT_S", 0.5)
    node.tended.deaf.add("vision")
    answer = node.export({"process": "vision"}, "agent.restart")
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "not_back")


@pytest.mark.parametrize(
    "args", [{"process": "camera"}, {"camera": "c01"}, {"process": "vision", "camera": "c01"}, {"process": "machine"}]
)
def test_what_names_no_process_is_refused(node: Node, args: dict[str, object]) -> None:
    answer = node.export(args, "agent.restart")
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "bad_arguments")
    assert node.tended.lives == {("camera", "c01"): 1, ("vision", ""): 1}


def test_the_node_goes_last_and_its_next_life_answers(node: Node) -> None:
    node.tended.lives["camera", "c02"] = 1
    command = node.command("agent.restart")
    with node.running():
        node.dispatcher.offer(Inbound(command.name, encode_unsigned(command), is_retained=False))
        wait_until(node.stop.is_set, "the node was not ended")
    assert node.finals(command) == []
    assert journal.is_unfinished(node.ring.conn, command.jti)
    node.restart()
    with node.running():
        wait_until(lambda: bool(node.finals(command)), "no final answer")
    answer = node.final(command)
    assert answer.state is AnswerState.SUCCEEDED, answer
    assert restarted(answer.result) == [("camera", "c01"), ("camera", "c02"), ("vision", ""), ("node", "")]
    assert node.tended.lives == {("camera", "c01"): 2, ("camera", "c02"): 2, ("vision", ""): 2}


def test_a_refresh_tells_what_lies_there_and_what_is_wrong_with_it(node: Node) -> None:
    answer = node.ask("config.refresh")
    result = decode(answer.result, ConfigRefreshResult)
    assert (result.revision, result.is_edited, result.faults) == (4, True, ("a key is unknown",))


def test_an_office_that_has_not_decided_yet_is_asked_again(node: Node) -> None:
    node.tended.office = [0.1, 0.1, Papers("77", 1_800_000_000)]
    answer = node.export({}, "cert.renew")
    assert decode(answer.result, CertRenewResult) == CertRenewResult(serial="77", not_after="2027-01-15T08:00:00.000Z")


def test_an_office_where_a_person_decides_is_not_waited_for(node: Node) -> None:
    node.tended.office = [3600.0]
    answer = node.export({}, "cert.renew")
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "office_waits")


def test_set_up_is_opened_for_half_an_hour_in_the_name_of_who_asked(node: Node) -> None:
    answer = node.ask("setup.open")
    assert decode(answer.result, SetupOpenResult) == SetupOpenResult(state="knocked", until=at(10 + 1800))
    assert node.tended.opened_by == ["somchai"]
