"""Small files that are there whole or not at all, with the right owner and mode."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int, is_plain: bool = False) -> None:
    """After a power cut the file holds the old bytes or the new ones.

    Written by root, it belongs to the owner of its folder, so that a service can read what its installer made.
    `is_plain`: leave mode and owner alone, as on a FAT partition that knows neither. Raises OSError.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            if not is_plain:
                os.fchmod(file.fileno(), mode)
                take_owner(part, path.parent)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def take_owner(path: Path, folder: Path) -> None:
    """Give `path` the owner and group of `folder`, where that is ours to give."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
