"""Why a camera's process stopped, when it was an update that stopped it.

The update's tools leave a marker in the runtime folder while they restart units (`firmware_scripts/release_host.py`).
The gap is told when footage is back, with both its ends: until then nobody knows how long it lasts.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from agent.notices import Outage, SegmentOpened
from agent.recording.gaps import GapReason
from agent.recording.marks import MarkKind

MARKER_NAME: Final = "updating.json"


class Marker(msgspec.Struct, frozen=True, kw_only=True, rename={"from_version": "from", "to_version": "to"}):
    """As the tools write it. `since_wall_ns`: when they began; `until_wall_ns`: when they were done, 0 before."""

    v: int
    since_wall_ns: int
    from_version: str
    to_version: str
    until_wall_ns: int = 0


def read_marker(path: Path) -> Marker | None:
    """None when there was no update since the boot, or when what lies there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marker)
    except (OSError, msgspec.DecodeError):
        return None


def updating_gap(conn: sqlite3.Connection, marker: Path, notice: SegmentOpened) -> Outage | None:
    """The gap that ends with the first segment of a run, if the process before was stopped in order by an update.

    A process that fell is no update's doing, even in the minutes of one.
    """
    update = read_marker(marker)
    if update is None or notice.n != 0:
        return None
    last = conn.execute(
        "SELECT kind, wall_ns FROM mark WHERE process = 'camera' AND camera = ? ORDER BY seq DESC LIMIT 2",
        (notice.camera,),
    ).fetchall()
    if [kind for kind, _ in last] != [MarkKind.PROCESS_STARTED, MarkKind.PROCESS_STOPPED]:
        return None
    stopped_ns = int(last[1][1])
    if stopped_ns < update.since_wall_ns or 0 < update.until_wall_ns < stopped_ns:
        return None
    (footage_end_ns,) = conn.execute(
        "SELECT max(end_wall_ns) FROM segment WHERE camera = ? AND state = 'closed' AND (boot, run) < (?, ?)",
        (notice.camera, notice.boot, notice.run),
    ).fetchone()
    start_ns = min(footage_end_ns or stopped_ns, stopped_ns)
    if start_ns >= notice.start_wall_ns:
        return None
    return Outage(
        camera=notice.camera,
        boot=notice.boot,
        start_wall_ns=start_ns,
        end_wall_ns=notice.start_wall_ns,
        reason=GapReason.UPDATING.value,
        detail=f"{update.from_version[:20]} to {update.to_version[:20]}",
    )
