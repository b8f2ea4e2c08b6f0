"""CSI cameras without one: their address, their planes, their pace, and what is said where picamera2 is not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import CameraUnreachable
from agent.media.csi import CsiSettings, read_csi_address
from agent.media.decoder import picture_of_planes
from agent.media.frame import PixelLayout, planes_bytes
from agent.media.opening import open_camera
from agent.media.picamera import FramePace, tight_planes
from agent.media.source import SourceAddress
from agent.units import NS_PER_MS, NS_PER_S


def test_an_address_names_the_sensor_and_how_to_set_it() -> None:
    assert read_csi_address("picamera:0", camera="c01") == CsiSettings(0)
    wanted = read_csi_address("picamera:1?size=1280x720&fps=12.5&mbps=2.5", camera="c01")
    assert wanted == CsiSettings(1, 1280, 720, 12.5, 2_500_000)
    assert wanted.gop_frames == 12


@pytest.mark.parametrize(
    "url",
    [
        *("picamera:", "picamera:x", "picamera:100", "picamera:0?colour=red", "picamera:0?mbps=-1"),
        *(
            "picamera:0?size=1281x720",
            "picamera:0?size=big",
            "picamera:0?fps=0",
            "picamera:0?fps=nan",
            "picamera:0?fps=1e9",
        ),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_with_how_to_write_it(url: str) -> None:
    with pytest.raises(CameraUnreachable, match="write picamera:0"):
        read_csi_address(url, camera="c01")


@given(st.text(max_size=40))
def test_any_address_is_read_or_refused(tail: str) -> None:
    try:
        settings = read_csi_address("picamera:" + tail, camera="c01")
    except CameraUnreachable:
        return
    assert settings.gop_frames >= 1 and settings.bitrate_bps > 0


@pytest.mark.skipif("picamera2" in sys.modules, reason="picamera2 is here")
def test_without_picamera2_the_camera_is_unreachable_and_says_what_to_install() -> None:
    with pytest.raises(CameraUnreachable, match="install python3-picamera2"):
        open_camera(SourceAddress("c01", "picamera:0"))


@pytest.mark.parametrize(("layout", "tail"), [("nv12", 0), ("yuv420p", 0), ("nv12", 77), ("yuv420p", 77)])
def test_padding_at_the_end_of_rows_is_left_out(layout: PixelLayout, tail: int) -> None:
    width, height, stride = 6, 4, 8
    padded = np.full(stride * height * 3 // 2 + tail, 255, np.uint8)
    luma = padded[: stride * height].reshape(height, stride)
    luma[:, :width] = np.arange(height * width).reshape(height, width)
    chroma = padded[stride * height : stride * height * 3 // 2]
    if layout == "nv12":
        chroma.reshape(height // 2, stride)[:, :width] = np.arange(100, 112).reshape(2, 6)
    else:
        chroma.reshape(height, stride // 2)[:, : width // 2] = np.arange(100, 112).reshape(4, 3)
    planes = tight_planes(padded, width=width, height=height, stride=stride, layout=layout)
    assert planes == bytes(range(24)) + bytes(range(100, 112))
    assert len(planes) == planes_bytes(width, height)


def test_frames_are_passed_on_at_the_wanted_rate_and_not_below_it() -> None:
    pace = FramePace(10)
    passed = [at for at in range(0, 10 * NS_PER_S, NS_PER_S // 30) if pace.is_due(at)]
    assert 99 <= len(passed) <= 100
    # After a pause it goes on with the grid, and makes nothing up.
    assert pace.is_due(60 * NS_PER_S) and not pace.is_due(60 * NS_PER_S + 30 * NS_PER_MS)


@pytest.mark.parametrize("layout", ["nv12", "yuv420p"])
def test_planes_become_a_picture_of_their_brightness(layout: PixelLayout) -> None:
    planes = bytes([180]) * (64 * 48) + bytes([128]) * (64 * 24)
    picture = picture_of_planes(planes, width=64, height=48, layout=layout, is_full_range=True, media_ns=7)
    assert picture is not None and (picture.width, picture.height, picture.media_ns) == (64, 48, 7)
    assert set(picture.luma(32, 24).flat) == {180}
    assert picture.bgr().shape == (48, 64, 3) and abs(int(picture.bgr().mean()) - 180) <= 2


@given(st.binary(max_size=200), st.integers(-4, 20), st.integers(-4, 20))
def test_planes_of_another_size_are_no_picture(planes: bytes, width: int, height: int) -> None:
    picture = picture_of_planes(planes, width=width, height=height, layout="nv12", is_full_range=False, media_ns=0)
    assert (picture is not None) == (len(planes) == planes_bytes(width, height) > 0)
