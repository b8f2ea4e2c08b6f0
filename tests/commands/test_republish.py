"""A centre with a hole asks for it, and the answer says what it will get."""

from __future__ import annotations

import pytest

from agent.contract.commands import AnswerState
from agent.contract.events import Lane
from tests.commands.desk import Node


def sequence(number: int) -> str:
    return f"{number:020d}"


@pytest.mark.parametrize(
    ("lane", "asked", "expected"),
    [
        ("a", 0, (1, 3)),
        ("a", 1, (1, 3)),
        ("a", 3, (3, 3)),
        ("a", 5, None),
        ("a", 10**20 - 1, None),
        ("b", 1, None),
    ],
)
def test_what_is_kept_from_there_on_is_sent_again(
    node: Node, lane: str, asked: int, expected: tuple[int, int] | None
) -> None:
    # Each command leaves two audits in lane a; the asking itself adds its own first one before it looks.
    node.ask("ping")
    answer = node.ask("republish", {"lane": lane, "from": sequence(asked)})
    assert answer.state is AnswerState.SUCCEEDED
    if expected is None:
        assert bytes(answer.result) == b'{"count":0,"first":null,"last":null}'
        assert node.republished == []
    else:
        first, last = expected
        told = f'{{"count":{last - first + 1},"first":"{sequence(first)}","last":"{sequence(last)}"}}'
        assert bytes(answer.result).decode() == told
        assert node.republished == [(Lane.A, first)]


def test_a_node_that_has_too_much_to_do_says_so(node: Node) -> None:
    node.is_busy = True
    answer = node.ask("republish", {"lane": "a", "from": sequence(1)})
    assert (answer.state, answer.reason) == (AnswerState.FAILED, "busy")


@pytest.mark.parametrize("args", [{}, {"lane": "a"}, {"lane": "c", "from": sequence(1)}, {"lane": "a", "from": 1}])
def test_a_place_that_is_none_is_refused(node: Node, args: object) -> None:
    assert node.ask("republish", args).reason == "bad_arguments"
