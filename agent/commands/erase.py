"""`footage.erase`: footage deleted for good at a person's request, with a record that stays."""

from __future__ import annotations

import msgspec

from agent.commands.clipresult import wire_span
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.keeping import FootageEraseArgs, FootageEraseResult
from agent.errors import CommandRejected, EraseRefused
from agent.recording.erasure import EraseRequest, erase
from agent.units import parse_span


def erase_footage(work: Work) -> Outcome:
    """The request is the command's `jti`: taken up again it erases once."""
    args = msgspec.json.decode(work.payload.args, type=FootageEraseArgs)
    command = work.payload
    request = EraseRequest(
        request=command.jti,
        camera=work.require_camera(args.camera),
        span=parse_span(args.start, args.end),
        actor=command.actor.id,
        purpose=command.purpose,
        case_ref=command.case_ref,
    )
    try:
        report = erase(work.conn, work.facts.data_dir, work.hands.ledger, request)
    except EraseRefused as exc:
        raise CommandRejected(remedy=exc.remedy, **exc.facts) from exc
    result = FootageEraseResult(
        camera=args.camera,
        asked=wire_span(request.span),
        erased=wire_span(report.span) if report.span is not None else None,
        segments=report.segments,
        bytes=report.size_bytes,
        stills=report.stills,
    )
    return Outcome(AnswerState.SUCCEEDED, result)
