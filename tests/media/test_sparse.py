"""Which pictures of a stream are decoded, with streams that the test encodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agent.media.decoder import Picture
from agent.media.sparse import Decoded, SparseDecoder
from agent.units import NS_PER_S
from tests.seeing.clips import FPS, Stream, read_units, write_clip

Image = npt.NDArray[np.uint8]


class Eye:
    """Is quiet from a time on, and stirs at a picture that is brighter than the street."""

    def __init__(self, quiet_from_s: float) -> None:
        self.quiet_from_s = quiet_from_s
        self.has_stirred = False

    def is_quiet(self, media_ns: int) -> bool:
        return media_ns >= self.quiet_from_s * NS_PER_S and not self.has_stirred

    def stirs(self, picture: Picture) -> bool:
        stirs = picture.luma(1, 1)[0, 0] > 110
        self.has_stirred |= bool(stirs)
        return bool(stirs)


def _grey(level: int) -> Image:
    return np.full((240, 320, 3), level, np.uint8)


def _street(index: int) -> Image:
    """Light comes on at 4.5 s: in the middle of a GOP, and lost in the noise of the packets' sizes."""
    noise = np.random.default_rng(index).integers(-20, 20, (240, 320, 1))
    return np.clip(_grey(90 if index < 45 else 160) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sparse")


@pytest.fixture(scope="module")
def stream(folder: Path) -> Stream:
    write_clip(folder / "street.mp4", draw=_street)
    return read_units(folder / "street.mp4")


def _decode(stream: Stream, eye: Eye, *, may_skip: bool = True) -> tuple[SparseDecoder, list[Decoded]]:
    decoder = SparseDecoder("h264", stream.extradata, eye, may_skip=may_skip)
    return decoder, [
        one for unit in stream.units for one in decoder.decode(unit.data, unit.media_ns, is_idr=unit.is_idr)
    ]


def _at(shown: list[Decoded]) -> list[int]:
    """Numbers of the pictures."""
    return [round(one.picture.media_ns * FPS / NS_PER_S) for one in shown]


def test_while_nothing_is_quiet_every_picture_is_decoded(stream: Stream) -> None:
    decoder, shown = _decode(stream, Eye(quiet_from_s=100))
    assert _at(shown) == list(range(80)) and decoder.passed == 0


def test_in_a_quiet_scene_idrs_alone_are_decoded_and_what_one_shows_late_is_seen_from_its_beginning(
    stream: Stream,
) -> None:
    decoder, shown = _decode(stream, Eye(quiet_from_s=1.5))
    # Every picture until 2 s; then the IDRs of 2, 3 and 4 s. That of 5 s shows the light: the GOP before is decoded.
    assert _at(shown) == [*range(20), 20, 30, 40, *range(41, 80)]
    assert [one.is_late for one in shown if one.picture.media_ns // NS_PER_S == 4] == [False] + [True] * 9
    assert [one.picture.luma(1, 1)[0, 0] > 110 for one in shown if one.is_late] == [False] * 4 + [True] * 5
    assert decoder.passed == 2 * 9


def test_where_things_cross_a_line_nothing_is_passed_over(stream: Stream) -> None:
    decoder, shown = _decode(stream, Eye(quiet_from_s=0), may_skip=False)
    assert _at(shown) == list(range(80)) and decoder.passed == 0


def test_a_gop_of_more_than_two_seconds_is_decoded_whole(folder: Path) -> None:
    write_clip(folder / "long.mp4", draw=_street, gop_s=3)
    decoder, shown = _decode(read_units(folder / "long.mp4"), Eye(quiet_from_s=0))
    assert _at(shown) == list(range(80)) and decoder.passed == 0


def test_a_packet_of_many_times_the_usual_size_opens_at_once(folder: Path) -> None:
    rng = np.random.default_rng(1)

    def bursting(index: int) -> Image:
        return rng.integers(0, 100, (240, 320, 3), np.uint8) if index == 45 else _grey(90)

    write_clip(folder / "burst.mp4", draw=bursting)
    decoder, shown = _decode(read_units(folder / "burst.mp4"), Eye(quiet_from_s=2.5))
    assert _at(shown) == [*range(30), 30, 40, *range(41, 50), 50, 60, 70]
    assert decoder.passed == 9 + 9 + 9


def test_a_stream_with_b_frames_is_decoded_whole(folder: Path) -> None:
    write_clip(folder / "b.mp4", draw=_street, x264={"preset": "medium", "x264-params": "scenecut=0:bframes=2"})
    _, shown = _decode(read_units(folder / "b.mp4"), Eye(quiet_from_s=0))
    assert len(shown) >= 76 and _at(shown) == sorted(_at(shown))


def test_damaged_packets_cost_pictures_and_nothing_else(stream: Stream) -> None:
    decoder = SparseDecoder("h264", stream.extradata, Eye(quiet_from_s=1.5), may_skip=True)
    for unit in stream.units[:30]:
        list(decoder.decode(unit.data[: len(unit.data) // 2], unit.media_ns, is_idr=unit.is_idr))
    shown = [one for unit in stream.units[30:] for one in decoder.decode(unit.data, unit.media_ns, is_idr=unit.is_idr)]
    assert 79 in _at(shown)
