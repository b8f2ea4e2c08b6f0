"""The book of requests: everything that was asked of a node has an outcome, and none is counted twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.centre.asked import Outcome, outcome_of
from agent.centre.eventstore import EventStore
from agent.centre.intake import Arrival, Misfit, read_message
from agent.centre.requestlist import RequestRow, read_requests, score
from agent.contract.commands import Actor, Answer, AnswerState, CommandPayload, encode_unsigned
from agent.contract.envelope import Stamp, camera_subject, make_envelope
from agent.contract.events import CLIP, Lane, decode_data
from agent.contract.records import ClipData
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode
from agent.errors import StoreError
from agent.identity import new_uuid7
from agent.units import NS_PER_S, format_rfc3339

NODE = NodeAddress("o", "s", "n1")
T_NS = 1_795_356_180 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
SAMPLES = json.loads((Path(__file__).parents[2] / "docs" / "samples.json").read_text(encoding="utf-8"))


def question(jti: str, name: str = "clip.export", aud: str = NODE.urn, **args: object) -> bytes:
    span = {"camera": "c01", "from": format_rfc3339(T_NS), "to": format_rfc3339(T_NS + HOUR_NS)}
    return encode_unsigned(
        CommandPayload(
            v=1,
            jti=jti,
            aud=aud,
            iss="desk-1",
            ctr=1,
            iat=T_NS // NS_PER_S,
            exp=T_NS // NS_PER_S + 120,
            name=name,
            actor=Actor(id="somchai", role="operator"),
            purpose="a crash",
            case_ref="77/2026",
            reply_to=NODE.response("desk-1"),
            args=msgspec.Raw(json.dumps(args or span).encode()),
        )
    )


def answer(jti: str, state: AnswerState, reason: str = "", name: str = "clip.export") -> bytes:
    return encode(
        Answer(
            v=1, jti=jti, node=NODE.urn, name=name, state=state, at=format_rfc3339(T_NS), reason=reason, progress=0.5
        )
    )


class Book:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = EventStore(folder)

    def hear(self, topic: str, payload: bytes, at_s: float = 0.0, *, is_retained: bool = False) -> Arrival | None:
        arrival = read_message(topic, payload, is_retained=is_retained)
        if arrival is not None:
            self.store.keep([arrival], T_NS + int(at_s * NS_PER_S))
        return arrival

    def ask(self, jti: str, at_s: float = 0.0, name: str = "clip.export") -> None:
        self.hear(NODE.command(name), question(jti, name), at_s)

    def answer(self, jti: str, state: AnswerState, at_s: float, reason: str = "") -> None:
        self.hear(NODE.response("desk-1"), answer(jti, state, reason), at_s)

    def rows(self, at_s: float = 60.0) -> list[RequestRow]:
        return read_requests(self.folder, T_NS + int(at_s * NS_PER_S))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.store.close()


def test_a_request_stands_with_who_what_why_and_its_time_to_answer(book: Book) -> None:
    jti = new_uuid7()
    book.ask(jti)
    [row] = book.rows()
    assert (row.actor, row.purpose, row.case_ref, row.camera) == ("somchai", "a crash", "77/2026", "c01")
    assert (row.outcome, row.answer_s) == (Outcome.ASKED, None)
    book.answer(jti, AnswerState.RUNNING, 2.0)
    [row] = book.rows()
    assert (row.outcome, row.progress, row.answer_s) == (Outcome.RUNNING, 0.5, None)
    book.answer(jti, AnswerState.SUCCEEDED, 7.5)
    [row] = book.rows()
    assert (row.outcome, row.answer_s) == (Outcome.WHOLE, 7.5)


def test_the_first_final_answer_stands_however_often_it_is_said_again(book: Book) -> None:
    jti = new_uuid7()
    book.ask(jti)
    book.answer(jti, AnswerState.PARTIAL, 3.0)
    book.ask(jti, 5.0)
    book.answer(jti, AnswerState.RUNNING, 6.0)
    book.answer(jti, AnswerState.FAILED, 9.0)
    [row] = book.rows()
    assert (row.outcome, row.answer_s) == (Outcome.PARTIAL, 3.0)


def test_an_answer_that_is_quicker_than_its_question_is_not_lost(book: Book) -> None:
    jti = new_uuid7()
    book.answer(jti, AnswerState.REJECTED, 1.0, "unknown_camera")
    assert book.rows()[0].answer_s is None
    book.ask(jti, 0.5)
    [row] = book.rows()
    assert (row.outcome, row.reason, row.actor, row.answer_s) == (Outcome.REFUSED, "unknown_camera", "somchai", 0.5)


def test_what_a_node_never_answered_is_counted_as_that(book: Book) -> None:
    book.ask(new_uuid7())
    assert book.rows(3599.0)[0].outcome is Outcome.ASKED
    assert book.rows(3601.0)[0].outcome is Outcome.UNANSWERED


def test_the_score_says_how_many_got_what_they_asked_for_and_why_the_others_did_not(book: Book) -> None:
    told = [
        (AnswerState.SUCCEEDED, ""),
        (AnswerState.SUCCEEDED, ""),
        (AnswerState.PARTIAL, ""),
        (AnswerState.REJECTED, "unknown_camera"),
        (AnswerState.FAILED, "upload_refused"),
        (AnswerState.CANCELLED, ""),
    ]
    for number, (state, reason) in enumerate(told):
        jti = new_uuid7()
        book.ask(jti)
        book.answer(jti, state, number + 1.0, reason)
    book.ask(new_uuid7())
    total = score(book.rows())
    assert (total.asked, total.got) == (7, 3)
    assert sum(total.outcomes.values()) == 7
    assert total.refusals == {"unknown_camera": 1, "upload_refused": 1, "cancelled": 1}
    assert (total.answer_median_s, total.answer_p95_s) == (4.0, 6.0)


def test_a_clips_event_ends_a_request_whose_answer_never_came_by(book: Book) -> None:
    data = decode_data(CLIP, json.dumps(SAMPLES[CLIP]).encode())
    assert isinstance(data, ClipData)
    envelope = make_envelope(
        CLIP,
        data,
        id=new_uuid7(),
        source=NODE.urn,
        subject=camera_subject("c01"),
        wall_ns=T_NS,
        stamp=Stamp(Lane.A, new_uuid7(), 1, "boot", 1, "synced"),
    )
    assert not isinstance(book.hear(NODE.event("c01", "clip"), encode(envelope)), Misfit)
    [row] = book.rows()
    assert (row.jti, row.camera, row.actor) == (data.jti, data.camera, data.actor)
    assert row.outcome is outcome_of(data.state)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (NODE.command("clip.export"), b"no json"),
        (NODE.command("clip.export"), question(new_uuid7(), aud="urn:wayside:o:s:other")),
        (NODE.command("ping"), question(new_uuid7())),
        (NODE.response("desk-1"), b"{}"),
        (NODE.response("desk-1"), b"[" * 70_000),
    ],
)
def test_what_is_no_request_is_set_aside_and_not_counted(book: Book, topic: str, payload: bytes) -> None:
    assert isinstance(book.hear(topic, payload), Misfit)
    assert book.rows() == []


def test_a_retained_command_was_asked_by_nobody_now(book: Book) -> None:
    assert book.hear(NODE.command("clip.export"), question(new_uuid7()), is_retained=True) is None
    assert book.rows() == []


def test_arguments_that_a_node_will_refuse_were_asked_all_the_same(book: Book) -> None:
    book.hear(NODE.command("clip.export"), question(new_uuid7(), camera="../etc", to=7))
    [row] = book.rows()
    assert (row.camera, row.start) == ("", "")


def test_only_requests_for_footage_are_counted_unless_all_are_wanted(book: Book) -> None:
    book.ask(new_uuid7(), name="ping")
    assert book.rows() == []
    assert [each.name for each in read_requests(book.folder, T_NS, names=())] == ["ping"]


def test_a_folder_without_a_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        read_requests(tmp_path / "nowhere", T_NS)
