"""A camera that is recorded around incidents only, and one outside its hours, when everything is killed in the middle.

What was before the incident must be on disk, what came until 2 s before the kill as well, and every second that is not
has its true reason: left out on purpose, or the kill.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from agent.contract.events import IncidentData
from agent.contract.wire import decode
from agent.errors import StoreError
from agent.recording import holds
from agent.recording.account import camera_gaps
from agent.recording.gaps import Gap
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan, parse_rfc3339, subtract
from tests.broker import Broker, wait_until
from tests.faults.ear import Ear
from tests.faults.rig import AgentUnderTest, CameraSetup, seconds_between

_BEFORE_S = 1.0
# Of the clip: vision is shown the GOP that is under way.
_GOP_NS = 2 * NS_PER_S
_AROUND = f'record = "around_incidents"\n[camera.around]\nbefore_s = {_BEFORE_S}\nafter_s = 2.0\n'
# The product's promise: what a power cut may cost a camera.
_MOST_LOST_S = 2.0
# Where one process's word and another's file meet.
_SLIVER_NS = 100_000_000


def killed_in_an_incident(folder: Path, broker: Broker, rounds: int) -> list[str]:
    """SIGKILL of everything while an incident is open, again and again over one ring."""
    agent = AgentUnderTest(folder, cameras=(CameraSetup("c01", extra=_AROUND), _never()), broker=broker, segment_s=3.0)
    kills: list[tuple[int, int]] = []
    with Ear(broker) as ear:
        for _ in range(rounds):
            begin_ns = _record_an_incident(agent, ear, is_seen_late=True)
            killed_ns = agent.kill_all()
            kills.append((begin_ns, killed_ns))
        last_ns = _record_an_incident(agent, ear, is_seen_late=False)
        agent.stop()
        wait_until(lambda: len(_closed(ear)) >= rounds, "what the kill left open was never closed")
    assert agent.index_differences() == []
    lost_s = [_judge(agent, begin_ns, killed_ns) for begin_ns, killed_ns in kills]
    reasons = _account(agent, "c01", WallSpan(kills[0][0], last_ns))
    assert {"agent_down"} <= set(reasons) <= {"agent_down", "not_scheduled"}, reasons
    outside = _account(agent, "c02", WallSpan(kills[0][0], last_ns))
    assert set(outside) == {"not_scheduled"}, outside
    return [
        f"kill -9 of everything in an open incident x {rounds}, recorded around incidents: lost at worst"
        f" {max(lost_s)} s, {_BEFORE_S:g} s before each incident on disk, gaps {sorted(set(reasons))} fill the rest"
    ]


def _record_an_incident(agent: AgentUnderTest, ear: Ear, *, is_seen_late: bool) -> int:
    """Start, until an incident is open and some of it on disk; when it began. With `is_seen_late` nobody sees it before
    the camera has its seconds before an incident in memory."""
    started_ns = time.time_ns()
    newest = agent.newest_run("c01")
    agent.start()
    if is_seen_late:
        agent.hurt("vision", signal.SIGSTOP)
        wait_until(lambda: _left_out_for(agent, started_ns) > _GOP_NS + int(_BEFORE_S * NS_PER_S), "no camera")
        agent.hurt("vision", signal.SIGCONT)
    ear.wait_for_event("incident.opened", started_ns)
    wait_until(lambda: agent.newest_run("c01") != newest, "the incident is not recorded", limit_s=40.0)
    (begin_ns, *_) = sorted(
        parse_rfc3339(data.begin)
        for each in list(ear.events)
        if each.envelope.type.startswith("wayside.incident.opened")
        and (data := decode(each.envelope.data, IncidentData)).begin
        and parse_rfc3339(data.begin) > started_ns
    )
    wait_until(lambda: agent.newest_end_ns("c01") > begin_ns + 2 * NS_PER_S, "it does not go on", limit_s=40.0)
    return begin_ns


def _left_out_for(agent: AgentUnderTest, since_ns: int) -> int:
    """For how long the camera has told that it leaves its pictures out."""
    try:
        conn = open_store(agent.data_dir, readonly=True)
    except StoreError:
        return 0
    try:
        (start_ns,) = conn.execute(
            "SELECT max(start_wall_ns) FROM outage WHERE camera = 'c01' AND reason = 'not_scheduled'"
            " AND end_wall_ns = 0"
        ).fetchone()
    finally:
        conn.close()
    return time.time_ns() - start_ns if start_ns is not None and start_ns > since_ns else 0


def _judge(agent: AgentUnderTest, begin_ns: int, killed_ns: int) -> float:
    """The incident's own footage is there from before it began; how much the kill took of its end."""
    conn = open_store(agent.data_dir, readonly=True)
    try:
        kept = [hold for hold in holds.all_holds(conn) if hold.span.start_ns <= begin_ns < hold.span.end_ns]
    finally:
        conn.close()
    assert kept, "an incident's hold did not survive"
    runs = [run for run in agent.runs("c01") if run.start_wall_ns <= begin_ns < run.end_wall_ns]
    assert len(runs) == 1, (begin_ns, agent.runs("c01"))
    assert runs[0].start_wall_ns <= begin_ns - int(_BEFORE_S * NS_PER_S) + _SLIVER_NS, (begin_ns, runs)
    lost_s = seconds_between(runs[0].end_wall_ns, killed_ns)
    assert lost_s <= _MOST_LOST_S, lost_s
    return lost_s


def _account(agent: AgentUnderTest, camera: str, span: WallSpan) -> list[str]:
    """The reasons of a camera's gaps in order, which with its footage fill the span without hole or overlap."""
    conn = open_store(agent.data_dir, readonly=True)
    try:
        gaps = camera_gaps(conn, agent.data_dir, camera, span, time.time_ns())
    finally:
        conn.close()
    footage = [WallSpan(run.start_wall_ns, run.end_wall_ns) for run in agent.runs(camera)]
    _require_filled(span, gaps, footage)
    return [gap.reason.value for gap in gaps]


def _require_filled(span: WallSpan, gaps: Sequence[Gap], footage: Sequence[WallSpan]) -> None:
    assert all(a.end_wall_ns <= b.start_wall_ns for a, b in pairwise(gaps)), gaps
    left = subtract(span, [*(gap.span for gap in gaps), *footage])
    # Within a run frames stand apart by a frame; between runs nothing may be left over.
    assert all(part.duration_ns < _SLIVER_NS for part in left), (left, gaps, footage)
    recorded = subtract(span, [gap.span for gap in gaps])
    assert all(any(part.overlaps(each) for each in footage) for part in recorded), (recorded, footage)


def _closed(ear: Ear) -> list[str]:
    return [each.envelope.type for each in list(ear.events) if each.envelope.type.startswith("wayside.incident.closed")]


def _never() -> CameraSetup:
    """Recorded on the day after tomorrow only."""
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(time.gmtime().tm_wday + 3) % 7]
    hours = f'record = "schedule"\n[[camera.hours]]\ndays = ["{day}"]\nfrom = "08:00"\nto = "09:00"\n'
    return CameraSetup("c02", extra=hours)
