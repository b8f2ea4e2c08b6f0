"""The book of requests, as it is written: who asked which node for what, and what became of it.

The table stands in the event store and is written in its transactions (agent/centre/eventstore.py). Times are by the
centre's own clock: when the question and when the answer came by here.
"""

from __future__ import annotations

import sqlite3

from agent.centre.asked import AnswerArrival, AskArrival, Outcome, outcome_of
from agent.contract.commands import CommandName
from agent.contract.records import ClipData
from agent.contract.topics import NodeAddress


def keep_ask(conn: sqlite3.Connection, ask: AskArrival, wall_ns: int) -> None:
    """A copy changes nothing; an answer that was quicker keeps its place."""
    values = (ask.jti, ask.address.urn, ask.name, ask.actor, ask.role, ask.purpose, ask.case_ref)
    values_after = (ask.camera, ask.start, ask.end, wall_ns, Outcome.ASKED.value)
    conn.execute(
        "INSERT INTO request (jti, source, name, actor, role, purpose, case_ref, camera, start, stop,"
        " asked_ns, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, jti) DO UPDATE SET"
        " actor = excluded.actor, role = excluded.role, purpose = excluded.purpose, case_ref = excluded.case_ref,"
        " camera = excluded.camera, start = excluded.start, stop = excluded.stop, asked_ns = excluded.asked_ns"
        " WHERE asked_ns IS NULL",
        (*values, *values_after),
    )


def keep_answer(conn: sqlite3.Connection, answer: AnswerArrival, wall_ns: int) -> None:
    """The first final answer stands: a node says the stored one again when it is asked again."""
    conn.execute(
        "INSERT INTO request (jti, source, name, answered_ns, outcome, progress, reason, message)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, jti) DO UPDATE SET answered_ns = excluded.answered_ns,"
        " outcome = excluded.outcome, progress = excluded.progress, reason = excluded.reason,"
        " message = excluded.message WHERE outcome IN ('asked', 'running')",
        (
            *(answer.jti, answer.address.urn, answer.name, wall_ns, answer.outcome.value),
            *(answer.progress, answer.reason, answer.message),
        ),
    )


def keep_clip(conn: sqlite3.Connection, address: NodeAddress, clip: ClipData, wall_ns: int) -> None:
    """The end of a clip as its event in lane a says it: what came while no answer could reach this centre."""
    outcome = outcome_of(clip.state)
    answer = AnswerArrival(address, clip.jti, CommandName.CLIP_EXPORT.value, outcome, None, clip.reason, "")
    keep_answer(conn, answer, wall_ns)
    conn.execute(
        "UPDATE request SET actor = ?, purpose = ?, case_ref = ?, camera = ?, start = ?, stop = ?"
        " WHERE source = ? AND jti = ? AND asked_ns IS NULL",
        (
            *(clip.actor, clip.purpose, clip.case_ref, clip.camera, clip.asked.start, clip.asked.end),
            *(address.urn, clip.jti),
        ),
    )
