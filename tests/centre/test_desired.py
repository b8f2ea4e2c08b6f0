"""`wayside centre desired`: signed by one person or two, sent, and the node's last word waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from agent.centre.desired import is_settled, next_revision
from agent.cli.commands import build
from agent.commands.pinned import check_signatures
from agent.contract.commands import decode_jws, from_base64url
from agent.contract.pinned import PinnedKeys
from agent.contract.states import Desired, Reported
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode, encode
from agent.messaging.broker import BrokerEvent, BrokerOptions, Connected, Message, Publication
from agent.messaging.client import BrokerClient
from agent.signing import key_to_pem
from tests.broker import Broker, wait_until
from tests.commands.attacks import MALI, SOMCHAI, Person

ADDRESS = NodeAddress("test-org", "test-site", "test-node")
AT = "2026-11-22T14:03:00Z"


class Node:
    """Takes whatever two people signed, and tells of it as a node does."""

    def __init__(self, broker: Broker, keys: Path) -> None:
        self.keys = keys
        self.taken: list[Desired] = []
        self.is_connected = threading.Event()
        options = BrokerOptions(broker.url, "test-node", subscriptions=(ADDRESS.desired,), is_clean_start=True)
        self.client = BrokerClient(options, self._hear)
        self.client.start()
        wait_until(self.is_connected.is_set, "the node is not connected")
        self.report(Reported(revision=4, at=AT))

    def report(self, report: Reported) -> None:
        self.client.publish(Publication(ADDRESS.reported, encode(report), is_retained=True))

    def _hear(self, event: BrokerEvent) -> None:
        if isinstance(event, Connected):
            self.is_connected.set()
        if not isinstance(event, Message):
            return
        jws = decode_jws(event.payload)
        document = decode(from_base64url(jws.payload), Desired)
        signed = check_signatures(jws, self.keys)
        if len({each.actor for each in signed.signers}) == 2:
            self.taken.append(document)
            self.report(Reported(revision=4, at=AT, trying=document.revision))
            self.report(Reported(revision=document.revision, at=AT))
        else:
            self.report(Reported(revision=4, at=AT, rejected_revision=document.revision, errors=("not yet",)))


@pytest.fixture
def node(broker: Broker, tmp_path: Path) -> Iterator[Node]:
    keys = tmp_path / "keys.json"
    keys.write_bytes(encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
    for person in (SOMCHAI, MALI):
        (tmp_path / f"{person.actor}.key").write_bytes(key_to_pem(person.key))
    (tmp_path / "wish.toml").write_text("[storage]\nkeep_days = 40\nservice_until = 2030-01-31\n")
    made = Node(broker, keys)
    yield made
    made.client.close()


def run(folder: Path, broker: Broker, file: str, *signers: Person, more: tuple[str, ...] = ()) -> tuple[int, str]:
    keys = ",".join(str(folder / f"{each.actor}.key") for each in signers)
    argv = ["centre", "desired", str(folder / file), "--node", "test-org/test-site/test-node", "--broker", broker.url]
    done = CliRunner().invoke(build("centre"), [*argv, "--actor", signers[0].actor, "--sign", keys, *more])
    return done.exit_code, done.output


def test_it_is_sent_as_the_next_revision_and_its_end_is_waited_for(node: Node, broker: Broker, tmp_path: Path) -> None:
    code, said = run(tmp_path, broker, "wish.toml", SOMCHAI, MALI, more=("--upload-host", "store.example"))
    assert (code, "revision 5 is in force" in said) == (0, True), said
    (document,) = node.taken
    assert (document.iss, document.revision, document.aud) == ("somchai", 5, ADDRESS.urn)
    assert msgspec.json.decode(document.config) == {"storage": {"keep_days": 40, "service_until": "2030-01-31"}}
    assert document.upload_hosts == ("store.example",)
    assert document.keys is None


def test_a_refusal_exits_1_with_the_nodes_words(node: Node, broker: Broker, tmp_path: Path) -> None:
    code, said = run(tmp_path, broker, "wish.toml", SOMCHAI)
    assert (code, "not yet" in said) == (1, True), said


def test_a_second_person_reads_and_signs_at_another_desk(node: Node, broker: Broker, tmp_path: Path) -> None:
    draft = ("--to", str(tmp_path / "draft.jws"), "--keys", str(tmp_path / "keys.json"))
    code, said = run(tmp_path, broker, "wish.toml", SOMCHAI, more=draft)
    assert (code, node.taken) == (0, []), said
    code, said = run(tmp_path, broker, "draft.jws", MALI)
    assert code == 0, said
    assert "obeys from then on: somchai, mali" in said
    (document,) = node.taken
    assert [each.actor for each in document.keys or ()] == ["somchai", "mali"]


@pytest.mark.parametrize(
    ("text", "file"), [("not toml =", "bad.toml"), ("{}", "bad.jws")], ids=("no TOML", "nothing signed")
)
def test_a_file_that_cannot_be_read_is_never_sent(
    node: Node, broker: Broker, tmp_path: Path, text: str, file: str
) -> None:
    (tmp_path / file).write_text(text)
    code, _ = run(tmp_path, broker, file, SOMCHAI, MALI)
    assert (code, node.taken) == (2, [])


@pytest.mark.parametrize(
    ("report", "following"),
    [
        (None, 1),
        (Reported(revision=None, at=AT), 1),
        (Reported(revision=3, at=AT), 4),
        (Reported(revision=3, at=AT, rejected_revision=7), 8),
        (Reported(revision=3, at=AT, trying=4), 5),
    ],
)
def test_a_revision_that_was_taken_back_is_used_up(report: Reported | None, following: int) -> None:
    assert next_revision(report) == following


def test_a_trial_is_no_last_word() -> None:
    assert not is_settled(Reported(revision=3, at=AT, trying=4), 4)
    assert not is_settled(Reported(revision=3, at=AT), 4)
    assert is_settled(Reported(revision=3, at=AT, rejected_revision=4, errors=("no",)), 4)
