"""How a camera's sound stands in a segment, and who records it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agent.media.sound import CapturedSound, SoundFormat

if TYPE_CHECKING:
    from av.audio.stream import AudioStream


@dataclass(frozen=True, slots=True)
class SoundShape:
    """A segment's sound track takes its head from `template`, which nobody reads or writes packets with, so that it may
    change threads. Two shapes are the same when their formats are."""

    format: SoundFormat
    template: AudioStream


class SoundSink(Protocol):
    """Who records sound, on the capture thread; neither may block."""

    def tune(self, shape: SoundShape) -> None:
        """From here on sound is coded like this, over runs as well."""

    def hear(self, captured: CapturedSound) -> None: ...
