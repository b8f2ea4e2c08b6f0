"""The ring's folder on disk: durable small writes, and an OSError in words that name the gap it causes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from agent.errors import DiskError

# Of YYYY-MM-DD, a camera's day folder.
DATE_LENGTH = 10
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a file created, renamed or removed is so after a power cut only then."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """Replace a small file as a whole: after a power cut it holds the old bytes or the new ones."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def disk_usage(data_dir: Path) -> tuple[int, int]:
    """(free, whole) bytes of the ring's disk for an unprivileged process (statvfs(3)). Raises DiskError."""
    try:
        found = os.statvfs(data_dir)
    except OSError as exc:
        raise disk_error(exc) from exc
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def disk_error(exc: OSError) -> DiskError:
    """The refusal of a disk with the reason of the gap it leaves."""
    is_full = exc.errno in _FULL
    return DiskError(
        reason="disk_full" if is_full else "disk_error",
        path=str(exc.filename or ""),
        error=exc.strerror or "",
        remedy="free some space" if is_full else "",
    )
