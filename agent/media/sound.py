"""What is heard beside the pictures: its coding, and a packet of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SoundOrigin(StrEnum):
    """What the camera sends. AAC is recorded as it came; MP4 cannot hold G.711, which becomes AAC."""

    AAC = "aac"
    PCM_MULAW = "pcm_mulaw"
    PCM_ALAW = "pcm_alaw"

    @property
    def declared(self) -> str:
        """What the segment's comment says of it."""
        return self.value if self is SoundOrigin.AAC else f"aac from {self.value}"


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """Everything that must stay the same within one segment. `config` is the AudioSpecificConfig (ISO/IEC 14496-3,
    1.6.2.1), `packet_samples` how many samples of `rate_hz` a packet usually holds."""

    origin: SoundOrigin
    rate_hz: int
    channels: int
    config: bytes
    packet_samples: int


@dataclass(frozen=True, slots=True)
class SourceSound:
    """A packet of AAC as its source gives it.

    `at_ns` counts on the source's own line, which begins anew with each `line`. `line` 0 is the pictures' own: there
    `at_ns` is their PTS in ns. On other lines `arrived_mono_ns` is when it came, and `ntp_ns` when the camera says that
    it was heard, by the camera's own clock, if it says so.
    """

    data: bytes
    at_ns: int
    duration_ns: int
    line: int = 0
    arrived_mono_ns: int = 0
    ntp_ns: int | None = None


@dataclass(frozen=True, slots=True)
class CapturedSound:
    """The same with its place in the run; before its first picture when that is negative."""

    media_ns: int
    duration_ns: int
    data: bytes
