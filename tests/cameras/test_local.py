"""Cameras in the node: what the kernel and libcamera's tools say of them. The devices themselves are not here."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.cameras.camera import LocalCamera, LocalCameras
from provisioning.cameras.local import list_csi, list_v4l2, read_list
from provisioning.cameras.v4l2 import blank_capability, format_question, is_wanted, read_capability, read_format

CAPTURE, MPLANE, M2M, META, STREAMING, PER_NODE = 0x1, 0x1000, 0x8000, 0x00800000, 0x04000000, 0x80000000


def capability(whole: int, device: int = 0, driver: bytes = b"uvcvideo") -> bytes:
    """struct v4l2_capability, as `v4l2-ctl --all` shows one of a common UVC camera."""
    return struct.pack("=16s32s32sIII12x", driver, b"HD USB Camera", b"usb-0000:01:00.0-1.3", 0x060600, whole, device)


@pytest.mark.parametrize(
    ("data", "buffer_type"),
    [
        (capability(PER_NODE | CAPTURE | META | STREAMING, CAPTURE | STREAMING), 1),
        (capability(PER_NODE | CAPTURE | META | STREAMING, META | STREAMING), 0),
        (capability(CAPTURE | STREAMING), 1),
        (capability(PER_NODE | MPLANE | STREAMING, MPLANE | STREAMING), 9),
        (capability(PER_NODE | M2M | STREAMING, M2M | CAPTURE | STREAMING), 0),
        (capability(PER_NODE | CAPTURE, CAPTURE), 0),
        (capability(CAPTURE | STREAMING, driver=b"bcm2835-isp"), 0),
        (capability(CAPTURE | STREAMING, driver=b"unicam"), 0),
    ],
)
def test_only_what_captures_video_is_a_camera(data: bytes, buffer_type: int) -> None:
    found = read_capability(data)
    assert (found.card, found.bus, found.buffer_type) == ("HD USB Camera", "usb-0000:01:00.0-1.3", buffer_type)


@given(st.binary(min_size=104, max_size=104), st.binary(min_size=64, max_size=64))
def test_any_answer_of_a_driver_is_read(capability_data: bytes, format_data: bytes) -> None:
    assert len(blank_capability()) == len(capability_data) and len(format_question(0, 1)) == len(format_data)
    assert read_capability(capability_data).buffer_type in {0, 1, 9}
    read_format(format_data)


def test_formats_are_told_by_their_four_characters() -> None:
    data = struct.pack("=III32s4sI12x", 0, 1, 1, b"H.264", b"H264", 0).ljust(64, b"\x00")
    assert read_format(data) == "H264"
    assert is_wanted(("MJPG", "H264")) and is_wanted(("YUYV",)) and not is_wanted(("pBAA", "GREY"))


def test_what_is_no_v4l2_device_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "video0").symlink_to("/dev/null")
    (tmp_path / "video1").touch()
    (tmp_path / "video-notes").touch()
    assert list_v4l2(tmp_path) == LocalCameras((), "no_device")


def test_a_device_that_may_not_be_opened_is_told_apart_from_none(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open everything")
    (tmp_path / "video0").touch(mode=0)
    assert list_v4l2(tmp_path) == LocalCameras((), "no_access")


def test_libcameras_list_is_read() -> None:
    # rpicam-hello --list-cameras of a Pi 5 with two sensors.
    said = """Available cameras
-----------------
0 : imx708_wide [4608x2592 10-bit RGGB] (/base/axi/pcie@1000120000/rp1/i2c@88000/imx708@1a)
    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]
                             2304x1296 [56.03 fps - (0, 0)/4608x2592 crop]
1 : ov5647 [2592x1944 10-bit GBRG] (/base/axi/pcie@1000120000/rp1/i2c@80000/ov5647@36)
    Modes: 'SGBRG10_CSI2P' : 640x480 [58.92 fps - (16, 0)/2560x1920 crop]
"""
    first, second = read_list(said)
    place = "/base/axi/pcie@1000120000/rp1/i2c@88000/imx708@1a"
    assert first == LocalCamera("picamera:0", "imx708_wide", place, ("4608x2592", "10-bit", "RGGB"), is_recordable=True)
    assert second.url == "picamera:1" and read_list("No cameras available!\n") == ()


def test_without_libcameras_software_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_csi() == LocalCameras((), "no_software")
