"""Holds: footage that outlives the ring. An incident's hold may lapse for want of room, a person's only at its expiry.

The `hold` table is filled from the ledger alone (agent.recording.evidence); a hold that is not in it is no hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.recording.records import HoldKind, HoldMade
from agent.units import DAY_S, NS_PER_S, WallSpan

# Footage design, retention: incident holds last 30 days and take at most 30 % of the ring.
INCIDENT_HOLD_NS = 30 * DAY_S * NS_PER_S
INCIDENT_HOLD_RATIO = 0.3


@dataclass(frozen=True, slots=True)
class Hold:
    hold_id: str
    kind: HoldKind
    camera: str
    span: WallSpan
    made_wall_ns: int
    expires_wall_ns: int
    reference: str
    actor: str = ""
    reason: str = ""
    reviewer: str = ""


@dataclass(frozen=True, slots=True)
class HeldSegment:
    """A segment that one hold keeps; several holds may keep the same."""

    hold_id: str
    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Lapse:
    """A hold to release, and the `cause` to write down: `expired` or `quota`."""

    hold: Hold
    cause: str


def incident_hold(incident_id: str, camera: str, span: WallSpan, made_wall_ns: int) -> HoldMade:
    """The fact to note when an incident opens or grows; the same incident's hold replaces its former span."""
    return HoldMade(
        hold_id=incident_id,
        kind=HoldKind.INCIDENT,
        camera=camera,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        made_wall_ns=made_wall_ns,
        expires_wall_ns=made_wall_ns + INCIDENT_HOLD_NS,
        reference=incident_id,
    )


def plan_lapses(
    holds: Iterable[Hold],
    held: Iterable[HeldSegment],
    *,
    quota_bytes: int,
    now_wall_ns: int,
    is_clock_trusted: bool,
) -> tuple[Lapse, ...]:
    """Which holds end now: those past their time, then the oldest of incidents until theirs fit the quota. Pure.

    `held` are the segments of incident holds. Nothing expires while the clock is unsure; no quota ends a staff hold.
    """
    oldest_first = sorted(holds, key=lambda hold: (hold.made_wall_ns, hold.hold_id))
    lapses = [
        Lapse(hold, "expired") for hold in oldest_first if is_clock_trusted and 0 < hold.expires_wall_ns <= now_wall_ns
    ]
    expired = {lapse.hold.hold_id for lapse in lapses}
    remaining = [hold for hold in oldest_first if hold.kind is HoldKind.INCIDENT and hold.hold_id not in expired]
    by_hold: dict[str, list[HeldSegment]] = {hold.hold_id: [] for hold in remaining}
    keepers: dict[str, int] = {}
    total_bytes = 0
    for segment in held:
        if segment.hold_id in by_hold:
            by_hold[segment.hold_id].append(segment)
            total_bytes += 0 if segment.path in keepers else segment.bytes
            keepers[segment.path] = keepers.get(segment.path, 0) + 1
    for hold in remaining:
        if total_bytes <= quota_bytes:
            break
        total_bytes -= _freed_bytes(by_hold[hold.hold_id], keepers)
        lapses.append(Lapse(hold, "quota"))
    return tuple(lapses)


def _freed_bytes(segments: Sequence[HeldSegment], keepers: dict[str, int]) -> int:
    freed = 0
    for segment in segments:
        keepers[segment.path] -= 1
        freed += segment.bytes if keepers[segment.path] == 0 else 0
    return freed


def keep(conn: sqlite3.Connection, record: HoldMade) -> None:
    """Apply a ledger record. The hold of the same id is replaced: an incident's span grows until it closes."""
    conn.execute(
        "INSERT OR REPLACE INTO hold (hold_id, kind, camera, start_wall_ns, end_wall_ns, made_wall_ns, expires_wall_ns,"
        " reference, actor, reason, reviewer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.hold_id,
            record.kind.value,
            record.camera,
            record.start_wall_ns,
            record.end_wall_ns,
            record.made_wall_ns,
            record.expires_wall_ns,
            record.reference,
            record.actor,
            record.reason,
            record.reviewer,
        ),
    )


def move(conn: sqlite3.Connection, hold: Hold) -> None:
    """The same hold at its true times (agent.recording.relabel)."""
    conn.execute(
        "UPDATE hold SET start_wall_ns = ?, end_wall_ns = ?, made_wall_ns = ?, expires_wall_ns = ? WHERE hold_id = ?",
        (hold.span.start_ns, hold.span.end_ns, hold.made_wall_ns, hold.expires_wall_ns, hold.hold_id),
    )


def drop(conn: sqlite3.Connection, hold_id: str) -> None:
    """Apply a ledger record: this hold is over."""
    conn.execute("DELETE FROM hold WHERE hold_id = ?", (hold_id,))


def all_holds(conn: sqlite3.Connection) -> list[Hold]:
    """Every hold in force, oldest first."""
    rows = conn.execute(
        "SELECT hold_id, kind, camera, start_wall_ns, end_wall_ns, made_wall_ns, expires_wall_ns, reference, actor,"
        " reason, reviewer FROM hold ORDER BY made_wall_ns, hold_id"
    )
    return [
        Hold(hold_id, HoldKind(kind), camera, WallSpan(start, end), *rest)
        for hold_id, kind, camera, start, end, *rest in rows
    ]


def held_spans(holds: Iterable[Hold]) -> Mapping[str, tuple[WallSpan, ...]]:
    """The held time of each camera that has any, in order."""
    spans: dict[str, list[WallSpan]] = {}
    for hold in holds:
        spans.setdefault(hold.camera, []).append(hold.span)
    return {camera: tuple(sorted(each)) for camera, each in spans.items()}


def held_segments(conn: sqlite3.Connection, kind: HoldKind) -> list[HeldSegment]:
    """The finished segments that holds of this kind keep, a row for each pair of hold and segment."""
    rows = conn.execute(
        "SELECT hold.hold_id, segment.path, segment.bytes FROM hold JOIN segment ON segment.camera = hold.camera"
        " AND segment.start_wall_ns < hold.end_wall_ns AND segment.end_wall_ns > hold.start_wall_ns"
        " AND segment.start_wall_ns > hold.start_wall_ns - 1 -"
        " ifnull((SELECT max(duration_ns) FROM segment AS longest WHERE longest.camera = hold.camera), 0)"
        " AND segment.state IN ('closed', 'damaged') WHERE hold.kind = ?",
        (kind.value,),
    )
    return [HeldSegment(*row) for row in rows]


def segments_of(conn: sqlite3.Connection, camera: str, span: WallSpan) -> list[HeldSegment]:
    """The finished segments that a hold of this span would keep; their `hold_id` is empty."""
    rows = conn.execute(
        "SELECT '', path, bytes FROM segment WHERE camera = ?1 AND start_wall_ns < ?3 AND end_wall_ns > ?2"
        " AND start_wall_ns > ?2 - 1 - ifnull((SELECT max(duration_ns) FROM segment WHERE camera = ?1), 0)"
        " AND state IN ('closed', 'damaged')",
        (camera, span.start_ns, span.end_ns),
    )
    return [HeldSegment(*row) for row in rows]
