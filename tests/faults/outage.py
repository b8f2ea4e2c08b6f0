"""Three days without the centre, compressed: restarts, kills, a broker that forgets, a store that is lost."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.centre.eventstore import EVENTS_NAME, EventStore
from agent.contract.events import Lane
from agent.store import STORE_NAME
from tests.broker import Broker, wait_until
from tests.faults.outage_node import ADDRESS, OUTAGE_NS, truth
from tests.serve.rig import Serve, make_office

# Three restarts and two kills while events are made (issue 6).
_ENDS = (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)
# Doubt begins after 300 s (agent.messaging.doubt), and 100 000 events are to be stored by the centre after it.
_DRAIN_LIMIT_S = 1200.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Events of both lanes. `deaf`: taken by the broker, which is killed before the centre has them. `lost`: stored
    when the node's disk dies, and nowhere else. `after`: made by the node's next store."""

    before: int = 2_000
    deaf: int = 3_000
    outage: int = 100_000
    lost: int = 2_000
    after: int = 4_000


class ForgetfulBroker(Broker):
    """Saves when told to, as mosquitto does every 30 minutes by default."""

    def __init__(self, folder: Path) -> None:
        # The kit's bounds (provisioning.broker.settings).
        super().__init__(folder, "allow_anonymous true\nmax_queued_messages 20000\nmax_queued_bytes 268435456")
        text = self.config.read_text().replace(
            "autosave_interval 1\nautosave_on_changes true", "autosave_interval 1800"
        )
        self.config.write_text(text)

    def save(self) -> None:
        database = self.folder / "mosquitto.db"
        before_ns = database.stat().st_mtime_ns if database.exists() else 0
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: database.exists() and database.stat().st_mtime_ns > before_ns, "it does not save")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of the node's outbox_state; all 0 before there is one."""

    last_a: int = 0
    last_b: int = 0
    confirmed_a: int = 0
    acked_a: int = 0
    count_a: int = 0
    count_b: int = 0
    shed: int = 0


class NodeProcess:
    """One process at a time on one store."""

    def __init__(self, folder: Path, url: str, step_ns: int, protocol: str = "5") -> None:
        self.folder = folder
        self.store = folder / STORE_NAME
        self._url = url
        self._step_ns = step_ns
        self._protocol = protocol
        self._log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self, until: int) -> None:
        """It makes events until its store has counted so many, and then only talks."""
        self._starts += 1
        argv = [sys.executable, "-m", "tests.faults.outage_node", str(self.folder), self._url]
        argv += [str(until), str(self._step_ns), str(self._starts), self._protocol]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def waiting(self) -> Waiting:
        with suppress(sqlite3.OperationalError):
            conn = sqlite3.connect(f"{self.store.as_uri()}?mode=ro", uri=True)
            try:
                row = conn.execute(
                    "SELECT last_a, last_b, confirmed_a, acked_a, count_a, count_b, shed_count FROM outbox_state"
                ).fetchone()
                return Waiting() if row is None else Waiting(*row)
            finally:
                conn.close()
        return Waiting()

    def made(self) -> int:
        waiting = self.waiting()
        return waiting.last_a + waiting.last_b

    def wait_for(self, made: int) -> None:
        wait_until(lambda: self.made() >= made, f"{made} events are not made", limit_s=300.0)

    def wait_for_acks(self, limit_s: float = _DRAIN_LIMIT_S) -> None:
        """Until nothing of either lane waits any more."""

        def is_empty() -> bool:
            now = self.waiting()
            return now.acked_a == now.last_a and now.count_a == now.count_b == 0

        wait_until(is_empty, f"the outbox is not emptied: {self.waiting()}", limit_s=limit_s)

    def alarms(self, word: str) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if line.startswith(word)]

    def lose_store(self) -> Path:
        """The disk is gone; what it held is kept aside for the judge."""
        kept = self.folder.with_suffix(".lost")
        shutil.move(self.folder, kept)
        return kept / STORE_NAME


def outage(folder: Path, scale: Scale | None = None) -> list[str]:
    """Raises AssertionError when an event of lane a is lost, doubled or confused."""
    folder.mkdir(parents=True, exist_ok=True)
    return _Outage(folder, scale or Scale()).run()


class _Outage:
    def __init__(self, folder: Path, scale: Scale) -> None:
        (folder / "broker").mkdir()
        make_office(folder / "office")
        self._scale = scale
        self._broker = ForgetfulBroker(folder / "broker")
        self._serve = Serve(
            folder / "office", folder / "centre", "--broker", self._broker.url, "--name", "outage-centre"
        )
        self._node = NodeProcess(folder / "node", self._broker.url, OUTAGE_NS // scale.outage)
        self._chance = random.Random(72)
        self._lines: list[str] = []

    def run(self) -> list[str]:
        self._broker.start()
        self._serve.start()
        try:
            self._forget()
            self._three_days()
            self._drain()
            lost = self._lose_the_store()
        finally:
            self._node.end()
            self._serve.stop()
            self._broker.stop()
        return [*self._lines, *self._judge(lost)]

    def _forget(self) -> None:
        """All is well and saved; then the broker takes events for a centre that is away, and is killed with them."""
        self._node.start(self._scale.before)
        self._node.wait_for(self._scale.before)
        self._node.wait_for_acks()
        self._broker.save()
        self._serve.kill()
        self._node.end()
        self._node.start(self._scale.before + self._scale.deaf)

        def are_all_taken() -> bool:
            now = self._node.waiting()
            is_whole = now.last_a + now.last_b >= self._scale.before + self._scale.deaf
            return is_whole and now.confirmed_a == now.last_a and now.count_b == 0

        wait_until(are_all_taken, f"the broker does not take them: {self._node.waiting()}", limit_s=120.0)
        self._broker.kill()
        self._node.end()
        taken = self._node.waiting()
        told = f"outage: the broker dies with {taken.count_a} events of lane a that it had confirmed and the centre not"
        self._lines.append(told)

    def _three_days(self) -> None:
        first = self._node.made()
        until = first + self._scale.outage
        cuts = sorted(self._chance.sample(range(first + 1, until), len(_ENDS)))
        for number, cut in zip(_ENDS, cuts, strict=True):
            self._node.start(until)
            self._node.wait_for(cut)
            self._node.end(number)
        self._node.start(until)
        self._node.wait_for(until)
        waiting = self._node.waiting()
        assert waiting.shed == 0, waiting
        self._lines.append(
            f"outage: 72 h in {self._scale.outage} events, 3 restarts, 2 kill -9: {waiting.count_a} of lane a and"
            f" {waiting.count_b} of lane b wait, 0 shed"
        )

    def _drain(self) -> None:
        """The broker is back with what it knew at its last save, and dies once more in the middle of it all."""
        began_s = time.monotonic()
        self._serve.start()
        had = self._serve.count()
        self._broker.start()
        third = had + self._scale.outage // 3
        wait_until(lambda: self._serve.count() > third, "the centre hears too little", limit_s=_DRAIN_LIMIT_S)
        self._broker.kill()
        threading.Event().wait(1.0)
        self._broker.start()
        self._node.wait_for_acks()
        took_s = time.monotonic() - began_s
        self._lines.append(
            f"outage: broker back from its last save, killed again after a third: all acknowledged after {took_s:.0f} s"
        )

    def _lose_the_store(self) -> Path:
        """The node's disk dies with events that nobody else has; the next store counts anew beside the old ack."""
        self._broker.save()
        self._broker.kill()
        self._node.end()
        target = self._node.made() + self._scale.lost
        self._node.start(target)
        self._node.wait_for(target)
        self._node.end(signal.SIGKILL)
        lost = self._node.lose_store()
        self._node.start(self._scale.after)
        self._node.wait_for(self._scale.after)
        assert not self._node.alarms("ack_refused")
        self._broker.start()
        wait_until(lambda: bool(self._node.alarms("ack_refused")), "the old ack is not refused", limit_s=60.0)
        self._node.wait_for_acks()
        return lost

    def _judge(self, lost: Path) -> list[str]:
        (old, before), (new, after) = (next(iter(truth(store, "a").items())) for store in (lost, self._node.store))
        gone = {number for number in before if number > len(before) - self._scale.lost // 2}
        kept = {number: event for number, event in before.items() if number not in gone}
        store = EventStore(self._serve.store)
        try:
            missing = store.missing(ADDRESS.urn)
        finally:
            store.close()
        centre = events_of_lane_a(self._serve.store / EVENTS_NAME)
        assert set(centre) == {old, new}, centre.keys()
        for told, stored in ((centre[old], kept), (centre[new], after)):
            assert sorted(stored) == list(range(1, len(stored) + 1)), "the node's numbers have a hole"
            assert told == stored, (
                f"{len(stored.items() - told.items())} lost, {len(told.items() - stored.items())} too many"
            )
        assert not [each for each in missing if each.lane is Lane.A], missing
        absent_b = sum(each.numbers.count for each in missing)
        return [
            f"outage: {len(kept)} of lane a stored by the node, {len(centre[old])} at the centre, each once, no hole;"
            f" {absent_b} of lane b went with the killed brokers, known by number",
            f"outage: store lost with {len(gone)} of lane a that nobody had sent; epoch {old[-6:]} -> {new[-6:]},"
            f" the old ack refused and alarmed, {len(after)} of {len(after)} of the new epoch at the centre",
        ]


def events_of_lane_a(path: Path) -> dict[str, dict[int, str]]:
    """What the centre has of lane a: ids by sequence, by epoch."""
    conn = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        rows = conn.execute("SELECT epoch, sequence, id FROM event WHERE lane = 'a'").fetchall()
    finally:
        conn.close()
    found: dict[str, dict[int, str]] = {}
    for epoch, sequence, event_id in rows:
        assert sequence not in found.setdefault(epoch, {})
        found[epoch][sequence] = event_id
    return found
