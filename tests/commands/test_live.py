"""`live.start` and `live.stop` as the desk meets them; the pictures themselves: tests/live."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.commands.trust import Trust
from agent.contract.commands import AnswerState
from agent.contract.looking import LiveStartResult, LiveStopResult
from agent.contract.wire import decode
from tests.commands.desk import Node, at

INGEST = "rtsps://media.example/site/c01?token=once"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    node.facts = dataclasses.replace(node.facts, upload_hosts=lambda: ("media.example",))
    node.restart()
    yield node
    node.close()


def test_the_answer_says_what_is_shown_and_until_when(node: Node) -> None:
    answer = node.export({"camera": "c01", "ingest_url": INGEST, "lease_s": 30}, "live.start")
    assert answer.state is AnswerState.SUCCEEDED, answer
    result = decode(answer.result, LiveStartResult)
    assert (result.stream, result.codec, result.until) == ("sub", "h264", at(40))
    assert node.live == [("c01", INGEST, 30.0)]
    stopped = node.ask("live.stop", {"camera": "c01", "lease_id": result.lease_id})
    assert decode(stopped.result, LiveStopResult).ended == 1


def test_without_an_ingest_pictures_are_sent(node: Node) -> None:
    answer = node.export({"camera": "c01"}, "live.start")
    assert decode(answer.result, LiveStartResult).codec == "mjpeg"
    assert node.live == [("c01", "", 60.0)]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"camera": "c09"}, "unknown_camera"),
        ({"camera": "c01", "ingest_url": "rtsps://other.example/c01"}, "host_not_allowed"),
        ({"camera": "c01", "ingest_url": "rtsp://media.example/c01"}, "not_rtsps"),
        ({"camera": "c01", "ingest_url": "rtsp://192.168.7.20/main"}, "not_rtsps"),
        ({"camera": "c01", "ingest_url": "rtsps://me:word@media.example/c01"}, "malformed_address"),
        ({"camera": "c01", "ingest_url": "https://media.example/c01"}, "bad_arguments"),
        ({"camera": "c01", "lease_s": 3600}, "bad_arguments"),
        ({"camera": "c01", "lease_s": 0}, "bad_arguments"),
    ],
)
def test_what_may_not_be_is_refused_before_anything_is_begun(node: Node, args: dict[str, object], reason: str) -> None:
    answer = node.export(args, "live.start")
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, reason)
    assert node.live == []


def test_an_ingest_that_refuses_is_a_failure_in_its_words(node: Node) -> None:
    node.is_busy = True
    answer = node.export({"camera": "c01", "ingest_url": INGEST}, "live.start")
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "ingest_refused")
    assert "404" in answer.message


def test_looking_is_an_access_to_footage(node: Node) -> None:
    node.export({"camera": "c01"}, "live.start")
    chain = "".join(each.read_text() for each in (node.facts.data_dir / "evidence").rglob("*.jsonl"))
    assert "looked" in chain


def test_plain_rtsp_to_this_machine_is_for_the_demo_alone(node: Node) -> None:
    local = {"camera": "c01", "ingest_url": "rtsp://127.0.0.1:8554/c01"}
    assert node.export(local, "live.start").state is AnswerState.SUCCEEDED
    assert node.facts.trust is Trust.OPEN
