"""The rows of the two lanes: how an event gets its place, and how rows are added and taken away.

The counters in outbox_state move with the rows, in the same transaction. Used by `outbox` and `shed` only.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

import msgspec

from agent.contract.envelope import Stamp, camera_subject, event_topic, make_envelope
from agent.contract.events import EventData, Lane
from agent.contract.topics import NODE_PLACE, NodeAddress
from agent.contract.wire import MAX_MESSAGE_BYTES, encode
from agent.errors import WireError
from agent.identity import new_uuid7

_NEXT = {
    Lane.A: "SELECT epoch, last_a + 1, bytes, shed_untold FROM outbox_state",
    Lane.B: "SELECT epoch, last_b + 1, bytes, shed_untold FROM outbox_state",
}
_COUNT = {
    Lane.A: "UPDATE outbox_state SET last_a = ?, count_a = count_a + 1, bytes = bytes + ?",
    Lane.B: "UPDATE outbox_state SET last_b = ?, count_b = count_b + 1, bytes = bytes + ?",
}
_DISCOUNT = {
    Lane.A: "UPDATE outbox_state SET count_a = count_a - ?, bytes = bytes - ?",
    Lane.B: "UPDATE outbox_state SET count_b = count_b - ?, bytes = bytes - ?",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """What all events of one start share. `max_bytes` caps payloads and topics together."""

    address: NodeAddress
    boot_id: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Moment:
    """When an event was made, by both clocks; `clock_quality` vouches for `wall_ns`."""

    wall_ns: int
    mono_ns: int
    clock_quality: Literal["synced", "holdover", "unsynced"]


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before it has its place. An empty `camera` makes it the node's own. `data` given as Raw is trusted to
    fit the type."""

    event_type: str
    camera: str
    data: EventData | msgspec.Raw
    moment: Moment


@dataclass(frozen=True, slots=True)
class OutboxItem:
    lane: Lane
    sequence: int
    topic: str
    payload: bytes


def ensure_state(conn: sqlite3.Connection) -> None:
    conn.execute("INSERT OR IGNORE INTO outbox_state (only_row, epoch) VALUES (1, ?)", (new_uuid7(),))


@dataclass(frozen=True, slots=True)
class Turn:
    """A sequence that `insert` or `spend` takes; how full the outbox is, and how many losses nobody was told of yet."""

    epoch: str
    sequence: int
    used_bytes: int
    shed_untold: int


def next_turn(conn: sqlite3.Connection, lane: Lane) -> Turn:
    """The lane's next sequence; a new store gets its epoch."""
    row = conn.execute(_NEXT[lane]).fetchone()
    if row is None:
        ensure_state(conn)
        row = conn.execute(_NEXT[lane]).fetchone()
    return Turn(*row)


def encode_draft(origin: Origin, draft: EventDraft, lane: Lane, *, epoch: str, sequence: int) -> OutboxItem:
    moment = draft.moment
    stamp = Stamp(lane, epoch, sequence, origin.boot_id, moment.mono_ns, moment.clock_quality)
    envelope = make_envelope(
        draft.event_type,
        draft.data,
        id=new_uuid7(),
        source=origin.address.urn,
        subject=camera_subject(draft.camera) if draft.camera else NODE_PLACE,
        wall_ns=moment.wall_ns,
        stamp=stamp,
    )
    payload = encode(envelope)
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError(what=draft.event_type, bytes=len(payload), remedy="an event is at most 64 KiB")
    return OutboxItem(lane, sequence, event_topic(origin.address, envelope), payload)


def size(item: OutboxItem) -> int:
    return len(item.topic) + len(item.payload)


def insert(conn: sqlite3.Connection, item: OutboxItem, wall_ns: int) -> None:
    conn.execute(
        "INSERT INTO outbox_event (lane, sequence, topic, payload, wall_ns) VALUES (?, ?, ?, ?, ?)",
        (item.lane.value, item.sequence, item.topic, item.payload, wall_ns),
    )
    conn.execute(_COUNT[item.lane], (item.sequence, size(item)))


def spend(conn: sqlite3.Connection, sequence: int) -> None:
    """A place in lane b that no event takes."""
    conn.execute("UPDATE outbox_state SET last_b = ?", (sequence,))


def delete_one(conn: sqlite3.Connection, lane: Lane, sequence: int) -> bool:
    """Whether it was there."""
    return delete_between(conn, lane, sequence, sequence) > 0


def delete_up_to(conn: sqlite3.Connection, lane: Lane, last: int) -> None:
    delete_between(conn, lane, 0, last)


def delete_between(conn: sqlite3.Connection, lane: Lane, first: int, last: int) -> int:
    """Both ends included; how many there were."""
    sizes = conn.execute(
        "DELETE FROM outbox_event WHERE lane = ? AND sequence BETWEEN ? AND ?"
        " RETURNING length(topic) + length(payload)",
        (lane.value, first, last),
    ).fetchall()
    conn.execute(_DISCOUNT[lane], (len(sizes), sum(size for (size,) in sizes)))
    return len(sizes)
