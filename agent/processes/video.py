"""A video file as pictures, as fast as they decode: what `analyse` and the measurements feed an observer with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av

from agent.errors import VideoError
from agent.media.decoder import Picture
from agent.units import NS_PER_S

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A container that promises this many more frames than it holds was cut; a last frame or two are the muxer's rounding.
_MISSING_FRAMES = 3
_PLAYER = "try whether a player shows it, or convert it with ffmpeg"


class VideoFile:
    """One file, read once. A context manager; raises VideoError where there is no video to be read at all.

    Reading goes as far as the file does: what is wrong with its rest is said by `problem` afterwards.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames = 0
        self.decoded = 0
        self.problem = ""
        self._damaged = 0
        self._container = _open(path)
        self._stream: VideoStream = _video_of(self._container, path)
        # Frame threads only: a file may be late by some frames, a live camera may not.
        self._stream.thread_type = "AUTO"
        self._first_s: float | None = None
        self._last_s = 0.0

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def seconds(self) -> float:
        """Media time of the last frame that was decoded, and its own length after it."""
        rate = self._stream.average_rate
        return self._last_s + (1 / float(rate) if rate and self.decoded else 0.0)

    @property
    def fps(self) -> float:
        """Frames a second on average, as the container says; 25 where it does not."""
        return float(self._stream.average_rate or 25)

    @property
    def promised_frames(self) -> int:
        """How many frames the container says it has; 0 where it does not say."""
        return int(self._stream.frames)

    def pictures(self) -> Iterator[Picture]:
        """Every frame in the order of its media time, which counts from the first."""
        for packet in self._packets():
            for frame in self._decode(packet):
                media_s = self._media_s(frame)
                self.decoded += 1
                if media_s is not None:
                    yield Picture(frame, round(media_s * NS_PER_S))
        self._conclude()

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Packets to the end of what can be read; then an empty one or None, which empties the decoder."""
        demuxed = self._container.demux(self._stream)
        while True:
            try:
                packet = next(demuxed, None)
            except av.error.FFmpegError as exc:
                self.problem = f"it cannot be read beyond {self._last_s:.1f} s ({exc.strerror}); the rest is lost"
                yield None
                return
            if packet is None:
                return
            self.frames += packet.size > 0
            yield packet

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        self._damaged += packet is not None and packet.is_corrupt
        try:
            return list(self._stream.decode(packet))
        except av.error.InvalidDataError:
            # One damaged access unit; the decoder goes on with the next, as a player does.
            self._damaged += 1
            return []

    def _media_s(self, frame: VideoFrame) -> float | None:
        """Seconds since the first frame; None for a frame that stands before it or repeats it.

        AVI has no presentation times: the decoder's guess, else the count of frames, is all there is.
        """
        if frame.time is not None:
            at_s = float(frame.time)
        elif frame.dts is not None and frame.time_base is not None:
            at_s = float(frame.dts * frame.time_base)
        else:
            at_s = self.decoded / self.fps
        if self._first_s is None:
            self._first_s = at_s
            return 0.0
        media_s = at_s - self._first_s
        if media_s <= self._last_s:
            return None
        self._last_s = media_s
        return media_s

    def _conclude(self) -> None:
        if not self.problem and self.promised_frames - self.frames > _MISSING_FRAMES:
            self.problem = f"it ends after {self.frames} of {self.promised_frames} frames; the rest is lost"
        if not self.problem and self._damaged:
            self.problem = f"{self._damaged} of {self.frames} frames are damaged"
        if self.decoded == 0:
            raise VideoError(file=str(self.path), remedy=f"no frame of it can be decoded; {_PLAYER}")


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise VideoError(file=str(path), remedy="there is no such file; check the name")
    try:
        return av.open(str(path), mode="r")
    except (av.error.FFmpegError, ValueError, OSError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise VideoError(
            file=str(path), remedy=f"{reason}: it is no video, or its recording was cut off before its index; {_PLAYER}"
        ) from exc


def _video_of(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        container.close()
        raise VideoError(file=str(path), remedy="it holds no video stream; give a file with a picture")
    return container.streams.video[0]
