"""How a CSI camera is to be set, read from its address. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from agent.errors import CameraUnreachable

SCHEME: Final = "picamera:"
# A segment and a clip begin at an IDR; network cameras are set to 1 s to 2 s.
_GOP_S: Final = 1.0
_ADDRESS: Final = re.compile(r"picamera:(\d{1,2})(?:\?(.*))?")
_SIZE: Final = re.compile(r"(\d{2,4})x(\d{2,4})")
_MAX_FPS: Final = 120
_MAX_MBPS: Final = 50
_REMEDY: Final = "write picamera:0, or picamera:0?size=1920x1080&fps=25&mbps=6"


@dataclass(frozen=True, slots=True)
class CsiSettings:
    """`number`: as libcamera counts the sensors. `lores_*`: the picture for vision, from the same moment."""

    number: int
    width: int = 1920
    height: int = 1080
    fps: float = 25.0
    bitrate_bps: int = 6_000_000
    lores_width: int = 640
    lores_height: int = 360

    @property
    def gop_frames(self) -> int:
        return max(round(self.fps * _GOP_S), 1)


def read_csi_address(url: str, *, camera: str) -> CsiSettings:
    """Raises CameraUnreachable, which says how to write it, for an address that is none."""
    match = _ADDRESS.fullmatch(url)
    asked = dict(parse_qsl(match[2] or "", keep_blank_values=True)) if match else {}
    if match is None or asked.keys() - {"size", "fps", "mbps"}:
        raise CameraUnreachable(camera=camera, source=url, remedy=_REMEDY)
    base = CsiSettings(int(match[1]))
    size = _SIZE.fullmatch(asked.get("size", f"{base.width}x{base.height}"))
    fps = _number(asked.get("fps", str(base.fps)), _MAX_FPS)
    mbps = _number(asked.get("mbps", str(base.bitrate_bps / 1e6)), _MAX_MBPS)
    if size is None or not fps or not mbps or int(size[1]) % 2 or int(size[2]) % 2:
        raise CameraUnreachable(camera=camera, source=url, remedy=_REMEDY)
    return CsiSettings(base.number, int(size[1]), int(size[2]), fps, round(mbps * 1e6))


def _number(text: str, most: float) -> float:
    """0 for what is no number within (0, most]."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 < value <= most else 0.0
