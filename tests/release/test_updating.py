"""What the node says of itself in an update: why its cameras paused, and what it has done since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import decode_config
from agent.contract.topics import NodeAddress
from agent.messaging.lanes import Origin
from agent.messaging.outbox import confirm
from agent.notices import Hello, SegmentClosed, SegmentOpened
from agent.processes.keeper import Keeper, KeeperFacts
from agent.processes.vouch import vouch
from agent.recording.naming import SegmentName
from agent.units import NS_PER_MS, NS_PER_S
from tests.clip.footage import START_NS
from tests.recording.ring import Ring

CONFIG = """
data_dir = "{folder}"
runtime_dir = "{folder}/run"
timezone = "Asia/Bangkok"
[node]
org = "o"
site = "s"
id = "n"
[[camera]]
id = "c01"
main = "rtsp://camera-1/main"
[[camera]]
id = "c02"
main = "rtsp://camera-2/main"
"""


class Node:
    """A keeper over a real store, and the marker that an update's tools would leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ring = Ring(folder)
        self.marker = folder / "updating.json"
        facts = KeeperFacts(
            folder,
            frozenset({"c01", "c02"}),
            Origin(NodeAddress("o", "s", "n"), "boot", 1 << 30),
            self.ring.boot,
            updating=self.marker,
        )
        self.keeper = Keeper(facts, self.ring.conn, self.ring.ledger, self.ring.clock, lambda: None)
        self.sessions = 0

    def mark(self, since_wall_ns: int, until_wall_ns: int = 0) -> None:
        told = {"v": 1, "since_wall_ns": since_wall_ns, "from": "0.1.0", "to": "0.2.0", "until_wall_ns": until_wall_ns}
        self.marker.write_text(json.dumps(told), encoding="ascii")

    def begin(self) -> Hello:
        self.sessions += 1
        hello = Hello(process="camera", pid=1, session=f"session-{self.sessions}", camera="c01")
        self.keeper.greet(hello)
        return hello

    def opened(self, run: int, n: int, wall_ns: int) -> str:
        path = str(SegmentName("c01", self.ring.boot, run, n, wall_ns // NS_PER_MS).path())
        self.keeper.segment_opened(SegmentOpened("c01", path, self.ring.boot, run, n, wall_ns))
        return path

    def recorded(self, run: int, n: int, wall_ns: int, seconds: int) -> None:
        path = self.opened(run, n, wall_ns)
        end_ns = wall_ns + seconds * NS_PER_S
        self.keeper.segment_closed(SegmentClosed("c01", path, self.ring.boot, run, n, wall_ns, end_ns, 25 * seconds, 9))

    def outages(self) -> list[tuple[str, int, int]]:
        rows = self.ring.conn.execute("SELECT reason, start_wall_ns, end_wall_ns FROM outage ORDER BY start_wall_ns")
        return rows.fetchall()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.ring.close()


def test_a_camera_that_an_update_stopped_has_a_gap_called_updating(node: Node) -> None:
    now_ns = node.ring.clock.wall_ns()
    hello = node.begin()
    node.recorded(1, 0, now_ns - 60 * NS_PER_S, 60)
    node.mark(now_ns - 1)
    node.keeper.part(hello)
    node.begin()
    # The tools are done before the first key frame comes.
    node.mark(now_ns - 1, now_ns + NS_PER_S)
    node.opened(2, 0, now_ns + 3 * NS_PER_S)
    assert node.outages() == [("updating", now_ns, now_ns + 3 * NS_PER_S)]


@pytest.mark.parametrize("marker", [None, "later", "before", "garbage"])
def test_without_an_update_at_work_a_stop_is_a_stop(node: Node, marker: str | None) -> None:
    now_ns = node.ring.clock.wall_ns()
    if marker == "later":
        node.mark(now_ns + 10 * NS_PER_S)
    elif marker == "before":
        node.mark(now_ns - 90 * NS_PER_S, now_ns - 1)
    elif marker == "garbage":
        node.marker.write_text('{"v": 1}', encoding="ascii")
    hello = node.begin()
    node.recorded(1, 0, now_ns - 60 * NS_PER_S, 60)
    node.keeper.part(hello)
    node.begin()
    node.opened(2, 0, now_ns + 3 * NS_PER_S)
    assert node.outages() == []


def test_a_process_that_fell_during_an_update_is_not_excused_by_it(node: Node) -> None:
    now_ns = node.ring.clock.wall_ns()
    node.mark(now_ns - 1)
    node.begin()
    node.recorded(1, 0, now_ns - 60 * NS_PER_S, 60)
    node.begin()
    node.opened(2, 0, now_ns + 3 * NS_PER_S)
    assert node.outages() == []


def test_the_facts_name_each_cameras_newest_and_newest_closed_segment(node: Node) -> None:
    node.begin()
    node.recorded(1, 0, START_NS, 60)
    path = node.opened(1, 1, START_NS + 60 * NS_PER_S)
    file = node.folder / path
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(1234))
    facts = vouch(decode_config(CONFIG.format(folder=node.folder), name="test"))
    c01, c02 = facts.cameras
    boot = node.ring.boot
    assert (c01.newest, c01.newest_bytes, c01.closed) == ((boot, 1, 1), 1234, (boot, 1, 0))
    assert (c02.newest, c02.newest_bytes, c02.closed) == (None, 0, None)
    assert not facts.has_broker


def test_the_facts_tell_what_the_broker_took(node: Node) -> None:
    node.begin()
    node.opened(1, 0, START_NS)
    node.opened(2, 0, START_NS + NS_PER_S)
    config = decode_config(CONFIG.format(folder=node.folder), name="test")
    waiting = vouch(config).outbox
    assert waiting is not None
    assert (waiting.last_b, waiting.oldest_b) == (2, 1)
    confirm(node.ring.conn, up_to_a=0, sequences_b=[1])
    taken = vouch(config).outbox
    assert taken is not None
    assert taken.oldest_b == 2
