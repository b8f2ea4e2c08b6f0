"""Videos made in the test: a grey street in which a bright block drives to the right for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

FPS = 10
WIDTH_PX = 320
HEIGHT_PX = 240


def street(index: int) -> npt.NDArray[np.uint8]:
    """(240, 320, 3) uint8: empty for 2 s, then the block drives through for 3 s, then it is empty again."""
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    picture[160:, :] = 60
    at_px = -40 + 12 * (index - 2 * FPS)
    picture[120:170, max(at_px, 0) : max(at_px + 40, 0)] = 230
    return picture


def write_clip(
    path: Path,
    *,
    seconds: float = 8.0,
    codec: str = "libx264",
    draw: Callable[[int], npt.NDArray[np.uint8]] = street,
    options: dict[str, str] | None = None,
    gop_s: int = 1,
    x264: dict[str, str] | None = None,
) -> None:
    """A video file of `draw(index)` at 10 fps with an IDR each `gop_s`."""
    with av.open(str(path), "w", options=options or {}) as container:
        first = draw(0)
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = gop_s * FPS
        stream.time_base = Fraction(1, FPS)
        if codec == "libx264":
            stream.options = (
                dict(x264) if x264 else {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"}
            )
        for index in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass(frozen=True, slots=True)
class Unit:
    """One access unit as a camera would hand it on."""

    media_ns: int
    is_idr: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """The H.264 stream of one clip."""

    extradata: bytes
    units: tuple[Unit, ...]


def read_units(path: Path) -> Stream:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        units = tuple(
            Unit(round(float((packet.pts or 0) * packet.time_base) * 1e9), packet.is_keyframe, bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        )
        assert stream.codec_context.name == "h264"
        return Stream(stream.codec_context.extradata or b"", units)
