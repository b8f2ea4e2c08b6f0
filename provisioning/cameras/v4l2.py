"""What a V4L2 device says it can do, as the kernel lays it out. Pure. Source: <linux/videodev2.h>."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

# _IOR('V', 0, struct v4l2_capability) and _IOWR('V', 2, struct v4l2_fmtdesc)
VIDIOC_QUERYCAP: Final = 0x80685600
VIDIOC_ENUM_FMT: Final = 0xC0405602
CAPTURE: Final = 1
CAPTURE_MPLANE: Final = 9
_VIDEO_CAPTURE: Final = 0x1
_VIDEO_CAPTURE_MPLANE: Final = 0x1000
_VIDEO_M2M: Final = 0x8000 | 0x4000
_STREAMING: Final = 0x04000000
_DEVICE_CAPS: Final = 0x80000000
_CAPABILITY: Final = struct.Struct("=16s32s32sIII12x")
_FORMAT: Final = struct.Struct("=III32sI16x")
# Compressed formats that the agent records, and raw ones that a converter understands.
H264: Final = "H264"
# A Pi's receivers, image processors and codecs: capture devices to V4L2, and none of them a camera that is plugged in.
_PIPELINE_DRIVERS: Final = frozenset({"unicam", "bcm2835-isp", "bcm2835-codec", "rp1-cfe", "pispbe", "rpivid"})
_RAW: Final = frozenset({"YUYV", "UYVY", "NV12", "NV21", "YU12", "YV12", "RGB3", "BGR3", "MJPG"})


@dataclass(frozen=True, slots=True)
class Capability:
    """`buffer_type`: what formats are to be asked for, 0 where the device is no camera for people: it captures no
    video, or is a part of libcamera's pipeline."""

    card: str
    bus: str
    buffer_type: int


def blank_capability() -> bytes:
    return bytes(_CAPABILITY.size)


def read_capability(data: bytes) -> Capability:
    """What VIDIOC_QUERYCAP filled in. Codecs (M2M) and metadata nodes capture nothing."""
    driver, card, bus, _version, whole, device = _CAPABILITY.unpack(data)
    flags = device if whole & _DEVICE_CAPS else whole
    kind = 0
    if flags & _STREAMING and not flags & _VIDEO_M2M and _text(driver) not in _PIPELINE_DRIVERS:
        kind = CAPTURE if flags & _VIDEO_CAPTURE else CAPTURE_MPLANE if flags & _VIDEO_CAPTURE_MPLANE else 0
    return Capability(_text(card), _text(bus), kind)


def format_question(index: int, buffer_type: int) -> bytes:
    return _FORMAT.pack(index, buffer_type, 0, b"", 0)


def read_format(data: bytes) -> str:
    """The four-character code that VIDIOC_ENUM_FMT filled in."""
    code = _FORMAT.unpack(data)[4]
    return struct.pack("=I", code & 0x7FFFFFFF).decode("ascii", "replace").strip()


def is_wanted(formats: tuple[str, ...]) -> bool:
    """Whether a person may want this device: it gives H.264, or pictures."""
    return H264 in formats or bool(_RAW.intersection(formats))


def _text(raw: bytes) -> str:
    return raw.split(b"\x00", 1)[0].decode("utf-8", "replace")
