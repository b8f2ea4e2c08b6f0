"""A picture that a source gives beside its packets: the small one that a CSI camera's own scaler makes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Planes of luma and chroma as FFmpeg calls them.
PixelLayout = Literal["yuv420p", "nv12"]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """`pts` in ticks of the stream, on the line of its packets. `planes`: luma, then chroma at half the size, without
    padding: width x height x 3 / 2 bytes."""

    pts: int
    width: int
    height: int
    layout: PixelLayout
    is_full_range: bool
    planes: bytes


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """The same with its place in the run."""

    media_ns: int
    frame: SourceFrame


def planes_bytes(width: int, height: int) -> int:
    """How many bytes such planes have; 0 for sizes that have none (odd, empty)."""
    return width * height * 3 // 2 if width > 0 and height > 0 and width % 2 == height % 2 == 0 else 0
