"""Index equals disk: the quick reconciliation at each start, the full comparison, the rebuilding of a lost store."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent import log
from agent.clock import SystemClock
from agent.errors import StoreError
from agent.ledger import Ledger, LedgerDamage, read_ledger
from agent.recording import evidence, index
from agent.recording.folder import DATE_LENGTH, disk_error
from agent.recording.index import SegmentRow, SegmentState
from agent.recording.naming import SegmentName
from agent.recording.repair import Finding, look
from agent.recording.survey import Found, OnProgress, survey
from agent.store import STORE_NAME, open_store, transaction

_log = log.get("recovery")

# Rows a transaction: each commit costs a sync of a few ms, and a node that dies midway keeps what it has.
_BATCH = 2000
_NO_FOOTAGE = frozenset({Finding.EMPTY, Finding.GONE})


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What a start found. `dropped` rows had no file any more: footage that someone else removed."""

    added: int = 0
    repaired: int = 0
    cut_bytes: int = 0
    removed_empty: int = 0
    damaged: int = 0
    live: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was rebuilt. `is_store_kept`: the old store was readable, so what only it held (the outbox) stays."""

    segments: int
    repaired: int
    damaged: int
    ledger_records: int
    ledger_damage: tuple[LedgerDamage, ...]
    is_store_kept: bool


class DifferenceKind(StrEnum):
    NOT_INDEXED = "not_indexed"
    NO_FILE = "no_file"
    OTHER_CONTENT = "other_content"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where index and disk disagree, or a file is not whole. `path` is relative to data_dir."""

    kind: DifferenceKind
    path: str
    detail: str = ""


def list_segments(data_dir: Path) -> Iterator[str]:
    """The paths, relative to data_dir, of all files that look like segments. Raises DiskError."""
    for prefix, names in _day_folders(data_dir):
        yield from (prefix + name for name in names)


def _day_folders(data_dir: Path) -> Iterator[tuple[str, set[str]]]:
    """Each camera's days as `footage/c01/2026-11-23/`, with the names of the segments there. Raises DiskError."""
    try:
        for camera in _folders(data_dir / "footage"):
            for day in _folders(Path(camera.path)):
                if len(day.name) == DATE_LENGTH:
                    # Without an object for each of a hundred thousand files.
                    listed = os.listdir(day.path)  # noqa: PTH208
                    names = {name for name in listed if name.endswith(".mp4")}
                    yield f"footage/{camera.name}/{day.name}/", names
    except OSError as exc:
        raise disk_error(exc) from exc


def reconcile(conn: sqlite3.Connection, data_dir: Path, on_progress: OnProgress | None = None) -> ReconcileReport:
    """Bring the index in line with the folder, at the node's start. Its own transactions. Raises DiskError, StoreError.

    Only files that the index does not know, or knows as open, are looked at; of a file that is being written only its
    name. A hundred thousand known files cost their listing. No single file stops it.
    """
    fresh, vanished = _parted(conn, data_dir)
    in_doubt = {row.path for row in index.in_state(conn, SegmentState.OPEN)}
    report = _look_at(conn, data_dir, sorted((in_doubt - vanished.keys()) | fresh), on_progress)
    if vanished:
        with transaction(conn):
            index.forget(conn, vanished)
        gone = [path for path, state in vanished.items() if state == SegmentState.CLOSED]
        if gone:
            _log.error("footage vanished from the ring", segments=len(gone), first=min(gone))
    return _plus(report, ReconcileReport(dropped=len(vanished)))


def _parted(conn: sqlite3.Connection, data_dir: Path) -> tuple[set[str], dict[str, str]]:
    """Files that the index does not know; rows without a file, with their states. Folder by folder, by what the path's
    own index holds: a start waits for it, and a month of four cameras has 172 800 files."""
    fresh: set[str] = set()
    vanished: set[str] = set()
    met = 0
    for prefix, names in _day_folders(data_dir):
        # "0" follows "/": all paths below this folder, and no other.
        below = "SELECT substr(path, ?) FROM segment WHERE path > ? AND path < ?"
        rows = conn.execute(below, (len(prefix) + 1, prefix, f"{prefix[:-1]}0"))
        known = {name for (name,) in rows}
        met += len(known)
        fresh.update(prefix + name for name in names - known)
        vanished.update(prefix + name for name in known - names)
    (rows_in_all,) = conn.execute("SELECT count(*) FROM segment").fetchone()
    if rows_in_all != met:
        # A whole folder went.
        on_disk = set(list_segments(data_dir))
        vanished = {path for (path,) in conn.execute("SELECT path FROM segment") if path not in on_disk}
    states = "SELECT state FROM segment WHERE path = ?"
    return fresh, {path: conn.execute(states, (path,)).fetchone()[0] for path in vanished}


def settle_open(conn: sqlite3.Connection, data_dir: Path) -> ReconcileReport:
    """Close the rows of segments whose writer has died since; the janitor calls it now and then."""
    return _look_at(conn, data_dir, [row.path for row in index.in_state(conn, SegmentState.OPEN)])


def differences(conn: sqlite3.Connection, data_dir: Path) -> list[Difference]:
    """Every disagreement between index and disk, by reading the headers of every file. Changes nothing."""
    rows = {
        row.path: row
        for camera in index.cameras(conn)
        for row in (*index.oldest_first(conn, camera), *_open_rows(conn, camera))
    }
    on_disk = sorted(list_segments(data_dir))
    found = [Difference(DifferenceKind.NO_FILE, path) for path in sorted(rows.keys() - set(on_disk))]
    for path in on_disk:
        found.extend(_compare(data_dir, path, rows.get(path)))
    return found


def recover(data_dir: Path, on_progress: OnProgress | None = None) -> RecoveryReport:
    """Rebuild the store from files and ledger alone. Raises StoreError while a node runs on this ring, DiskError.

    A readable store keeps what only it holds; one that is not is set aside as store.sqlite.damaged.
    """
    lock = Ledger(data_dir, SystemClock(), boot=0)
    try:
        is_kept = _set_aside_if_damaged(data_dir)
        conn = open_store(data_dir)
        try:
            damage: list[LedgerDamage] = []
            with transaction(conn):
                conn.execute("DELETE FROM segment")
                conn.execute("DELETE FROM segment_clock")
                evidence.forget_all(conn)
                records = evidence.catch_up(conn, data_dir)
            for _ in read_ledger(data_dir, on_damage=damage.append):
                continue
            report = reconcile(conn, data_dir, on_progress)
        finally:
            conn.close()
    finally:
        lock.close()
    return RecoveryReport(
        segments=report.added,
        repaired=report.repaired,
        damaged=report.damaged,
        ledger_records=records,
        ledger_damage=tuple(damage),
        is_store_kept=is_kept,
    )


def _look_at(
    conn: sqlite3.Connection, data_dir: Path, paths: Sequence[str], on_progress: OnProgress | None = None
) -> ReconcileReport:
    total = ReconcileReport()
    pending: list[Found] = []
    for batch in survey(data_dir, paths, on_progress):
        pending += batch
        if len(pending) >= _BATCH:
            total = _plus(total, _keep(conn, pending))
            pending = []
    return _plus(total, _keep(conn, pending)) if pending else total


def _keep(conn: sqlite3.Connection, found: Sequence[Found]) -> ReconcileReport:
    """Write down what was found of these files."""
    with transaction(conn):
        index.add(conn, [looked.row for _, looked in found if looked.row is not None])
        index.forget(conn, [path for path, looked in found if looked.finding in _NO_FOOTAGE])
    counts = Counter(looked.finding for _, looked in found)
    return ReconcileReport(
        added=sum(looked.row is not None for _, looked in found),
        repaired=counts[Finding.REPAIRED],
        cut_bytes=sum(looked.cut_bytes for _, looked in found),
        removed_empty=counts[Finding.EMPTY],
        damaged=counts[Finding.DAMAGED] + counts[Finding.UNREADABLE],
        live=counts[Finding.LIVE],
    )


def _compare(data_dir: Path, path: str, row: SegmentRow | None) -> Iterable[Difference]:
    name = SegmentName.parse(path)
    if name is None:
        yield Difference(DifferenceKind.NOT_INDEXED, path, "its name is not a segment's")
        return
    if row is None:
        yield Difference(DifferenceKind.NOT_INDEXED, path)
    if row is not None and row.is_open:
        return
    looked = look(data_dir, name, may_repair=False)
    if looked.finding is Finding.GONE:
        return
    if looked.finding is not Finding.WHOLE:
        yield Difference(DifferenceKind.DAMAGED, path, "not every box is whole")
    elif row is not None and looked.row is not None:
        for fact, indexed, real in (
            ("bytes", row.bytes, looked.row.bytes),
            ("frames", row.frames, looked.row.frames),
        ):
            if indexed != real:
                yield Difference(DifferenceKind.OTHER_CONTENT, path, f"{fact}: index {indexed}, file {real}")


def _open_rows(conn: sqlite3.Connection, camera: str) -> list[SegmentRow]:
    return [row for row in index.in_state(conn, SegmentState.OPEN) if row.camera == camera]


def _set_aside_if_damaged(data_dir: Path) -> bool:
    """Whether a readable store is there. A damaged one is renamed, with its write-ahead log, never deleted."""
    if not (data_dir / STORE_NAME).exists():
        return False
    try:
        conn = open_store(data_dir)
        try:
            is_sound = bool(conn.execute("PRAGMA quick_check").fetchone() == ("ok",))
        finally:
            conn.close()
    except (StoreError, sqlite3.Error):
        is_sound = False
    if not is_sound:
        for suffix in ("", "-wal", "-shm"):
            path = data_dir / f"{STORE_NAME}{suffix}"
            if path.exists():
                path.replace(data_dir / f"{STORE_NAME}.damaged{suffix}")
    return is_sound


def _folders(parent: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(parent) as entries:
            return sorted((e for e in entries if e.is_dir(follow_symlinks=False)), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _plus(one: ReconcileReport, other: ReconcileReport) -> ReconcileReport:
    return ReconcileReport(
        added=one.added + other.added,
        repaired=one.repaired + other.repaired,
        cut_bytes=one.cut_bytes + other.cut_bytes,
        removed_empty=one.removed_empty + other.removed_empty,
        damaged=one.damaged + other.damaged,
        live=one.live + other.live,
        dropped=one.dropped + other.dropped,
    )
