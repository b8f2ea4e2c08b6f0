"""A node's outbox and line as a process of its own, which may be killed: `python -m tests.faults.outage_node`.

What it stored is written down by a trigger within the same transaction, so the truth does not come from the code that
is judged.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from agent.bench.smallnode import SmallNode
from agent.contract import events
from agent.contract.events import IncidentData, IncidentKind
from agent.contract.topics import NodeAddress
from agent.identity import new_uuid7
from agent.messaging.alarm import Alarm
from agent.messaging.outbox import EventDraft, Moment
from agent.units import NS_PER_S

ADDRESS = NodeAddress("test-org", "test-site", "test-node")
# 2026-03-01T00:00:00Z: where the outage's 72 h of wall time begin.
BEGIN_WALL_NS = 1_772_323_200 * NS_PER_S
OUTAGE_NS = 72 * 3600 * NS_PER_S
_LARGEST_BATCH = 60
_TRUTH = """
CREATE TABLE IF NOT EXISTS truth (epoch TEXT, lane TEXT, sequence INTEGER, id TEXT);
CREATE TRIGGER IF NOT EXISTS told AFTER INSERT ON outbox_event BEGIN
    INSERT INTO truth VALUES (
        json_extract(CAST(NEW.payload AS TEXT), '$.epoch'), NEW.lane, NEW.sequence,
        json_extract(CAST(NEW.payload AS TEXT), '$.id')
    );
END;
"""


class OutageNode(SmallNode):
    """Its events are stamped as if each came a fixed time after the one before."""

    def __init__(self, folder: Path, url: str, step_ns: int, protocol: Literal["5", "3.1.1"]) -> None:
        super().__init__(folder, ADDRESS, url, protocol=protocol)
        self.conn.executescript(_TRUTH)
        self._step_ns = step_ns

    def on_alarm(self, alarm: Alarm) -> None:
        if alarm.is_active:
            print(alarm.kind.value, alarm.detail, flush=True)

    def made(self) -> int:
        """Events of both lanes that this store gave a number."""
        status = self.waiting()
        return status.last_a + status.last_b

    def drafts(self, first: int, count: int) -> Iterable[EventDraft]:
        """Every second one of lane a."""
        for number in range(first, first + count):
            after_ns = number * self._step_ns
            moment = Moment(BEGIN_WALL_NS + after_ns, after_ns, "holdover")
            if number % 2:
                yield self.motion(number)
            else:
                yield EventDraft(events.INCIDENT_OPENED, "c01", _incident(after_ns / NS_PER_S), moment)


def _incident(begin_s: float) -> IncidentData:
    return IncidentData(
        incident_id=new_uuid7(),
        kind=IncidentKind.STOPPED_VEHICLE,
        zone="junction",
        begin_s=begin_s,
        end_s=None,
        score=0.9,
        box=(0.1, 0.1, 0.2, 0.2),
        tracks=(1,),
        model="nanodet",
        reason_en="a car stands for 40 s in the zone junction, where nobody may stop",
    )


def main(folder: Path, url: str, until: int, step_ns: int, *, seed: int, protocol: Literal["5", "3.1.1"]) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    chance = random.Random(seed)
    node = OutageNode(folder, url, step_ns, protocol)
    node.uplink.start()
    try:
        while (made := node.made()) < until and not stop.is_set():
            node.append(node.drafts(made, min(chance.randint(1, _LARGEST_BATCH), until - made)))
        stop.wait()
    finally:
        node.close(1.0)


def truth(store: Path, lane: str) -> dict[str, dict[int, str]]:
    """Ids by sequence, by epoch: what this store ever held of a lane. Raises sqlite3.Error."""
    conn = sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)
    try:
        found: dict[str, dict[int, str]] = {}
        rows = conn.execute(
            "SELECT epoch, sequence, id FROM truth WHERE lane = ? ORDER BY sequence", (lane,)
        ).fetchall()
    finally:
        conn.close()
    for epoch, sequence, event_id in rows:
        assert sequence not in found.setdefault(epoch, {}), f"sequence {sequence} was given twice"
        found[epoch][sequence] = event_id
    return found


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        int(sys.argv[4]),
        seed=int(sys.argv[5]),
        protocol="5" if sys.argv[6] == "5" else "3.1.1",
    )
