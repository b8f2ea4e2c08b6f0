"""Packets to pictures. One decoder per camera and run; a codec context never changes threads."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from agent.errors import VideoError
from agent.media.frame import PixelLayout, planes_bytes
from agent.units import NS_PER_S

# Media time travels through the codec as its time stamp.
_TIME_BASE: Final = Fraction(1, NS_PER_S)
# Their first plane is luma of 8 bit.
_LUMA_FIRST: Final = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"}
)
# ITU-R BT.601 and BT.709 alike: 219 steps of luma from 16. An unspecified range means the same for video.
_LIMITED_TO_FULL = np.clip((np.arange(256) - 16) * (255 / 219), 0, 255).round().astype(np.uint8)


class Picture:
    """One decoded frame; `media_ns` counts from the run's first PTS. Converted only when asked."""

    __slots__ = ("_frame", "media_ns")

    def __init__(self, frame: VideoFrame, media_ns: int) -> None:
        self._frame = frame
        self.media_ns = media_ns

    @property
    def width(self) -> int:
        return int(self._frame.width)

    @property
    def height(self) -> int:
        return int(self._frame.height)

    def luma(self, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
        """(height_px, width_px) uint8, full range, squeezed without keeping the aspect."""
        name = self._frame.format.name
        frame = self._frame
        if name not in _LUMA_FIRST:
            # 10 bit H.265, packed or RGB: rare enough to be converted whole.
            frame = frame.reformat(format="gray", dst_color_range=ColorRange.JPEG)
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        small = np.asarray(cv2.resize(rows, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)
        is_full = frame.color_range == ColorRange.JPEG or name.startswith("yuvj")
        return small if is_full else _LIMITED_TO_FULL[small]

    def bgr(self) -> npt.NDArray[np.uint8]:
        """(height, width, 3) uint8, a fresh copy."""
        return np.asarray(self._frame.to_ndarray(format="bgr24"), np.uint8)


class Decoder:
    """Decodes on the thread that made it. `thread_type` NONE: eight cameras share four cores already, and frame threads
    would hold pictures back."""

    def __init__(self, codec: str, extradata: bytes, *, filters: bool = True) -> None:
        """filters: whether the edges of blocks are smoothed; without, each picture of a GOP is a little further off."""
        context = av.CodecContext.create(codec, "r")
        if not isinstance(context, VideoCodecContext):
            raise VideoError(codec=codec, remedy="this is no video codec")
        context.thread_type = "NONE"
        if extradata:
            context.extradata = extradata
        if not filters:
            context.options = {"skip_loop_filter": "all"}
        self._context = context

    def decode(self, data: bytes, media_ns: int) -> list[Picture]:
        """Pictures that this access unit completes, in the order they are shown. Damaged data gives none."""
        if not data:
            # FFmpeg takes an empty packet for the end of the stream and decodes nothing more.
            return []
        packet = av.Packet(data)
        packet.pts = packet.dts = media_ns
        packet.time_base = _TIME_BASE
        try:
            return [_picture(frame) for frame in self._context.decode(packet)]
        except av.FFmpegError:
            return []

    def flush(self) -> list[Picture]:
        """What the codec still held; afterwards it takes nothing more."""
        try:
            return [_picture(frame) for frame in self._context.decode(None)]
        except av.FFmpegError:
            return []


def picture_of_planes(
    planes: bytes, *, width: int, height: int, layout: PixelLayout, is_full_range: bool, media_ns: int
) -> Picture | None:
    """A picture that came undecoded (agent.media.frame). None when the bytes are not of that size."""
    if not planes or len(planes) != planes_bytes(width, height):
        return None
    rows = np.frombuffer(planes, np.uint8).reshape(height * 3 // 2, width)
    frame = VideoFrame.from_ndarray(rows, format=layout)
    frame.color_range = ColorRange.JPEG if is_full_range else ColorRange.MPEG
    return Picture(frame, media_ns)


def _picture(frame: VideoFrame) -> Picture:
    return Picture(frame, int(frame.pts or 0))
