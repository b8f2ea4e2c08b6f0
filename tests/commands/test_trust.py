"""Whether a command is believed: the contract's checks, one row each."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from agent.commands.trust import COUNTER_WINDOW, Circumstances, Signatures, Trust, is_counter_fresh, judge
from agent.contract.commands import Actor, AnswerState, CommandPayload
from agent.contract.topics import NodeAddress

ADDRESS = NodeAddress("songkhla-pao", "hatyai-012", "n7f3k2q")
NOW_S = 1_795_000_000
COMMAND = CommandPayload(
    v=1,
    jti="01939f3e-8a5b-7c3d-9e1f-0123456789ab",
    aud=ADDRESS.urn,
    iss="centre",
    ctr=1,
    iat=NOW_S,
    exp=NOW_S + 120,
    name="clip.export",
    actor=Actor(id="somchai", role="operator"),
    purpose="case 12",
    case_ref="12",
    reply_to=ADDRESS.response("desk-1"),
)
UNSIGNED = Signatures(trouble="unsigned")
SEEN = Circumstances(
    trust=Trust.OPEN,
    urn=ADDRESS.urn,
    responses=f"{ADDRESS.root}/rsp/",
    topic_name="clip.export",
    is_retained=False,
    wall_s=NOW_S + 1,
    is_clock_synced=True,
)


def test_a_fresh_command_to_an_open_node_is_believed() -> None:
    assert judge(COMMAND, UNSIGNED, SEEN) is None


@pytest.mark.parametrize(
    ("command", "circumstances", "reason", "state"),
    [
        ({}, {"is_retained": True}, "retained", AnswerState.REJECTED),
        ({}, {"topic_name": "ping"}, "wrong_topic", AnswerState.REJECTED),
        ({}, {"trust": Trust.SIGNED}, "unsigned", AnswerState.REJECTED),
        ({"aud": "urn:wayside:songkhla-pao:hatyai-012:other"}, {}, "wrong_audience", AnswerState.REJECTED),
        ({"exp": NOW_S + 3600}, {}, "lives_too_long", AnswerState.REJECTED),
        ({}, {"wall_s": NOW_S + 181}, "expired", AnswerState.EXPIRED),
        ({}, {"wall_s": NOW_S - 61}, "from_the_future", AnswerState.REJECTED),
        ({"reply_to": "wayside/v1/other/site/node/rsp/x"}, {}, "foreign_reply_topic", AnswerState.REJECTED),
        ({"reply_to": ADDRESS.root + "/rsp/a/b"}, {}, "foreign_reply_topic", AnswerState.REJECTED),
        ({"reply_to": ADDRESS.root + "/state"}, {}, "foreign_reply_topic", AnswerState.REJECTED),
    ],
)
def test_each_check_refuses_with_its_own_reason(
    command: dict[str, object], circumstances: dict[str, object], reason: str, state: AnswerState
) -> None:
    refusal = judge(msgspec.structs.replace(COMMAND, **command), UNSIGNED, dataclasses.replace(SEEN, **circumstances))
    assert refusal is not None
    assert (refusal.reason, refusal.state) == (reason, state)


def test_a_foreign_reply_topic_is_not_even_answered() -> None:
    forged = msgspec.structs.replace(COMMAND, reply_to="wayside/v1/other/site/node/rsp/x")
    refusal = judge(forged, UNSIGNED, SEEN)
    assert refusal is not None
    assert not refusal.can_answer


def test_the_edges_of_the_time_tolerance_are_inside() -> None:
    assert judge(COMMAND, UNSIGNED, dataclasses.replace(SEEN, wall_s=NOW_S + 180)) is None
    assert judge(COMMAND, UNSIGNED, dataclasses.replace(SEEN, wall_s=NOW_S - 60)) is None


@pytest.mark.parametrize(
    ("counter", "newest", "is_seen", "is_fresh"),
    [
        (5, None, False, True),
        (5, 5, True, False),
        (4, 5, False, True),
        (5_000 - COUNTER_WINDOW, 5_000, False, False),
        (5_001 - COUNTER_WINDOW, 5_000, False, True),
        (6, 5, False, True),
    ],
)
def test_a_counter_is_used_once_and_only_within_the_window(
    counter: int, newest: int | None, is_seen: bool, is_fresh: bool
) -> None:
    assert is_counter_fresh(counter, newest, is_seen=is_seen) is is_fresh
