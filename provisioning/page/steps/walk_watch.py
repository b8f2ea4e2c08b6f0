"""The walk test: has the node seen somebody since the start, and has the centre confirmed it? Read from the store."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from agent.contract.events import INCIDENT_OPENED, IncidentData
from agent.contract.wire import decode
from agent.errors import StoreError, WireError
from agent.store import open_store
from agent.units import NS_PER_MS, NS_PER_S
from provisioning.acceptance.notes import WalkNote

# Down the ladder and once across the road; vision itself needs a few seconds in the zone.
SEEN_LIMIT_S: Final = 90
# The uplink sends within a second; a mobile line that sleeps takes some to wake.
ACK_LIMIT_S: Final = 30


class WalkState(StrEnum):
    """WAITING for somebody in a zone, SEEN by the node, ARRIVED at the centre. The NOT_ ones took too long; they go on
    being watched."""

    IDLE = "idle"
    WAITING = "waiting"
    NOT_SEEN = "not_seen"
    SEEN = "seen"
    NOT_ARRIVED = "not_arrived"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class SeenIncident:
    """An incident of the camera as the store has it. `made_ns`: when vision opened it. `sequence`: the place in lane a
    of the event that opened it; None once that is gone from the outbox, which for lane a happens at the centre's ack
    alone (agent.messaging.outbox)."""

    incident: str
    kind: str
    zone: str
    made_ns: int
    epoch: str
    sequence: int | None
    acked_to: int


def advance(walk: WalkNote, seen: SeenIncident | None, now_ns: int) -> WalkNote:
    """The walk with what the store says now; times once noted stay, another incident changes nothing. Pure."""
    if seen is None or (walk.incident and walk.incident != seen.incident):
        return walk
    walk = msgspec.structs.replace(
        walk,
        incident=seen.incident,
        kind=seen.kind,
        zone=seen.zone,
        seen_ns=walk.seen_ns or seen.made_ns,
        epoch=seen.epoch,
        sequence=walk.sequence or seen.sequence or 0,
    )
    if (seen.sequence is None or seen.acked_to >= seen.sequence) and not walk.acked_ns:
        walk = msgspec.structs.replace(walk, acked_ns=now_ns, acked_to=seen.acked_to)
    return walk


def state_of(walk: WalkNote | None, now_ns: int) -> WalkState:
    """Pure."""
    if walk is None:
        return WalkState.IDLE
    if walk.acked_ns:
        return WalkState.ARRIVED
    if walk.seen_ns:
        return WalkState.NOT_ARRIVED if now_ns - walk.seen_ns > ACK_LIMIT_S * NS_PER_S else WalkState.SEEN
    return WalkState.NOT_SEEN if now_ns - walk.started_ns > SEEN_LIMIT_S * NS_PER_S else WalkState.WAITING


def look(data_dir: Path, walk: WalkNote) -> SeenIncident | None:
    """The walk's incident, or the first that the camera made after the walk began; None while there is none, or while
    the node has no store yet. Reads only."""
    try:
        conn = open_store(data_dir, readonly=True)
    except StoreError:
        return None
    try:
        return _look(conn, walk)
    except sqlite3.Error as exc:
        raise StoreError(detail=str(exc), remedy="is the node running?") from exc
    finally:
        conn.close()


def _look(conn: sqlite3.Connection, walk: WalkNote) -> SeenIncident | None:
    # One reading of the store, so that incident and outbox are of the same moment.
    conn.execute("BEGIN")
    found = _incident(conn, walk)
    if found is None:
        return None
    incident, data = found
    row = conn.execute("SELECT epoch, acked_a FROM outbox_state").fetchone()
    epoch, acked_to = (str(row[0]), int(row[1])) if row else ("", 0)
    first = conn.execute(
        "SELECT min(sequence) FROM outbox_event WHERE lane = 'a' AND instr(payload, CAST(? AS BLOB)) > 0"
        # Later news of the same incident waits for an ack of its own.
        " AND instr(payload, CAST(? AS BLOB)) > 0",
        (incident, INCIDENT_OPENED),
    ).fetchone()[0]
    return SeenIncident(
        incident=incident,
        kind=data.kind.value,
        zone=data.zone or "",
        made_ns=_made_ns(incident),
        epoch=epoch,
        sequence=None if first is None else int(first),
        acked_to=acked_to,
    )


def _incident(conn: sqlite3.Connection, walk: WalkNote) -> tuple[str, IncidentData] | None:
    """UUIDv7 ids sort by the time they were made (RFC 9562), and so does their text."""
    since = walk.incident or _first_id(walk.started_ns)
    rows = conn.execute(
        "SELECT incident_id, data FROM incident WHERE camera = ? AND incident_id >= ? ORDER BY incident_id",
        (walk.camera, since),
    )
    for incident, data in rows:
        try:
            decoded = decode(bytes(data), IncidentData)
        except WireError:
            continue
        # The view's own incidents (covered, moved, fire) name no zone, and nobody walked.
        if decoded.zone is not None:
            return str(incident), decoded
    return None


def _first_id(wall_ns: int) -> str:
    """The smallest id of that millisecond."""
    return str(uuid.UUID(bytes=(wall_ns // NS_PER_MS).to_bytes(6, "big") + bytes(10)))


def _made_ns(incident: str) -> int:
    try:
        return (uuid.UUID(incident).int >> 80) * NS_PER_MS
    except ValueError:
        return 0
