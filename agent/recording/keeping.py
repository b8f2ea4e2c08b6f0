"""Staff holds made and ended at a person's word: ledger first, one commit, and never more than their share (ADR 27).

Functions run on the thread that owns the connection and open their own transactions. Both acts may be repeated after a
kill: a hold is known by its id, a release by its request.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import log
from agent.errors import HoldRefused
from agent.ledger import Ledger, LedgerRecord, read_ledger
from agent.recording import evidence, holds, index, plans
from agent.recording.custody import fit_text
from agent.recording.folder import disk_usage
from agent.recording.holds import Hold
from agent.recording.holdshare import Share, share
from agent.recording.records import HoldKind, HoldMade, HoldReleased, RecordType, decode_record
from agent.store import transaction
from agent.units import DAY_S, NS_PER_S, WallSpan, format_rfc3339

# Ten years: whoever needs longer has taken a clip.
MOST_DAYS: Final = 3650

_log = log.get("holds")


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What a person wants kept, why, for how many days, and who looks at it again before they are over. `hold_id` is a
    UUID: the same one twice holds once."""

    hold_id: str
    camera: str
    span: WallSpan
    days: int
    actor: str
    reason: str
    reviewer: str = ""
    case_ref: str = ""


@dataclass(frozen=True, slots=True)
class HoldReport:
    """What is kept now. `share` is that of all staff holds, this one among them."""

    hold: Hold
    segments: int
    size_bytes: int
    share: Share


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    request: str
    hold_id: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """`freed_bytes` is what no other hold keeps: the ring may take it when it needs room. `hold` is None for a release
    that was finished before a kill."""

    hold: Hold | None
    freed_bytes: int


def set_hold(
    conn: sqlite3.Connection, data_dir: Path, ledger: Ledger, request: HoldRequest, now_wall_ns: int
) -> HoldReport:
    """Keep this footage. What lies in the future is not held: the span ends now at the latest.

    Raises HoldRefused (`share_exceeded`, `in_the_future`, `bad_days`), DiskError, StoreError.
    """
    if not 0 < request.days <= MOST_DAYS:
        raise HoldRefused(reason="bad_days", days=request.days, remedy=f"a hold is for 1 to {MOST_DAYS} days")
    span = WallSpan(request.span.start_ns, min(request.span.end_ns, now_wall_ns))
    if span.is_empty:
        now = format_rfc3339(now_wall_ns)
        raise HoldRefused(reason="in_the_future", remedy=f"the node's clock says {now}; hold what is recorded by then")
    with transaction(conn):
        known = find(conn, request.hold_id)
        if known is None:
            for each in shares(conn, data_dir, request.camera, span):
                if each.is_exceeded:
                    raise HoldRefused(reason="share_exceeded", remedy=each.words)
            evidence.note(conn, ledger, _record(request, span, now_wall_ns))
            _log.info("footage held", camera=request.camera, hold=request.hold_id, days=request.days)
    kept = known or find(conn, request.hold_id)
    assert kept is not None
    segments = holds.segments_of(conn, kept.camera, kept.span)
    return HoldReport(
        hold=kept,
        segments=len(segments),
        size_bytes=sum(each.bytes for each in segments),
        share=shares(conn, data_dir, kept.camera)[0],
    )


def release_hold(conn: sqlite3.Connection, data_dir: Path, ledger: Ledger, request: ReleaseRequest) -> ReleaseReport:
    """End a hold of either kind before its time. Raises HoldRefused (`unknown_hold`), StoreError, DiskError."""
    with transaction(conn):
        hold = find(conn, request.hold_id)
        if hold is not None:
            before = _held_paths(conn)
            record = HoldReleased(
                hold_id=hold.hold_id,
                cause="released",
                actor=fit_text(request.actor),
                reason=fit_text(request.reason),
                request=request.request,
            )
            evidence.note(conn, ledger, record)
            after = _held_paths(conn)
            freed_bytes = sum(size for path, size in before.items() if path not in after)
            _log.warning("hold released", hold=hold.hold_id, camera=hold.camera, freed_bytes=freed_bytes)
            return ReleaseReport(hold, freed_bytes)
    ended = _ending_of(data_dir, request.hold_id)
    if ended is not None and ended[1].request == request.request:
        return ReleaseReport(None, 0)
    raise HoldRefused(reason="unknown_hold", hold=request.hold_id, remedy=_why_unknown(ended))


def find(conn: sqlite3.Connection, hold_id: str) -> Hold | None:
    return next((hold for hold in holds.all_holds(conn) if hold.hold_id == hold_id), None)


def shares(conn: sqlite3.Connection, data_dir: Path, camera: str, asked: WallSpan | None = None) -> list[Share]:
    """How full the staff's share is, of the ring and, where the camera has a bound of its own, of that."""
    held = {each.path: each.bytes for each in holds.held_segments(conn, HoldKind.STAFF)}
    wanted = {each.path: each.bytes for each in holds.segments_of(conn, camera, asked)} if asked is not None else {}
    policy = plans.current(conn)
    found = [share("the ring", ring_bytes(conn, data_dir), held, wanted)]
    own_bytes = policy.of(camera).max_bytes if policy is not None else 0
    if own_bytes:
        folder = f"footage/{camera}/"
        own = {path: size for path, size in held.items() if path.startswith(folder)}
        found.append(share(f"what {camera} may take", own_bytes, own, wanted))
    return found


def ring_bytes(conn: sqlite3.Connection, data_dir: Path) -> int:
    """What the ring can really hold: its bound, or less where the disk is smaller than that. Raises DiskError."""
    free_bytes, _ = disk_usage(data_dir)
    room_bytes = sum(camera.bytes for camera in index.usage(conn)) + free_bytes
    policy = plans.current(conn)
    if policy is None:
        return room_bytes
    return max(min(policy.max_bytes, room_bytes - policy.min_free_bytes), 0)


def _record(request: HoldRequest, span: WallSpan, now_wall_ns: int) -> HoldMade:
    return HoldMade(
        hold_id=request.hold_id,
        kind=HoldKind.STAFF,
        camera=request.camera,
        start_wall_ns=span.start_ns,
        end_wall_ns=span.end_ns,
        made_wall_ns=now_wall_ns,
        expires_wall_ns=now_wall_ns + request.days * DAY_S * NS_PER_S,
        reference=fit_text(request.case_ref),
        actor=fit_text(request.actor),
        reason=fit_text(request.reason),
        reviewer=fit_text(request.reviewer or request.actor),
    )


def _held_paths(conn: sqlite3.Connection) -> dict[str, int]:
    return {each.path: each.bytes for kind in HoldKind for each in holds.held_segments(conn, kind)}


def _ending_of(data_dir: Path, hold_id: str) -> tuple[LedgerRecord, HoldReleased] | None:
    """The newest end of this hold that the ledger tells; reads all of it, as only a wrong id makes one ask."""
    found = None
    for record in read_ledger(data_dir):
        if record.type != RecordType.RELEASED:
            continue
        data = decode_record(record.type, record.data)
        if isinstance(data, HoldReleased) and data.hold_id == hold_id:
            found = (record, data)
    return found


def _why_unknown(ended: tuple[LedgerRecord, HoldReleased] | None) -> str:
    if ended is None:
        return "no hold of this id was ever made here; `wayside footage forecast` and the command `forecast` list them"
    record, data = ended
    by = f" by {data.actor}" if data.actor else ""
    return f"it is over since {format_rfc3339(record.wall_ns)}: {data.cause}{by}"
