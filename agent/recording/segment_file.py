"""Opening a segment by its name, and nothing else: no link leads out of the camera's folder, no device is waited for.

A camera process owns its folder. If it were turned against the node it could put a link where a segment should be, and
have the node read, cut or delete what only the node may.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from agent.recording.naming import SegmentName

# What an open says of a link, a folder or a socket that bears a segment's name.
_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ENODEV})


def open_segment(data_dir: Path, name: SegmentName, *, is_writable: bool = False) -> int:
    """A descriptor of the file itself. Raises FileNotFoundError, also for what is no plain file, and other OSErrors."""
    folder, _, file = name.text().rpartition("/")
    # O_NONBLOCK: a FIFO of that name would be waited for. It changes nothing for a file.
    flags = (os.O_RDWR if is_writable else os.O_RDONLY) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        day = os.open(data_dir / folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            descriptor = os.open(file, flags, dir_fd=day)
        finally:
            os.close(day)
    except OSError as exc:
        if exc.errno in _NO_FILE:
            raise FileNotFoundError(errno.ENOENT, "no plain file", name.text()) from exc
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "no plain file", name.text())
    return descriptor
