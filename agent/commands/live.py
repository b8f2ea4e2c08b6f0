"""`live.start` and `live.stop`: a camera's stream to the ingest that the command names, or its pictures by MQTT."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.commands.ingest import IngestPolicy, check_ingest
from agent.commands.trust import Trust
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.looking import LiveStartArgs, LiveStartResult, LiveStopArgs, LiveStopResult
from agent.errors import CommandRejected, LiveError
from agent.units import NS_PER_S, format_rfc3339

# How far the two clocks may be apart (contract).
_LATE_S: Final = 60


def start_live(work: Work) -> Outcome:
    """The final answer comes when the first picture is on its way; the lease goes on after it."""
    args = msgspec.json.decode(work.payload.args, type=LiveStartArgs)
    camera = work.require_camera(args.camera)
    if work.facts.clock.wall_ns() > (work.payload.exp + _LATE_S) * NS_PER_S:
        # Taken up again by a node that was away: whoever wanted to look has gone.
        raise CommandRejected(reason="expired", camera=camera, remedy="ask again")
    url = args.ingest_url or ""
    if url:
        policy = IngestPolicy(work.facts.upload_hosts(), allows_loopback=work.facts.trust is Trust.OPEN)
        try:
            check_ingest(url, policy)
        except LiveError as exc:
            raise CommandRejected(
                reason=str(exc.facts["reason"]), camera=camera, remedy=exc.remedy or "give another ingest_url"
            ) from exc
    shown = work.hands.live_start(camera, url, args.lease_s)
    result = LiveStartResult(
        camera=camera,
        lease_id=shown.lease_id,
        until=format_rfc3339(shown.until_wall_ns),
        stream=shown.stream,
        codec=shown.codec,
        width=shown.width,
        height=shown.height,
    )
    return Outcome(AnswerState.SUCCEEDED, result)


def stop_live(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=LiveStopArgs)
    ended = work.hands.live_stop(work.require_camera(args.camera), args.lease_id or "")
    return Outcome(AnswerState.SUCCEEDED, LiveStopResult(ended=ended))
