"""What happens when the outbox is full: the oldest of lane b goes, and one event of lane a says which."""

from __future__ import annotations

import sqlite3

import msgspec

from agent.contract.envelope import Envelope, decode_envelope
from agent.contract.events import SHED, Lane
from agent.contract.records import ShedData
from agent.contract.wire import decode, encode, format_sequence
from agent.messaging.lanes import EventDraft, Moment, Origin, delete_up_to, encode_draft, insert, next_turn

# A full outbox sheds down to 15/16 of its cap at once: one by one, every new event would rewrite the shed event.
_SHED_TO = (15, 16)


def make_room(conn: sqlite3.Connection, max_bytes: int, size: int) -> bool:
    """Shed the oldest of lane b until `size` more fits under the cap. False: it does not fit even so."""
    (used,) = conn.execute("SELECT bytes FROM outbox_state").fetchone()
    if used + size <= max_bytes:
        return True
    target = max_bytes * _SHED_TO[0] // _SHED_TO[1]
    first = last = count = 0
    for sequence, length in conn.execute(
        "SELECT sequence, length(topic) + length(payload) FROM outbox_event WHERE lane = 'b' ORDER BY sequence"
    ):
        if used + size <= target:
            break
        first, last, count, used = first or sequence, sequence, count + 1, used - length
    if count:
        delete_up_to(conn, Lane.B, last)
        lose(conn, first, last, count)
    return bool(used + size <= max_bytes)


def lose(conn: sqlite3.Connection, first: int, last: int, count: int) -> None:
    """Note losses of lane b; `tell_shed` makes the event."""
    conn.execute(
        "UPDATE outbox_state SET shed_first = iif(shed_first = 0, ?, min(shed_first, ?)),"
        " shed_last = max(shed_last, ?), shed_untold = shed_untold + ?, shed_count = shed_count + ?",
        (first, first, last, count, count),
    )


def tell_shed(conn: sqlite3.Connection, origin: Origin, moment: Moment) -> None:
    """Turn the noted losses into one shed event, or widen the last one while nobody has been sent it.

    While a shed event is sent and not acknowledged, further losses wait in the state row: a dead centre behind a live
    broker must not fill the outbox with them.
    """
    first, last, count, event, sent, acked = conn.execute(
        "SELECT shed_first, shed_last, shed_untold, shed_event, sent_a, acked_a FROM outbox_state"
    ).fetchone()
    if count == 0 or acked < event <= sent:
        return
    data = ShedData(first=format_sequence(first), last=format_sequence(last), count=count)
    if event > sent:
        _widen(conn, event, data)
    else:
        turn = next_turn(conn, Lane.A)
        event = turn.sequence
        item = encode_draft(origin, EventDraft(SHED, "", data, moment), Lane.A, epoch=turn.epoch, sequence=event)
        insert(conn, item, moment.wall_ns)
    conn.execute("UPDATE outbox_state SET shed_event = ?, shed_first = 0, shed_last = 0, shed_untold = 0", (event,))


def _widen(conn: sqlite3.Connection, event: int, more: ShedData) -> None:
    (payload,) = conn.execute("SELECT payload FROM outbox_event WHERE lane = 'a' AND sequence = ?", (event,)).fetchone()
    envelope: Envelope = decode_envelope(payload)
    told = decode(envelope.data, ShedData)
    # The text order of sequences is their number order: 20 digits each.
    both = ShedData(first=min(told.first, more.first), last=max(told.last, more.last), count=told.count + more.count)
    widened = encode(msgspec.structs.replace(envelope, data=msgspec.Raw(encode(both))))
    conn.execute("UPDATE outbox_event SET payload = ? WHERE lane = 'a' AND sequence = ?", (widened, event))
    conn.execute("UPDATE outbox_state SET bytes = bytes + ?", (len(widened) - len(payload),))
