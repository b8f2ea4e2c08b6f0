"""The threads of a camera process that record pictures and sound, in the test's own process."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.clock import ClockQuality, ClockStatus, SystemClock
from agent.media.capture import Capture
from agent.media.ear import Ear
from agent.media.sound_feed import SoundFeed
from agent.media.sound_session import SoundSession
from agent.media.source import SourceAddress
from agent.notices import Outage, SegmentClosed, SegmentOpened
from agent.recording.boot import claim_boot, ensure_ring
from agent.recording.outages import OutageBook
from agent.recording.recorder import Recorder, RecorderSettings
from agent.stage import Backoff, Stage


class SyncedClock(SystemClock):
    def status(self) -> ClockStatus:
        return ClockStatus(ClockQuality.SYNCED, 0.001)


class Hearing:
    """A context: records `url`, with its sound, while it lasts. `closes` and `outages` are what the recorder told."""

    def __init__(self, url: str, data_dir: Path, *, segment_s: float = 2, sound: bool = True) -> None:
        clock = SyncedClock()
        self.data_dir = data_dir
        self.opens: list[SegmentOpened] = []
        self.closes: list[SegmentClosed] = []
        self.outages: list[Outage] = []
        ring_id = ensure_ring(data_dir)
        settings = RecorderSettings("c01", data_dir, ring_id, claim_boot(data_dir), segment_s, durability_s=1)
        book = OutageBook("c01", settings.boot.boot, self.outages.append, clock)
        self.recorder = Recorder(settings, self, book, clock)
        self.feed = SoundFeed()
        self.failures: list[Exception] = []
        address = SourceAddress("c01", url)
        self._stop = threading.Event()
        session = SoundSession(lambda: address, self.feed, clock, self._stop)
        soon = Backoff(initial_s=0.2, max_s=0.4)

        def capture() -> None:
            ear = Ear(self.feed, self.recorder) if sound else None
            Capture(address, [self.recorder], clock, self._stop, ear=ear).run_once()

        self._stages = [
            Stage("recorder", lambda: self.recorder.run_once(self._stop), stop=self._stop),
            Stage("capture", capture, stop=self._stop, backoff=soon),
        ]
        if sound:
            heard = self.failures.append
            self._stages.append(Stage("sound", session.run_once, stop=self._stop, backoff=soon, on_failure=heard))

    def opened(self, notice: SegmentOpened) -> None:
        self.opens.append(notice)

    def closed(self, notice: SegmentClosed) -> None:
        self.closes.append(notice)

    def paths(self) -> list[Path]:
        return [self.data_dir / closed.path for closed in self.closes]

    def __enter__(self) -> Self:
        for stage in self._stages:
            stage.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.recorder.rouse()
        for stage in self._stages:
            stage.join()
        self.recorder.finish()
