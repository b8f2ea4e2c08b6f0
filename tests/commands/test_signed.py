"""Commands under signatures: who may ask what, when two people are due, and that nothing forged is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.commands.pinned import check_signatures
from agent.commands.trust import Trust
from agent.contract.commands import JWS_TYPE, Actor, Answer, AnswerState, CommandName, Jws, JwsSignature
from agent.contract.pinned import PinnedKeys
from agent.contract.wire import encode
from agent.recording import holds
from agent.signing import make_key, sign_general
from tests.commands.attacks import MALI, SOMCHAI, STRANGER, Person
from tests.commands.desk import Node, at

SPAN = {"camera": "c01", "from": at(1), "to": at(3)}


SOMCHAIS_OTHER = Person("somchai", make_key())
WATCHER = Person("watcher", make_key(), (CommandName.PING,))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """It obeys four keys of three people."""
    made = Node(tmp_path, trust=Trust.SIGNED)
    pinned = PinnedKeys(v=1, keys=tuple(each.pinned for each in (SOMCHAI, MALI, SOMCHAIS_OTHER, WATCHER)))
    keys_file(made).write_bytes(msgspec.json.encode(pinned))
    yield made
    made.close()


def keys_file(node: Node) -> Path:
    assert node.facts.command_keys is not None
    return node.facts.command_keys


def ask(node: Node, name: str, args: object, *signers: Person, **changes: object) -> Answer:
    command = node.command(name, args, **changes)
    jws = sign_general(encode(command), [each.key for each in signers], typ=JWS_TYPE)
    node.receive(command, message=encode(jws))
    return node.final(command)


def test_a_signed_command_is_carried_out(node: Node) -> None:
    assert ask(node, "hold.set", SPAN, SOMCHAI).state is AnswerState.SUCCEEDED
    assert ask(node, "ping", {}, WATCHER, actor=Actor(id="watcher", role="operator")).state is AnswerState.SUCCEEDED


@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        ((), "unsigned"),
        ((STRANGER,), "unknown_key"),
        ((SOMCHAI, STRANGER), "unknown_key"),
        ((MALI,), "wrong_actor"),
        ((SOMCHAI, WATCHER), "key_not_allowed"),
        ((SOMCHAI,) * 5, "too_many_signatures"),
    ],
)
def test_what_is_not_signed_by_its_actor_with_a_pinned_key_does_nothing(
    node: Node, signers: tuple[Person, ...], reason: str
) -> None:
    answer = ask(node, "hold.set", SPAN, *signers)
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, reason)
    assert holds.all_holds(node.ring.conn) == []


@pytest.mark.parametrize("name", ["hold.release", "footage.erase"])
@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        ((SOMCHAI,), "second_signature_due"),
        ((SOMCHAI, SOMCHAI), "second_signature_due"),
        ((SOMCHAI, SOMCHAIS_OTHER), "second_signature_due"),
        ((SOMCHAI, MALI), ""),
        ((MALI, SOMCHAI), ""),
    ],
)
def test_what_cannot_be_taken_back_needs_two_people(
    node: Node, name: str, signers: tuple[Person, ...], reason: str
) -> None:
    args: object = SPAN
    if name == "hold.release":
        args = {"hold_id": ask(node, "hold.set", SPAN, SOMCHAI).jti}
    answer = ask(node, name, args, *signers)
    assert answer.reason == reason
    assert answer.state is (AnswerState.REJECTED if reason else AnswerState.SUCCEEDED)
    assert ("signed by mali too" in [each.reason for each in node.audits()]) is (not reason)


def test_a_role_that_the_key_does_not_have_is_refused(node: Node) -> None:
    answer = ask(node, "hold.set", SPAN, SOMCHAI, actor=Actor(id="somchai", role="judge"))
    assert (answer.state, answer.reason) == (AnswerState.REJECTED, "wrong_actor")


def test_a_key_that_was_taken_out_is_obeyed_no_more(node: Node) -> None:
    keys_file(node).write_bytes(msgspec.json.encode(PinnedKeys(v=1, keys=(MALI.pinned,))))
    assert ask(node, "hold.set", SPAN, SOMCHAI).reason == "unknown_key"
    for damage in (b"", b"{}", b"\xff", b'{"v":1,"keys":[{"actor":"a","role":"b","public_key":"x"}]}'):
        keys_file(node).write_bytes(damage)
        assert ask(node, "hold.set", SPAN, SOMCHAI).state is AnswerState.REJECTED
    keys_file(node).unlink()
    assert ask(node, "hold.set", SPAN, SOMCHAI).reason == "no_keys"


def test_a_signature_for_another_kind_of_document_is_none(node: Node) -> None:
    command = node.command("hold.set", SPAN)
    node.receive(command, message=encode(sign_general(encode(command), [SOMCHAI.key], typ="wayside-order")))
    assert node.final(command).reason == "wrong_type"


def test_a_command_that_was_changed_after_signing_is_refused(node: Node) -> None:
    command = node.command("hold.set", SPAN)
    signed = sign_general(encode(command), [SOMCHAI.key], typ=JWS_TYPE)
    other = node.command("hold.set", {**SPAN, "days": 3000})
    forged = Jws(payload=sign_general(encode(other), [], typ=JWS_TYPE).payload, signatures=signed.signatures)
    node.receive(other, message=encode(forged))
    assert node.final(other).reason == "bad_signature"
    assert holds.all_holds(node.ring.conn) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    payload=st.text(alphabet="ABCxyz019-_=\u0e01", max_size=40),
    parts=st.lists(st.tuples(st.text(max_size=60), st.text(max_size=90)), min_size=1, max_size=3),
)
def test_nothing_that_looks_like_a_signature_is_believed_or_breaks_anything(tmp_path: Path, payload, parts) -> None:
    pinned = tmp_path / "keys.json"
    pinned.write_bytes(msgspec.json.encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned,))))
    jws = Jws(payload=payload, signatures=tuple(JwsSignature(protected=a, signature=b) for a, b in parts))
    found = check_signatures(jws, pinned)
    assert found.trouble
    assert found.signers == ()
