"""Between capture and recorder: what of a camera's stream is recorded, by its mode.

Closed, the gate keeps the newest GOPs in memory; when their time is wanted it opens from the IDR before. It closes at
an IDR, so that nothing lies between what was recorded and what is kept in memory next.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, Protocol

from agent import log
from agent.clock import Clock, ClockQuality
from agent.errors import CameraError
from agent.media.capture import CapturedPacket, Session
from agent.media.source import Shape
from agent.recording.around import LATE_S, IncidentWord, Wanted
from agent.recording.arrivals import Arrival, Replayed, Skipped
from agent.recording.goppool import GopPool
from agent.recording.outages import NOT_SCHEDULED, OutageBook
from agent.recording.schedule import Schedule, Standing
from agent.units import NS_PER_S, WallSpan

# A window of hours needs the GOP that is being shown as it begins: 10 s at 16 Mbit/s.
_ONE_GOP_BYTES: Final = 20 * 1024 * 1024

_log = log.get("gate")


class Mode(Protocol):
    """What is wanted, asked on the capture's thread. `why` says in words what a closed gate leaves out."""

    why: str
    reach_ns: int
    max_bytes: int

    def at(self, wall_ns: int) -> WallSpan | None:
        """The span that is to be recorded at this moment, None for none."""


class RunRecorder(Protocol):
    """agent.recording.recorder.Recorder as its gate uses it."""

    def begin(self, session: Session) -> None: ...

    def change(self, shape: Shape) -> None: ...

    def take(self, captured: CapturedPacket) -> None: ...

    def end(self, failure: CameraError | None = None) -> None: ...

    def put(self, item: Arrival) -> None: ...


class ScheduleMode:
    """By the hours of the week. While nobody vouches for the clock everything is recorded: the hours are not known."""

    reach_ns = 0
    max_bytes = _ONE_GOP_BYTES

    def __init__(self, schedule: Schedule, clock: Clock, *, words: str) -> None:
        self.why = f"outside its hours: {words}"
        self._schedule = schedule
        self._clock = clock
        self._known: tuple[int, Standing] | None = None

    def at(self, wall_ns: int) -> WallSpan | None:
        known = self._known
        if known is None or not known[0] <= wall_ns < known[1].until_ns:
            known = self._known = (wall_ns, self._schedule.standing(wall_ns))
        if known[1].window is None and self._clock.status().quality is ClockQuality.UNSYNCED:
            return WallSpan(wall_ns, wall_ns + 1)
        return known[1].window


class AroundMode:
    """Around incidents. `hear` may be called from any thread."""

    def __init__(self, *, before_s: float, after_s: float, max_bytes: int) -> None:
        self.why = f"recorded from {before_s:g} s before an incident to {after_s:g} s after it"
        self.reach_ns = int((before_s + LATE_S) * NS_PER_S)
        self.max_bytes = max_bytes
        self._wanted = Wanted(before_s=before_s, after_s=after_s)
        self._lock = threading.Lock()

    def hear(self, word: IncidentWord) -> None:
        with self._lock:
            self._wanted.hear(word)

    def at(self, wall_ns: int) -> WallSpan | None:
        with self._lock:
            return self._wanted.at(wall_ns)


@dataclass(slots=True)
class _Run:
    anchor_wall_ns: int
    is_open: bool


class Gate:
    """A capture sink before a recorder. `seen_mono_ns`: when the last packet came that was left out; any thread."""

    def __init__(self, recorder: RunRecorder, mode: Mode, outages: OutageBook, clock: Clock, *, camera: str) -> None:
        self._recorder = recorder
        self._mode = mode
        self._outages = outages
        self._clock = clock
        self._camera = camera
        self._pool: GopPool[CapturedPacket] = GopPool(reach_ns=mode.reach_ns, max_bytes=mode.max_bytes)
        self._run: _Run | None = None
        self._told_short = 0
        self.seen_mono_ns = 0

    def begin(self, session: Session) -> None:
        self._pool.clear()
        self._recorder.begin(session)
        self._run = _Run(session.anchor.wall_ns, is_open=True)
        if self._mode.at(session.anchor.wall_ns) is None:
            self._close(self._run)

    def change(self, shape: Shape) -> None:
        """What is in memory cannot stand in one segment with what follows: it is let go."""
        self._pool.clear()
        self._recorder.change(shape)

    def take(self, captured: CapturedPacket) -> None:
        run = self._run
        if run is None:
            return
        wall_ns = run.anchor_wall_ns + captured.media_ns
        span = self._mode.at(wall_ns)
        if run.is_open and (span is not None or not captured.is_idr):
            self._recorder.take(captured)
            return
        if run.is_open:
            self._close(run)
        self._keep(captured, wall_ns)
        if span is not None:
            run.is_open = True
            self._recorder.put(Replayed(self._pool.take(span.start_ns)))

    def end(self, failure: CameraError | None = None) -> None:
        self._pool.clear()
        self._run = None
        self._recorder.end(failure)

    def _close(self, run: _Run) -> None:
        run.is_open = False
        self._recorder.put(Skipped(NOT_SCHEDULED, self._mode.why))

    def _keep(self, captured: CapturedPacket, wall_ns: int) -> None:
        self.seen_mono_ns = self._clock.mono_ns()
        self._pool.add(captured, wall_ns=wall_ns, size_bytes=captured.packet.size, is_idr=captured.is_idr)
        self._outages.left_out_until(wall_ns)
        if self._pool.cut_short and not self._told_short:
            self._told_short = self._pool.cut_short
            _log.warning(
                "memory holds less than the seconds before an incident", camera=self._camera, bytes=self._mode.max_bytes
            )
