"""`clip.cancel`: an export that nobody wants any more ends now, with its one final answer `cancelled`."""

from __future__ import annotations

import msgspec

from agent.commands import journal
from agent.commands.clipjob import saved
from agent.commands.clipresult import cancelled_clip
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState, CommandName
from agent.contract.requests import ClipCancelArgs, ClipCancelResult, ClipExportArgs
from agent.errors import CommandRejected


def cancel_clip(work: Work) -> Outcome:
    """The journal has the answer before the work is told to stop, so no restart takes it up again, and a clip that
    arrives in this very moment is either delivered or cancelled, never both."""
    args = msgspec.json.decode(work.payload.args, type=ClipCancelArgs)
    found = journal.known(work.conn, args.jti)
    if found is None or found.payload.name != CommandName.CLIP_EXPORT:
        raise CommandRejected(
            reason="unknown_job", jti=args.jti, remedy="this node was not asked for such a clip, or a week ago"
        )
    if found.state.is_final:
        return _done(was_running=False, message=f"it had ended before: {found.state.value}")
    by = work.payload.actor.id
    export = msgspec.json.decode(found.payload.args, type=ClipExportArgs)
    outcome = cancelled_clip(found.payload, export, saved(work.conn, args.jti), by)
    is_cancelled = work.conclude(found.payload, outcome)
    return _done(was_running=is_cancelled, message="" if is_cancelled else "it ended in this moment")


def _done(*, was_running: bool, message: str) -> Outcome:
    return Outcome(AnswerState.SUCCEEDED, ClipCancelResult(was_running=was_running), message=message)
