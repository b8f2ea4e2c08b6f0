"""The register: one SQLite file that several processes open at once, each decision one write transaction."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from agent.errors import RegisterError, StoreError
from agent.store import transaction

REGISTER_NAME: Final = "office.sqlite"
# A batch of 378 orders with certificates holds the lock for a second or two; the others wait for it.
_BUSY_TIMEOUT_S: Final = 30.0
_schema = Path(__file__).with_name("schema.sql")


def create_register(folder: Path) -> None:
    """Make the file and its tables; one that is there keeps what it holds. Raises StoreError."""
    with _connected(folder, "rwc") as conn:
        # Kept in the file: later connections need not ask for it.
        conn.execute("PRAGMA journal_mode = WAL")
        _bring_up_to_date(conn)


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection for the calling thread and this block; the block sees one state of the register.

    Raises RegisterError where there is no office, StoreError where the file cannot be used.
    """
    with _opened(folder) as conn:
        conn.execute("BEGIN")
        yield conn
        conn.execute("ROLLBACK")


@contextmanager
def deciding(folder: Path) -> Iterator[sqlite3.Connection]:
    """The same with the write lock taken at once: nobody else decides until the block has ended, and it is on disk
    when it has. Raises as `reading` does."""
    with _opened(folder) as conn, transaction(conn):
        yield conn


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    if not (folder / REGISTER_NAME).is_file():
        raise RegisterError(
            folder=str(folder), reason="no_office", remedy="there is no office here; `wayside-provision office init`"
        )
    with _connected(folder, "rw") as conn:
        _bring_up_to_date(conn)
        yield conn


@contextmanager
def _connected(folder: Path, mode: str) -> Iterator[sqlite3.Connection]:
    path = folder / REGISTER_NAME
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)) as conn:
            conn.row_factory = sqlite3.Row
            conn.execute("PRAGMA foreign_keys = ON")
            conn.execute("PRAGMA synchronous = FULL")
            yield conn
    except sqlite3.Error as exc:
        remedy = "check the folder, its permissions and the disk; a copy of the folder restores it"
        raise StoreError(path=str(path), detail=str(exc), remedy=remedy) from exc


def _bring_up_to_date(conn: sqlite3.Connection) -> None:
    schema = _schema.read_text(encoding="utf-8")
    # The schema's own checksum is its version: an unchanged register is opened without taking the write lock.
    version = zlib.crc32(schema.encode()) & 0x7FFF_FFFF
    if conn.execute("PRAGMA user_version").fetchone()[0] != version:
        conn.executescript(f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version = {version};\nCOMMIT;")
