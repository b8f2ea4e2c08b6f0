"""`sheet` from the command to the JPEG at the receiver; the node itself decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from agent.centre.receive import Announced, Receiver
from agent.commands.clipjob import EXPORTS
from agent.commands.dispatch import Inbound
from agent.contract.commands import AnswerState, encode_unsigned
from agent.contract.requests import SheetResult
from agent.recording.sheet import MAX_SHEET_BYTES
from agent.vision.detector import BgrImage
from tests.broker import wait_until
from tests.clip.footage import Where
from tests.commands.desk import Node, at
from tests.commands.lines import never_takes

WAIT_S = 20.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def args_of(url: str, end_s: float = 4, **more: object) -> dict[str, object]:
    span = {"camera": "c01", "from": at(0), "to": at(end_s)}
    return {**span, "upload_url": url, "upload_method": "tus", **more}


def args(announced: Announced, end_s: float = 4, **more: object) -> dict[str, object]:
    return args_of(announced.url, end_s, **more)


def test_a_sheet_of_a_whole_span_arrives_and_is_an_access(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "sheet.jpg")
    answer = node.export(args(announced), "sheet")
    assert answer.state is AnswerState.SUCCEEDED, answer
    result = msgspec.json.decode(answer.result, type=SheetResult)
    assert result.stills == (at(0), at(1), at(2), at(3))
    received = announced.wait(WAIT_S)
    assert received is not None
    assert received.size_bytes == result.file.bytes <= MAX_SHEET_BYTES
    assert cv2.imread(str(received.path)) is not None
    assert list((node.facts.data_dir / EXPORTS).iterdir()) == []
    acts = [msgspec.json.decode(line)["act"] for line in custody(node.facts.data_dir)]
    assert acts == ["looked"]


def test_a_sheet_with_a_hole_is_partial_and_shows_it(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    node.ring.index(node.ring.record(6, Where(run=2)))
    answer = node.export(args(receiver.announce(tmp_path / "sheet.jpg"), 10, stills=4), "sheet")
    assert (answer.state, answer.reason) == (AnswerState.PARTIAL, "gaps")
    (wanted, pictures) = node.sheets[0]
    assert [bool(tile.size_bytes) for tile in wanted.tiles] == [True, True, False, True, True]
    assert sum(tile.size_bytes for tile in wanted.tiles) == len(pictures)
    assert "no footage" in wanted.tiles[2].words[0]


def test_what_a_scene_masks_is_black_on_the_sheet(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    class Hidden:
        def unmasked(self, bgr: BgrImage) -> BgrImage:
            return np.zeros_like(bgr)

    node.watches["c01"] = Hidden()
    announced = receiver.announce(tmp_path / "sheet.jpg")
    assert node.export(args(announced, stills=1), "sheet").state is AnswerState.SUCCEEDED
    received = announced.wait(WAIT_S)
    assert received is not None
    sheet = cv2.imread(str(received.path))
    assert sheet is not None
    assert sheet[60:200, 20:300].max() < 30


def test_a_sheet_that_was_being_sent_when_the_node_ended_is_sent_on_and_not_made_again(node: Node) -> None:
    with never_takes() as receiver:
        command = node.command("sheet", args_of(receiver.url))
        with node.running():
            node.dispatcher.offer(Inbound(command.name, encode_unsigned(command), is_retained=False))
            assert receiver.tried.wait(WAIT_S)
        assert node.finals(command) == []
        node.restart()
        receiver.tried.clear()
        receiver.takes.set()
        with node.running():
            wait_until(lambda: bool(node.finals(command)), "the sheet was not taken up")
    assert node.final(command).state is AnswerState.SUCCEEDED
    assert len(node.sheets) == 1


def test_a_span_without_footage_and_vision_that_is_off_say_so(node: Node, receiver: Receiver, tmp_path: Path) -> None:
    announced = receiver.announce(tmp_path / "sheet.jpg")
    answer = node.export({**args(announced), "camera": "c02"}, "sheet")
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "nothing_recorded")
    node.restart()
    node.watches.clear()
    answer = node.export(args(announced), "sheet")
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "no_picture")
    assert "switched off" in answer.message


@pytest.mark.parametrize(
    "change",
    [{"stills": 0}, {"stills": 49}, {"upload_url": "ftp://x/y"}, {"from": at(5)}, {"camera": "../c01"}, {"x": 1}],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_looked_at(
    node: Node, receiver: Receiver, tmp_path: Path, change: dict[str, object]
) -> None:
    answer = node.ask("sheet", {**args(receiver.announce(tmp_path / "sheet.jpg")), **change})
    assert answer.state is AnswerState.REJECTED
    assert node.sheets == []


def custody(data_dir: Path) -> list[bytes]:
    return [
        line
        for file in sorted((data_dir / "evidence" / "custody").glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]
