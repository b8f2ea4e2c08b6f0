"""`agent.restart`: processes ended in order, and told when they are back.

A camera or vision is asked to end over its link, so that nothing here needs root; whoever keeps the processes alive
starts it again. One that hangs hears nothing: its watchdog ends it, which is a way back too. The node itself goes last;
its next life finds the command in the journal and answers it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.commands import journal
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.tending import AgentRestartArgs, AgentRestartResult, RestartedProcess
from agent.errors import CommandFailed
from agent.store import transaction
from agent.units import NS_PER_S

# A hung one is noticed after 30 s (WatchdogSec=), and a Pi starts vision in some 10 s; twice both.
_BACK_LIMIT_S: Final = 80.0
_LOOK_S: Final = 0.2
_NODE: Final = "node"


class Target(msgspec.Struct, frozen=True):
    """`camera` is "" for vision and the node."""

    process: str
    camera: str = ""


class RestartJob(msgspec.Struct, frozen=True):
    """Kept in the journal: who is still to go, and of the first whether it was asked (0: not yet) and which life of it
    that was."""

    left: tuple[Target, ...]
    done: tuple[RestartedProcess, ...] = ()
    asked_wall_ns: int = 0
    session: str = ""


def restart_agent(work: Work) -> Outcome:
    data = journal.saved_job(work.conn, work.payload.jti)
    job = _begun(work) if data is None else msgspec.json.decode(data, type=RestartJob)
    total = len(job.left) + len(job.done)
    while job.left:
        work.report(len(job.done) / total, _name(job.left[0]))
        job = _asked(work, job) if job.asked_wall_ns == 0 else job
        _wait_for_next_life(work, job)
        job = _next(work, job)
    return Outcome(AnswerState.SUCCEEDED, AgentRestartResult(processes=job.done))


def _begun(work: Work) -> RestartJob:
    args = msgspec.json.decode(work.payload.args, type=AgentRestartArgs)
    if args.camera is not None:
        return RestartJob((Target("camera", work.require_camera(args.camera)),))
    if args.process != "all":
        return RestartJob((Target(args.process),))
    # One gap after the other, and the node last: it is the one that tells.
    cameras = [Target("camera", camera) for camera in work.facts.cameras]
    vision = [Target("vision")] if work.hands.tending.session("vision", "") else []
    return RestartJob((*cameras, *vision, Target(_NODE)))


def _asked(work: Work, job: RestartJob) -> RestartJob:
    target = job.left[0]
    session = work.hands.tending.session(target.process, target.camera)
    if not session:
        remedy = f"{_name(target)} is not there: it is just starting, or switched off in the configuration"
        raise CommandFailed(reason="not_running", remedy=remedy)
    asked = msgspec.structs.replace(job, asked_wall_ns=work.facts.clock.wall_ns(), session=session)
    _save(work, asked)
    return asked


def _wait_for_next_life(work: Work, job: RestartJob) -> None:
    """Raises CommandFailed `not_back`, or `stopped` when the node itself ends, which may be what was wanted."""
    target = job.left[0]
    hands = work.hands.tending
    if hands.session(target.process, target.camera) == job.session:
        hands.end(target.process, target.camera)
    waited_s = 0.0
    while hands.session(target.process, target.camera) in ("", job.session):
        if work.stop.wait(_LOOK_S):
            raise CommandFailed(reason="stopped", remedy="the node ends")
        waited_s += _LOOK_S
        if waited_s > _BACK_LIMIT_S:
            raise CommandFailed(reason="not_back", remedy=f"{_name(target)} did not come back; look at its journal")


def _next(work: Work, job: RestartJob) -> RestartJob:
    target = job.left[0]
    # The clock may have been set meanwhile.
    away_s = max(0.0, round((work.facts.clock.wall_ns() - job.asked_wall_ns) / NS_PER_S, 1))
    back = RestartedProcess(process=target.process, camera=target.camera, away_s=away_s)
    done = RestartJob(job.left[1:], (*job.done, back))
    _save(work, done)
    return done


def _save(work: Work, job: RestartJob) -> None:
    with transaction(work.conn):
        journal.save_job(work.conn, work.payload.jti, msgspec.json.encode(job))


def _name(target: Target) -> str:
    return f"{target.process} {target.camera}".strip()
