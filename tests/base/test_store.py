"""Opening the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import StoreError
from agent.store import STORE_NAME, open_store


def test_a_reader_that_comes_while_the_store_is_being_made_is_told_so(tmp_path: Path) -> None:
    # What SQLite leaves between the creation of the file and the agent's first commit.
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(StoreError, match="start the agent"):
        open_store(tmp_path, readonly=True)


def test_a_reader_finds_what_the_agent_has_made_and_can_write_nothing(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with closing(open_store(tmp_path, readonly=True)) as conn, pytest.raises(sqlite3.OperationalError):
        conn.execute("DELETE FROM segment")


def test_no_store_is_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        open_store(tmp_path, readonly=True)
    assert not (tmp_path / STORE_NAME).exists()
