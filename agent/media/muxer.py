"""Writes one segment: fragmented MP4 that survives a power cut, with wall time in every fragment.

The muxer knows of the video alone; sound is woven into its finished fragments, so that no picture can wait for it.

Each option below was seen to matter with PyAV 18 (docs/decisions/0004).
"""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av

from agent.media.packet import Codec
from agent.media.whole_fragments import Weave, WholeFragments

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# One write a fragment: a second of 8 Mbit/s fits.
_BUFFER_BYTES: Final = 1 << 20
_US_PER_S: Final = 1_000_000

Summarise = Callable[[Callable[[int, int], bytes], int], bytes]


@dataclass(frozen=True, slots=True)
class SegmentSound:
    """A second track. Fragments go to disk as `weave` returns them, which is called when their video is complete."""

    template: AudioStream
    weave: Weave


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """`epoch_ticks`: wall time of the run's media time 0, in ticks of the stream, since 1970. `comment` lands in the
    `moov` and lets the file stand alone. `summarise` is handed the closed file (offset and count to bytes, and its
    size) and returns a last box for it, or nothing."""

    path: Path
    codec: Codec
    epoch_ticks: int
    time_base: Fraction
    durability_s: float
    comment: str
    summarise: Summarise | None = None
    sound: SegmentSound | None = None


class _SegmentFile:
    """The file under the muxer: loops on short writes, and keeps the first failure, which PyAV would tell only once."""

    def __init__(self, path: Path) -> None:
        _make_folder(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        # The group's as well: after a power cut the node repairs what a camera's user wrote.
        self.descriptor = os.open(path, flags, 0o660)
        self.size_bytes = 0
        self.failure: OSError | None = None
        self._is_closed = False
        try:
            # Whoever repairs files of dead processes asks for this lock first (agent.recording.index).
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # What fdatasync puts on disk later is found again only under a name that is there too (fsync(2)).
            _sync_folder(path.parent)
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> int:
        if self.failure is not None:
            # The muxer must be able to close; what it still says is cut off afterwards.
            return len(data)
        rest = memoryview(data)
        try:
            while rest:
                count = os.write(self.descriptor, rest)
                self.size_bytes += count
                rest = rest[count:]
        except OSError as exc:
            self.failure = exc
        return len(data)

    def read_at(self, at: int, count: int) -> bytes:
        return os.pread(self.descriptor, count, at)

    def sync(self) -> None:
        os.fdatasync(self.descriptor)

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self.descriptor, size_bytes)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            os.close(self.descriptor)


def _make_folder(folder: Path) -> None:
    """With its name on disk, and those of the folders above that it needs."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SegmentWriter:
    """One open segment, owned by the recorder's thread. Raises OSError from `write` and `close`, as the disk gave it.

    After a failure call `abandon`, which keeps what is whole.
    """

    def __init__(self, settings: SegmentSettings, template: VideoStream) -> None:
        self.path = settings.path
        self._epoch_ticks = settings.epoch_ticks
        self._summarise = settings.summarise
        self._file = _SegmentFile(settings.path)
        self._synced_bytes = 0
        # ftyp and moov, of a segment with sound.
        self.head = b""
        self.frames = 0
        self.write_s = 0.0
        try:
            target: _SegmentFile | WholeFragments = self._file
            if settings.sound is not None:
                self.head = _head_with_sound(settings, template, settings.sound.template)
                target = WholeFragments(self._file.write, self.head, settings.sound.weave)
            self._container = av.open(target, "w", format="mp4", options=_options(settings), buffer_size=_BUFFER_BYTES)
            self._stream = _add_video(self._container, settings, template)
            # The head now, so that a stream which no segment can hold is known before the first packet.
            self._container.start_encoding()
            self._check()
            self._synced_bytes = self._file.size_bytes
        except BaseException:
            self._file.close()
            self.path.unlink(missing_ok=True)
            raise

    @property
    def size_bytes(self) -> int:
        return self._file.size_bytes

    def write(self, packet: Packet[VideoStream], pts: int, dts: int) -> bool:
        """Add one packet, with stamps that count from the run's first PTS; True when it completed a fragment, which is
        then on disk. `write_s` afterwards holds how long the disk took."""
        packet.pts = pts + self._epoch_ticks
        packet.dts = dts + self._epoch_ticks
        packet.stream = self._stream
        self._container.mux_one(packet)
        self.frames += 1
        self._check()
        if self._file.size_bytes == self._synced_bytes:
            return False
        started_s = time.perf_counter()
        self._file.sync()
        self.write_s = time.perf_counter() - started_s
        self._synced_bytes = self._file.size_bytes
        return True

    def close(self) -> None:
        """Write the last fragment; the file is on disk when this returns."""
        self._container.close()
        self._check()
        if self._summarise is not None:
            # Behind what is on disk already: whoever finds it after a power cut may believe the rest to be there.
            self._file.sync()
            self._file.write(self._summarise(self._file.read_at, self._file.size_bytes))
            self._check()
        os.fsync(self._file.descriptor)
        self._file.close()

    def abandon(self, keep_bytes: int) -> None:
        """End a segment whose disk failed: cut the file behind its last whole fragment, as far as the disk allows.

        With nothing to keep the file is removed.
        """
        self._file.failure = self._file.failure or OSError("abandoned")
        try:
            self._container.close()
            if keep_bytes:
                self._file.truncate(keep_bytes)
                self._file.sync()
            else:
                self.path.unlink(missing_ok=True)
        except (OSError, av.FFmpegError):
            # The disk that failed fails again; recovery cuts the file when it is back.
            return
        finally:
            self._file.close()

    def _check(self) -> None:
        if self._file.failure is not None:
            raise self._file.failure


def _add_video(container: OutputContainer, settings: SegmentSettings, template: VideoStream) -> VideoStream:
    container.metadata["comment"] = settings.comment
    stream = container.add_stream_from_template(template)
    if settings.codec is Codec.HEVC:
        stream.codec_context.codec_tag = "hvc1"
    stream.time_base = settings.time_base
    return stream


def _head_with_sound(settings: SegmentSettings, template: VideoStream, sound: AudioStream) -> bytes:
    """ftyp and moov of both tracks, by a muxer that never gets a packet."""
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4", options=_options(settings)) as container:
        _add_video(container, settings, template)
        container.add_stream_from_template(sound)
        container.start_encoding()
        return kept.getvalue()


def _options(settings: SegmentSettings) -> dict[str, str]:
    # Sound moves the fragments from where the muxer believes them to be, which is all that its trailer would list.
    trailer = "" if settings.sound is None else "+skip_trailer"
    return {
        # A fragment ends at each IDR; the head is complete at once, so any file that was cut still plays.
        "movflags": "frag_keyframe+empty_moov+default_base_moof" + trailer,
        # And never later than the durability that was promised.
        "frag_duration": str(int(settings.durability_s * _US_PER_S)),
        # Wall time of each fragment, which needs stamps that count from 1970 …
        "write_prft": "pts",
        # … and that FFmpeg would otherwise shift to 0: every prft would silently say 1970.
        "avoid_negative_ts": "disabled",
        # One track waits for nothing; were there ever two, one that stops would hold 12 s of the other back.
        "max_interleave_delta": "100000",
    }
