"""One camera's packets to segments on disk. Footage first: nothing here waits for anything but the disk.

Capture gives packets on its thread, the recorder's own thread writes them. At the mailbox's cap packets are dropped to
the next IDR, counted, and the hole gets its reason.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import av

from agent import log
from agent.clock import Clock
from agent.errors import DiskError, RingMissing, SegmentDamaged
from agent.mailbox import Mailbox
from agent.media.capture import CapturedPacket, Session
from agent.media.muxer import SegmentSettings, SegmentWriter
from agent.notices import SegmentClosed, SegmentOpened
from agent.recording.boot import BootNumber, next_run, require_ring
from agent.recording.folder import disk_error
from agent.recording.outages import OutageBook
from agent.recording.segment import SegmentComment, SegmentName, scan
from agent.units import NS_PER_MS, NS_PER_S

# Architecture, settings: 20 s of 50 fps, or 64 MiB.
_MAX_PACKETS: Final = 1_000
_MAX_BYTES: Final = 64 * 1024 * 1024
# The recorder wakes ten times a second, not with every packet: a wake-up costs as much as muxing one.
_LINGER_S: Final = 0.1
_IDLE_S: Final = 0.4
# After the disk refused, a new segment is tried this often.
_DISK_RETRY_NS: Final = NS_PER_S
_SAMPLES: Final = 512

_log = log.get("recorder")


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """What one camera's recorder needs to know. Bytes and seconds as named."""

    camera: str
    data_dir: Path
    ring_id: str
    boot: BootNumber
    segment_s: float
    durability_s: float


class Listener(Protocol):
    """Who hears of segments; called on the recorder's thread and must not block."""

    def opened(self, notice: SegmentOpened) -> None: ...

    def closed(self, notice: SegmentClosed) -> None: ...


@dataclass(frozen=True, slots=True)
class RecorderCounts:
    """Since the process started. `lost` frames arrived and were not recorded."""

    recorded: int
    lost: int
    bytes: int
    write_p99_ms: float
    last_frame_mono_ns: int


@dataclass(frozen=True, slots=True)
class _Begin:
    session: Session
    run: int


class _End:
    """The session ended."""


class _Skipped:
    """Packets were dropped here, because the disk was too slow."""


_Item = _Begin | CapturedPacket | _End | _Skipped


class Recorder:
    """A capture sink on one side, a Stage body (`run_once`) on the other."""

    def __init__(self, settings: RecorderSettings, listener: Listener, outages: OutageBook, clock: Clock) -> None:
        self._settings = settings
        self._listener = listener
        self._outages = outages
        self._clock = clock
        self._mailbox: Mailbox[_Item] = Mailbox(_MAX_PACKETS, _MAX_BYTES)
        self._next_run = 0
        self._is_skipping = False
        self._segment: _Segment | None = None
        self._session: _Begin | None = None
        self._n = 0
        self._retry_mono_ns = 0
        self._recorded = self._lost = self._bytes = 0
        self._write_ms: list[float] = []
        self._last_frame_mono_ns = 0

    # --- capture's thread

    def begin(self, session: Session) -> None:
        if self._next_run == 0:
            self._next_run = next_run(self._settings.data_dir, self._settings.camera, self._settings.boot.boot)
        session.hold()
        self._put_anyway(_Begin(session, self._next_run))
        self._next_run += 1
        self._is_skipping = False

    @property
    def run(self) -> int:
        """The number of the newest run."""
        return self._next_run - 1

    def take(self, captured: CapturedPacket) -> None:
        if self._is_skipping and captured.is_idr:
            self._is_skipping = not self._mailbox.put(_Skipped())
        if self._is_skipping or not self._mailbox.put(captured, captured.packet.size):
            self._is_skipping = True
            self._lost += 1

    def end(self) -> None:
        self._put_anyway(_End())

    def _put_anyway(self, item: _Begin | _End) -> None:
        """Run borders must arrive: when the box is full of packets of a disk that stands still, wait for room."""
        while not self._mailbox.put(item) and not self._mailbox.is_closed:
            threading.Event().wait(_LINGER_S)

    # --- the recorder's thread

    def run_once(self, stop: threading.Event) -> None:
        """Write what came, then pause so that packets gather. Raises nothing for the disk's sake: it has its gap."""
        for item in self._mailbox.take_all(_IDLE_S):
            self._handle(item)
        stop.wait(_LINGER_S)

    def finish(self) -> None:
        """Take what is left and close the segment; call after the last `end`, with the thread stopped."""
        self._mailbox.close()
        for item in self._mailbox.take_all(0):
            self._handle(item)
        self._end_run()

    @property
    def counts(self) -> RecorderCounts:
        samples = sorted(self._write_ms)
        p99_ms = samples[int(len(samples) * 0.99)] if samples else 0.0
        return RecorderCounts(self._recorded, self._lost, self._bytes, p99_ms, self._last_frame_mono_ns)

    def _handle(self, item: _Item) -> None:
        if isinstance(item, CapturedPacket):
            self._record(item)
        elif isinstance(item, _Begin):
            self._end_run()
            self._session, self._n = item, 0
        elif isinstance(item, _Skipped):
            self._close_segment()
            # A number left out says that the next segment does not continue this one (agent.recording.gaps, cut).
            self._n += 1
            self._outages.begin("disk_slow", "the disk did not keep up")
        else:
            self._end_run()

    def _record(self, captured: CapturedPacket) -> None:
        if captured.is_idr and self._is_due(captured):
            self._close_segment()
        if self._segment is None and not (captured.is_idr and self._open_segment(captured)):
            self._lost += self._n > 0 or self._outages.is_open_for_disk
            return
        segment = self._segment
        assert segment is not None
        try:
            if segment.write(captured):
                self._note_write(segment.writer.write_s)
        except OSError as exc:
            self._lost += 1
            self._abandon(exc)
            return
        except av.FFmpegError as exc:
            # A packet that the muxer refuses costs itself, not the segment.
            self._lost += 1
            _log.warning("packet refused", camera=self._settings.camera, problem=str(exc))
            return
        self._recorded += 1
        self._bytes += captured.packet.size
        self._last_frame_mono_ns = self._clock.mono_ns()

    def _is_due(self, captured: CapturedPacket) -> bool:
        segment = self._segment
        if segment is None:
            return False
        return captured.media_ns - segment.start_media_ns >= self._settings.segment_s * NS_PER_S

    def _open_segment(self, captured: CapturedPacket) -> bool:
        """Whether a segment is open now, beginning with this packet."""
        begun = self._session
        if begun is None or self._clock.mono_ns() < self._retry_mono_ns:
            return False
        try:
            require_ring(self._settings.data_dir, self._settings.ring_id)
            self._segment = _Segment(self._settings, begun, self._n, captured, self._clock)
        except OSError as exc:
            self._fail_disk(disk_error(exc))
            return False
        except (DiskError, RingMissing) as exc:
            self._fail_disk(exc)
            return False
        self._n += 1
        self._outages.end(self._segment.start_wall_ns)
        self._listener.opened(self._segment.opened())
        return True

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            closed = segment.close()
        except OSError as exc:
            self._segment = segment
            self._abandon(exc)
            return
        self._outages.recorded_until(closed.end_wall_ns)
        self._listener.closed(closed)

    def _abandon(self, exc: OSError) -> None:
        """The disk failed under an open segment: keep its whole fragments, and begin the gap at their end."""
        segment, self._segment = self._segment, None
        assert segment is not None
        closed = segment.abandon()
        if closed is not None:
            self._outages.recorded_until(closed.end_wall_ns)
            self._listener.closed(closed)
        self._n += 1
        self._fail_disk(disk_error(exc))

    def _fail_disk(self, failure: DiskError | RingMissing) -> None:
        if not self._outages.is_open_for_disk:
            _log.error("disk refuses footage", camera=self._settings.camera, problem=str(failure), reason=failure.reason)
        self._outages.begin(failure.reason, str(failure))
        self._retry_mono_ns = self._clock.mono_ns() + _DISK_RETRY_NS

    def _end_run(self) -> None:
        self._close_segment()
        begun, self._session = self._session, None
        if begun is not None:
            begun.session.release()

    def _note_write(self, write_s: float) -> None:
        self._write_ms.append(write_s * 1000)
        if len(self._write_ms) > _SAMPLES:
            del self._write_ms[: -_SAMPLES // 2]


class _Segment:
    """The open segment and what its notices say."""

    def __init__(
        self, settings: RecorderSettings, begun: _Begin, n: int, first: CapturedPacket, clock: Clock
    ) -> None:
        session = begun.session
        self.start_media_ns = first.media_ns
        self._anchor_wall_ns = session.anchor.wall_ns
        self.start_wall_ns = self._anchor_wall_ns + first.media_ns
        self._end_media_ns = first.media_ns
        tick = session.format.time_base
        self._frame_ns = int(session.format.frame_duration * tick * NS_PER_S)
        self._name = SegmentName(settings.camera, settings.boot.boot, begun.run, n, self.start_wall_ns // NS_PER_MS)
        status = clock.status()
        comment = SegmentComment(
            camera=settings.camera,
            boot=settings.boot.boot,
            boot_id=settings.boot.boot_id,
            run=begun.run,
            n=n,
            start_wall_ns=self.start_wall_ns,
            start_mono_ns=session.anchor.mono_ns + first.media_ns,
            clock_quality=status.quality.value,
            clock_error_s=status.error_s,
        )
        self.writer = SegmentWriter(
            SegmentSettings(
                path=settings.data_dir / self._name.path(),
                codec=session.format.codec,
                epoch_ticks=round(self._anchor_wall_ns / (tick * NS_PER_S)),
                durability_s=settings.durability_s,
                comment=comment.encode(),
            ),
            session.template,
        )

    def write(self, captured: CapturedPacket) -> bool:
        duration = captured.packet.duration or 0
        completed = self.writer.write(captured.packet)
        length_ns = int(duration * (captured.packet.time_base or 0) * NS_PER_S) or self._frame_ns
        self._end_media_ns = max(self._end_media_ns, captured.media_ns + length_ns)
        return completed

    def opened(self) -> SegmentOpened:
        name = self._name
        return SegmentOpened(name.camera, str(name.path()), name.boot, name.run, name.n, self.start_wall_ns)

    def close(self) -> SegmentClosed:
        self.writer.close()
        return self._closed(self._anchor_wall_ns + self._end_media_ns, self.writer.frames, self.writer.size_bytes)

    def abandon(self) -> SegmentClosed | None:
        """What is whole of it; None when nothing is."""
        try:
            found = scan(self.writer.read_at, self.writer.size_bytes)
            kept_bytes, span, frames = found.intact_bytes, found.span, found.frames
        except (SegmentDamaged, OSError):
            kept_bytes, span, frames = 0, None, 0
        self.writer.abandon(kept_bytes)
        return None if span is None else self._closed(span.end_ns, frames, kept_bytes)

    def _closed(self, end_wall_ns: int, frames: int, size_bytes: int) -> SegmentClosed:
        name = self._name
        return SegmentClosed(
            camera=name.camera,
            path=str(name.path()),
            boot=name.boot,
            run=name.run,
            n=name.n,
            start_wall_ns=self.start_wall_ns,
            end_wall_ns=end_wall_ns,
            frames=frames,
            bytes=size_bytes,
        )
