"""What the centre has not confirmed: two lanes in the node's store, functions over a connection.

The store's thread appends inside its own transactions; the uplink's thread takes and confirms by a second connection.
Lane a stays until the centre's ack, lane b until the PUBACK. Each lane counts from 1 without a hole; what lane b lost
to the cap is a `shed` event of lane a that names the lost sequences.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.contract.envelope import (
    WirePosition,
)
from agent.contract.events import Lane, lane_of
from agent.contract.states import Ack, OutboxHealth
from agent.contract.wire import parse_sequence
from agent.errors import StoreError
from agent.messaging.lanes import (
    EventDraft,
    Moment,
    Origin,
    OutboxItem,
    delete_between,
    delete_one,
    delete_up_to,
    encode_draft,
    ensure_state,
    insert,
    next_turn,
    size,
    spend,
)
from agent.messaging.shed import lose, make_room, tell_shed
from agent.store import transaction
from agent.units import NS_PER_S

__all__ = [
    "AckOutcome",
    "EventDraft",
    "Moment",
    "Origin",
    "OutboxItem",
    "OutboxStatus",
    "acknowledge",
    "append",
    "confirm",
    "give_up",
    "has_news",
    "kept_range",
    "prepare",
    "status",
    "take_batch",
    "waiting",
]


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """`oldest_wall_ns` is None when nothing waits; `shed_count` counts lane b's losses in this epoch."""

    epoch: str
    last_a: int
    last_b: int
    sent_a: int
    confirmed_a: int
    acked_a: int
    count_a: int
    count_b: int
    bytes: int
    shed_count: int
    oldest_wall_ns: int | None


class AckOutcome(StrEnum):
    """STALE repeats what is known. The last two are refused and must be alarmed (contract)."""

    APPLIED = "applied"
    STALE = "stale"
    OTHER_EPOCH = "other_epoch"
    BEYOND_SENT = "beyond_sent"


def prepare(conn: sqlite3.Connection) -> int:
    """Give a new store its epoch and count this start of the uplink; returns its number. Its own transaction."""
    with transaction(conn):
        ensure_state(conn)
        row = conn.execute("UPDATE outbox_state SET starts = starts + 1 RETURNING starts").fetchone()
    return int(row[0])


def status(conn: sqlite3.Connection) -> OutboxStatus:
    """Raises StoreError before the first `prepare` or `append`."""
    row = conn.execute(
        "SELECT epoch, last_a, last_b, sent_a, confirmed_a, acked_a, count_a, count_b, bytes, shed_count,"
        # The lowest id is the oldest: ids rise with insertion.
        " (SELECT wall_ns FROM outbox_event ORDER BY id LIMIT 1) FROM outbox_state"
    ).fetchone()
    if row is None:
        raise StoreError(table="outbox_state", remedy="prepare the outbox first")
    return OutboxStatus(*row)


def waiting(conn: sqlite3.Connection, wall_ns: int) -> OutboxHealth:
    """`status` as `health` tells it at this moment. Raises StoreError as it does."""
    now = status(conn)
    age_s = None if now.oldest_wall_ns is None else max(0.0, (wall_ns - now.oldest_wall_ns) / NS_PER_S)
    return OutboxHealth(
        epoch=now.epoch, a=now.count_a, b=now.count_b, bytes=now.bytes, oldest_age_s=age_s, shed=now.shed_count
    )


def append(conn: sqlite3.Connection, origin: Origin, draft: EventDraft) -> WirePosition | None:
    """Put one event at the end of its lane, inside the caller's transaction.

    None: the outbox is full and the event, of lane b, was shed; its sequence is spent and told as lost.
    Raises WireError for an event above 64 KiB, StoreError when the disk refuses; the caller then rolls back.
    """
    if not conn.in_transaction:
        raise StoreError(table="outbox", remedy="append within the transaction of what the event tells")
    lane = lane_of(draft.event_type)
    try:
        turn = next_turn(conn, lane)
        item = encode_draft(origin, draft, lane, epoch=turn.epoch, sequence=turn.sequence)
        is_tight = turn.used_bytes + size(item) > origin.max_bytes
        is_taken = not is_tight or make_room(conn, origin.max_bytes, size(item))
        if is_taken or lane is Lane.A:
            insert(conn, item, draft.moment.wall_ns)
        else:
            spend(conn, turn.sequence)
            lose(conn, turn.sequence, turn.sequence, 1)
        if is_tight or turn.shed_untold:
            tell_shed(conn, origin, draft.moment)
    except sqlite3.Error as exc:
        raise StoreError(table="outbox", detail=str(exc)) from exc
    return WirePosition(turn.epoch, lane, turn.sequence) if is_taken or lane is Lane.A else None


def take_batch(
    conn: sqlite3.Connection, *, after_a: int, after_b: int, max_items: int, max_bytes: int = 1 << 20
) -> list[OutboxItem]:
    """The next events to send after these sequences: all of lane a first, each lane in order. Its own transaction,
    where lane a has any that were never sent; otherwise it only reads, so an idle uplink writes nothing to the card.

    Lane a's are marked as sent before they are: an ack for them is right from now on, even after a crash.
    """
    items: list[OutboxItem] = []
    for lane, after in ((Lane.A, after_a), (Lane.B, after_b)):
        rows = conn.execute(
            "SELECT sequence, topic, payload FROM outbox_event WHERE lane = ? AND sequence > ?"
            " ORDER BY sequence LIMIT ?",
            (lane.value, after, max_items - len(items)),
        )
        for sequence, topic, payload in rows:
            if items and max_bytes <= 0:
                break
            items.append(OutboxItem(lane, sequence, topic, payload))
            max_bytes -= len(payload)
        # An open statement would keep what this connection sees as old as it is.
        rows.close()
    last_a = max((item.sequence for item in items if item.lane is Lane.A), default=0)
    if last_a:
        _mark_sent(conn, last_a)
    return items


def _mark_sent(conn: sqlite3.Connection, last_a: int) -> None:
    (sent_a,) = conn.execute("SELECT sent_a FROM outbox_state").fetchone()
    if last_a > sent_a:
        with transaction(conn):
            conn.execute("UPDATE outbox_state SET sent_a = max(sent_a, ?)", (last_a,))


def has_news(conn: sqlite3.Connection, *, after_a: int, after_b: int) -> bool:
    """Whether `take_batch` would return anything. Reads only, so an idle uplink writes nothing to the card."""
    row = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM outbox_event WHERE lane = 'a' AND sequence > ?)"
        " OR EXISTS (SELECT 1 FROM outbox_event WHERE lane = 'b' AND sequence > ?)",
        (after_a, after_b),
    ).fetchone()
    return bool(row[0])


def confirm(conn: sqlite3.Connection, *, up_to_a: int, sequences_b: Sequence[int]) -> None:
    """PUBACKs came: lane a up to `up_to_a` (0: none) waits for the centre only; these of lane b are gone."""
    with transaction(conn):
        if up_to_a:
            conn.execute("UPDATE outbox_state SET confirmed_a = max(confirmed_a, ?)", (up_to_a,))
        for first, last in _stretches(sequences_b):
            delete_between(conn, Lane.B, first, last)


def _stretches(sequences: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch without a hole: a broker answers in order, so there is mostly one."""
    first = last = 0
    for sequence in sorted(sequences):
        if sequence != last + 1:
            if last:
                yield first, last
            first = sequence
        last = sequence
    if last:
        yield first, last


def acknowledge(conn: sqlite3.Connection, ack: Ack) -> AckOutcome:
    """The centre has stored lane a up to `ack.a`: forget it. Its own transaction. Refuses what cannot be true."""
    up_to = parse_sequence(ack.a)
    with transaction(conn):
        epoch, sent, acked = conn.execute("SELECT epoch, sent_a, acked_a FROM outbox_state").fetchone()
        if ack.epoch != epoch:
            return AckOutcome.OTHER_EPOCH
        if up_to > sent:
            return AckOutcome.BEYOND_SENT
        if up_to <= acked:
            return AckOutcome.STALE
        delete_up_to(conn, Lane.A, up_to)
        conn.execute("UPDATE outbox_state SET acked_a = ?, confirmed_a = max(confirmed_a, ?)", (up_to, up_to))
    return AckOutcome.APPLIED


def give_up(conn: sqlite3.Connection, origin: Origin, sequence: int, moment: Moment) -> None:
    """The broker refuses this event of lane b for good: lose it and tell so. Its own transaction."""
    with transaction(conn):
        if delete_one(conn, Lane.B, sequence):
            lose(conn, sequence, sequence, 1)
            tell_shed(conn, origin, moment)


def kept_range(conn: sqlite3.Connection, lane: Lane, first: int) -> tuple[int, int, int]:
    """How many events of `lane` from this sequence on are still kept, their first and their last (0, 0, 0: none)."""
    row = conn.execute(
        "SELECT count(*), ifnull(min(sequence), 0), ifnull(max(sequence), 0) FROM outbox_event"
        " WHERE lane = ? AND sequence >= ?",
        (lane.value, first),
    ).fetchone()
    return int(row[0]), int(row[1]), int(row[2])
