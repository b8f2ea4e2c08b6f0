"""Who looked at or took footage stands in the custody record before they have their answer."""

from __future__ import annotations

import pytest

from agent.contract.commands import Answer, AnswerState
from agent.recording.book import CUSTODY, Book
from agent.recording.chain import AccessLink, broken_at
from agent.recording.custody import accesses, accesses_of, note_access
from agent.units import NS_PER_S, WallSpan
from tests.clip.footage import START_NS
from tests.commands.desk import Node


def test_a_look_is_recorded_with_actor_purpose_and_case_before_it_is_answered(node: Node) -> None:
    seen: list[int] = []

    def count(answer: Answer) -> None:
        if answer.state is AnswerState.SUCCEEDED:
            seen.append(len(list(accesses(node.facts.data_dir))))

    node.on_answer = count
    node.ask("snapshot", {"camera": "c01"})
    assert seen == [1]
    (link,) = accesses(node.facts.data_dir)
    assert (link.act, link.actor, link.role, link.via) == ("looked", "somchai", "operator", "command")
    assert (link.purpose, link.case_ref, link.camera) == ("case 12", "12", "c01")


@pytest.mark.parametrize("name", ["ping", "gaps"])
def test_what_shows_no_picture_is_no_access(node: Node, name: str) -> None:
    node.ask(name)
    assert list(accesses(node.facts.data_dir)) == []


def test_a_repeated_command_is_one_access(node: Node) -> None:
    command = node.command("snapshot", {"camera": "c01"})
    node.receive(command)
    node.receive(command)
    assert len(list(accesses(node.facts.data_dir))) == 1


def test_what_people_type_is_made_fit_to_be_kept(node: Node) -> None:
    at = "2026-11-22T14:03:00Z"
    odd = AccessLink(act="exported", actor="a\udcff", role="local", via="cli", outcome="ok", at=at, purpose="ก" * 5000)
    kept = note_access(node.facts.data_dir, odd)
    assert (kept.actor, len(kept.purpose)) == ("a?", 1000)
    assert list(accesses(node.facts.data_dir)) == [kept]
    assert broken_at(list(Book(node.facts.data_dir, CUSTODY).lines())) is None


def test_accesses_to_other_cameras_and_times_stay_out_of_a_bundle(node: Node) -> None:
    one = AccessLink(
        act="exported",
        actor="a",
        role="r",
        via="cli",
        outcome="ok",
        at="2026-11-22T14:03:00Z",
        camera="c02",
        start="2026-11-22T14:03:00Z",
        end="2026-11-22T14:03:05Z",
    )
    note_access(node.facts.data_dir, one)
    span = WallSpan(START_NS, START_NS + 5 * NS_PER_S)
    assert accesses_of(node.facts.data_dir, "c01", span) == []
    assert len(accesses_of(node.facts.data_dir, "c02", span)) == 1
    later = WallSpan(START_NS + 10 * NS_PER_S, START_NS + 20 * NS_PER_S)
    assert accesses_of(node.facts.data_dir, "c02", later) == []
