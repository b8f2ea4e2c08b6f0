"""What a centre received, on disk before anybody is told so: each event once, and what is missing by its numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.centre import requestbook
from agent.centre.acks import Coverage, NumberRange, ack_of
from agent.centre.asked import AnswerArrival, AskArrival
from agent.centre.intake import AckArrival, Arrival, EventArrival, FactArrival, Misfit
from agent.centre.missing import Absence, Missing, absent
from agent.contract.events import Lane
from agent.contract.states import Ack
from agent.contract.topics import NodeAddress
from agent.errors import StoreError
from agent.store import transaction

EVENTS_NAME: Final = "events.sqlite"
# Misfits are for people to look at; a node that sends nothing else must not fill the disk (64 KiB each: 640 MB).
_MISFITS_KEPT: Final = 10_000
# Writers take turns of a few ms; only a stuck disk holds the lock this long.
_BUSY_TIMEOUT_S: Final = 10.0
_schema = Path(__file__).with_name("eventstore.sql")


@dataclass(frozen=True, slots=True)
class Kept:
    """What one transaction did. `acks`: what each node that was heard may be told now. `missing`: numbers that were
    passed over, or given up, in it."""

    events: tuple[EventArrival, ...]
    copies: int
    misfits: tuple[Misfit, ...]
    acks: tuple[tuple[NodeAddress, Ack], ...]
    missing: tuple[Missing, ...] = ()


@dataclass(slots=True)
class _Round:
    """One transaction's doings, until it is committed."""

    wall_ns: int
    events: list[EventArrival] = field(default_factory=list)
    copies: int = 0
    misfits: list[Misfit] = field(default_factory=list)
    heard: dict[str, NodeAddress] = field(default_factory=dict)
    lanes: set[tuple[str, str, Lane]] = field(default_factory=set)
    missing: list[Missing] = field(default_factory=list)


class EventStore:
    """One thread. After a StoreError open another one: what this one remembers may be ahead of the disk."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError for a folder that cannot be used."""
        self._path = folder / EVENTS_NAME
        self._lanes: dict[tuple[str, str, Lane], Coverage] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._conn = sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
            self._conn.execute("PRAGMA journal_mode = WAL")
            # Every commit is on disk when it returns: the ack that follows lets the node delete its copy.
            self._conn.execute("PRAGMA synchronous = FULL")
            self._conn.executescript(_schema.read_text(encoding="utf-8"))
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(path=str(self._path), detail=str(exc), remedy="check the folder given as --store") from exc

    def close(self) -> None:
        self._conn.close()

    def keep(self, arrivals: Iterable[Arrival], wall_ns: int) -> Kept:
        """Store a batch, all of it or nothing, synced when this returns. Raises StoreError."""
        done = _Round(wall_ns)
        with transaction(self._conn):
            for arrival in arrivals:
                match arrival:
                    case EventArrival():
                        self._keep_event(arrival, done)
                    case FactArrival():
                        self._keep_fact(arrival, done)
                    case AckArrival():
                        self._keep_ack(arrival)
                    case AskArrival():
                        requestbook.keep_ask(self._conn, arrival, wall_ns)
                    case AnswerArrival():
                        requestbook.keep_answer(self._conn, arrival, wall_ns)
                    case Misfit():
                        self._keep_misfit(arrival, done)
            self._write_off(done)
            self._write_progress(done)
        acks = tuple(self._acks_of(done.heard.items()))
        return Kept(tuple(done.events), done.copies, tuple(done.misfits), acks, tuple(done.missing))

    def give_up(self, source: str, epoch: str, lane: Lane, numbers: NumberRange) -> None:
        """The node keeps these no more: they are known as lost, and what follows can be acknowledged."""
        done = _Round(0)
        with transaction(self._conn):
            self._lose((source, epoch, lane), numbers, done)
            self._write_progress(done)

    def acks(self) -> list[tuple[NodeAddress, Ack]]:
        """The newest word for every node."""
        sources = [str(row[0]) for row in self._conn.execute("SELECT source FROM node ORDER BY source")]
        return list(self._acks_of((source, address_of(source)) for source in sources))

    def missing(self, source: str = "") -> list[Missing]:
        """Of one node, or of all: every number that was passed over, with why it is not here. In order."""
        lanes = self._conn.execute(
            "SELECT source, epoch, lane FROM lane WHERE ?1 = '' OR source = ?1 ORDER BY source, epoch, lane", (source,)
        ).fetchall()
        found = [
            Missing(urn, epoch, Lane(lane), hole, Absence.AWAITED)
            for urn, epoch, lane in lanes
            for hole in self._coverage(urn, epoch, Lane(lane)).holes()
        ]
        for urn, epoch, lane, first, last, reason in self._conn.execute(
            "SELECT source, epoch, lane, first, last, reason FROM accounted"
            " WHERE reason != 'repeated' AND (?1 = '' OR source = ?1)",
            (source,),
        ).fetchall():
            numbers = NumberRange(first, last)
            found += [
                Missing(urn, epoch, Lane(lane), hole, Absence(reason))
                for hole in absent(numbers, self._present(urn, epoch, lane, numbers))
            ]
        return sorted(found, key=lambda each: (each.source, each.epoch, each.lane, each.numbers))

    def count(self) -> int:
        """Events stored."""
        return int(self._conn.execute("SELECT count(*) FROM event").fetchone()[0])

    def fact(self, topic: str) -> bytes | None:
        """The newest payload of a retained topic."""
        row = self._conn.execute("SELECT payload FROM fact WHERE topic = ?", (topic,)).fetchone()
        return None if row is None else bytes(row[0])

    def _keep_event(self, arrival: EventArrival, done: _Round) -> None:
        source, position, envelope = arrival.address.urn, arrival.position, arrival.envelope
        key = (source, position.epoch, position.lane)
        self._hear(arrival.address, position.epoch, done, is_word=False)
        added = self._conn.execute(
            "INSERT INTO event (source, epoch, lane, sequence, id, type, subject, received_ns, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(source, position.epoch, position.lane.value, position.sequence),
                *(envelope.id, envelope.type, envelope.subject, done.wall_ns, arrival.payload),
            ),
        )
        if added.rowcount:
            coverage = self._coverage(*key)
            if position.sequence > coverage.highest + 1:
                passed_over = NumberRange(coverage.highest + 1, position.sequence - 1)
                done.missing.append(Missing(*key, passed_over, Absence.AWAITED))
            coverage.take(position.sequence)
            done.lanes.add(key)
            done.events.append(arrival)
            if arrival.clip is not None:
                requestbook.keep_clip(self._conn, arrival.address, arrival.clip, done.wall_ns)
            if arrival.shed is not None:
                self._account((source, position.epoch, Lane.B), arrival.shed, "shed", done)
            return
        stored = self._conn.execute(
            "SELECT id FROM event WHERE source = ? AND epoch = ? AND lane = ? AND sequence = ?",
            (source, position.epoch, position.lane.value, position.sequence),
        ).fetchone()
        if stored is None:
            self._account(key, NumberRange(position.sequence, position.sequence), "repeated", done)
        elif stored[0] != envelope.id:
            # A store put back from a backup counts numbers twice. The second event is not lost, and people are told.
            topic = f"{arrival.address.root}/evt"
            self._keep_misfit(Misfit(topic, arrival.payload, "number_taken", f"sequence {position.sequence}"), done)
            return
        done.copies += 1

    def _keep_fact(self, arrival: FactArrival, done: _Round) -> None:
        if arrival.epoch:
            self._hear(arrival.address, arrival.epoch, done, is_word=True)
        if not arrival.payload:
            self._conn.execute("DELETE FROM fact WHERE topic = ?", (arrival.topic,))
            return
        self._conn.execute(
            "INSERT INTO fact VALUES (?, ?, ?, ?) ON CONFLICT (topic)"
            " DO UPDATE SET received_ns = excluded.received_ns, payload = excluded.payload",
            (arrival.topic, arrival.address.urn, done.wall_ns, arrival.payload),
        )

    def _keep_ack(self, arrival: AckArrival) -> None:
        self._conn.execute(
            "INSERT INTO former VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET up_to = max(up_to, ?3)",
            (arrival.address.urn, arrival.epoch, arrival.up_to),
        )

    def _write_off(self, done: _Round) -> None:
        """Holes below what another store acknowledged stay holes: their nodes have deleted it."""
        for source, epoch, lane in [key for key in done.lanes if key[2] is Lane.A]:
            row = self._conn.execute(
                "SELECT up_to FROM former WHERE source = ? AND epoch = ?", (source, epoch)
            ).fetchone()
            if row is not None:
                self._lose((source, epoch, lane), NumberRange(1, row[0]), done)

    def _lose(self, key: tuple[str, str, Lane], numbers: NumberRange, done: _Round) -> None:
        for hole in self._coverage(*key).holes():
            first, last = max(hole.first, numbers.first), min(hole.last, numbers.last)
            if first <= last:
                self._account(key, NumberRange(first, last), "lost", done)
                done.missing.append(Missing(*key, NumberRange(first, last), Absence.LOST))

    def _keep_misfit(self, misfit: Misfit, done: _Round) -> None:
        values = (misfit.topic[:1000], misfit.reason, misfit.detail[:1000], done.wall_ns, misfit.payload)
        self._conn.execute(
            "INSERT INTO misfit (topic, reason, detail, received_ns, payload) VALUES (?, ?, ?, ?, ?)", values
        )
        self._conn.execute("DELETE FROM misfit WHERE number <= (SELECT max(number) FROM misfit) - ?", (_MISFITS_KEPT,))
        done.misfits.append(misfit)

    def _hear(self, address: NodeAddress, epoch: str, done: _Round, *, is_word: bool) -> None:
        """An epoch never heard of is the node's new one; a known one that is not in force is a late copy."""
        source = address.urn
        done.heard[source] = address
        is_known = self._conn.execute(
            "SELECT 1 FROM lane WHERE source = ? AND epoch = ? LIMIT 1", (source, epoch)
        ).fetchone()
        if is_word or is_known is None:
            self._conn.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (source, epoch))
        if is_known is None:
            key = (source, epoch, Lane.A)
            self._conn.execute("INSERT INTO lane VALUES (?, ?, ?, 0)", (source, epoch, Lane.A.value))
            self._lanes[key] = Coverage()

    def _account(self, key: tuple[str, str, Lane], numbers: NumberRange, reason: str, done: _Round) -> None:
        values = (key[0], key[1], key[2].value, numbers.first, numbers.last, reason)
        self._conn.execute("INSERT OR IGNORE INTO accounted VALUES (?, ?, ?, ?, ?, ?)", values)
        self._coverage(*key).add(numbers)
        done.lanes.add(key)

    def _write_progress(self, done: _Round) -> None:
        for key in done.lanes:
            self._conn.execute(
                "INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?)",
                (key[0], key[1], key[2].value, self._coverage(*key).whole),
            )

    def _coverage(self, source: str, epoch: str, lane: Lane) -> Coverage:
        key = (source, epoch, lane)
        known = self._lanes.get(key)
        if known is None:
            known = self._lanes[key] = self._read_coverage(key)
        return known

    def _read_coverage(self, key: tuple[str, str, Lane]) -> Coverage:
        words = (key[0], key[1], key[2].value)
        row = self._conn.execute("SELECT whole FROM lane WHERE source = ? AND epoch = ? AND lane = ?", words).fetchone()
        whole = 0 if row is None else int(row[0])
        coverage = Coverage([NumberRange(1, whole)] if whole else [])
        for (number,) in self._conn.execute(
            "SELECT sequence FROM event WHERE source = ? AND epoch = ? AND lane = ? AND sequence > ? ORDER BY sequence",
            (*words, whole),
        ):
            coverage.take(number)
        for first, last in self._conn.execute(
            "SELECT first, last FROM accounted WHERE source = ? AND epoch = ? AND lane = ? AND last > ?",
            (*words, whole),
        ):
            coverage.add(NumberRange(first, last))
        return coverage

    def _acks_of(self, heard: Iterable[tuple[str, NodeAddress]]) -> Iterator[tuple[NodeAddress, Ack]]:
        for source, address in heard:
            row = self._conn.execute("SELECT epoch FROM node WHERE source = ?", (source,)).fetchone()
            ack = None if row is None else ack_of(row[0], self._coverage(source, row[0], Lane.A))
            if ack is not None:
                yield address, ack

    def _present(self, source: str, epoch: str, lane: str, numbers: NumberRange) -> Iterator[int]:
        rows = self._conn.execute(
            "SELECT sequence FROM event WHERE source = ? AND epoch = ? AND lane = ? AND sequence BETWEEN ? AND ?",
            (source, epoch, lane, numbers.first, numbers.last),
        )
        return (int(row[0]) for row in rows)


def address_of(source: str) -> NodeAddress:
    """A node's address from its URN, which was one when it was stored."""
    return NodeAddress(*source.split(":")[2:])
