"""What a node says about commands: answers to requesters, audits to the centre.

What an attacker can cause without being believed is said at a bounded rate, and how much was left out is said, too:
lane a is never shed, so it must not be filled from outside.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from agent import log
from agent.commands.ration import Ration
from agent.commands.trust import Refusal
from agent.commands.work import NodeFacts, NodeHands
from agent.contract.commands import ANSWER_EXPIRY_S, Answer, AnswerState, CommandPayload
from agent.contract.events import AUDIT, SECURITY, AuditData, SecurityData
from agent.store import transaction
from agent.units import NS_PER_S, format_rfc3339

# A person's mistakes come singly. One a minute is 1 440 events, about 1 MB of the outbox, a day.
_REFUSED_BURST: Final = 20
_MALFORMED_BURST: Final = 5
_EVERY_S: Final = 60.0

_log = log.get("commands")


class Teller:
    """On the threads of the dispatcher; what is rationed (`malformed`, `refused`, `repeated`, `dropped`, `catch_up`) on
    the one that receives."""

    def __init__(self, facts: NodeFacts, hands: NodeHands) -> None:
        self._facts = facts
        self._hands = hands
        self._refused = Ration(_REFUSED_BURST, _EVERY_S)
        self._malformed = Ration(_MALFORMED_BURST, _EVERY_S)
        self._dropped = Ration(_MALFORMED_BURST, _EVERY_S)
        self._unread = 0

    def answer(
        self,
        command: CommandPayload,
        state: AnswerState,
        *,
        progress: float | None = None,
        reason: str = "",
        message: str = "",
    ) -> Answer:
        wall_ns = self._facts.clock.wall_ns()
        return Answer(
            v=1,
            jti=command.jti,
            node=self._facts.address.node,
            name=command.name,
            state=state,
            at=format_rfc3339(wall_ns),
            progress=progress,
            reason=reason,
            message=message,
            expires=format_rfc3339(wall_ns + ANSWER_EXPIRY_S * NS_PER_S),
        )

    def send(self, command: CommandPayload, answer: Answer) -> None:
        self._hands.respond(command.reply_to, answer)

    def audit(self, conn: sqlite3.Connection, command: CommandPayload, state: AnswerState, reason: str) -> None:
        """In the caller's transaction."""
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

    def refused(self, conn: sqlite3.Connection, command: CommandPayload, refusal: Refusal) -> None:
        """For the record, as far as the ration goes."""
        if not self._refused.take(self._facts.clock.mono_ns()):
            return
        _log.warning("command refused", jti=command.jti, name=command.name, reason=refusal.reason)
        with transaction(conn):
            self.audit(conn, command, refusal.state, refusal.reason)

    def repeated(self, conn: sqlite3.Connection, command: CommandPayload, state: AnswerState) -> None:
        """A believed command that came before: its requester did not hear the answer, or somebody plays it back."""
        if self._refused.take(self._facts.clock.mono_ns()):
            with transaction(conn):
                self.audit(conn, command, state, "repeated")

    def dropped(self, conn: sqlite3.Connection, count: int) -> None:
        """So many came while too many waited, and nobody looked at them."""
        self._unread += count
        if self._unread and self._dropped.take(self._facts.clock.mono_ns()):
            self._warn(conn, "commands_dropped", f"{self._unread} came while too many waited and were not read")
            self._unread = 0

    def malformed(self, conn: sqlite3.Connection, name: str, problem: str) -> None:
        """Somebody who may publish on `cmd/` sends what is no command."""
        if not self._malformed.take(self._facts.clock.mono_ns()):
            return
        _log.warning("command malformed", name=name, problem=problem)
        self._warn(conn, "command_malformed", f"cmd/{name}: {problem}"[:500])

    def forgetful(self, conn: sqlite3.Connection) -> None:
        """The store that knew which commands were obeyed is gone, or an older one was put back."""
        self._warn(conn, "command_store_lost", "commands signed before now are refused with floor_due")

    def catch_up(self, conn: sqlite3.Connection) -> None:
        """Say how much was left out, once it may be said."""
        mono_ns = self._facts.clock.mono_ns()
        for ration, kind in ((self._refused, "commands_refused"), (self._malformed, "commands_malformed")):
            count = ration.settle(mono_ns)
            if count:
                _log.warning("many bad commands", kind=kind, count=count)
                self._warn(conn, kind, f"{count} more were not written down one by one")

    def _warn(self, conn: sqlite3.Connection, kind: str, detail: str) -> None:
        data = SecurityData(kind=kind, detail=detail, at=format_rfc3339(self._facts.clock.wall_ns()))
        with transaction(conn):
            self._hands.tell(conn, SECURITY, data, "")
