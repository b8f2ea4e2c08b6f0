"""Pictures that were drawn on, as a plain MP4 that every player opens. One owner thread."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

import av
from av.video.frame import VideoFrame

from agent.errors import VideoError
from agent.units import NS_PER_S
from agent.vision.detector import BgrImage

if TYPE_CHECKING:
    from av.video.stream import VideoStream

# What MP4 players take for granted: a clock of 90 kHz, as in MPEG systems (ISO/IEC 13818-1).
_TIME_BASE: Final = Fraction(1, 90_000)


class Mp4Encoder:
    """Writes H.264 as pictures come, each at its own media time. A context manager.

    `comment` stands in the file's head. `crf` is x264's: 23 to look at, 20 to hand out. Raises VideoError when the file
    cannot be written.
    """

    def __init__(self, path: Path, *, fps: float, comment: str = "", crf: int = 23) -> None:
        self._path = path
        self._fps = Fraction(fps).limit_denominator(1001)
        self._crf = crf
        self._last_pts = -1
        self._stream: VideoStream | None = None
        try:
            self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        except (av.FFmpegError, OSError) as exc:
            raise self._unwritable(exc) from exc
        if comment:
            self._container.metadata["comment"] = comment

    def __enter__(self) -> Mp4Encoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except (av.FFmpegError, OSError) as exc:
            if kind is None:
                raise self._unwritable(exc) from exc

    def write(self, bgr: BgrImage, media_ns: int) -> None:
        """bgr: (H, W, 3) uint8 with even sides, as 4:2:0 has no half pixels of colour; all of one size."""
        frame = VideoFrame.from_ndarray(bgr, format="bgr24")
        # Two frames of one instant are one too many for a player.
        self._last_pts = max(round(media_ns * _TIME_BASE.denominator / NS_PER_S), self._last_pts + 1)
        frame.pts, frame.time_base = self._last_pts, _TIME_BASE
        if self._stream is None:
            self._stream = self._begin(bgr.shape[1], bgr.shape[0])
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as exc:
            raise self._unwritable(exc) from exc

    def _begin(self, width: int, height: int) -> VideoStream:
        options = {"preset": "veryfast", "crf": str(self._crf)}
        stream = self._container.add_stream("libx264", rate=self._fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = _TIME_BASE
        stream.codec_context.time_base = _TIME_BASE
        return stream

    def _unwritable(self, exc: Exception) -> VideoError:
        reason = getattr(exc, "strerror", None) or str(exc)
        return VideoError(file=str(self._path), remedy=f"the film cannot be written ({reason}); give another name")
