"""What one camera's recorder has done since its process started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Of fragments, one a second: the slowest writes of the last minutes.
_SAMPLES: Final = 512


@dataclass(frozen=True, slots=True)
class RecorderCounts:
    """`lost` frames arrived and were not recorded; `media_ns` is the length of all runs; `sound_dropped` in packets."""

    recorded: int
    lost: int
    media_ns: int
    bytes: int
    write_p99_ms: float
    last_frame_mono_ns: int
    sound_dropped: int = 0


class Tally:
    """Counted on the recorder's thread, but for `dropped` and `sound_dropped`, which are capture's; read on any."""

    def __init__(self) -> None:
        self.dropped = 0
        self.lost = 0
        self.sound_dropped = 0
        self._recorded = self._bytes = 0
        self._past_runs_ns = self._run_ns = 0
        self._last_frame_mono_ns = 0
        self._write_ms: list[float] = []

    def note_frame(self, size_bytes: int, media_ns: int, mono_ns: int) -> None:
        self._recorded += 1
        self._bytes += size_bytes
        self._run_ns = max(self._run_ns, media_ns)
        self._last_frame_mono_ns = mono_ns

    def take_back(self, frames: int) -> None:
        """The disk did not keep them after all."""
        self._recorded -= frames
        self.lost += frames

    def note_write(self, write_s: float) -> None:
        self._write_ms.append(write_s * 1000)
        if len(self._write_ms) > _SAMPLES:
            del self._write_ms[: -_SAMPLES // 2]

    def end_run(self) -> None:
        self._past_runs_ns, self._run_ns = self._past_runs_ns + self._run_ns, 0

    def counts(self, *, sound_lost: int = 0) -> RecorderCounts:
        samples = sorted(self._write_ms)
        return RecorderCounts(
            recorded=self._recorded,
            lost=self.dropped + self.lost,
            media_ns=self._past_runs_ns + self._run_ns,
            bytes=self._bytes,
            write_p99_ms=samples[int(len(samples) * 0.99)] if samples else 0.0,
            last_frame_mono_ns=self._last_frame_mono_ns,
            sound_dropped=self.sound_dropped + sound_lost,
        )
