"""What a run's video is, and one of its access units. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Codec(StrEnum):
    """What can be recorded natively into a segment."""

    H264 = "h264"
    HEVC = "hevc"


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """Everything that must stay the same within one segment. `extradata` as the demuxer gives it: parameter sets in
    Annex B or in an avcC/hvcC record."""

    codec: Codec
    width: int
    height: int
    extradata: bytes
    time_base: Fraction
    frame_duration: int
    """Ticks of one frame at the declared rate; a guess where the camera declares none."""
