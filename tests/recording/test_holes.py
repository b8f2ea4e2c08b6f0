"""A hole that nobody could tell while it lasted is told once, when footage is back, with its reason."""

from __future__ import annotations

import sqlite3

import pytest

from agent.contract.events import EventData, GapData
from agent.processes.finding import look
from agent.recording.records import AgentStarted, Configured, OutageTold, ProcessStarted, Record
from agent.units import format_rfc3339
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S


class Centre:
    """Looks as the node does, and hears what it tells."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.heard: list[GapData] = []

    def look(self, now_s: float) -> list[tuple[float, float, str]]:
        """What is told now: from, to and why."""
        before = len(self.heard)
        look(self.ring.conn, self.ring.data_dir, "c01", START_NS + int(now_s * S), self._tell)
        starts = {format_rfc3339(START_NS + n * S): n for n in range(1000)}
        return [(starts[each.start], starts[each.end or ""], each.reason) for each in self.heard[before:]]

    def _tell(self, conn: sqlite3.Connection, event_type: str, data: EventData, camera: str) -> None:
        assert (event_type, camera) == ("wayside.gap.v1", "c01")
        assert isinstance(data, GapData)
        self.heard.append(data)


@pytest.fixture
def centre(ring: Ring) -> Centre:
    """Four seconds of footage by processes that then fell."""
    service = Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n")
    note(ring, -2, service, AgentStarted(boot_id="a"))
    note(ring, -1, hello("one"))
    ring.index(ring.record())
    return Centre(ring)


def hello(session: str) -> ProcessStarted:
    return ProcessStarted(process="camera", camera="c01", session=session)


def note(ring: Ring, at_s: float, *records: Record) -> None:
    ring.note(*records, at_s=at_s)


def come_back(ring: Ring, at_s: int, run: int, *, is_whole_agent: bool = True, alive_s: int = 3) -> None:
    if is_whole_agent:
        note(ring, at_s - 2, AgentStarted(boot_id="a", last_alive_wall_ns=START_NS + alive_s * S))
    note(ring, at_s - 1, hello(f"run {run}"))
    ring.index(ring.record(at_s, Where(run=run)))


def outage(start_s: int, end_s: int = 0) -> OutageTold:
    end_ns = START_NS + end_s * S if end_s else 0
    return OutageTold(
        camera="c01", boot=1, start_wall_ns=START_NS + start_s * S, end_wall_ns=end_ns, reason="camera_stalled"
    )


def test_a_first_run_has_no_hole_before_it(centre: Centre) -> None:
    assert centre.look(60) == []


def test_the_nodes_own_outage_is_told_once_when_footage_is_back(centre: Centre) -> None:
    centre.look(50)
    assert centre.look(100) == [], "nobody knows how long it lasts"
    come_back(centre.ring, 100, run=2)
    assert centre.look(102) == [], "what it rests on is still being told"
    assert centre.look(110) == [(4, 100, "agent_down")]
    assert centre.look(120) == []
    assert centre.heard[0].seconds == 96
    assert centre.heard[0].detail, "the evidence comes with it"


def test_a_camera_process_that_fell_is_told_as_such(centre: Centre) -> None:
    centre.look(50)
    come_back(centre.ring, 100, run=2, is_whole_agent=False)
    assert centre.look(110) == [(4, 100, "capture_crashed")]


def test_every_hole_since_the_last_look_is_told_also_those_of_runs_that_nobody_heard_of(centre: Centre) -> None:
    centre.look(50)
    come_back(centre.ring, 100, run=2, is_whole_agent=False)
    come_back(centre.ring, 200, run=3, is_whole_agent=False)
    assert centre.look(210) == [(4, 100, "capture_crashed"), (104, 200, "capture_crashed")]


def test_what_the_camera_told_itself_is_not_told_again_but_its_end_is(centre: Centre) -> None:
    centre.look(50)
    note(centre.ring, 20, outage(4))
    note(centre.ring, 30, outage(4, 30))
    note(centre.ring, 40, outage(40))
    come_back(centre.ring, 100, run=2, alive_s=90)
    told = centre.look(110)
    assert (4, 30, "camera_stalled") not in told
    assert told[0][:2] == (30, 40)
    assert told[1] == (40, 90, "camera_stalled"), "its end was never told"
    assert told[2] == (90, 100, "agent_down")


def test_after_a_lost_store_only_the_last_hole_is_news(centre: Centre) -> None:
    come_back(centre.ring, 100, run=2)
    come_back(centre.ring, 200, run=3)
    assert centre.look(210) == [(104, 200, "agent_down")]
