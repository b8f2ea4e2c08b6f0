"""What the played picamera2 does (tests/media/picamera2_played)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Play:
    """`units`: access units with their key flags; `sends`: how many of them in a row before it falls silent."""

    units: list[tuple[bytes, bool]] = field(default_factory=list)
    fps: int = 25
    size: tuple[int, int] = (320, 180)
    sensors: int = 1
    sends: int = 10**9
    pace_s: float = 0.002
    hangs_at_close: threading.Event | None = None
    fails_at_start: str = ""
