"""The node's SQLite store: opening it right. Every table is owned by one module, named in schema.sql.

It can be lost: `wayside footage recover` rebuilds from files and ledger what the ring needs (ADR 4).
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import StoreError

STORE_NAME = "store.sqlite"
_RECOVER = "rebuild it with `wayside footage recover`"
# Writers take turns of a few ms; only a stuck disk holds the lock this long.
_BUSY_TIMEOUT_S = 10.0
# Writers of one process hand the turn to each other by these. SQLite alone would let them sleep and try again, up to
# 0.1 s each time, while the other writes again and again: an incident waited 0.33 s behind older events being sent.
_turns: dict[str, threading.Lock] = {}
_schema = Path(__file__).with_name("schema.sql")
# Filled again from the ledger when the node starts (agent.recording.evidence): a new schema drops, it never alters.
REBUILT = (
    "ledger_state",
    "mark",
    "outage",
    "expired",
    "erased",
    "clock_mark",
    "retiming",
    "retimed_label",
    "configured",
    "site",
    "policy",
    "hold",
)


class _Connection(sqlite3.Connection):
    """`turn` is shared by all connections of this process to the same store."""

    turn: threading.Lock


def open_store(data_dir: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection for the calling thread alone. The caller begins transactions itself (`transaction`).

    Every commit is on disk when it returns (WAL, synchronous=FULL). Readonly needs a store that exists. Raises
    StoreError, which says how to rebuild a store that is missing or damaged.
    """
    path = data_dir / STORE_NAME
    if readonly and not path.is_file():
        raise StoreError(path=str(path), remedy=f"there is no store; is this the data folder? If so, {_RECOVER}")
    try:
        conn = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rwc'}",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_TIMEOUT_S,
            factory=_Connection,
        )
        conn.turn = _turns.setdefault(str(path.absolute()), threading.Lock())
    except sqlite3.Error as exc:
        raise StoreError(path=str(path), detail=str(exc), remedy="check the folder and its permissions") from exc
    try:
        _prepare(conn, readonly=readonly)
        is_of_this_version = _version_of(conn) == _version()
    except sqlite3.Error as exc:
        conn.close()
        raise StoreError(path=str(path), detail=str(exc), remedy=_RECOVER) from exc
    if not is_of_this_version:
        # Met by a reader only, who may come in the very moment in which the agent makes its store.
        conn.close()
        raise StoreError(path=str(path), remedy="it has no tables of this version yet; start the agent once")
    return conn


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """One write transaction that takes its lock at once. Raises StoreError when the store does not take it."""
    with _turn(conn):
        try:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield
                conn.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself; doing it again would hide why
                # (sqlite.org/lang_transaction).
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
                raise
        except sqlite3.Error as exc:
            raise StoreError(detail=str(exc)) from exc


@contextmanager
def _turn(conn: sqlite3.Connection) -> Iterator[None]:
    """Raises StoreError when another thread of this process writes for longer than anything but a stuck disk takes."""
    if not isinstance(conn, _Connection):
        yield
        return
    if not conn.turn.acquire(timeout=_BUSY_TIMEOUT_S):
        raise StoreError(detail="the store is locked by another thread")
    try:
        yield
    finally:
        conn.turn.release()


def _prepare(conn: sqlite3.Connection, *, readonly: bool) -> None:
    conn.execute("PRAGMA foreign_keys = ON")
    if readonly:
        conn.execute("PRAGMA query_only = ON")
        return
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    # An unchanged store is opened without taking the write lock.
    if _version_of(conn) != _version():
        schema = _schema.read_text(encoding="utf-8")
        dropped = "".join(f"DROP TABLE IF EXISTS {table};\n" for table in REBUILT)
        conn.executescript(f"BEGIN IMMEDIATE;\n{dropped}{schema}\nPRAGMA user_version = {_version()};\nCOMMIT;")


def _version_of(conn: sqlite3.Connection) -> int:
    version: int = conn.execute("PRAGMA user_version").fetchone()[0]
    return version


def _version() -> int:
    """The schema's own checksum."""
    return zlib.crc32(_schema.read_bytes()) & 0x7FFF_FFFF
