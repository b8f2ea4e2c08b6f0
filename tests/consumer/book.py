"""The events of a stranger's centre, on disk: each once, and how far each lane is whole."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

# root, epoch, lane
Place = tuple[str, str, str]


class Book:
    def __init__(self, path: Path) -> None:
        self._conn = sqlite3.connect(path, isolation_level=None)
        self._conn.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE IF NOT EXISTS event ("
            " id TEXT PRIMARY KEY, root TEXT, epoch TEXT, lane TEXT, sequence INTEGER, type TEXT, json TEXT);"
            "CREATE UNIQUE INDEX IF NOT EXISTS place ON event (root, epoch, lane, sequence);"
        )

    def store(self, id: str, place: Place, sequence: int, event: dict[str, object]) -> None:
        """Committed when it returns; an event that is there already changes nothing."""
        row = (id, *place, sequence, event["type"], json.dumps(event))
        self._conn.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", row)

    def whole(self, place: Place) -> int:
        """The last sequence up to which nothing is missing."""
        row = self._conn.execute(
            "SELECT count(*) FROM (SELECT sequence, row_number() OVER (ORDER BY sequence) AS n FROM event"
            " WHERE root = ? AND epoch = ? AND lane = ?) WHERE sequence = n",
            place,
        ).fetchone()
        return int(row[0])

    def lanes(self) -> dict[str, dict[str, int]]:
        """Of each "root epoch lane": how far it is whole, its highest number, and how many are there."""
        rows = self._conn.execute(
            "SELECT root, epoch, lane, max(sequence), count(*) FROM event"
            " GROUP BY root, epoch, lane ORDER BY min(rowid)"
        ).fetchall()
        return {
            f"{root} {epoch} {lane}": {"whole": self.whole((root, epoch, lane)), "highest": highest, "count": count}
            for root, epoch, lane, highest, count in rows
        }
