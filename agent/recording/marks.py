"""What the beginnings and ends of our own processes say about a hole in the footage. Pure.

Marks come from the ledger, which the node writes: in order of happening, with the wall time of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.units import NS_PER_S, WallSpan, format_rfc3339


class MarkKind(StrEnum):
    AGENT_STARTED = "agent_started"
    AGENT_STOPPED = "agent_stopped"
    PROCESS_STARTED = "process_started"
    PROCESS_STOPPED = "process_stopped"


@dataclass(frozen=True, slots=True)
class Mark:
    """Of the agent's node process, or of the process of the camera in question.

    `last_alive_wall_ns` belongs to AGENT_STARTED: the last sign of life of the agent before; 0: unknown.
    """

    seq: int
    kind: MarkKind
    boot: int
    wall_ns: int
    last_alive_wall_ns: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A hole to judge. The boots are of the footage next to it, None without; `is_first`: no footage was ever before.
    `ends_now`: it lasts until now, when `is_agent_running` and `is_same_boot` (as the last mark's) hold."""

    span: WallSpan
    boot_before: int | None
    boot_after: int | None
    is_first: bool
    ends_now: bool
    is_agent_running: bool
    is_same_boot: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a GapReason."""

    reason: str
    evidence: str


# A process says hello to the node a moment after it starts, later when the node itself is starting: its mark may stand
# this long after footage has resumed (the node's start takes up to 1 s, a rebuilt index longer).
_HELLO_LATE_NS = 10 * NS_PER_S
# When the machine is shut down, camera and node end side by side: the node's mark may be older than the last frame.
_STOP_EARLY_NS = 90 * NS_PER_S
AGENT_MARKS = (MarkKind.AGENT_STARTED, MarkKind.AGENT_STOPPED)


def explain_by_marks(piece: Piece, marks: Sequence[Mark]) -> Verdict:
    """Who was not there: the machine, the agent or the camera's process. `cause_unknown` when no mark says so."""
    rebooted = _reboot(piece, marks)
    if rebooted is not None:
        return rebooted
    camera_start = _start_of(piece, marks, MarkKind.PROCESS_STARTED)
    agent_start = _agent_start(piece, marks, camera_start)
    if agent_start is not None:
        return Verdict("agent_down", _agent_words(agent_start, marks))
    if camera_start is not None:
        return _camera_process(piece, camera_start, marks)
    return _ending(piece, marks)


def outage_end(start_wall_ns: int, marks: Sequence[Mark], limit_wall_ns: int) -> int:
    """Until when an outage that was never ended can be believed: the process that told it must have been alive."""
    restart = next((m for m in marks if m.kind is MarkKind.PROCESS_STARTED and m.wall_ns > start_wall_ns), None)
    if restart is None:
        return limit_wall_ns
    for mark in marks:
        if mark.seq < restart.seq and mark.wall_ns > start_wall_ns:
            if mark.kind is MarkKind.AGENT_STARTED:
                return min(max(mark.last_alive_wall_ns or mark.wall_ns, start_wall_ns), restart.wall_ns)
            if mark.kind in (MarkKind.AGENT_STOPPED, MarkKind.PROCESS_STOPPED):
                return min(mark.wall_ns, restart.wall_ns)
    return restart.wall_ns


def _reboot(piece: Piece, marks: Sequence[Mark]) -> Verdict | None:
    """Another boot followed within the piece. Without the mark of an orderly end the machine fell."""
    started = _start_of(piece, marks, MarkKind.AGENT_STARTED)
    agent = [mark for mark in marks if mark.kind in AGENT_MARKS]
    earlier = [mark.boot for mark in agent if mark.wall_ns <= piece.span.start_ns and mark != started]
    known = earlier if piece.boot_before is None else [*earlier, piece.boot_before]
    after = started.boot if started else piece.boot_after
    if not known or after is None or after <= max(known):
        return None
    before = max(known)
    last = next((mark for mark in reversed(agent) if mark.boot == before), None)
    if last is not None and last.kind is MarkKind.AGENT_STOPPED and last.wall_ns > piece.span.start_ns - _STOP_EARLY_NS:
        return Verdict("agent_down", f"shut down in order at {_at(last)}, then a new boot")
    return Verdict("unclean_reboot", f"boot {before} ended without a shutdown mark; boot {after} followed")


def _start_of(piece: Piece, marks: Sequence[Mark], kind: MarkKind) -> Mark | None:
    """The last start within the piece, else the first one said a moment after it."""
    starts = [mark for mark in marks if mark.kind is kind]
    within = [mark for mark in starts if piece.span.start_ns <= mark.wall_ns < piece.span.end_ns]
    if within:
        return within[-1]
    late_ns = piece.span.end_ns + _HELLO_LATE_NS
    return next((mark for mark in starts if piece.span.end_ns <= mark.wall_ns < late_ns), None)


def _agent_start(piece: Piece, marks: Sequence[Mark], camera_start: Mark | None) -> Mark | None:
    """The node's start that belongs to the same coming up of the whole agent as the camera process's start.

    A node that restarts alone, next to a camera process that crashed, hears of that process before it goes or finds
    it long known: then its start is not before the camera's within the piece.
    """
    starts = [m for m in marks if m.kind is MarkKind.AGENT_STARTED and m.wall_ns >= piece.span.start_ns]
    if camera_start is None:
        return next((mark for mark in starts if mark.wall_ns < piece.span.end_ns), None)
    together = [mark for mark in starts if mark.seq < camera_start.seq and mark.wall_ns <= camera_start.wall_ns]
    return together[-1] if together else None


def _camera_process(piece: Piece, start: Mark, marks: Sequence[Mark]) -> Verdict:
    own = [m for m in marks if m.kind in (MarkKind.PROCESS_STARTED, MarkKind.PROCESS_STOPPED) and m.seq < start.seq]
    if not own and piece.is_first:
        return Verdict("agent_down", f"the camera's process was first started at {_at(start)}")
    if own and own[-1].kind is MarkKind.PROCESS_STOPPED:
        return Verdict("agent_down", f"the camera's process was stopped at {_at(own[-1])} and started at {_at(start)}")
    return Verdict("capture_crashed", f"the camera's process began anew at {_at(start)} without having been stopped")


def _ending(piece: Piece, marks: Sequence[Mark]) -> Verdict:
    """A hole without a start in it: it may still last because nothing runs."""
    agent = [mark for mark in marks if mark.kind in AGENT_MARKS and mark.wall_ns < piece.span.end_ns]
    last = agent[-1] if agent else None
    if last and last.kind is MarkKind.AGENT_STOPPED and last.wall_ns > piece.span.start_ns - _STOP_EARLY_NS:
        return Verdict("agent_down", f"the agent was stopped at {_at(last)}")
    if piece.ends_now and not piece.is_agent_running:
        if piece.is_same_boot:
            return Verdict("agent_down", "the agent does not run and left no mark of a stop")
        return Verdict("unclean_reboot", "the machine booted anew without a shutdown mark; the agent does not run")
    return Verdict("cause_unknown", "no outage was told and no process began or ended here")


def _agent_words(start: Mark, marks: Sequence[Mark]) -> str:
    earlier = [mark for mark in marks if mark.kind in AGENT_MARKS and mark.seq < start.seq]
    if not earlier:
        return f"the agent was first started at {_at(start)}"
    if earlier[-1].kind is MarkKind.AGENT_STOPPED:
        return f"the agent was stopped at {_at(earlier[-1])} and started at {_at(start)}"
    alive = (
        f"; its last sign of life was at {format_rfc3339(start.last_alive_wall_ns)}" if start.last_alive_wall_ns else ""
    )
    return f"the agent ended without a stop and started at {_at(start)}{alive}"


def _at(mark: Mark) -> str:
    return format_rfc3339(mark.wall_ns)
