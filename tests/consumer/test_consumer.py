"""A centre written from the documents alone keeps a right picture of real nodes, whatever happens to all of them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.contract.events import GAP, MOTION, GapData, MotionData
from agent.messaging import outbox
from agent.messaging.outbox import EventDraft, Moment, Origin, OutboxStatus
from agent.store import open_store, transaction
from tests.broker import wait_until
from tests.broker_kit.province import EnrolledNode, Province
from tests.conftest import ROOT

HERE = Path(__file__).parent
STRANGERS = ("__main__.py", "book.py", "picture.py")
AT = "2026-11-22T14:03:00.000Z"


class Consumer:
    """The stranger's program, as a process."""

    def __init__(self, province: Province) -> None:
        self.province = province
        self.folder = province.folder / "consumer"
        self.folder.mkdir()
        self.identity = province.broker.member("centre")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        broker = self.province.broker
        argv = [sys.executable, "-m", "tests.consumer", "localhost", str(broker.port), str(broker.ca)]
        argv += [self.identity.certificate, self.identity.key, str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def picture(self) -> dict:
        path = self.folder / "picture.json"
        return json.loads(path.read_text()) if path.exists() else {"nodes": {}, "lanes": {}, "sites": {}}

    def wait(self, is_so: Callable[[dict], bool], problem: str) -> dict:
        try:
            wait_until(lambda: is_so(self.picture()), problem, limit_s=40)
        except BaseException:
            logs = [self.folder / "log", *self.province.folder.glob("*/node.log"), self.province.folder / "broker.log"]
            told = [f"{path}\n{path.read_text()[-3000:]}" for path in logs if path.exists()]
            print(*told, json.dumps(self.picture(), indent=1), sep="\n")
            raise
        return self.picture()


@pytest.fixture
def consumer(province: Province) -> Iterator[Consumer]:
    made = Consumer(province)
    yield made
    made.kill()


def data_of(node: EnrolledNode) -> Path:
    return node.folder / "data"


def waiting(node: EnrolledNode) -> OutboxStatus:
    conn = open_store(data_of(node))
    try:
        return outbox.status(conn)
    finally:
        conn.close()


def happen(node: EnrolledNode, count: int) -> None:
    """So many events in each lane of the node's own store, as its keeper writes them."""
    moment = Moment(time.time_ns(), time.monotonic_ns(), "synced")
    origin = Origin(node.address, "boot", 1 << 30)
    gap = GapData(start=AT, end=None, seconds=None, reason="agent_down")
    motion = MotionData(begin_s=1, end_s=2, ratio=0.1, regions=())
    conn = open_store(data_of(node))
    try:
        with transaction(conn):
            for _ in range(count):
                outbox.append(conn, origin, EventDraft(GAP, "c01", gap, moment))
                outbox.append(conn, origin, EventDraft(MOTION, "c01", motion, moment))
    finally:
        conn.close()


def lane_of(picture: dict, node: EnrolledNode, lane: str, epoch: str) -> dict[str, int]:
    root = node.address.root.removeprefix("wayside/v1/")
    return picture["lanes"].get(f"{root} {epoch} {lane}", {"whole": 0, "highest": 0, "count": 0})


def node_of(picture: dict, node: EnrolledNode) -> dict:
    return picture["nodes"].get(node.address.root.removeprefix("wayside/v1/"), {})


def agrees(consumer: Consumer, node: EnrolledNode) -> Callable[[dict], bool]:
    """Lane a is whole as far as the node itself ever counted, nothing waits, and the node is there."""

    def look(picture: dict) -> bool:
        truth = waiting(node)
        told = node_of(picture, node)
        numbers = lane_of(picture, node, "a", truth.epoch)
        return (
            numbers == {"whole": truth.last_a, "highest": truth.last_a, "count": truth.last_a}
            and truth.count_a == truth.count_b == 0
            and (told.get("presence"), told.get("epoch")) == ("online", truth.epoch)
        )

    return look


def test_an_outage_a_lost_store_and_a_swap_are_told_as_they_are(province: Province, consumer: Consumer) -> None:
    # One after the other: what is booted last is what the next papers are made for.
    dead = province.boot("dead")
    province.enrol(dead)
    fresh = province.boot("fresh")
    consumer.start()
    dead.start()
    try:
        consumer.wait(lambda told: node_of(told, dead).get("presence") == "online", "the node is not seen")
        happen(dead, 10)
        consumer.wait(agrees(consumer, dead), "the first events do not come")
        an_outage(province, consumer, dead)
        a_lost_store(consumer, dead)
        a_swap(province, consumer, dead, fresh)
        assert consumer.picture()["misfits"] == []
    finally:
        dead.stop()
        fresh.stop()


def an_outage(province: Province, consumer: Consumer, node: EnrolledNode) -> None:
    """The broker is killed, and in the middle of it the centre too."""
    province.broker.kill()
    told = consumer.wait(lambda told: not told["connected"], "the outage is not noticed")
    assert node_of(told, node)["presence"] == "unknown"
    happen(node, 50)
    consumer.kill()
    consumer.start()
    happen(node, 50)
    province.broker.start()
    told = consumer.wait(agrees(consumer, node), "the outage's events do not come")
    numbers = lane_of(told, node, "b", waiting(node).epoch)
    assert numbers["whole"] == numbers["count"] == waiting(node).last_b, "lane b has a hole"


def a_lost_store(consumer: Consumer, node: EnrolledNode) -> None:
    before = waiting(node)
    node.kill()
    for path in data_of(node).glob("store.sqlite*"):
        path.unlink()
    node.start()
    consumer.wait(lambda told: node_of(told, node).get("epoch") != before.epoch, "the new epoch is not seen")
    happen(node, 5)
    told = consumer.wait(agrees(consumer, node), "the new epoch is not acknowledged")
    kept = lane_of(told, node, "a", before.epoch)
    assert kept["whole"] == kept["count"] == before.last_a, "the old epoch's events were confused with the new one's"
    consumer.wait(lambda told: "ack-refused" not in node_of(told, node)["alerts"], "the old ack's alarm stays")


def a_swap(province: Province, consumer: Consumer, dead: EnrolledNode, fresh: EnrolledNode) -> None:
    dead.kill()
    province.enrol(fresh, replaces=dead.address.node)
    fresh.start()
    told = consumer.wait(lambda told: node_of(told, dead).get("presence") == "retired", "the swap is not seen")
    assert node_of(told, fresh)["replaces"] == dead.address.node
    assert not node_of(told, dead)["alarm"]
    assert list(told["sites"].values()) == [fresh.address.node]
    happen(fresh, 5)
    consumer.wait(agrees(consumer, fresh), "the new node's events do not come")


def test_the_stranger_imports_nothing_of_ours() -> None:
    for name in STRANGERS:
        tree = ast.parse((HERE / name).read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {each for each in imported if each.split(".")[0] in {"agent", "provisioning", "tests"}}
        assert ours <= {"tests.consumer.book", "tests.consumer.picture"}, (name, ours)


def test_a_will_of_an_earlier_session_or_of_a_lost_store_is_not_believed(tmp_path: Path) -> None:
    from tests.consumer.book import Book
    from tests.consumer.picture import Picture

    picture = Picture(Book(tmp_path / "events.sqlite"))
    picture.is_connected = True
    now = {"state": "online", "session": 7, "epoch": "e2"}
    for said, believed in (
        (now, "online"),
        ({"state": "lost", "session": 6, "epoch": "e2"}, "online"),
        ({"state": "lost", "session": 9, "epoch": "e1"}, "online"),
        ({"state": "lost", "session": 7, "epoch": "e2"}, "lost"),
        ({**now, "session": 8}, "online"),
        ({"state": "offline", "session": 8, "epoch": "e2"}, "offline"),
    ):
        picture.fold("wayside/v1/o/s/n/state", json.dumps(said).encode())
        assert picture.told()["nodes"]["o/s/n"]["presence"] == believed
    for rubbish in (b"", b"[]", b"\xff", b"{", b'{"state": "lost"}'):
        picture.fold("wayside/v1/o/s/n/state", rubbish)
        picture.fold("wayside/v1/o/s/n/evt/c01/gap", rubbish)
    assert picture.told()["nodes"]["o/s/n"]["presence"] == "offline"
