"""The append-only ledger: what the footage's files cannot say, a JSON line a record, on disk before anyone acts on it.

Order is `seq`, never time: files are named by the month of the wall clock, which may be wrong or step back. `crc32` is
over the line's canonical JSON (RFC 8785: keys sorted, no spaces) without that key.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent.clock import Clock
from agent.errors import DiskError, StoreError
from agent.units import NS_PER_S

_MONTH = re.compile(r"\d{4}-\d\d\.jsonl")
# A record is some 300 bytes; the configured one of eight cameras is the longest, below 1 kB.
_TAIL_BYTES = 1 << 16
# A reader that asks whether a node runs holds the lock for microseconds.
_LOCK_PATIENCE_S = 1.0
_VERSION = 1


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """One line. `boot` and both times are of the writing; `data` is the JSON of the type's own struct."""

    seq: int
    type: str
    boot: int
    mono_ns: int
    wall_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class LedgerDamage:
    """A line that is no record: it was skipped. `line` counts from 1."""

    path: Path
    line: int


class _Body(msgspec.Struct, frozen=True):
    """A line without its checksum, keys in canonical order."""

    boot: int
    data: msgspec.Raw
    mono_ns: int
    seq: int
    type: str
    v: int
    wall_ns: int


class _Line(msgspec.Struct, frozen=True):
    """A line, keys in canonical order."""

    boot: int
    crc32: int
    data: msgspec.Raw
    mono_ns: int
    seq: int
    type: str
    v: int
    wall_ns: int


_encoder = msgspec.json.Encoder()
_sorting_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(_Line)


class Ledger:
    """The one writer. Safe from any thread; a second writer on the same ring is refused with StoreError.

    A last line torn by a power cut is cut off at opening. Raises DiskError when the disk refuses; then nothing of the
    refused call stays in the ledger.
    """

    def __init__(self, data_dir: Path, clock: Clock, *, boot: int) -> None:
        self.data_dir = data_dir
        self._folder = data_dir / "ledger"
        self._clock = clock
        self._boot = boot
        self._guard = threading.Lock()
        self._month = ""
        self._file = -1
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(self._folder)
            last = [_cut_torn_end(path) for path in _files(self._folder)]
        except OSError as exc:
            raise _refused(exc) from exc
        self._seq = max((record.seq for record in last if record), default=0)

    @property
    def last_seq(self) -> int:
        return self._seq

    def append(self, kind: str, data: msgspec.Struct) -> LedgerRecord:
        """One record, durable when this returns."""
        return self.append_many([(kind, data)])[0]

    def append_many(self, entries: Sequence[tuple[str, msgspec.Struct]]) -> list[LedgerRecord]:
        """Several records with one write and one fsync, durable when this returns."""
        with self._guard:
            wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
            records = [
                LedgerRecord(seq, kind, self._boot, mono_ns, wall_ns, _sorting_encoder.encode(data))
                for seq, (kind, data) in enumerate(entries, self._seq + 1)
            ]
            try:
                self._write(b"".join(_encode(record) for record in records), wall_ns)
            except OSError as exc:
                raise _refused(exc) from exc
            self._seq += len(records)
            return records

    def close(self) -> None:
        """Let another writer in."""
        with self._guard:
            for descriptor in (self._file, self._lock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._lock = -1

    def _write(self, data: bytes, wall_ns: int) -> None:
        self._turn_to(datetime.fromtimestamp(wall_ns // NS_PER_S, UTC).strftime("%Y-%m"))
        before = os.fstat(self._file).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fdatasync(self._file)
        except OSError:
            # Half a line in the middle of the file would later be reported as damage.
            os.ftruncate(self._file, before)
            raise

    def _turn_to(self, month: str) -> None:
        if month == self._month:
            return
        path = self._folder / f"{month}.jsonl"
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._month = opened, month
        os.fsync(self._lock)  # the folder's descriptor: the new file's name is durable


def read_ledger(
    data_dir: Path, *, after_seq: int = 0, on_damage: Callable[[LedgerDamage], None] | None = None
) -> Iterator[LedgerRecord]:
    """All records after `after_seq` in order of seq. Lines that are none are told to `on_damage` and skipped.

    Needs no lock: a line that is just being written counts as none. Raises DiskError.
    """
    try:
        paths = [path for path in _files(data_dir / "ledger") if _last_seq(path) > after_seq]
        streams = [_records(path, on_damage) for path in paths]
        for record in heapq.merge(*streams, key=lambda record: record.seq):
            if record.seq > after_seq:
                yield record
    except OSError as exc:
        raise _refused(exc) from exc


def highest_boot(data_dir: Path) -> int:
    """Of the newest record of each month; 0 for an empty ledger. Raises DiskError."""
    try:
        newest = [_last_record(path) for path in _files(data_dir / "ledger")]
    except OSError as exc:
        raise _refused(exc) from exc
    return max((record.boot for record in newest if record), default=0)


def is_writer_running(data_dir: Path) -> bool:
    """Whether some process, the node, holds this ring's ledger now."""
    try:
        descriptor = os.open(data_dir / "ledger", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _encode(record: LedgerRecord) -> bytes:
    body = _Body(
        boot=record.boot,
        data=msgspec.Raw(record.data),
        mono_ns=record.mono_ns,
        seq=record.seq,
        type=record.type,
        v=_VERSION,
        wall_ns=record.wall_ns,
    )
    crc32 = zlib.crc32(_encoder.encode(body))
    return (
        _encoder.encode(_Line(body.boot, crc32, body.data, body.mono_ns, body.seq, body.type, body.v, body.wall_ns))
        + b"\n"
    )


def _decode(line: bytes) -> LedgerRecord | None:
    """None for a line that is torn, altered or not ours."""
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # brackets without end
        return None
    body = _Body(found.boot, found.data, found.mono_ns, found.seq, found.type, found.v, found.wall_ns)
    if zlib.crc32(_encoder.encode(body)) != found.crc32:
        return None
    return LedgerRecord(found.seq, found.type, found.boot, found.mono_ns, found.wall_ns, bytes(found.data))


def _records(path: Path, on_damage: Callable[[LedgerDamage], None] | None) -> Iterator[LedgerRecord]:
    last_seq = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            record = _decode(line)
            # A seq that does not rise would break the merge; no writer of ours makes one.
            if record is not None and record.seq > last_seq:
                last_seq = record.seq
                yield record
            elif on_damage is not None:
                on_damage(LedgerDamage(path, number))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _MONTH.fullmatch(path.name))
    except FileNotFoundError:
        return []


def _last_seq(path: Path) -> int:
    record = _last_record(path)
    return record.seq if record else 0


def _last_record(path: Path) -> LedgerRecord | None:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        lines = file.read().split(b"\n")[:-1]
    return next((record for line in reversed(lines) if (record := _decode(line)) is not None), None)


def _cut_torn_end(path: Path) -> LedgerRecord | None:
    """Cut what follows the last whole record, if that is one unfinished or unreadable line; return that record."""
    with path.open("r+b") as file:
        start = max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0)
        file.seek(start)
        if b"\n" not in (tail := file.read())[:-1]:
            # Longer than any line of ours; what were left of it would swallow the next record.
            start, tail = 0, path.read_bytes()
        is_terminated = tail.endswith(b"\n")
        begin = tail.rfind(b"\n", 0, len(tail) - is_terminated) + 1
        if tail and (not is_terminated or _decode(tail[begin:]) is None):
            file.truncate(start + begin)
            os.fsync(file.fileno())
    return _last_record(path)


def _take_lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    patience = threading.Event()
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise StoreError(ledger=str(folder), remedy="a node already runs on this ring; stop it first") from exc
            patience.wait(0.02)


def _refused(exc: OSError) -> DiskError:
    return DiskError(path=str(exc.filename or "ledger"), error=exc.strerror or "")
