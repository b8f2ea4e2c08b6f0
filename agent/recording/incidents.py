"""The `incident` table and the stills beside it: which incidents are open, and the picture kept with each.

Vision may die with incidents open; the node then closes them, so that no centre waits for an end that never comes.
Functions run on the thread that owns the connection; writes belong to the caller's transaction.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.recording.folder import sync_folder
from agent.units import WallSpan

_ID = re.compile(r"[0-9a-f-]{36}\Z")


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """`data` is the JSON of the newest IncidentData of this incident."""

    incident_id: str
    camera: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Still:
    """The picture kept with an incident. `wall_ns` is the incident's begin."""

    camera: str
    jpeg: bytes
    wall_ns: int


def note(
    conn: sqlite3.Connection,
    incident: OpenIncident,
    *,
    session: str,
    is_open: bool,
    begin_wall_ns: int,
    has_still: bool,
) -> None:
    """Remember the newest word on an incident."""
    conn.execute(
        "INSERT INTO incident (incident_id, camera, session, is_open, data, begin_wall_ns, has_still)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incident_id) DO UPDATE SET"
        " is_open = excluded.is_open, data = excluded.data, has_still = max(has_still, excluded.has_still)",
        (incident.incident_id, incident.camera, session, is_open, incident.data, begin_wall_ns, has_still),
    )


def orphans(conn: sqlite3.Connection, session: str) -> list[OpenIncident]:
    """Incidents left open by a vision process other than this one."""
    rows = conn.execute(
        "SELECT incident_id, camera, data FROM incident WHERE is_open AND session != ? ORDER BY incident_id", (session,)
    )
    return [OpenIncident(*row) for row in rows.fetchall()]


def forget_before(conn: sqlite3.Connection, data_dir: Path, wall_ns: int) -> int:
    """Drop closed incidents that began before this, with their stills; returns how many."""
    rows = conn.execute(
        "DELETE FROM incident WHERE NOT is_open AND begin_wall_ns < ? RETURNING incident_id", (wall_ns,)
    ).fetchall()
    for (incident_id,) in rows:
        _still_path(data_dir, incident_id).unlink(missing_ok=True)
    return len(rows)


def with_stills(conn: sqlite3.Connection, camera: str, spans: Sequence[WallSpan]) -> list[str]:
    """The incidents of one camera that began within these spans and have a still."""
    rows = conn.execute(
        "SELECT incident_id, begin_wall_ns FROM incident WHERE camera = ? AND has_still ORDER BY incident_id", (camera,)
    )
    return [name for name, begin_ns in rows if any(span.start_ns <= begin_ns < span.end_ns for span in spans)]


def drop_stills(conn: sqlite3.Connection, camera: str, spans: Sequence[WallSpan]) -> None:
    """From this commit on these incidents have no still; `remove_dropped_stills` then takes the files away."""
    conn.executemany(
        "UPDATE incident SET has_still = 0 WHERE incident_id = ?",
        ((name,) for name in with_stills(conn, camera, spans)),
    )


def remove_dropped_stills(conn: sqlite3.Connection, data_dir: Path, camera: str, span: WallSpan) -> None:
    """Unlink the stills of this span whose incidents have none any more, and sync."""
    rows = conn.execute(
        "SELECT incident_id FROM incident WHERE camera = ? AND begin_wall_ns >= ? AND begin_wall_ns < ?"
        " AND NOT has_still",
        (camera, span.start_ns, span.end_ns),
    )
    there = [path for (name,) in rows if (path := _still_path(data_dir, name)).exists()]
    for path in there:
        path.unlink(missing_ok=True)
    if there:
        sync_folder(there[0].parent)


def write_still(data_dir: Path, incident_id: str, jpeg: bytes) -> None:
    """Keep a still, on disk before this returns, so that a row never names a picture that a power cut took."""
    path = _still_path(data_dir, incident_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(jpeg)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_still(conn: sqlite3.Connection, data_dir: Path, incident_id: str) -> Still | None:
    """The still of an incident, or None when none is kept."""
    row = conn.execute(
        "SELECT camera, begin_wall_ns FROM incident WHERE incident_id = ? AND has_still", (incident_id,)
    ).fetchone()
    if row is None:
        return None
    try:
        return Still(row[0], _still_path(data_dir, incident_id).read_bytes(), row[1])
    except FileNotFoundError:
        return None


def _still_path(data_dir: Path, incident_id: str) -> Path:
    if not _ID.match(incident_id):
        raise ValueError("an incident id is a UUID")
    return data_dir / "stills" / f"{incident_id}.jpg"
