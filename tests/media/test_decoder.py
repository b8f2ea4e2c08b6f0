"""Pictures as vision sees them: luma of full range whatever the camera's format, and nothing from damaged data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from agent.errors import VideoError
from agent.media.decoder import Decoder, Picture
from agent.media.gop import is_idr
from agent.media.packet import Codec
from agent.units import NS_PER_MS
from tests.rigs.films import FilmSettings, make_film, packets_of

FRAME_NS = 40 * NS_PER_MS
# Of libavutil, AVCOL_RANGE_*.
UNSPECIFIED, LIMITED, FULL = 0, 1, 2


def a_picture(pixels: str, luma: int, *, color_range: int = UNSPECIFIED, width: int = 64, height: int = 48) -> Picture:
    """One brightness all over; `luma` in the format's own steps, chroma in the middle."""
    frame = VideoFrame(width, height, pixels)
    is_deep = frame.format.components[0].bits > 8
    for number, plane in enumerate(frame.planes):
        if pixels == "yuyv422":
            plane.update(bytes([luma, 128]) * (plane.buffer_size // 2))
        elif is_deep:
            plane.update(np.full(plane.buffer_size // 2, 512 if number else luma, np.uint16).tobytes())
        else:
            plane.update(bytes([128 if number else luma]) * plane.buffer_size)
    frame.color_range = color_range
    return Picture(frame, 0)


@pytest.mark.parametrize(
    ("pixels", "color_range", "luma", "expected"),
    [
        ("yuv420p", UNSPECIFIED, 16, 0),
        ("yuv420p", UNSPECIFIED, 235, 255),
        ("yuv420p", LIMITED, 125, 127),
        ("yuv420p", FULL, 235, 235),
        ("yuvj420p", UNSPECIFIED, 16, 16),
        ("nv12", LIMITED, 235, 255),
        ("gray", LIMITED, 16, 0),
        ("yuv420p10le", LIMITED, 940, 255),
        ("yuv420p10le", LIMITED, 64, 0),
        ("yuv420p10le", FULL, 64, 16),
        ("yuyv422", LIMITED, 235, 255),
        ("yuyv422", LIMITED, 16, 0),
    ],
)
def test_luma_is_of_full_range_in_every_format(pixels: str, color_range: int, luma: int, expected: int) -> None:
    seen = a_picture(pixels, luma, color_range=color_range).luma(32, 24)
    assert (seen.shape, seen.dtype) == ((24, 32), np.uint8)
    assert np.unique(seen).tolist() == [expected]


def test_a_width_that_is_padded_in_memory_shows_no_padding() -> None:
    assert np.unique(a_picture("yuv420p", 235, width=50, height=38).luma(50, 38)).tolist() == [255]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film"), FilmSettings(name="b.h264", seconds=2, gop=25, b_frames=2))


def decode_all(decoder: Decoder, packets: list[bytes]) -> list[Picture]:
    pictures = [picture for at, data in enumerate(packets) for picture in decoder.decode(data, at * FRAME_NS)]
    return pictures + decoder.flush()


def test_every_frame_comes_out_and_the_first_before_the_last_went_in(film: Path) -> None:
    packets = packets_of(film)
    decoder = Decoder("h264", b"")
    early = [picture for at, data in enumerate(packets[:10]) for picture in decoder.decode(data, at * FRAME_NS)]
    assert early
    assert len(early) + len(decode_all(decoder, packets[10:])) == len(packets)


def test_a_picture_in_colour_has_its_own_size(film: Path) -> None:
    (picture, *_) = decode_all(Decoder("h264", b""), packets_of(film))
    assert (picture.width, picture.height) == (320, 180)
    assert picture.bgr().shape == (180, 320, 3)


def test_damaged_or_empty_data_gives_no_picture_and_the_next_idr_does(film: Path) -> None:
    packets = packets_of(film)
    (second_idr,) = [at for at, data in enumerate(packets) if at and is_idr(Codec.H264, data)]
    decoder = Decoder("h264", b"")
    assert decoder.decode(b"\x00\x00\x00\x01\x65" + bytes(range(200)), 0) == []
    assert decoder.decode(b"", 0) == []
    assert len(decode_all(decoder, packets[second_idr:])) >= len(packets) - second_idr


def test_what_is_no_video_codec_is_refused() -> None:
    with pytest.raises(VideoError):
        Decoder("aac", b"")
