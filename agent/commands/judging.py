"""What a dispatcher asks before it obeys: the facts for the judgement, and whether a believed command can be used."""

from __future__ import annotations

import sqlite3

from agent.commands import journal
from agent.commands.arguments import refuse_arguments
from agent.commands.handlers import HANDLERS
from agent.commands.storemark import fresh_after_s
from agent.commands.trust import Circumstances, Refusal
from agent.commands.work import NodeFacts
from agent.contract.commands import AnswerState, CommandPayload
from agent.units import NS_PER_S


def circumstances(conn: sqlite3.Connection, facts: NodeFacts, name: str, *, is_retained: bool) -> Circumstances:
    """Of a command that came on `cmd/{name}` just now. Raises StoreError."""
    wall_ns, is_synced = facts.clock.wall_ns(), facts.clock.status().quality.value == "synced"
    return Circumstances(
        trust=facts.trust,
        urn=facts.address.urn,
        responses=f"{facts.address.root}/rsp/",
        topic_name=name,
        is_retained=is_retained,
        wall_s=wall_ns // NS_PER_S,
        is_clock_synced=is_synced,
        fresh_after_s=fresh_after_s(conn, wall_ns, is_clock_synced=is_synced),
    )


def refuse_use(conn: sqlite3.Connection, command: CommandPayload) -> Refusal | None:
    """Of a command that is believed: its counter, its name, its arguments."""
    if not journal.is_fresh(conn, command):
        return Refusal(AnswerState.REJECTED, "replayed", "this counter was used before; sign the command afresh")
    name = next((known for known in HANDLERS if known.value == command.name), None)
    if name is None:
        understood = ", ".join(sorted(HANDLERS))
        return Refusal(AnswerState.REJECTED, "unknown_command", f"this node understands {understood}")
    return refuse_arguments(name, command.args)
