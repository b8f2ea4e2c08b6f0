"""How far an export has got, in the journal: the next process goes on there instead of beginning again.

A clip that was cut once is sent as it was cut: were it cut anew after a restart, retention or a camera's late footage
would give it other bytes under the same request.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.commands import journal
from agent.contract.requests import ClipExportResult
from agent.store import transaction

# In data_dir, so that media is copied within one file system.
EXPORTS: Final = "exports"

_log = log.get("clip")


class ClipJob(msgspec.Struct, frozen=True):
    """What was cut and what of it has arrived.

    `result` is what the final answer will say; its files lie in `exports/{jti}`, synced. `places`: where each file's
    upload stands at the receiver, "" before it has one. The first `sent` files are whole at the receiver.
    """

    result: ClipExportResult
    places: tuple[str, ...]
    sent: int = 0


def exports_of(data_dir: Path, jti: str) -> Path:
    """The folder of one export. A `jti` is a UUID by its schema, so it is no path."""
    return data_dir / EXPORTS / jti


def save(conn: sqlite3.Connection, jti: str, job: ClipJob, *, is_step: bool = False) -> None:
    """On disk when it returns. A step forward (cut, or a file sent) says that earlier attempts were no failure."""
    with transaction(conn):
        journal.save_job(conn, jti, msgspec.json.encode(job))
        if is_step:
            journal.begin_anew(conn, jti)


def saved(conn: sqlite3.Connection, jti: str) -> ClipJob | None:
    data = journal.saved_job(conn, jti)
    return None if data is None else msgspec.json.decode(data, type=ClipJob)


def are_files_there(job: ClipJob, folder: Path) -> bool:
    """Whether all that is still to be sent lies there as it was cut."""
    try:
        return all((folder / file.name).stat().st_size == file.bytes for file in job.result.files[job.sent :])
    except FileNotFoundError:
        return False


def clear_exports(data_dir: Path, conn: sqlite3.Connection) -> None:
    """Remove what ended processes left of exports that nobody waits for any more; call it before any is begun."""
    # The folders first: one that is made from now on belongs to a command that the journal knows by then.
    try:
        there = list((data_dir / EXPORTS).iterdir())
    except FileNotFoundError:
        return
    wanted = {command.jti for command in journal.unfinished(conn)}
    left = [path for path in there if path.name not in wanted]
    for path in left:
        remove(path)


def remove(folder: Path) -> None:
    """Only room on the disk is lost if it fails: the next start tries again."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as exc:
        _log.error("export not removed", folder=folder.name, problem=str(exc))
