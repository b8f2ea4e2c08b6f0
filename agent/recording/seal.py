"""Makes the evidence chains: hashes each closed segment once, follows erasures, and signs the heads now and then.

It reads the ring at a bounded rate on a thread of its own, so recording never waits for it; what it has not come to is
chained later, in the order of recording. It parses box headers, never a picture.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.clock import Clock
from agent.contract.records import SealData, SealedHead
from agent.errors import SegmentDamaged
from agent.ledger import LedgerRecord, read_ledger
from agent.recording import evidence, index, retiming
from agent.recording.book import CUSTODY, SEALS, Book, Head, camera_book, chained_cameras
from agent.recording.chain import EraseLink, ErasureLink, SealLink, SegmentLink, instant, read_link, signed_bytes
from agent.recording.exporter import read_segment
from agent.recording.folder import disk_error
from agent.recording.index import SegmentRow, SegmentState
from agent.recording.naming import SegmentName
from agent.recording.records import FootageErased, FootageExpired, RecordType, decode_record
from agent.recording.signer import Signer, to_text
from agent.units import NS_PER_S

# Footage: the heads are signed every 5 minutes, so that the centre holds them before anyone asks.
SEAL_S: Final = 300.0
# Eight cameras at 8 Mbit/s write 8 MB/s. Hashing at most four times that leaves a Raspberry Pi 4, whose SHA-256 does
# some 120 MB/s a core without extensions, three quarters of one core at the worst and 7 % as a rule.
_RATE_BYTES_S: Final = 32 << 20
_STEP_BYTES: Final = 1 << 20
_LOOK_S: Final = 5.0
# One sync for so many links; more only come after a long stop.
_BATCH: Final = 32

_log = log.get("seal")


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Of a segment in the order of recording."""

    boot: int
    run: int
    n: int


class Sealer:
    """Owned by the thread that owns `conn`. `tell` publishes a seal; without a `signer` seals are unsigned and say so.

    A chain begins with the boot it is begun in: older footage was never hashed when it was made, and a hash of today
    would pretend that it was.
    """

    def __init__(
        self,
        data_dir: Path,
        conn: sqlite3.Connection,
        clock: Clock,
        *,
        boot: int,
        signer: Signer | None,
        tell: Callable[[SealData], None],
        stop: threading.Event,
    ) -> None:
        self._data_dir = data_dir
        self._conn = conn
        self._clock = clock
        self._boot = boot
        self._signer = signer
        self._tell = tell
        self._stop = stop
        self._seals = Book(data_dir, SEALS)
        self._places: dict[str, _Place] = {}
        self._ledger_seq = self._followed()
        if signer is None:
            _log.warning("this node has no key: its evidence is chained but not signed")

    def run(self) -> None:
        """Until stopped. Raises DiskError, StoreError; begun again it goes on where the chains end."""
        due_ns = self._clock.mono_ns() + int(SEAL_S * NS_PER_S)
        if self._seals.head().n == 0:
            self.seal()
        while not self._stop.is_set():
            chained = self.chain_closed()
            if self._clock.mono_ns() >= due_ns:
                due_ns = self._clock.mono_ns() + int(SEAL_S * NS_PER_S)
                self.seal()
            if not chained:
                self._stop.wait(_LOOK_S)

    def chain_closed(self) -> int:
        """One link for each segment that was closed since, at most a batch a camera; returns how many."""
        return sum(self._chain_camera(camera) for camera in index.cameras(self._conn))

    def seal(self) -> SealData | None:
        """Follow erasures, then sign all heads; None when nothing has changed since the last seal."""
        self._follow_erasures()
        heads = tuple(
            _head(camera, camera_book(self._data_dir, camera).head()) for camera in chained_cameras(self._data_dir)
        )
        custody = _head(CUSTODY, Book(self._data_dir, CUSTODY).head())
        last = self._seals.head()
        before = last.link.seal if isinstance(last.link, SealLink) else None
        if before is not None and (before.heads, before.custody) == (heads, custody):
            return None
        seal = SealData(
            number=last.n + 1,
            at=instant(self._clock.wall_ns()),
            heads=heads,
            custody=custody,
            previous=last.sha256,
            ledger_seq=self._ledger_seq,
            key=self._signer.fingerprint if self._signer else "",
        )
        if self._signer is not None:
            signature = to_text(self._signer.sign(signed_bytes(seal)))
            seal = msgspec.structs.replace(seal, signature=signature)
        self._seals.append([SealLink(seal=seal)])
        self._tell(seal)
        _log.info("evidence sealed", number=seal.number, chains=len(heads), signed=bool(seal.signature))
        return seal

    def _chain_camera(self, camera: str) -> int:
        place = self._places.get(camera) or self._last_place(camera)
        rows = index.settled_after(self._conn, camera, (place.boot, place.run, place.n), limit=_BATCH)
        links: list[SegmentLink] = []
        for row in rows:
            link = self._link(row) if row.state is SegmentState.CLOSED else None
            if self._stop.is_set():
                break
            if link is not None:
                links.append(link)
            place = _Place(row.boot, row.run, row.n)
        if links:
            camera_book(self._data_dir, camera).append(links)
        self._places[camera] = place
        return len(links)

    def _link(self, row: SegmentRow) -> SegmentLink | None:
        """None for a file that is gone, damaged, or whose hashing was interrupted."""
        try:
            segment = read_segment(self._data_dir, row.name)
        except SegmentDamaged as exc:
            _log.error("segment damaged before it was chained", path=row.path, problem=str(exc))
            return None
        if segment is None or segment.scan.span is None:
            return None
        hashed = hash_file(self._data_dir / row.path, self._stop)
        if hashed is None:
            return None
        comment, span = segment.scan.comment, segment.scan.span
        error_s = comment.clock_error_s if comment else None
        return SegmentLink(
            camera=row.camera,
            path=row.path,
            start=instant(span.start_ns),
            end=instant(span.end_ns),
            frames=segment.scan.frames,
            bytes=hashed.size_bytes,
            sha256=hashed.sha256,
            codec=segment.scan.codec,
            clock=comment.clock_quality if comment else "unsynced",
            clock_error_us=-1 if error_s is None else round(error_s * 1e6),
            offset_ns=str(retiming.shift_of(self._conn, row.path)),
            at=instant(self._clock.wall_ns()),
        )

    def _last_place(self, camera: str) -> _Place:
        for line in camera_book(self._data_dir, camera).newest_first():
            link = read_link(line)
            name = SegmentName.parse(link.path) if isinstance(link, SegmentLink) else None
            if name is not None:
                return _Place(name.boot, name.run, name.n)
        return _Place(self._boot, 0, -1)

    def _followed(self) -> int:
        """The ledger's record up to which erasures are chained: all of a crash's work is found again, none twice."""
        last = self._seals.head().link
        if not isinstance(last, SealLink):
            return evidence.applied_seq(self._conn)
        sealed = {head.chain: head.n for head in last.seal.heads}
        seqs = [last.seal.ledger_seq]
        for camera in chained_cameras(self._data_dir):
            links = (read_link(line) for line in camera_book(self._data_dir, camera).lines(sealed.get(camera, 0) + 1))
            seqs += [link.ledger_seq for link in links if isinstance(link, ErasureLink | EraseLink)]
        return max(seqs)

    def _follow_erasures(self) -> None:
        applied = evidence.applied_seq(self._conn)
        if applied <= self._ledger_seq:
            return
        for record in read_ledger(self._data_dir, after_seq=self._ledger_seq):
            if record.type in (RecordType.EXPIRED, RecordType.ERASED):
                link = _erasure(record, self._clock.wall_ns())
                if link is not None:
                    camera_book(self._data_dir, link.camera).append([link])
            self._ledger_seq = record.seq


@dataclass(frozen=True, slots=True)
class HashedFile:
    sha256: str
    size_bytes: int


def hash_file(path: Path, stop: threading.Event | None = None) -> HashedFile | None:
    """SHA-256 of a file; with `stop` at a bounded rate. None when it is gone or `stop` was set. Raises DiskError."""
    found, size_bytes = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            began_s = time.monotonic()
            while data := file.read(_STEP_BYTES):
                found.update(data)
                size_bytes += len(data)
                ahead_s = size_bytes / _RATE_BYTES_S - (time.monotonic() - began_s)
                if stop is not None and (stop.wait(ahead_s) if ahead_s > 0 else stop.is_set()):
                    return None
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise disk_error(exc) from exc
    return HashedFile(found.hexdigest(), size_bytes)


def _head(chain: str, head: Head) -> SealedHead:
    return SealedHead(chain=chain, n=head.n, sha256=head.sha256)


def _erasure(record: LedgerRecord, wall_ns: int) -> ErasureLink | EraseLink | None:
    """What the chain says of a deletion; None for what is no record of one."""
    data = decode_record(record.type, record.data)
    if isinstance(data, FootageErased):
        return EraseLink(
            camera=data.camera,
            start=instant(data.start_wall_ns),
            end=instant(data.end_wall_ns),
            first=data.first,
            last=data.last,
            segments=data.segments,
            bytes=data.bytes,
            stills=data.stills,
            actor=data.actor,
            purpose=data.purpose,
            case_ref=data.case_ref,
            ledger_seq=record.seq,
            erased=instant(record.wall_ns),
            at=instant(wall_ns),
        )
    if not isinstance(data, FootageExpired):
        return None
    return ErasureLink(
        camera=data.camera,
        start=instant(data.start_wall_ns),
        end=instant(data.end_wall_ns),
        segments=data.segments,
        bytes=data.bytes,
        cause=RecordType.EXPIRED.value,
        ledger_seq=record.seq,
        at=instant(wall_ns),
    )
