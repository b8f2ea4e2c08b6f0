"""Footage that somebody reads now: retention spares it until they are done, for a bounded time.

A pin is a file in `pins/` that its reader holds an flock(2) on, so it ends with its process however that ends, and any
process may read: the node's exports, and a person's command. Its mtime is the time since boot at which the reader last
got on, set by hand, because the wall clock may step. A reader that got nowhere for `STALLED_S` is heeded no more.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec

from agent import log
from agent.contract.wire import Identifier
from agent.identity import new_uuid7
from agent.recording.folder import disk_error
from agent.units import NS_PER_S, WallSpan

FOLDER: Final = "pins"
_SUFFIX: Final = ".pin"
# A 25 h clip of 8 Mbit/s is 90 GB: an hour's copy on a slow card, so what counts is not its age but whether it gets on.
STALLED_S: Final = 300
# And whoever trickles: the longest clip over the slowest card that is worth recording to (10 MB/s: 2.5 h).
LONGEST_S: Final = 4 * 3600
_RENEW_NS: Final = 5 * NS_PER_S
_MAX_BYTES: Final = 4096
_Wall = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]

_log = log.get("pins")


class _Words(msgspec.Struct, frozen=True):
    camera: Identifier
    start_wall_ns: _Wall
    end_wall_ns: _Wall
    since_boot_ns: _Wall


_words = msgspec.json.Decoder(_Words)


class Pin:
    """Held by one reader; `renew` from its progress, as often as it likes. Without a file it does nothing."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._renewed_ns = _boot_ns()

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def renew(self) -> None:
        now_ns = _boot_ns()
        if self._descriptor is not None and now_ns - self._renewed_ns >= _RENEW_NS:
            os.utime(self._descriptor, ns=(now_ns, now_ns))
            self._renewed_ns = now_ns

    def following(self, on_progress: Callable[[int, int], None] | None = None) -> Callable[[int, int], None]:
        """A listener to progress that renews, and tells the one given (done, total)."""

        def told(done: int, total: int) -> None:
            self.renew()
            if on_progress is not None:
                on_progress(done, total)

        return told


@contextmanager
def pinned(data_dir: Path, camera: str, span: WallSpan) -> Iterator[Pin]:
    """While this lasts, what of `camera` touches `span` stays.

    Where no pin can be made (a disk that was carried in, another's folder, no room) one reads without: what goes in the
    meantime is told as expired, as it always was.
    """
    path = data_dir / FOLDER / f"{new_uuid7()}{_SUFFIX}"
    now_ns = _boot_ns()
    words = _Words(camera, max(span.start_ns, 0), max(span.end_ns, 0), now_ns)
    try:
        descriptor = _make(path, msgspec.json.encode(words), now_ns)
    except OSError as exc:
        _log.warning("footage is read without a pin", camera=camera, problem=exc.strerror)
        yield Pin(None)
        return
    try:
        yield Pin(descriptor)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def pinned_spans(data_dir: Path, boot_ns: int | None = None) -> Mapping[str, Sequence[WallSpan]]:
    """What is read now, by camera; pins that nobody holds any more are taken away. Raises DiskError.

    `boot_ns` is the time since boot, which tests move.
    """
    now_ns = _boot_ns() if boot_ns is None else boot_ns
    spans: dict[str, list[WallSpan]] = {}
    try:
        for path in (data_dir / FOLDER).iterdir():
            words = _read(path, now_ns) if path.suffix == _SUFFIX else None
            if words is not None:
                spans.setdefault(words.camera, []).append(WallSpan(words.start_wall_ns, words.end_wall_ns))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise disk_error(exc) from exc
    return spans


def _make(path: Path, words: bytes, now_ns: int) -> int:
    """Locked before it has its name, so that nobody takes it for a dead one."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o770, exist_ok=True)
        _give_to_owner(path.parent, path.parent.parent)
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, words)
        os.utime(descriptor, ns=(now_ns, now_ns))
        _give_to_owner(part, path.parent)
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def _read(path: Path, now_ns: int) -> _Words | None:
    """What a living pin says; None for one that is over."""
    try:
        with path.open("rb") as file:
            if _is_free(file.fileno()):
                path.unlink(missing_ok=True)
                return None
            words = _words.decode(file.read(_MAX_BYTES))
            renewed_ns = os.fstat(file.fileno()).st_mtime_ns
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_stalled = now_ns - renewed_ns > STALLED_S * NS_PER_S
    is_endless = now_ns - words.since_boot_ns > LONGEST_S * NS_PER_S
    if is_stalled or is_endless:
        _log.warning("a reader of footage does not get on", camera=words.camera, pin=path.stem)
        return None
    return words


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _give_to_owner(path: Path, above: Path) -> None:
    owner = above.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _boot_ns() -> int:
    """Time since boot, suspensions included: the same for all processes of the machine."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
