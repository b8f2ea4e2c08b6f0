"""Which uploads the running centre expects: a small database between its server and the desks on the same machine.

Who may write the file may expect an upload: there is no other door to it.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.centre.incoming import Received
from agent.errors import StoreError

_NAME: Final = "uploads.sqlite"
_FOLDER: Final = "clips"
# 192 bits: nobody finds an address by trying.
_TOKEN_BYTES: Final = 24
_BUSY_S: Final = 5.0
# A desk looks so often whether its clip is there.
_TICK_S: Final = 0.25
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS door (one INTEGER PRIMARY KEY CHECK (one = 1), url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS upload (
    token TEXT PRIMARY KEY, max_bytes INTEGER NOT NULL, announced_wall_ns INTEGER NOT NULL,
    size_bytes INTEGER, sha256 TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """Where the server writes it, and how much it may be."""

    path: Path
    max_bytes: int


class UploadBook:
    """Stateless beyond its folder; safe from any thread and process. Every method raises StoreError."""

    def __init__(self, store: Path) -> None:
        self._path = store / _NAME
        self._folder = store / _FOLDER

    def open(self, url: str) -> None:
        """The server's: it listens at this address from now on."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreError(path=str(self._folder), error=exc.strerror, remedy="check the folder of --store") from exc
        with self._conn() as conn:
            conn.executescript(_SCHEMA)
            conn.execute("INSERT OR REPLACE INTO door VALUES (1, ?)", (url,))

    def url(self) -> str:
        """Where the server listens for uploads."""
        if not self._path.is_file():
            remedy = "start `wayside centre serve` with --receive on this machine, or name the folder of its --store"
            raise StoreError(path=str(self._path), remedy=remedy)
        with self._conn() as conn:
            return str(conn.execute("SELECT url FROM door").fetchone()[0])

    def announce(self, max_bytes: int) -> str:
        """A desk's: expect one file; its token."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._conn() as conn:
            conn.execute("INSERT INTO upload VALUES (?, ?, ?, NULL, NULL)", (token, max_bytes, time.time_ns()))
        return token

    def find(self, token: str) -> Expected | None:
        """What the server shall take under this token; None for one that nobody announced, or that was used."""
        with self._conn() as conn:
            row = conn.execute("SELECT max_bytes FROM upload WHERE token = ? AND sha256 IS NULL", (token,)).fetchone()
        return None if row is None else Expected(self._at(token), int(row[0]))

    def finish(self, token: str, received: Received) -> None:
        """The server's: it is whole."""
        with self._conn() as conn:
            conn.execute(
                "UPDATE upload SET size_bytes = ?, sha256 = ? WHERE token = ?",
                (received.size_bytes, received.sha256, token),
            )

    def wait(self, token: str, timeout_s: float) -> Received | None:
        """A desk's: the whole file where the server wrote it; None when it is not there in time."""
        until_s = time.monotonic() + timeout_s
        pause = threading.Event()
        while True:
            with self._conn() as conn:
                row = conn.execute("SELECT size_bytes, sha256 FROM upload WHERE token = ?", (token,)).fetchone()
            if row is not None and row[1] is not None:
                return Received(self._at(token), int(row[0]), str(row[1]))
            if time.monotonic() >= until_s:
                return None
            pause.wait(_TICK_S)

    def forget(self, token: str) -> None:
        """A desk's: nobody waits for it any more, or it was fetched."""
        with self._conn() as conn:
            conn.execute("DELETE FROM upload WHERE token = ?", (token,))
        self._at(token).unlink(missing_ok=True)

    def _at(self, token: str) -> Path:
        return self._folder / f"{token}.mp4"

    @contextmanager
    def _conn(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as conn, conn:
                yield conn
        except sqlite3.Error as exc:
            raise StoreError(
                path=str(self._path), error=str(exc), remedy="check the disk and the folder's rights"
            ) from exc
