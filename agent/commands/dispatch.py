"""From a message on `cmd/{name}` to its one final answer.

Quick commands run on the thread that receives, long ones (a clip, a sheet, a restart) on others, so that a ping
never waits for a clip. What is accepted stands in the journal before it is begun, and is taken up again after a
restart.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from agent import log
from agent.commands import journal
from agent.commands.access import note_command
from agent.commands.clipjob import clear_exports
from agent.commands.handlers import HANDLERS
from agent.commands.judging import circumstances, refuse_use
from agent.commands.pinned import check_signatures
from agent.commands.running import Halt, Running
from agent.commands.storemark import check_store
from agent.commands.telling import Teller
from agent.commands.trust import Signatures, Trust, judge
from agent.commands.work import NodeFacts, NodeHands, Outcome, Work
from agent.contract.commands import AnswerState, CommandName, CommandPayload, Jws, decode_jws, decode_payload
from agent.contract.wire import MAX_MESSAGE_BYTES, encode
from agent.errors import CommandRejected, UsageError, WaysideError, WireError
from agent.mailbox import Mailbox
from agent.store import transaction
from agent.units import NS_PER_S

# Long ones have a thread for their kind: a sheet is asked for to be seen before the clip that may take an hour.
_LANES: Final[dict[str, tuple[CommandName, ...]]] = {
    "jobs": (CommandName.CLIP_EXPORT,),
    "sheets": (CommandName.SHEET,),
    "live": (CommandName.LIVE_START,),
    "tending": (CommandName.AGENT_RESTART, CommandName.CERT_RENEW),
}
_LANE_OF: Final = {name.value: lane for lane, names in _LANES.items() for name in names}
# More waiting than this is no staff at a desk but a fault or an attack; the rest is refused.
_QUEUE_LIMIT: Final = 200
_WAIT_S: Final = 0.5
# Begun this often without an end, a command is what ends the process. Power cuts and updates come singly.
_MOST_ATTEMPTS: Final = 5
# A requester waits a minute by default (agent.centre.client), a node is back within one: older answers were heard, or
# are asked for again by their jti.
_SAY_AGAIN_S: Final = 120

_log = log.get("commands")


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of `cmd/{name}` as it came."""

    name: str
    payload: bytes
    is_retained: bool


class Dispatcher:
    """Owns the two queues. `connect` opens a connection for the calling thread; the runners are bodies of Stages, and
    each, when it begins (again), takes up what the journal says is unfinished of its kind."""

    def __init__(
        self, facts: NodeFacts, hands: NodeHands, connect: Callable[[], sqlite3.Connection], stop: threading.Event
    ) -> None:
        self._facts = facts
        self._hands = hands
        self._connect = connect
        self._stop = stop
        self._teller = Teller(facts, hands)
        self._running = Running(stop)
        self._inbox: Mailbox[Inbound] = Mailbox(_QUEUE_LIMIT)
        self._jobs: dict[str, Mailbox[CommandPayload]] = {lane: Mailbox(_QUEUE_LIMIT) for lane in _LANES}
        self._is_first_start = True
        self._is_full = False
        self._dropped_before = 0

    def offer(self, inbound: Inbound) -> None:
        """Queue a message; called on the uplink's thread. A full queue drops it: the requester sees no answer and asks
        again, and the node stays alive."""
        if len(inbound.payload) > MAX_MESSAGE_BYTES:
            # It is refused for its size; so much of it need not wait.
            inbound = Inbound(inbound.name, inbound.payload[: MAX_MESSAGE_BYTES + 1], inbound.is_retained)
        is_full = not self._inbox.put(inbound)
        if is_full and not self._is_full:
            _log.warning("command queue full", name=inbound.name)
        self._is_full = is_full

    def run_commands(self) -> None:
        """Body of the stage "commands": take up what a restart interrupted, then serve until stopped."""
        conn = self._connect()
        try:
            if self._is_first_start:
                self.check_memory(conn)
                self._say_again(conn)
                self._is_first_start = False
            for command in journal.unfinished(conn):
                if command.name not in _LANE_OF:
                    self._carry_out(conn, command)
            while not self._stop.is_set():
                inbound = self._inbox.take(_WAIT_S)
                if inbound is not None:
                    self.receive(conn, inbound)
                self._teller.catch_up(conn)
                self._tell_dropped(conn)
        finally:
            conn.close()

    def _tell_dropped(self, conn: sqlite3.Connection) -> None:
        dropped = self._inbox.dropped
        self._teller.dropped(conn, dropped - self._dropped_before)
        self._dropped_before = dropped

    def bodies(self) -> dict[str, Callable[[], None]]:
        """The bodies of all stages by their names: "commands", and one for each kind of long ones."""
        return {"commands": self.run_commands, **{lane: partial(self._run_lane, lane) for lane in _LANES}}

    def _run_lane(self, lane: str) -> None:
        """Carry out long ones one after the other, those in the journal first."""
        conn = self._connect()
        try:
            if lane == "jobs":
                clear_exports(self._facts.data_dir, conn)
            self._serve_long(conn, lane)
        finally:
            conn.close()

    def _serve_long(self, conn: sqlite3.Connection, lane: str) -> None:
        for command in journal.unfinished(conn):
            if _LANE_OF.get(command.name) == lane and not self._stop.is_set():
                self._carry_out(conn, command)
        while not self._stop.is_set():
            # Queued and in the journal as well: what was taken up above has its answer by now.
            queued = self._jobs[lane].take(_WAIT_S)
            if queued is not None and journal.is_unfinished(conn, queued.jti):
                self._carry_out(conn, queued)

    def check_memory(self, conn: sqlite3.Connection) -> None:
        """Before the first command is judged: is this the store that remembers? Raises StoreError, DiskError."""
        if self._facts.store_mark is not None and check_store(conn, self._facts.store_mark):
            self._teller.forgetful(conn)
        # A loss is dated as early as it can be: the sooner are fresh commands obeyed.
        circumstances(conn, self._facts, "", is_retained=False)

    def receive(self, conn: sqlite3.Connection, inbound: Inbound) -> None:
        """Check, journal and begin one message. Nothing it contains raises out of here; StoreError may come."""
        if len(inbound.payload) > MAX_MESSAGE_BYTES:
            self._teller.malformed(conn, inbound.name, f"more than {MAX_MESSAGE_BYTES} bytes")
            return
        try:
            jws = decode_jws(inbound.payload)
            command = decode_payload(jws)
        except WireError as exc:
            self._teller.malformed(conn, inbound.name, str(exc))
            return
        signed = self._signatures(jws)
        seen = circumstances(conn, self._facts, inbound.name, is_retained=inbound.is_retained)
        refusal = judge(command, signed, seen)
        done = journal.known(conn, command.jti)
        if refusal is None and done is not None:
            self._teller.repeated(conn, done.payload, done.state)
            self._answer_again(done)
            return
        if refusal is None:
            refusal = refuse_use(conn, command)
        if refusal is not None:
            self._teller.refused(conn, command, refusal)
            # A copy that comes late or retained must not give a command that was answered a second, other answer.
            if refusal.can_answer and done is None:
                self._respond(command, refusal.state, reason=refusal.reason, message=refusal.message)
            return
        self._accept(conn, command, signed)
        self._begin(conn, command)

    def _signatures(self, jws: Jws) -> Signatures:
        """Nobody looks at them where everybody is believed."""
        return Signatures() if self._facts.trust is Trust.OPEN else check_signatures(jws, self._facts.command_keys)

    def _accept(self, conn: sqlite3.Connection, command: CommandPayload, signed: Signatures) -> None:
        others = ", ".join(signed.others(command.actor.id))
        with transaction(conn):
            journal.accept(conn, command, self._facts.clock.wall_ns())
            self._teller.audit(conn, command, AnswerState.ACCEPTED, f"signed by {others} too" if others else "")
        self._respond(command, AnswerState.ACCEPTED)

    def _begin(self, conn: sqlite3.Connection, command: CommandPayload) -> None:
        lane = _LANE_OF.get(command.name)
        if lane is None:
            self._carry_out(conn, command)
        elif not self._jobs[lane].put(command):
            outcome = Outcome(AnswerState.FAILED, None, "busy", f"{_QUEUE_LIMIT} wait already; ask again later")
            self._finish(conn, command, outcome)

    def _carry_out(self, conn: sqlite3.Connection, command: CommandPayload) -> None:
        with self._running.begin(command.jti) as halt:
            with transaction(conn):
                attempt = journal.begin(conn, command.jti)
            if attempt > 1:
                _log.info("command resumed", jti=command.jti, name=command.name, attempt=attempt)
            if attempt > _MOST_ATTEMPTS:
                message = f"it was begun {_MOST_ATTEMPTS} times and never ended; ask anew, and tell who keeps this node"
                self._finish(conn, command, Outcome(AnswerState.FAILED, None, "gave_up", message))
            elif attempt:
                self._try(conn, command, halt)

    def _try(self, conn: sqlite3.Connection, command: CommandPayload, halt: Halt) -> None:
        def report(progress: float, message: str) -> None:
            if not halt.is_cancelled:
                self._respond(command, AnswerState.RUNNING, progress=round(progress, 3), message=message)

        def conclude(other: CommandPayload, outcome: Outcome) -> bool:
            is_first = self._finish(conn, other, outcome)
            self._running.cancel(other.jti)
            return is_first

        work = Work(command, conn, self._facts, self._hands, report, halt, conclude)
        try:
            outcome = HANDLERS[CommandName(command.name)](work)
        except (CommandRejected, UsageError) as exc:
            outcome = Outcome(AnswerState.REJECTED, None, _reason(exc), str(exc))
        except (WaysideError, OSError, sqlite3.Error) as exc:
            if halt.is_cancelled:
                _log.info("command cancelled", jti=command.jti, name=command.name)
                return
            if halt.is_set():
                # The journal still has it: the next start takes it up again, and a wanted end is no failed attempt.
                with transaction(conn):
                    journal.begin_anew(conn, command.jti)
                return
            outcome = Outcome(AnswerState.FAILED, None, _reason(exc), str(exc))
            _log.error(
                "command failed", jti=command.jti, name=command.name, reason=outcome.reason, problem=outcome.message
            )
        self._finish(conn, command, outcome)

    def _finish(self, conn: sqlite3.Connection, command: CommandPayload, outcome: Outcome) -> bool:
        """The one final answer: in the journal first, with all that is told of it, then on its way. A second one for a
        command goes nowhere; then this is False."""
        answer = self._teller.answer(command, outcome.state, reason=outcome.reason, message=outcome.message)
        if outcome.result is not None:
            answer = msgspec.structs.replace(answer, result=msgspec.Raw(encode(outcome.result)))
        with transaction(conn):
            is_first = journal.finish(conn, answer)
            if is_first:
                note_command(self._facts, command, outcome)
                self._teller.audit(conn, command, outcome.state, outcome.reason)
                if outcome.told is not None:
                    self._hands.tell(conn, outcome.told.event_type, outcome.told.data, outcome.told.camera)
        if not is_first:
            return False
        self._teller.send(command, answer)
        _log.info(
            "command answered", jti=command.jti, name=command.name, state=outcome.state.value, reason=outcome.reason
        )
        return True

    def _say_again(self, conn: sqlite3.Connection) -> None:
        """Answers are sent from memory: those that a node may have died over are sent once more, word for word. A copy
        is recognisable by its `jti` and `at`; a lost answer would leave somebody waiting."""
        since_ns = self._facts.clock.wall_ns() - _SAY_AGAIN_S * NS_PER_S
        for row in journal.answered_since(conn, since_ns):
            self._answer_again(row)

    def _answer_again(self, done: journal.JournalRow) -> None:
        """To where the first one went: a `jti` that somebody else repeats opens no second ear."""
        answer = done.answer or self._teller.answer(done.payload, done.state)
        self._teller.send(done.payload, answer)

    def _respond(
        self,
        command: CommandPayload,
        state: AnswerState,
        *,
        progress: float | None = None,
        reason: str = "",
        message: str = "",
    ) -> None:
        answer = self._teller.answer(command, state, progress=progress, reason=reason, message=message)
        self._teller.send(command, answer)


def _reason(exc: WaysideError | OSError | sqlite3.Error) -> str:
    """The machine word: what the error says itself, or its class as words (`bad_time` of a TimeError has its own)."""
    if not isinstance(exc, WaysideError):
        return "node_error"
    return str(exc.facts.get("reason") or re.sub(r"(?<!^)(?=[A-Z])", "_", type(exc).__name__).lower())
