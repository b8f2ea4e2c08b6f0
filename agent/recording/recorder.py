"""One camera's packets to segments on disk. Footage first: nothing here waits for anything but the disk.

Capture gives packets on its thread, the recorder's own thread writes them. At the mailbox's cap packets are dropped to
the next IDR, counted, and the hole gets its reason.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import av

from agent import log
from agent.clock import Clock
from agent.errors import CameraError, DiskError, RingMissing
from agent.mailbox import Mailbox
from agent.media.capture import CapturedPacket, Session
from agent.media.sound import CapturedSound
from agent.media.sound_shape import SoundShape
from agent.media.source import Shape
from agent.media.timeline import ClockStepped
from agent.notices import SegmentClosed
from agent.recording.arrivals import Arrival, Begin, Change, End, Replayed, Skipped
from agent.recording.boot import next_run, require_ring
from agent.recording.folder import disk_error
from agent.recording.listener import Listener
from agent.recording.open_segment import OpenSegment, Place, RecorderSettings
from agent.recording.outages import OutageBook
from agent.recording.soundtrack import WaitingSound
from agent.recording.tally import RecorderCounts, Tally
from agent.units import NS_PER_S

__all__ = ["Listener", "Recorder", "RecorderCounts", "RecorderSettings"]

# Architecture, settings: 20 s of 50 fps, or 64 MiB; 14 s of 25 fps with sound of 48 kHz.
_MAX_PACKETS: Final = 1_000
_MAX_BYTES: Final = 64 * 1024 * 1024
# The recorder is roused by an IDR and by each half second of packets, not by every packet: a wake-up costs as much as
# muxing four (media.pace). So a fragment of 1 s is on disk as soon as the packet that completes it is there.
_GATHER_NS: Final = NS_PER_S // 2
_IDLE_S: Final = 1.0
# Cameras are set to a GOP of 1 s to 4 s; from 10 s on the wait for an IDR is a fact of its own.
_NO_IDR_NS: Final = 10 * NS_PER_S
# After the disk refused, a new segment is tried this often.
_DISK_RETRY_NS: Final = NS_PER_S

_log = log.get("recorder")


class Recorder:
    """A capture sink on one side, a Stage body (`run_once`) on the other. Raises OSError when the ring is not there."""

    def __init__(self, settings: RecorderSettings, listener: Listener, outages: OutageBook, clock: Clock) -> None:
        self._settings = settings
        self._listener = listener
        self._outages = outages
        self._clock = clock
        self._mailbox: Mailbox[Arrival] = Mailbox(_MAX_PACKETS, _MAX_BYTES)
        self._waiting: deque[Arrival] = deque()
        self._roused = threading.Event()
        self._rouse_at_media_ns = 0
        self._next_run = next_run(settings.data_dir, settings.camera, settings.boot.boot)
        self._is_skipping = False
        self._segment: OpenSegment | None = None
        self._session: Begin | None = None
        self._shape: Shape | None = None
        self._headless_since_ns: int | None = None
        self._sound_shape: SoundShape | None = None
        self._sound = WaitingSound()
        self._n = 0
        self._retry_mono_ns = 0
        self._tally = Tally()

    # --- capture's thread

    def begin(self, session: Session) -> None:
        self._mailbox.force(Begin(session, self._next_run))
        self._next_run += 1
        self._is_skipping = False
        self._rouse_at_media_ns = 0

    @property
    def run(self) -> int:
        """The number of the newest run."""
        return self._next_run - 1

    def take(self, captured: CapturedPacket) -> None:
        if self._is_skipping and captured.is_idr:
            self._is_skipping = not self._mailbox.put(Skipped())
        if self._is_skipping or not self._mailbox.put(captured, captured.packet.size):
            self._is_skipping = True
            self._tally.dropped += 1
        if captured.is_idr or captured.media_ns >= self._rouse_at_media_ns:
            self._rouse_at_media_ns = captured.media_ns + _GATHER_NS
            self._roused.set()

    def change(self, shape: Shape) -> None:
        self._mailbox.force(Change(shape))

    def tune(self, shape: SoundShape) -> None:
        self._mailbox.force(shape)

    def hear(self, captured: CapturedSound) -> None:
        # Sound that finds no room costs no picture.
        self._tally.sound_dropped += not self._mailbox.put(captured, len(captured.data))

    def end(self, failure: CameraError | None = None) -> None:
        """Also without a run before it: the camera could not be reached."""
        if self._is_skipping:
            self._mailbox.force(Skipped())
            self._is_skipping = False
        self._mailbox.force(End(failure))
        self._roused.set()

    def put(self, item: Arrival) -> None:
        """What the gate decided (agent.recording.gate), after all that came before it; never dropped."""
        self._mailbox.force(item)
        self._roused.set()

    # --- the recorder's thread

    def run_once(self, stop: threading.Event) -> None:
        """Write what came, after waiting until it is worth it. Raises nothing for the disk's sake: it has its gap."""
        if not stop.is_set():
            self._roused.wait(_IDLE_S)
        self._roused.clear()
        self._waiting.extend(self._mailbox.take_all(0))
        self._handle_waiting()

    def rouse(self) -> None:
        """Let `run_once` return soon; from any thread."""
        self._roused.set()

    def finish(self) -> None:
        """Take what is left and close the segment; call after the last `end`, with the thread stopped."""
        self._mailbox.close()
        self._waiting.extend(self._mailbox.take_all(0))
        self._handle_waiting()
        self._end_run()

    @property
    def counts(self) -> RecorderCounts:
        return self._tally.counts(sound_lost=self._sound.dropped)

    def _handle_waiting(self) -> None:
        # One by one from a queue of our own: an unforeseen failure costs one item, not the border of a run behind it.
        while self._waiting:
            self._handle(self._waiting.popleft())

    def _handle(self, item: Arrival) -> None:
        if isinstance(item, CapturedPacket):
            self._record(item)
        elif isinstance(item, CapturedSound):
            self._sound.add(item)
        elif isinstance(item, SoundShape):
            self._sound_shape = item
            self._sound.tune(item.format)
        elif isinstance(item, Begin):
            self._end_run()
            self._session, self._shape, self._n = item, item.session.shape, 0
            self._headless_since_ns = None
            self._sound.begin_run(item.session.anchor.mono_ns)
        elif isinstance(item, Change):
            self._close_segment()
            self._shape = item.shape
        elif isinstance(item, Skipped):
            self._close_segment()
            # A number left out says that the next segment does not continue this one (agent.recording.gaps, cut).
            self._n += self._n > 0
            self._outages.begin(item.reason, item.detail)
        elif isinstance(item, Replayed):
            self._waiting.extendleft(reversed(item.items))
        else:
            is_unsure = self._segment is not None and self._segment.comment.clock_quality != "synced"
            self._end_run()
            # A clock that finds the time leaves no gap: what it called otherwise is re-timed (recording.retiming).
            if item.failure is not None and not (is_unsure and isinstance(item.failure, ClockStepped)):
                self._outages.begin(item.failure.reason, str(item.failure))

    def _record(self, captured: CapturedPacket) -> None:
        if captured.is_idr and self._is_due(captured):
            self._close_segment(captured.media_ns)
        if self._segment is None and not (captured.is_idr and self._open_segment(captured)):
            self._tally.lost += 1
            self._note_headless(captured)
            return
        segment = self._segment
        assert segment is not None
        try:
            if segment.write(captured):
                self._tell(segment)
                self._tally.note_write(segment.writer.write_s)
        except OSError as exc:
            self._note_frame(captured)
            self._abandon(segment, exc)
            return
        except av.FFmpegError as exc:
            # A packet that the muxer refuses costs itself, not the segment.
            self._tally.lost += 1
            if segment.refused == 0:
                _log.warning("packets refused", camera=self._settings.camera, problem=str(exc))
            segment.refused += 1
            return
        self._note_frame(captured)

    def _note_frame(self, captured: CapturedPacket) -> None:
        self._tally.note_frame(captured.packet.size, captured.media_ns, self._clock.mono_ns())

    def _note_headless(self, captured: CapturedPacket) -> None:
        """A stream that sends packets and never one to begin with leaves a gap of its own name."""
        if captured.is_idr or self._outages.is_open_for_disk:
            self._headless_since_ns = None
        elif self._headless_since_ns is None:
            self._headless_since_ns = captured.media_ns
        elif captured.media_ns - self._headless_since_ns > _NO_IDR_NS:
            self._outages.begin("no_keyframe", "the camera sends no IDR; set its GOP to 2 s")

    def _is_due(self, captured: CapturedPacket) -> bool:
        segment = self._segment
        if segment is None:
            return False
        if self._sound_shape is not None and self._sound_shape.format != segment.sound:
            return True
        return captured.media_ns - segment.start_media_ns >= self._settings.segment_s * NS_PER_S

    def _open_segment(self, captured: CapturedPacket) -> bool:
        """Whether a segment is open now, beginning with this packet."""
        begun, shape = self._session, self._shape
        if begun is None or shape is None or self._clock.mono_ns() < self._retry_mono_ns:
            return False
        try:
            require_ring(self._settings.data_dir, self._settings.ring_id)
            place = Place(begun.session.anchor, begun.run, shape, self._n, self._sound_shape)
            self._segment = OpenSegment(self._settings, place, captured, self._clock, self._sound)
        except OSError as exc:
            self._fail_disk(disk_error(exc))
            return False
        except (DiskError, RingMissing) as exc:
            self._fail_disk(exc)
            return False
        except av.FFmpegError as exc:
            self._outages.begin("camera_refused", f"its stream cannot be recorded natively: {exc}")
            return False
        self._n += 1
        self._headless_since_ns = None
        return True

    def _tell(self, segment: OpenSegment) -> None:
        """Footage is told of once some of it is on disk: a full disk takes a new file, and then nothing into it."""
        if not segment.is_told:
            segment.is_told = True
            self._outages.end(segment.start_wall_ns)
            self._listener.opened(segment.opened())

    def _close_segment(self, next_media_ns: int | None = None) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        if segment.writer.frames == 0:
            segment.abandon()
            return
        try:
            closed = segment.close(next_media_ns)
        except OSError as exc:
            self._abandon(segment, exc)
            return
        self._tell_closed(segment, closed)

    def _abandon(self, segment: OpenSegment, exc: OSError) -> None:
        """The disk failed under this segment: keep its whole fragments, and begin the gap at their end."""
        self._segment = None
        written = segment.writer.frames
        closed = segment.abandon()
        kept = 0 if closed is None else closed.frames
        self._tally.take_back(written - kept)
        if closed is not None:
            self._tell_closed(segment, closed)
        self._n += 1
        self._fail_disk(disk_error(exc))

    def _tell_closed(self, segment: OpenSegment, closed: SegmentClosed) -> None:
        self._tell(segment)
        self._outages.recorded_until(closed.end_wall_ns)
        self._listener.closed(closed)

    def _fail_disk(self, failure: DiskError | RingMissing) -> None:
        if not self._outages.is_open_for_disk:
            _log.error(
                "disk refuses footage", camera=self._settings.camera, problem=str(failure), reason=failure.reason
            )
        self._outages.begin(failure.reason, str(failure))
        self._retry_mono_ns = self._clock.mono_ns() + _DISK_RETRY_NS

    def _end_run(self) -> None:
        self._close_segment()
        self._session = None
        self._tally.end_run()
