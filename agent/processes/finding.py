"""Tells the centre of what came to pass without a witness: the stage "holes", and holds that ended by themselves."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent import log
from agent.clock import Clock
from agent.contract.events import AUDIT, GAP, AuditData, EventData, GapData
from agent.recording import holes
from agent.recording.gaps import Gap
from agent.recording.holds import Lapse
from agent.recording.records import HoldKind
from agent.store import transaction
from agent.units import NS_PER_S, format_rfc3339

Tell = Callable[[sqlite3.Connection, str, EventData, str], None]
_LOOK_S: Final = 3.0

_log = log.get("holes")


def tell_holes(
    data_dir: Path,
    connect: Callable[[], sqlite3.Connection],
    clock: Clock,
    *,
    cameras: Sequence[str],
    tell: Tell,
    stop: threading.Event,
) -> None:
    """Body of the stage: it owns its connection for as long as it lives."""
    conn = connect()
    try:
        while not stop.wait(_LOOK_S):
            for camera in cameras:
                look(conn, data_dir, camera, clock.wall_ns(), tell)
    finally:
        conn.close()


def look(conn: sqlite3.Connection, data_dir: Path, camera: str, now_wall_ns: int, tell: Tell) -> int:
    """Tell the holes before the newest run, once; returns how many."""
    found = holes.find(conn, data_dir, camera, now_wall_ns)
    if found is None:
        return 0
    with transaction(conn):
        for hole in found.holes:
            tell(conn, GAP, gap_data(hole), camera)
        holes.remember(conn, camera, found.run)
    for hole in found.holes:
        _log.warning("hole found", camera=camera, reason=hole.reason.value, seconds=round(hole.span.duration_s, 3))
    return len(found.holes)


def gap_data(gap: Gap) -> GapData:
    return GapData(
        start=format_rfc3339(gap.start_wall_ns),
        end=format_rfc3339(gap.end_wall_ns),
        seconds=gap.span.duration_ns / NS_PER_S,
        reason=gap.reason.value,
        detail=gap.evidence,
    )


def tell_lapses(conn: sqlite3.Connection, lapses: Sequence[Lapse], node: str, now_wall_ns: int, tell: Tell) -> None:
    """No hold ends silently: an audit in the name of the node, in the caller's transaction. An incident's that reached
    its thirty days is none of the news."""
    for lapse in lapses:
        hold = lapse.hold
        if hold.kind is HoldKind.INCIDENT and lapse.cause == "expired":
            continue
        data = AuditData(
            action="hold.lapsed",
            actor=node,
            role="node",
            outcome=lapse.cause,
            at=format_rfc3339(now_wall_ns),
            jti=hold.hold_id,
            purpose=hold.reason,
            case_ref=hold.reference,
            reason=f"{hold.kind.value} hold of {hold.camera}, {format_rfc3339(hold.span.start_ns)} to"
            f" {format_rfc3339(hold.span.end_ns)}",
        )
        tell(conn, AUDIT, data, "")
