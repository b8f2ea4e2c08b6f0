"""Whether the store in which this node remembers commands is the one it used before.

A store that was lost, or put back from a copy, has forgotten counters and `jti`s: what somebody recorded minutes ago
could be played again. The store's name stands in it and in a file that does not lie beside it; where they differ, only
commands that were signed after the loss are obeyed, by a synchronised clock (ADR 42).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from agent import log
from agent.errors import DiskError
from agent.identity import new_uuid7
from agent.recording.folder import disk_error, write_synced
from agent.store import transaction
from agent.units import NS_PER_S

MARK_NAME: Final = "command-store"
_MOST_BYTES: Final = 64

_log = log.get("commands")


def check_store(conn: sqlite3.Connection, mark: Path) -> bool:
    """Compare, and name the store anew where it was lost; whether it was. Once at each start, before any command is
    judged. A file that is missing is written again: then the store remembers. Raises StoreError, DiskError."""
    row = conn.execute("SELECT id FROM command_store").fetchone()
    marked = _read(mark)
    if row is not None and marked in ("", row[0]):
        if not marked:
            _write(mark, row[0])
        return False
    name, is_lost = new_uuid7(), marked != ""
    with transaction(conn):
        conn.execute(
            "INSERT INTO command_store (only_row, id, is_lost, reborn_wall_ns) VALUES (1, ?1, ?2, 0)"
            " ON CONFLICT (only_row) DO UPDATE SET id = ?1, is_lost = ?2, reborn_wall_ns = 0",
            (name, int(is_lost)),
        )
    # Last: a power cut before it looks like another loss, which is the safe mistake.
    _write(mark, name)
    if is_lost:
        _log.warning("store of commands is another one; commands signed before now are not obeyed")
    return is_lost


def fresh_after_s(conn: sqlite3.Connection, wall_ns: int, *, is_clock_synced: bool) -> int | None:
    """Commands must have been signed after this (Unix seconds); None where nothing was lost. The moment is that of the
    first look under a synchronised clock: before it nothing of weight is obeyed anyhow. Raises StoreError."""
    row = conn.execute("SELECT is_lost, reborn_wall_ns FROM command_store").fetchone()
    if row is None or not row[0] or not (row[1] or is_clock_synced):
        return None
    if not row[1]:
        with transaction(conn):
            conn.execute("UPDATE command_store SET reborn_wall_ns = ?", (wall_ns,))
        return wall_ns // NS_PER_S
    return int(row[1]) // NS_PER_S


def _read(mark: Path) -> str:
    """Empty where there is none; what cannot be a name is another's."""
    try:
        return mark.read_bytes()[:_MOST_BYTES].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise DiskError(reason="disk_error", path=str(mark), remedy="the mark of the store cannot be read") from exc


def _write(mark: Path, name: str) -> None:
    try:
        write_synced(mark, name.encode("ascii") + b"\n")
    except OSError as exc:
        raise disk_error(exc) from exc
