"""`snapshot`: the newest picture of a camera, or the still kept with an incident."""

from __future__ import annotations

import base64

import msgspec

from agent.commands.work import Outcome, Snapshot, Work
from agent.contract.commands import AnswerState
from agent.contract.looking import SnapshotArgs, SnapshotResult
from agent.errors import CommandRejected
from agent.recording.incidents import read_still
from agent.units import format_rfc3339


def snapshot(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=SnapshotArgs)
    taken = _of_incident(work, args.incident) if args.incident else _of_camera(work, args.camera or "")
    result = SnapshotResult(
        camera=taken.camera,
        jpeg_base64=base64.b64encode(taken.jpeg).decode("ascii"),
        taken_at=format_rfc3339(taken.wall_ns),
    )
    return Outcome(AnswerState.SUCCEEDED, result)


def _of_camera(work: Work, camera: str) -> Snapshot:
    return work.hands.snapshot(work.require_camera(camera))


def _of_incident(work: Work, incident_id: str) -> Snapshot:
    still = read_still(work.conn, work.facts.data_dir, incident_id)
    if still is None:
        raise CommandRejected(
            reason="unknown_incident", incident=incident_id, remedy="no still is kept for it; was it on another node?"
        )
    return Snapshot(still.camera, still.jpeg, still.wall_ns)
