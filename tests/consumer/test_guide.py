"""docs/centre.md says nothing that does not run: its lines and programs, against the shipped broker and a real node."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.contract.commands import CommandName
from agent.contract.requests import ARGS_TYPES
from agent.messaging import outbox
from agent.signing import key_to_pem, make_key, public_to_pem
from agent.store import open_store
from provisioning.broker.acl import Member, Role
from tests.broker import wait_until
from tests.broker_kit.province import ORG, EnrolledNode, Province

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "centre.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py) (.*?)```", GUIDE, re.DOTALL))
LOOKING, ASKING_NOTHING, AGAIN, ASKING, OURS = (block.strip().splitlines() for block in SHELL)


class Desk:
    """A folder with the certificates and programs of the guide, and the node it is about."""

    def __init__(self, province: Province, node: EnrolledNode) -> None:
        self.broker = province.broker
        self.node = node
        self.folder = province.folder / "desk"
        self.folder.mkdir()
        (self.folder / "centre-ca.pem").write_bytes(self.broker.ca.read_bytes())
        for name in ("centre", "desk-1", "desk-2"):
            identity = self.broker.member(name)
            (self.folder / f"{name}.pem").write_bytes(Path(identity.certificate).read_bytes())
            (self.folder / f"{name}.key").write_bytes(Path(identity.key).read_bytes())
        for name, text in PROGRAMS.items():
            (self.folder / name).write_text(f"# {text}", encoding="utf-8")

    def told(self, line: str) -> str:
        """A line of the guide, for this broker and this node."""
        line = line.replace("centre.example -p 8883", f"localhost -p {self.broker.port}")
        line = line.replace("centre.example 8883", f"localhost {self.broker.port}").replace("NODE", self.node.key.node)
        return line.replace("python3 ", f"{sys.executable} ")

    def begin(self, *lines: str) -> subprocess.Popen[str]:
        script = "\n".join(self.told(line) for line in lines)
        return subprocess.Popen(
            ["bash", "-ec", script], cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *lines: str) -> str:
        process = self.begin(*lines)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, (lines, said)
        return said

    def is_whole(self) -> bool:
        numbers = [sequence for _, sequence in self.stored()]
        return numbers == list(range(1, len(numbers) + 1))

    def kept(self) -> int:
        """Events of lane a that the node has not thrown away."""
        conn = open_store(self.node.folder / "data", readonly=True)
        try:
            return outbox.status(conn).count_a
        finally:
            conn.close()

    def stored(self) -> list[tuple[str, int]]:
        with closing(sqlite3.connect(self.folder / "events.sqlite")) as conn:
            return conn.execute("SELECT type, sequence FROM event WHERE lane = 'a' ORDER BY sequence").fetchall()


@pytest.fixture
def desk(province: Province) -> Iterator[Desk]:
    node = province.boot("first")
    keys = province.folder / "mali.key"
    key = make_key()
    keys.write_bytes(key_to_pem(key))
    province.office.set_person(ORG, "mali", "supervisor", public_to_pem(key.public_key()))
    province.broker.members.append(Member("desk-2", Role.DESK))
    province.enrol(node)
    made = Desk(province, node)
    (made.folder / "mali.key").write_bytes(keys.read_bytes())
    node.start()
    yield made
    node.stop()


def test_every_line_and_every_program_of_the_guide_runs_as_it_stands(desk: Desk) -> None:
    connect, *looks = LOOKING
    *facts, events = looks
    for line in facts:
        topic, _, payload = desk.run(connect, line).partition(" ")
        assert topic.startswith(desk.node.address.root)
        assert isinstance(json.loads(payload), dict)
    ear = ["-v", "receive.py", "localhost", str(desk.broker.port), "centre-ca.pem", "centre.pem", "centre.key"]
    with (desk.folder / "receive.log").open("wb") as log:
        receiver = subprocess.Popen([sys.executable, *ear[1:]], cwd=desk.folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: b"connected: Success" in (desk.folder / "receive.log").read_bytes(), "it does not connect")
        desk.run(*ASKING_NOTHING)
        wait_until(lambda: "wayside.security.v1" in dict(desk.stored()), "the event is not stored")
        waiting = desk.begin(connect, f"stdbuf -oL {events} -d")
        assert waiting.stdout is not None
        said = iter(waiting.stdout)
        assert any("SUBACK" in line for line in said), "it does not subscribe"
        desk.run(*ASKING_NOTHING)
        assert any(re.match(r"wayside/\S+/evt/node/security {", line) for line in said)
        waiting.communicate(timeout=30)
        states = [json.loads(line)["state"] for line in desk.run(*ASKING).splitlines()]
        assert states == ["accepted", "succeeded"]
        wait_until(lambda: "wayside.audit.v1" in dict(desk.stored()), "the command's audit is not stored")
        # What the node told before this receiver came is not here until it is asked for.
        told = json.loads(desk.run(*AGAIN).splitlines()[-1])
        assert (told["state"], told["result"]["first"]) == ("succeeded", f"{1:020d}")
        wait_until(desk.is_whole, "what came before is not sent again")
        wait_until(lambda: desk.kept() == 0, "the node still keeps what was acknowledged")
    finally:
        receiver.terminate()
        receiver.wait(10)


def test_the_guide_names_what_is_not_there_yet() -> None:
    named = set(re.findall(r"[a-z]+\.[a-z]+", GUIDE[GUIDE.index("## Not there yet") :]))
    assert {name.value for name in CommandName} - {name.value for name in ARGS_TYPES} <= named


@pytest.mark.parametrize("line", OURS)
def test_our_own_commands_in_the_guide_have_the_options_that_it_names(line: str) -> None:
    program, *words = line.split()
    options = [word for word in words if word.startswith("--")]
    commands = words[: words.index(options[0])]
    argv = [sys.executable, "-m", "agent", *commands, "--help"]
    told = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert program == "wayside" and told.returncode == 0, told.stderr
    assert [option for option in options if option not in told.stdout] == []
