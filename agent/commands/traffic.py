"""`traffic`: the roads as they were measured last, all of them or one approach."""

from __future__ import annotations

import msgspec

from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.looking import CameraTraffic, TrafficArgs, TrafficResult
from agent.errors import CommandRejected


def traffic(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=TrafficArgs)
    states = work.hands.traffic()
    asked = [work.require_camera(args.camera)] if args.camera is not None else sorted(states)
    roads = tuple(
        CameraTraffic(
            camera=camera,
            measured_at=state.measured_at,
            approaches=tuple(one for one in state.approaches if args.approach in (None, one.approach)),
        )
        for camera in asked
        if (state := states.get(camera)) is not None
    )
    found = tuple(each for each in roads if each.approaches)
    if args.approach is not None and not found:
        known = ", ".join(one.approach for state in states.values() for one in state.approaches) or "none yet"
        raise CommandRejected(
            reason="unknown_approach", approach=args.approach, remedy=f"approaches that were measured here: {known}"
        )
    return Outcome(AnswerState.SUCCEEDED, TrafficResult(cameras=found))
