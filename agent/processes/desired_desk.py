"""The desk for desired documents built into the node process: what it looks at, and whom it tells."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.contract.events import EventData
from agent.messaging.uplink import Uplink
from agent.notices import StreamCondition
from agent.processes.desired import DesiredDesk, DesiredParts
from agent.processes.desired_record import config_digest
from agent.processes.desired_trial import Seen
from agent.processes.ground import Ground
from agent.processes.reception import Reception
from agent.recording import index
from agent.units import NS_PER_S, WallSpan

# A camera tells how it goes each second or so.
_FRESH_NS: Final = 5 * NS_PER_S
# Longer than any start takes.
_LATELY_NS: Final = 600 * NS_PER_S


def make_desk(
    ground: Ground,
    path: Path,
    reception: Reception,
    uplink: Uplink | None,
    *,
    tell: Callable[[sqlite3.Connection, str, EventData, str], None],
    stop: threading.Event,
) -> DesiredDesk:
    """`path` is the configuration's file."""
    runs = config_digest(ground.config)

    def look() -> Seen:
        oldest_ns = ground.clock.mono_ns() - _FRESH_NS
        words = {camera: reception.camera(camera) for camera in ground.cameras}
        streaming = frozenset(
            camera
            for camera, word in words.items()
            if word.status is not None
            and word.heard_mono_ns >= oldest_ns
            and word.status.stream is StreamCondition.STREAMING
        )
        is_connected = uplink is not None and uplink.status.is_connected
        return Seen(runs, is_connected, streaming, reception.vision_status is not None)

    def lately(conn: sqlite3.Connection) -> frozenset[str]:
        now_ns = ground.clock.wall_ns()
        window = WallSpan(now_ns - _LATELY_NS, now_ns)
        return frozenset(camera for camera in ground.cameras if index.segments(conn, camera, window))

    def changed() -> None:
        if uplink is not None:
            uplink.facts_changed()

    return DesiredDesk(
        DesiredParts(
            config=ground.config,
            path=path,
            address=ground.origin.address,
            boot_id=ground.boot.boot_id,
            clock=ground.clock,
            connect=ground.connect,
            tell=tell,
            look=look,
            lately=lately,
            changed=changed,
            stop=stop,
        )
    )
