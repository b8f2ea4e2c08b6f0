"""What a clip's outcome is in the contract's words: results, gaps, and the `clip` event that goes with each end."""

from __future__ import annotations

from agent.commands.clipjob import ClipJob
from agent.commands.work import Outcome, Told
from agent.contract.commands import AnswerState, CommandPayload
from agent.contract.events import CLIP, ClipData, ClipFileData
from agent.contract.requests import ClipExportArgs, ClipExportResult
from agent.contract.wire import WireGap, WireSpan
from agent.recording.cut import ClipPlan
from agent.recording.exporter import ExportedFile
from agent.units import WallSpan, format_rfc3339, parse_span


def result_of(plan: ClipPlan, files: tuple[ExportedFile, ...]) -> ClipExportResult:
    return ClipExportResult(
        camera=plan.camera,
        asked=wire_span(plan.asked),
        delivered=tuple(map(wire_span, plan.delivered)),
        gaps=wire_gaps(plan),
        files=tuple(_file(file, plan) for file in files),
    )


def outcome_of(command: CommandPayload, result: ClipExportResult) -> Outcome:
    if not result.files:
        message = "nothing of this span was recorded, see gaps"
        return _ended(command, result, AnswerState.FAILED, "nothing_recorded", message)
    if result.gaps:
        return _ended(command, result, AnswerState.PARTIAL, "gaps", "parts are missing, see gaps")
    return _ended(command, result, AnswerState.SUCCEEDED, "", "")


def _ended(command: CommandPayload, result: ClipExportResult, state: AnswerState, reason: str, message: str) -> Outcome:
    """The outcome, told as a `clip` event too: the centre's record of who got what does not depend on the requester."""
    data = ClipData(
        jti=command.jti,
        state=state.value,
        camera=result.camera,
        asked=result.asked,
        delivered=result.delivered,
        gaps=result.gaps,
        files=result.files,
        actor=command.actor.id,
        purpose=command.purpose,
        case_ref=command.case_ref,
        reason=reason,
    )
    return Outcome(state, result, reason, message, Told(CLIP, data, result.camera))


def cancelled_clip(command: CommandPayload, args: ClipExportArgs, job: ClipJob | None, by: str) -> Outcome:
    """How an export ends that somebody cancelled: what had arrived whole by then is told, the rest never was."""
    asked = wire_span(parse_span(args.start, args.end))
    sent = job.result.files[: job.sent] if job is not None else ()
    result = ClipExportResult(
        camera=args.camera,
        asked=asked,
        delivered=tuple(WireSpan(start=file.start, end=file.end) for file in sent),
        gaps=job.result.gaps if job is not None else (),
        files=sent,
    )
    return _ended(command, result, AnswerState.CANCELLED, "cancelled", f"cancelled by {by}")


def _file(file: ExportedFile, plan: ClipPlan) -> ClipFileData:
    return ClipFileData(
        name=file.path.name,
        bytes=file.size_bytes,
        sha256=file.sha256,
        start=format_rfc3339(file.span.start_ns),
        end=format_rfc3339(file.span.end_ns),
        frames=file.frames,
        codec=plan.files[0].movie.codec,
    )


def wire_gaps(plan: ClipPlan) -> tuple[WireGap, ...]:
    return tuple(wire_gap(gap.span, gap.reason) for gap in plan.gaps)


def wire_gap(span: WallSpan, reason: str) -> WireGap:
    return WireGap(
        start=format_rfc3339(span.start_ns),
        end=format_rfc3339(span.end_ns),
        seconds=round(span.duration_s, 3),
        reason=reason,
    )


def wire_span(span: WallSpan) -> WireSpan:
    return WireSpan(start=format_rfc3339(span.start_ns), end=format_rfc3339(span.end_ns))
