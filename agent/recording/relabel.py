"""The ledger's facts of one boot set right once its clock is known.

Part of agent.recording.evidence, whose tables these are. Functions run on the thread that owns the connection, within
the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from agent.recording import holds, retiming
from agent.recording.holds import Hold
from agent.recording.records import HoldKind, HoldMade, LabelSpan, OutageTold, Retimed
from agent.recording.retiming import true_label
from agent.units import WallSpan

# Table, key columns, columns of wall time. Only `mark` and `outage` say which boot told them; the labels of the others
# are this boot's by their time: a clock without a battery never starts below what the boot before recorded (ADR 15).
_TABLES = (
    ("mark", ("seq",), ("wall_ns", "last_alive_wall_ns"), "boot = :boot"),
    ("outage", ("camera", "start_wall_ns"), ("start_wall_ns", "end_wall_ns"), "boot = :boot"),
    ("policy", ("seq",), ("wall_ns",), "boot = :boot"),
    ("configured", ("camera", "start_wall_ns"), ("start_wall_ns", "end_wall_ns"), "1"),
    ("expired", ("camera", "start_wall_ns"), ("start_wall_ns", "end_wall_ns"), "1"),
    ("erased", ("seq",), ("start_wall_ns", "end_wall_ns", "at_wall_ns"), "1"),
)


def apply_retimed(conn: sqlite3.Connection, seq: int, boot: int, data: Retimed) -> None:
    """The index first, then every fact that this boot told by the wrong clock."""
    retiming.apply(conn, seq, boot, data)
    if not data.labels:
        return
    for table, keys, times, where in _TABLES:
        columns, chosen = ", ".join((*keys, *times)), " AND ".join(f"{key} = ?" for key in keys)
        settings = ", ".join(f"{column} = ?" for column in times)
        changes: list[tuple[int | str, ...]] = []
        for row in conn.execute(f"SELECT {columns} FROM {table} WHERE {where}", {"boot": boot}):  # noqa: S608
            key, told = row[: len(keys)], row[len(keys) :]
            right = tuple(true_label(wall_ns, data.labels) for wall_ns in told)
            if right != told:
                changes.append((*right, *key))
        conn.executemany(f"UPDATE OR REPLACE {table} SET {settings} WHERE {chosen}", changes)  # noqa: S608
    for hold in holds.all_holds(conn):
        right_hold = _true_hold(hold, data.labels)
        if right_hold != hold:
            holds.move(conn, right_hold)


def true_outage(conn: sqlite3.Connection, boot: int, data: OutageTold) -> OutageTold:
    """An outage that is told after the clock was set right and may have begun before."""
    labels = retiming.labels_of(conn, boot)
    return structs.replace(
        data,
        start_wall_ns=true_label(data.start_wall_ns, labels),
        end_wall_ns=true_label(data.end_wall_ns, labels),
    )


def keep_hold(conn: sqlite3.Connection, boot: int, data: HoldMade) -> None:
    """A hold as it was told; one about the time before the clock was set right is moved there."""
    holds.keep(conn, data)
    labels = retiming.labels_of(conn, boot)
    for hold in holds.all_holds(conn) if labels else ():
        if hold.hold_id == data.hold_id:
            holds.move(conn, _true_hold(hold, labels))


def _true_hold(hold: Hold, labels: Sequence[LabelSpan]) -> Hold:
    """A hold moves as a whole: its ends may lie before the first label, or after the last."""
    made_ns = true_label(hold.made_wall_ns, labels)
    # An incident is of now. A person may hold any time; what the same person calls by a wrong label has it within.
    is_of_now = hold.kind is HoldKind.INCIDENT
    told = (hold.made_wall_ns if is_of_now else hold.span.start_ns, hold.span.start_ns, hold.span.end_ns)
    shift_ns = next((true - each for each in told if (true := true_label(each, labels)) != each), 0)
    expires_ns = hold.expires_wall_ns and hold.expires_wall_ns + made_ns - hold.made_wall_ns
    span = WallSpan(hold.span.start_ns + shift_ns, hold.span.end_ns + shift_ns)
    return replace(hold, span=span, made_wall_ns=made_ns, expires_wall_ns=expires_ns)
