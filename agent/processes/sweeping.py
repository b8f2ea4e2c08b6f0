"""Body of the stage "janitor": the ring kept within its bounds, and what that let lapse told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Final

from agent.contract.events import EventData
from agent.processes.finding import tell_lapses
from agent.processes.ground import Ground
from agent.processes.limits import retention_limits
from agent.recording.holds import Lapse
from agent.recording.janitor import Janitor

# A sweep costs some ms; a minute of eight cameras at 8 Mbit/s is 0.5 GB, far below `min_free`.
_SWEEP_S: Final = 30.0


def keep_swept(
    ground: Ground, tell: Callable[[sqlite3.Connection, str, EventData, str], None], stop: threading.Event
) -> None:
    """Until `stop`. Raises StoreError, DiskError."""
    limits = retention_limits(ground.config)
    conn, node = ground.connect(), ground.origin.address.node

    def say(lapses: Sequence[Lapse]) -> None:
        tell_lapses(conn, lapses, node, ground.clock.wall_ns(), tell)

    try:
        janitor = Janitor(ground.data_dir, conn, ground.ledger, clock=ground.clock, limits=limits, on_lapses=say)
        janitor.finish_garbage()
        while not stop.is_set():
            report = janitor.sweep()
            if not report.is_behind:
                stop.wait(_SWEEP_S)
    finally:
        conn.close()
