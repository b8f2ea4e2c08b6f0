"""Small videos made by PyAV's own encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """`gop` in frames. `name`'s ending chooses the container: .mp4, .h264 or .hevc."""

    name: str = "film.mp4"
    codec: str = "libx264"
    seconds: float = 4
    fps: int = 25
    gop: int = 50
    b_frames: int = 0
    width: int = 320
    height: int = 180


def make_film(folder: Path, settings: FilmSettings | None = None) -> Path:
    """A film of a bar that moves, one brightness a second."""
    wanted = settings or FilmSettings()
    path = folder / wanted.name
    if wanted.codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {wanted.codec}")
    parameters = f"keyint={wanted.gop}:min-keyint={wanted.gop}:scenecut=0:bframes={wanted.b_frames}:open-gop=0"
    is_hevc = wanted.codec == "libx265"
    options = {"preset": "ultrafast", "x265-params" if is_hevc else "x264-params": parameters}
    if is_hevc:
        options["x265-params"] += ":log-level=none"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(wanted.codec, rate=wanted.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = wanted.width, wanted.height, "yuv420p"
        for number in range(int(wanted.seconds * wanted.fps)):
            picture = np.full((wanted.height, wanted.width, 3), 40 + 20 * (number // wanted.fps % 8), np.uint8)
            left = number * 3 % (wanted.width - 20)
            picture[:, left : left + 20] = 255
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def packets_of(path: Path) -> list[bytes]:
    """The access units of a film, in order."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]
