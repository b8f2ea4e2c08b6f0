"""From a message on `cmd/{name}` to its one final answer.

Quick commands run on the thread that receives, long ones (clip.export) on a second, so that a ping never waits for a
clip. What is accepted stands in the journal before it is begun, and is taken up again after a restart.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from agent import log
from agent.commands import journal
from agent.commands.clip import export_clip_command, plan_clip_command
from agent.commands.gaps import gaps
from agent.commands.ping import ping
from agent.commands.snapshot import snapshot
from agent.commands.trust import Circumstances, Refusal, judge
from agent.commands.work import NodeFacts, NodeHands, Outcome, Work
from agent.contract.commands import (
    ANSWER_EXPIRY_S,
    Answer,
    AnswerState,
    CommandName,
    CommandPayload,
    decode_jws,
    decode_payload,
)
from agent.contract.events import AUDIT, AuditData
from agent.contract.requests import ARGS_TYPES
from agent.contract.wire import encode
from agent.errors import CommandRejected, UsageError, WaysideError, WireError
from agent.mailbox import Mailbox
from agent.store import transaction
from agent.units import NS_PER_S, format_rfc3339

Handler = Callable[[Work], Outcome]
HANDLERS: Final[dict[CommandName, Handler]] = {
    CommandName.PING: ping,
    CommandName.CLIP_PLAN: plan_clip_command,
    CommandName.CLIP_EXPORT: export_clip_command,
    CommandName.SNAPSHOT: snapshot,
    CommandName.GAPS: gaps,
}
_LONG: Final = frozenset({CommandName.CLIP_EXPORT})
# More waiting than this is no staff at a desk but a fault or an attack; the rest is refused.
_QUEUE_LIMIT: Final = 200
_WAIT_S: Final = 0.5

_log = log.get("commands")


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of `cmd/{name}` as it came."""

    name: str
    payload: bytes
    is_retained: bool


class Dispatcher:
    """Owns the two queues. `connect` opens a connection for the calling thread; the runners are bodies of Stages."""

    def __init__(
        self, facts: NodeFacts, hands: NodeHands, connect: Callable[[], sqlite3.Connection], stop: threading.Event
    ) -> None:
        self._facts = facts
        self._hands = hands
        self._connect = connect
        self._stop = stop
        self._inbox: Mailbox[Inbound] = Mailbox(_QUEUE_LIMIT)
        self._jobs: Mailbox[CommandPayload] = Mailbox(_QUEUE_LIMIT)

    def offer(self, inbound: Inbound) -> None:
        """Queue a message; called on the uplink's thread. A full queue drops it: the requester sees no answer and asks
        again, and the node stays alive."""
        if not self._inbox.put(inbound):
            _log.warning("command queue full", name=inbound.name)

    def run_commands(self) -> None:
        """Body of the stage "commands": resume what a restart interrupted, then serve until stopped."""
        conn = self._connect()
        try:
            for command in journal.unfinished(conn):
                _log.info("command resumed", jti=command.jti, name=command.name)
                self._begin(conn, command)
            while not self._stop.is_set():
                inbound = self._inbox.take(_WAIT_S)
                if inbound is not None:
                    self.receive(conn, inbound)
        finally:
            conn.close()

    def run_jobs(self) -> None:
        """Body of the stage "jobs": carry out long commands one after the other."""
        conn = self._connect()
        try:
            while not self._stop.is_set():
                command = self._jobs.take(_WAIT_S)
                if command is not None:
                    self._carry_out(conn, command)
        finally:
            conn.close()

    def receive(self, conn: sqlite3.Connection, inbound: Inbound) -> None:
        """Check, journal and begin one message. Nothing it contains can raise out of here."""
        try:
            jws = decode_jws(inbound.payload)
            command = decode_payload(jws)
        except WireError as exc:
            _log.warning("command malformed", name=inbound.name, problem=str(exc))
            return
        refusal = judge(command, len(jws.signatures), self._circumstances(inbound))
        if refusal is None:
            done = journal.known(conn, command.jti)
            if done is not None:
                self._answer_again(command, done)
                return
            refusal = self._refuse_use(conn, command)
        if refusal is not None:
            self._refuse(conn, command, refusal)
            return
        self._accept(conn, command)
        self._begin(conn, command)

    def _circumstances(self, inbound: Inbound) -> Circumstances:
        clock = self._facts.clock
        return Circumstances(
            trust=self._facts.trust,
            urn=self._facts.address.urn,
            responses=f"{self._facts.address.root}/rsp/",
            topic_name=inbound.name,
            is_retained=inbound.is_retained,
            wall_s=clock.wall_ns() // NS_PER_S,
            is_clock_synced=clock.status().quality.value == "synced",
        )

    def _refuse_use(self, conn: sqlite3.Connection, command: CommandPayload) -> Refusal | None:
        if not journal.is_fresh(conn, command):
            return Refusal(AnswerState.REJECTED, "replayed", "this counter was used before; sign the command afresh")
        name = next((known for known in HANDLERS if known.value == command.name), None)
        if name is None:
            understood = ", ".join(sorted(HANDLERS))
            return Refusal(AnswerState.REJECTED, "unknown_command", f"this node understands {understood}")
        try:
            msgspec.json.decode(command.args, type=ARGS_TYPES[name])
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            return Refusal(AnswerState.REJECTED, "bad_arguments", str(exc))
        return None

    def _accept(self, conn: sqlite3.Connection, command: CommandPayload) -> None:
        with transaction(conn):
            journal.accept(conn, command, self._facts.clock.wall_ns())
            self._audit(conn, command, AnswerState.ACCEPTED, "")
        self._respond(command, AnswerState.ACCEPTED)

    def _begin(self, conn: sqlite3.Connection, command: CommandPayload) -> None:
        if command.name not in _LONG:
            self._carry_out(conn, command)
        elif not self._jobs.put(command):
            outcome = Outcome(AnswerState.FAILED, None, "busy", f"{_QUEUE_LIMIT} clips wait already; ask again later")
            self._finish(conn, command, outcome)

    def _carry_out(self, conn: sqlite3.Connection, command: CommandPayload) -> None:
        def report(progress: float, message: str) -> None:
            self._respond(command, AnswerState.RUNNING, progress=round(progress, 3), message=message)

        work = Work(command, conn, self._facts, self._hands, report, self._stop)
        try:
            outcome = HANDLERS[CommandName(command.name)](work)
        except (CommandRejected, UsageError) as exc:
            reason = str(exc.facts.get("reason") or type(exc).__name__)
            outcome = Outcome(AnswerState.REJECTED, None, reason, str(exc))
        except (WaysideError, OSError, sqlite3.Error) as exc:
            if self._stop.is_set():
                return  # The journal still has it: the next start takes it up again.
            reason = (
                str(exc.facts.get("reason") or type(exc).__name__) if isinstance(exc, WaysideError) else "node_error"
            )
            _log.error("command failed", jti=command.jti, name=command.name, reason=reason, problem=str(exc))
            outcome = Outcome(AnswerState.FAILED, None, reason, str(exc))
        self._finish(conn, command, outcome)

    def _finish(self, conn: sqlite3.Connection, command: CommandPayload, outcome: Outcome) -> None:
        answer = self._answer(command, outcome.state, reason=outcome.reason, message=outcome.message)
        if outcome.result is not None:
            answer = msgspec.structs.replace(answer, result=msgspec.Raw(encode(outcome.result)))
        with transaction(conn):
            journal.finish(conn, answer)
            self._audit(conn, command, outcome.state, outcome.reason)
        self._hands.respond(command.reply_to, answer)
        _log.info(
            "command answered", jti=command.jti, name=command.name, state=outcome.state.value, reason=outcome.reason
        )

    def _answer_again(self, command: CommandPayload, done: journal.JournalRow) -> None:
        if done.answer is not None:
            self._hands.respond(command.reply_to, done.answer)
        else:
            self._respond(command, done.state)

    def _refuse(self, conn: sqlite3.Connection, command: CommandPayload, refusal: Refusal) -> None:
        _log.warning("command refused", jti=command.jti, name=command.name, reason=refusal.reason)
        with transaction(conn):
            self._audit(conn, command, refusal.state, refusal.reason)
        if refusal.can_answer:
            self._respond(command, refusal.state, reason=refusal.reason, message=refusal.message)

    def _respond(
        self,
        command: CommandPayload,
        state: AnswerState,
        *,
        progress: float | None = None,
        reason: str = "",
        message: str = "",
    ) -> None:
        answer = self._answer(command, state, reason=reason, message=message)
        self._hands.respond(command.reply_to, msgspec.structs.replace(answer, progress=progress))

    def _answer(self, command: CommandPayload, state: AnswerState, *, reason: str, message: str) -> Answer:
        wall_ns = self._facts.clock.wall_ns()
        return Answer(
            v=1,
            jti=command.jti,
            node=self._facts.address.node,
            name=command.name,
            state=state,
            at=format_rfc3339(wall_ns),
            reason=reason,
            message=message,
            expires=format_rfc3339(wall_ns + ANSWER_EXPIRY_S * NS_PER_S),
        )

    def _audit(self, conn: sqlite3.Connection, command: CommandPayload, state: AnswerState, reason: str) -> None:
        data = AuditData(
            action=command.name,
            actor=command.actor.id,
            role=command.actor.role,
            outcome=state.value,
            at=format_rfc3339(self._facts.clock.wall_ns()),
            jti=command.jti,
            purpose=command.purpose,
            case_ref=command.case_ref,
            reason=reason,
        )
        self._hands.tell(conn, AUDIT, data, "")
