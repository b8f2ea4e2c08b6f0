"""A chain on disk: append-only lines in `evidence/{name}/`, on disk before anyone acts on them (ADR 23).

Files are called by the number of their first link and hold at most 4 096, so that the newest are found without a
clock. Whoever appends holds a lock on the folder: the node and a person's command may write the same chain.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from agent.recording.chain import ORIGIN, AnyLink, canonical, digest, follow, read_link
from agent.recording.folder import disk_error

EVIDENCE: Final = "evidence"
SEALS: Final = "seals"
CUSTODY: Final = "custody"
_LINES_A_FILE: Final = 4096
_TAIL_BYTES: Final = 1 << 17

L = TypeVar("L", bound=AnyLink)


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of a chain; n is 0 and the hash ORIGIN for an empty one."""

    n: int
    sha256: str
    line: bytes | None = None

    @property
    def link(self) -> AnyLink | None:
        return read_link(self.line) if self.line is not None else None


EMPTY: Final = Head(0, ORIGIN)


class Book:
    """One chain. Holds nothing open; every call sees what others have appended. Raises DiskError."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir = data_dir
        self.folder = data_dir / EVIDENCE / name

    def append(self, drafts: Sequence[L]) -> list[L]:
        """Add links in this order with one sync; their `n` and `prev` are set here. A torn last line is cut off.

        Nothing of a refused call stays, so that the chain goes on from its old head.
        """
        try:
            self._make_folder()
            with _locked(self.folder) as lock:
                return self._append(drafts, lock)
        except OSError as exc:
            raise disk_error(exc) from exc

    def head(self) -> Head:
        """A line that is just being written counts as none."""
        try:
            for path in reversed(self._files()):
                with path.open("rb") as file:
                    file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
                    lines = file.read().split(b"\n")[:-1]
                for line in reversed(lines):
                    link = read_link(line)
                    if link is not None:
                        return Head(link.n, digest(line), line)
        except OSError as exc:
            raise disk_error(exc) from exc
        return EMPTY

    def lines(self, from_n: int = 1) -> Iterator[bytes]:
        """The lines from this number on, as they stand, without their line ends."""
        files = self._files()
        firsts = [int(path.stem) for path in files]
        begin = max((index for index, first in enumerate(firsts) if first <= from_n), default=0)
        try:
            for path, first in zip(files[begin:], firsts[begin:], strict=True):
                yield from _lines_of(path, max(from_n - first, 0))
        except OSError as exc:
            raise disk_error(exc) from exc

    def newest_first(self) -> Iterator[bytes]:
        """All lines from the head backwards, a file at a time."""
        try:
            for path in reversed(self._files()):
                yield from reversed(list(_lines_of(path, 0)))
        except OSError as exc:
            raise disk_error(exc) from exc

    def _append(self, drafts: Sequence[L], lock: int) -> list[L]:
        head = self.head()
        before, links, lines = head.line, [], []
        for n, draft in enumerate(drafts, head.n + 1):
            link = follow(draft, before, n)
            before = canonical(link)
            links.append(link)
            lines.append(before + b"\n")
        path = self._file_for(head)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if is_new:
                _take_owner(path, self.folder)
            end = _cut_torn_end(descriptor)
            _write(descriptor, b"".join(lines), end)
        finally:
            os.close(descriptor)
        if is_new:
            os.fsync(lock)
        return links

    def _make_folder(self) -> None:
        below = self.folder.relative_to(self._data_dir)
        at = self._data_dir
        for part in below.parts:
            at, above = at / part, at
            if not at.is_dir():
                at.mkdir(exist_ok=True)
                _take_owner(at, above)

    def _file_for(self, head: Head) -> Path:
        files = self._files()
        if files and head.n - int(files[-1].stem) + 1 < _LINES_A_FILE:
            return files[-1]
        return self.folder / f"{head.n + 1:010d}.jsonl"

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == ".jsonl" and path.stem.isdigit())
        except FileNotFoundError:
            return []


def camera_book(data_dir: Path, camera: str) -> Book:
    return Book(data_dir, f"camera/{camera}")


def chained_cameras(data_dir: Path) -> list[str]:
    """Every camera that has a chain, by name, also those whose footage is gone."""
    try:
        return sorted(path.name for path in (data_dir / EVIDENCE / "camera").iterdir())
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise disk_error(exc) from exc


def _take_owner(path: Path, above: Path) -> None:
    """What an administrator's command makes here belongs to the node, which has to go on with it."""
    owner = above.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _lines_of(path: Path, skip: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                return
            if number >= skip:
                yield line[:-1]


def _cut_torn_end(descriptor: int) -> int:
    """The file's size once what follows its last line end is cut off."""
    size = os.fstat(descriptor).st_size
    start = max(size - _TAIL_BYTES, 0)
    tail = os.pread(descriptor, size - start, start)
    end = start + tail.rfind(b"\n") + 1
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _write(descriptor: int, data: bytes, end: int) -> None:
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fdatasync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
