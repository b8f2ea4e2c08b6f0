"""`hold.set` and `hold.release`, and the `hold_days` of a clip: footage that outlives the ring at a person's word."""

from __future__ import annotations

import msgspec

from agent.commands.clipresult import wire_gap
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.keeping import (
    HoldData,
    HoldReleaseArgs,
    HoldReleaseResult,
    HoldSetArgs,
    HoldSetResult,
    HoldShare,
)
from agent.errors import CommandRejected, HoldRefused
from agent.recording.account import camera_gaps
from agent.recording.holds import Hold
from agent.recording.holdshare import Share
from agent.recording.keeping import (
    HoldReport,
    HoldRequest,
    ReleaseRequest,
    release_hold,
    set_hold,
)
from agent.units import NS_PER_S, WallSpan, format_rfc3339, parse_span

# The camera's newest seconds are on their way to the disk: no gap of a hold.
_SHORTEST_GAP_NS = NS_PER_S


def set_staff_hold(work: Work) -> Outcome:
    """`partial` when parts of the span are not there to be kept; a hold of nothing at all is refused."""
    args = msgspec.json.decode(work.payload.args, type=HoldSetArgs)
    work.require_camera(args.camera)
    asked = parse_span(args.start, args.end)
    now_ns = work.facts.clock.wall_ns()
    span = WallSpan(asked.start_ns, max(min(asked.end_ns, now_ns), asked.start_ns))
    gaps = camera_gaps(work.conn, work.facts.data_dir, args.camera, span, now_ns) if not span.is_empty else []
    told = [gap for gap in gaps if gap.span.duration_ns >= _SHORTEST_GAP_NS and gap.reason != "not_yet"]
    if not span.is_empty and sum(gap.span.duration_ns for gap in gaps) >= span.duration_ns:
        reasons = ", ".join(dict.fromkeys(gap.reason.value for gap in gaps))
        raise CommandRejected(reason="nothing_recorded", remedy=f"nothing of this span is there to be kept: {reasons}")
    report = keep(work, args.camera, asked, days=args.days, reviewer=args.reviewer)
    result = HoldSetResult(
        hold=hold_data(report.hold),
        segments=report.segments,
        bytes=report.size_bytes,
        gaps=tuple(wire_gap(gap.span, gap.reason.value) for gap in told),
        share=share_data(report.share),
    )
    if told:
        return Outcome(AnswerState.PARTIAL, result, "gaps", "the rest is kept; parts are missing, see gaps")
    return Outcome(AnswerState.SUCCEEDED, result)


def release_staff_hold(work: Work) -> Outcome:
    """Of an incident's hold too."""
    args = msgspec.json.decode(work.payload.args, type=HoldReleaseArgs)
    command = work.payload
    request = ReleaseRequest(command.jti, args.hold_id, actor=command.actor.id, reason=command.purpose)
    try:
        report = release_hold(work.conn, work.facts.data_dir, work.hands.ledger, request)
    except HoldRefused as exc:
        raise CommandRejected(remedy=exc.remedy, **exc.facts) from exc
    return Outcome(AnswerState.SUCCEEDED, HoldReleaseResult(hold_id=args.hold_id, freed_bytes=report.freed_bytes))


def keep(work: Work, camera: str, asked: WallSpan, *, days: int, reviewer: str = "") -> HoldReport:
    """A hold whose id is the command's `jti`, so that a command that is taken up again holds once. Raises
    CommandRejected where the ring cannot keep it."""
    command = work.payload
    request = HoldRequest(
        hold_id=command.jti,
        camera=camera,
        span=asked,
        days=days,
        actor=command.actor.id,
        reason=command.purpose,
        reviewer=reviewer,
        case_ref=command.case_ref,
    )
    try:
        return set_hold(work.conn, work.facts.data_dir, work.hands.ledger, request, work.facts.clock.wall_ns())
    except HoldRefused as exc:
        raise CommandRejected(remedy=exc.remedy, **exc.facts) from exc


def hold_data(hold: Hold) -> HoldData:
    return HoldData(
        hold_id=hold.hold_id,
        kind=hold.kind.value,
        camera=hold.camera,
        start=format_rfc3339(hold.span.start_ns),
        end=format_rfc3339(hold.span.end_ns),
        made_at=format_rfc3339(hold.made_wall_ns),
        expires=format_rfc3339(hold.expires_wall_ns) if hold.expires_wall_ns else None,
        actor=hold.actor,
        reason=hold.reason,
        reviewer=hold.reviewer,
        case_ref=hold.reference if hold.actor else "",
    )


def share_data(share: Share) -> HoldShare:
    return HoldShare(bytes=share.held_bytes, limit_bytes=share.limit_bytes)
