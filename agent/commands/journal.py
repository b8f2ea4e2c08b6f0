"""The `command` table: what was asked, by whom, and what became of it. Survives a restart; owner of its rows.

A `jti` that is known gets its stored answer again and no second execution; unfinished rows are taken up again after a
restart. Every function runs on the thread that owns the connection; writes belong to the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from agent.commands.trust import COUNTER_WINDOW, is_counter_fresh
from agent.contract.commands import Answer, AnswerState, CommandPayload
from agent.contract.wire import encode
from agent.units import format_rfc3339

# Answers are kept as long as a requester may ask again for a late one; a week covers a long weekend's outage.
_KEEP_NS = 7 * 86_400 * 1_000_000_000

# SQLite's largest integer; JSON's have no bound.
_MAX_COUNTER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class JournalRow:
    payload: CommandPayload
    state: AnswerState
    answer: Answer | None


def known(conn: sqlite3.Connection, jti: str) -> JournalRow | None:
    """The command of this `jti`, or None when it was never accepted here."""
    row = conn.execute("SELECT payload, state, answer FROM command WHERE jti = ?", (jti,)).fetchone()
    return None if row is None else _row(row)


def issuer_of(command: CommandPayload) -> str:
    """Whose counter it is. An `iss` counts with the person whose signature held (agent.commands.trust): under another
    person's key the same word is another issuer, so that nobody can use up, or find used, what is not theirs."""
    return msgspec.json.encode((command.actor.id, command.iss)).decode()


def is_fresh(conn: sqlite3.Connection, command: CommandPayload) -> bool:
    """Whether this issuer's counter may be used (contract: unseen within a window of 1 024)."""
    if command.ctr > _MAX_COUNTER:
        return False
    issuer = issuer_of(command)
    newest = conn.execute("SELECT max(ctr) FROM command_counter WHERE iss = ?", (issuer,)).fetchone()[0]
    seen = conn.execute("SELECT 1 FROM command_counter WHERE iss = ? AND ctr = ?", (issuer, command.ctr)).fetchone()
    return is_counter_fresh(command.ctr, newest, is_seen=seen is not None)


def accept(conn: sqlite3.Connection, command: CommandPayload, wall_ns: int) -> None:
    """Remember the command and its counter, in the caller's transaction, before anything is done."""
    conn.execute(
        "INSERT INTO command (jti, name, payload, state, answer, received_wall_ns) VALUES (?, ?, ?, ?, NULL, ?)",
        (command.jti, command.name, msgspec.json.encode(command), AnswerState.ACCEPTED.value, wall_ns),
    )
    issuer = issuer_of(command)
    conn.execute("INSERT INTO command_counter (iss, ctr) VALUES (?, ?)", (issuer, command.ctr))
    conn.execute(
        "DELETE FROM command_counter WHERE iss = ? AND ctr <= (SELECT max(ctr) FROM command_counter WHERE iss = ?) - ?",
        (issuer, issuer, COUNTER_WINDOW),
    )
    conn.execute(
        "DELETE FROM command WHERE received_wall_ns < ? AND state NOT IN ('accepted', 'running')", (wall_ns - _KEEP_NS,)
    )


def begin(conn: sqlite3.Connection, jti: str) -> int:
    """Note that the command is being carried out; how often that was noted by now. 0: it has its answer already."""
    begun = conn.execute(
        "UPDATE command SET state = ? WHERE jti = ? AND state IN ('accepted', 'running')",
        (AnswerState.RUNNING.value, jti),
    )
    if begun.rowcount == 0:
        return 0
    conn.execute(
        "INSERT INTO command_attempt (jti, attempts) VALUES (?, 1)"
        " ON CONFLICT (jti) DO UPDATE SET attempts = attempts + 1",
        (jti,),
    )
    return int(conn.execute("SELECT attempts FROM command_attempt WHERE jti = ?", (jti,)).fetchone()[0])


def begin_anew(conn: sqlite3.Connection, jti: str) -> None:
    """It was interrupted on purpose: earlier attempts say nothing against it."""
    conn.execute("DELETE FROM command_attempt WHERE jti = ?", (jti,))


def finish(conn: sqlite3.Connection, answer: Answer) -> bool:
    """Store the one final answer; False, and nothing changed, when the command has one already."""
    updated = conn.execute(
        "UPDATE command SET state = ?, answer = ? WHERE jti = ? AND state IN ('accepted', 'running')",
        (answer.state.value, encode(answer), answer.jti),
    )
    conn.execute("DELETE FROM command_attempt WHERE jti = ?", (answer.jti,))
    conn.execute("DELETE FROM command_job WHERE jti = ?", (answer.jti,))
    return updated.rowcount == 1


def save_job(conn: sqlite3.Connection, jti: str, data: bytes) -> None:
    """Remember how far a long command has got, in its own words. Gone with its final answer."""
    conn.execute(
        "INSERT INTO command_job (jti, data) SELECT jti, ?2 FROM command"
        " WHERE jti = ?1 AND state IN ('accepted', 'running')"
        " ON CONFLICT (jti) DO UPDATE SET data = excluded.data",
        (jti, data),
    )


def saved_job(conn: sqlite3.Connection, jti: str) -> bytes | None:
    row = conn.execute("SELECT data FROM command_job WHERE jti = ?", (jti,)).fetchone()
    return None if row is None else bytes(row[0])


def is_unfinished(conn: sqlite3.Connection, jti: str) -> bool:
    row = conn.execute("SELECT 1 FROM command WHERE jti = ? AND state IN ('accepted', 'running')", (jti,)).fetchone()
    return row is not None


def answered_since(conn: sqlite3.Connection, wall_ns: int) -> list[JournalRow]:
    """Commands whose final answer is not older than this, oldest first. For a start; it reads every answer kept."""
    rows = conn.execute(
        "SELECT payload, state, answer FROM command"
        " WHERE answer IS NOT NULL AND json_extract(CAST(answer AS TEXT), '$.at') >= ? ORDER BY received_wall_ns, jti",
        (format_rfc3339(wall_ns),),
    )
    return [_row(row) for row in rows.fetchall()]


def unfinished(conn: sqlite3.Connection) -> list[CommandPayload]:
    """Commands that were accepted and have no final answer yet, oldest first."""
    rows = conn.execute(
        "SELECT payload FROM command WHERE state IN ('accepted', 'running') ORDER BY received_wall_ns, jti"
    )
    return [msgspec.json.decode(row[0], type=CommandPayload) for row in rows.fetchall()]


def _row(row: tuple[bytes, str, bytes | None]) -> JournalRow:
    payload, state, answer = row
    return JournalRow(
        msgspec.json.decode(payload, type=CommandPayload),
        AnswerState(state),
        None if answer is None else msgspec.json.decode(answer, type=Answer),
    )
