"""Encoders, played."""

from __future__ import annotations


class LibavH264Encoder:
    def __init__(self, *, bitrate: int, repeat: bool, iperiod: int, framerate: int) -> None:
        assert isinstance(framerate, int) and isinstance(iperiod, int) and bitrate > 0 and repeat
        self.firsttimestamp: int | None = None


H264Encoder = LibavH264Encoder
