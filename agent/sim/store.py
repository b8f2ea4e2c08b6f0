"""An outbox in a file of its own, as the node's store holds it, without the tables of footage.

A whole store of 300 kB for each of 5 000 nodes would measure the disk of the machine that simulates them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from agent import store

# In KiB: a node's few events fit; SQLite's own default is 2 MB a connection.
_CACHE_KIB: Final = 64


def outbox_schema() -> str:
    """The statements that make the outbox's tables, as the store's schema says them."""
    conn = sqlite3.connect(":memory:")
    try:
        conn.executescript(Path(store.__file__).with_name("schema.sql").read_text(encoding="utf-8"))
        rows = conn.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name LIKE 'outbox\\_%' ESCAPE '\\' AND sql NOT NULL"
        )
        return ";\n".join(str(sql) for (sql,) in rows) + ";"
    finally:
        conn.close()


def open_outbox(path: Path, schema: str) -> sqlite3.Connection:
    """Synced at each commit, as a node's is. Raises sqlite3.Error."""
    is_new = not path.exists()
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if is_new:
        conn.executescript(schema)
    return conn
