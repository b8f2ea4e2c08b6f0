"""A file system that passes everything on to a folder until it is told to fail: `python -m tests.faults.failing_fs`.

    python -m tests.faults.failing_fs FOLDER MOUNT SWITCH

While SWITCH holds the name of an errno (EIO, EROFS), whatever would change something fails with it, and with EIO so
does reading. It stands before the kernel as FUSE: takes root, libfuse 2 and the Python package fusepy.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import fuse

_READS = frozenset({"read", "open"})
_CHANGES = frozenset(
    {"create", "write", "fsync", "truncate", "unlink", "mkdir", "rmdir", "rename", "chmod", "utimens", "flush"}
)


class FailingFolder(fuse.Operations):  # type: ignore[misc]
    """Calls by the name of the operation, as libfuse makes them."""

    def __init__(self, folder: Path, switch: Path) -> None:
        self._folder = folder
        self._switch = switch

    def __call__(self, op: str, path: str, *args: object) -> object:
        wanted = self._switch.read_text().strip() if self._switch.exists() else ""
        if wanted and (op in _CHANGES or (wanted == "EIO" and op in _READS)):
            raise fuse.FuseOSError(getattr(errno, wanted))
        try:
            return getattr(self, op)(path, *args)
        except OSError as exc:
            raise fuse.FuseOSError(exc.errno) from exc

    def _real(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int | float]:
        found = os.lstat(self._real(path))
        names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_blocks")
        return {name: getattr(found, name) for name in names}

    def readdir(self, path: str, _handle: int) -> list[str]:
        return [".", "..", *(each.name for each in self._real(path).iterdir())]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags)

    def create(self, path: str, mode: int, _info: object = None) -> int:
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, _path: str, data: bytes, offset: int, handle: int) -> int:
        return os.pwrite(handle, data, offset)

    def truncate(self, path: str, length: int, _handle: int | None = None) -> None:
        os.truncate(self._real(path), length)

    def flush(self, _path: str, _handle: int) -> None:
        """Nothing is kept here."""

    def fsync(self, _path: str, _only_data: int, handle: int) -> None:
        os.fsync(handle)

    def release(self, _path: str, handle: int) -> None:
        os.close(handle)

    def unlink(self, path: str) -> None:
        self._real(path).unlink()

    def mkdir(self, path: str, mode: int) -> None:
        self._real(path).mkdir(mode)

    def rmdir(self, path: str) -> None:
        self._real(path).rmdir()

    def rename(self, old: str, new: str) -> None:
        self._real(old).rename(self._real(new))

    def chmod(self, path: str, mode: int) -> None:
        self._real(path).chmod(mode)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        os.utime(self._real(path), times)


def main() -> None:
    folder, mount, switch = map(Path, sys.argv[1:4])
    fuse.FUSE(FailingFolder(folder, switch), str(mount), foreground=True, nothreads=False, allow_other=True)


if __name__ == "__main__":
    main()
