"""The segment that grows: where it stands in its run, and what the notices of it say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock, ClockQuality, ClockStatus
from agent.media.capture import CapturedPacket
from agent.media.muxer import SegmentSettings, SegmentSound, SegmentWriter
from agent.media.sound_shape import SoundShape
from agent.media.source import Shape
from agent.media.timeline import CLOCK_STEP_NS, Anchor
from agent.notices import SegmentClosed, SegmentOpened
from agent.recording.boot import BootNumber
from agent.recording.segment import SegmentComment, SegmentName
from agent.recording.soundtrack import SoundTrack, WaitingSound, track_of, weave
from agent.recording.summary import summarise
from agent.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """What one camera's recorder needs to know. Bytes and seconds as named."""

    camera: str
    data_dir: Path
    ring_id: str
    boot: BootNumber
    segment_s: float
    durability_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment stands: its run, the run's parameters by then, and its number there."""

    anchor: Anchor
    run: int
    shape: Shape
    n: int
    sound: SoundShape | None = None


@dataclass(frozen=True, slots=True)
class _Durable:
    """What a disk that fails from now on has already taken."""

    bytes: int
    frames: int
    end_media_ns: int


def _vouched(anchor: Anchor, clock: Clock) -> ClockStatus:
    """What vouches for the labels of a run: the clock's own word, unless it was stepped since the run began and nobody
    noticed yet, as in the second between the clock finding the time and the run's next IDR."""
    status = clock.status()
    stepped_ns = clock.wall_ns() - clock.mono_ns() - (anchor.wall_ns - anchor.mono_ns)
    return status if abs(stepped_ns) <= CLOCK_STEP_NS else ClockStatus(ClockQuality.UNSYNCED, None)


class OpenSegment:
    """Owned by the recorder's thread. Raises OSError as the disk gave it, FFmpegError as the muxer."""

    def __init__(
        self, settings: RecorderSettings, place: Place, first: CapturedPacket, clock: Clock, waiting: WaitingSound
    ) -> None:
        shape = place.shape.format
        self.sound = None if place.sound is None else place.sound.format
        self.refused = 0
        self.is_told = False
        self._durable = _Durable(0, 0, first.media_ns)
        self.start_media_ns = first.media_ns
        self._anchor_wall_ns = place.anchor.wall_ns
        self.start_wall_ns = self._anchor_wall_ns + first.media_ns
        self._last_media_ns = first.media_ns
        self._last_duration = 0
        self._tick_ns = shape.time_base * NS_PER_S
        self._frame_ns = int(shape.frame_duration * self._tick_ns)
        self._name = SegmentName(
            settings.camera, settings.boot.boot, place.run, place.n, self.start_wall_ns // NS_PER_MS
        )
        status = _vouched(place.anchor, clock)
        self.comment = SegmentComment(
            camera=settings.camera,
            boot=settings.boot.boot,
            boot_id=settings.boot.boot_id,
            run=place.run,
            n=place.n,
            start_wall_ns=self.start_wall_ns,
            start_mono_ns=place.anchor.mono_ns + first.media_ns,
            clock_quality=status.quality.value,
            clock_error_s=status.error_s,
            sound="" if self.sound is None else self.sound.origin.declared,
        )
        self.writer = self._writer(settings, place)
        self._waiting = waiting
        waiting.begin_segment(first.media_ns)
        self._heard_until_ns = first.media_ns
        self._track: SoundTrack | None = None
        if self.sound is not None:
            self._track = track_of(self.writer.head, self.sound, origin_media_ns=int(first.dts * self._tick_ns))

    def _writer(self, settings: RecorderSettings, place: Place) -> SegmentWriter:
        shape, sound = place.shape.format, place.sound
        return SegmentWriter(
            SegmentSettings(
                path=settings.data_dir / self._name.path(),
                codec=shape.codec,
                epoch_ticks=round(self._anchor_wall_ns / self._tick_ns),
                time_base=shape.time_base,
                durability_s=settings.durability_s,
                comment=self.comment.encode(),
                summarise=summarise,
                sound=None if sound is None else SegmentSound(sound.template, self._weave),
            ),
            place.shape.template,
        )

    def _weave(self, fragment: bytes) -> bytes:
        track = self._track
        assert track is not None
        return weave(fragment, track, self._waiting.take(track, self._heard_until_ns))

    def write(self, captured: CapturedPacket) -> bool:
        packet = captured.packet
        # Asked before the muxer, which counts in ticks of its own.
        duration = packet.duration
        frames, end_media_ns = self.writer.frames, self._end_media_ns
        self._heard_until_ns = captured.media_ns
        completed = self.writer.write(packet, captured.pts, captured.dts)
        if completed:
            # A fragment is written when the next packet comes: this one is not in it.
            self._durable = _Durable(self.writer.size_bytes, frames, end_media_ns)
        if captured.media_ns >= self._last_media_ns:
            self._last_media_ns, self._last_duration = captured.media_ns, duration or 0
        return completed

    @property
    def _end_media_ns(self) -> int:
        return self._last_media_ns + (int(self._last_duration * self._tick_ns) or self._frame_ns)

    def opened(self) -> SegmentOpened:
        name = self._name
        return SegmentOpened(
            camera=name.camera,
            path=str(name.path()),
            boot=name.boot,
            run=name.run,
            n=name.n,
            start_wall_ns=self.start_wall_ns,
            start_mono_ns=self.comment.start_mono_ns,
            clock_quality=self.comment.clock_quality,
        )

    def close(self, next_media_ns: int | None = None) -> SegmentClosed:
        """`next_media_ns`: where the run's next segment begins, and this one's sound ends."""
        self._heard_until_ns = self._end_media_ns if next_media_ns is None else next_media_ns
        self.writer.close()
        return self._closed(self._anchor_wall_ns + self._end_media_ns, self.writer.frames, self.writer.size_bytes)

    def abandon(self) -> SegmentClosed | None:
        """What is on disk of it; None when nothing is, and then there is no file either."""
        kept = self._durable
        self.writer.abandon(kept.bytes if kept.frames else 0)
        return self._closed(self._anchor_wall_ns + kept.end_media_ns, kept.frames, kept.bytes) if kept.frames else None

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
            start_mono_ns=self.comment.start_mono_ns,
            clock_quality=self.comment.clock_quality,
        )
