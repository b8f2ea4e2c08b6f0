"""`gaps`: what was not recorded, and why, of a span or of a civil day of the site."""

from __future__ import annotations

import msgspec

from agent.commands.clipresult import wire_gap
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.requests import CameraGaps, GapsArgs, GapsResult
from agent.recording.account import CameraAccount, account
from agent.units import WallSpan, day_span, parse_span


def gaps(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=GapsArgs)
    cameras = [work.require_camera(args.camera)] if args.camera else list(work.facts.cameras)
    now_ns = work.facts.clock.wall_ns()
    accounts = account(work.conn, work.facts.data_dir, cameras, _span(args, work), now_ns)
    return Outcome(AnswerState.SUCCEEDED, GapsResult(cameras=tuple(map(_camera, accounts))))


def _span(args: GapsArgs, work: Work) -> WallSpan:
    if args.day is not None:
        return day_span(args.day, work.facts.zone)
    return parse_span(args.start or "", args.end or "")


def _camera(each: CameraAccount) -> CameraGaps:
    return CameraGaps(
        camera=each.camera,
        recorded_s=each.recorded_s,
        gaps=tuple(wire_gap(gap.span, gap.reason.value) for gap in each.gaps),
    )
