"""`republish`: what the outbox still keeps of a lane goes on the wire again, for a centre that has a hole."""

from __future__ import annotations

from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.requests import RepublishArgs, RepublishResult
from agent.contract.wire import decode, format_sequence, parse_sequence
from agent.errors import CommandFailed
from agent.messaging.outbox import kept_range

# SQLite's largest integer; the wire's 20 digits reach further.
_LAST = 2**63 - 1


def republish(work: Work) -> Outcome:
    """Raises CommandFailed when the node has too much to do to take it on."""
    args = decode(work.payload.args, RepublishArgs)
    asked = min(parse_sequence(args.first), _LAST)
    count, first, last = kept_range(work.conn, args.lane, asked)
    if count == 0:
        return Outcome(AnswerState.SUCCEEDED, RepublishResult(count=0, first=None, last=None))
    if not work.hands.republish(args.lane, first):
        raise CommandFailed(reason="busy", remedy="ask again in a moment")
    result = RepublishResult(count=count, first=format_sequence(first), last=format_sequence(last))
    return Outcome(AnswerState.SUCCEEDED, result)
