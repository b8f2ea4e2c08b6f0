"""How one camera's recording goes, as its process tells the node each second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.clock import Clock
from agent.media.source import STALL_LIMIT_S
from agent.notices import CameraStatus, StreamCondition
from agent.recording.gate import Gate
from agent.recording.outages import NOT_SCHEDULED, OutageBook
from agent.recording.recorder import Recorder
from agent.units import NS_PER_S

_STALL_NS: Final = int(STALL_LIMIT_S * NS_PER_S)


class Condition:
    """Owned by the thread that calls `tell`; rates are those since the call before."""

    def __init__(
        self,
        camera: str,
        recorder: Recorder,
        outages: OutageBook,
        clock: Clock,
        *,
        vision_dropped: Callable[[], int],
        gate: Gate | None = None,
    ) -> None:
        self._camera = camera
        self._recorder = recorder
        self._outages = outages
        self._clock = clock
        self._vision_dropped = vision_dropped
        self._gate = gate
        self._since_wall_ns = clock.wall_ns()
        self._stream = StreamCondition.OFFLINE
        self._last = recorder.counts

    def tell(self) -> CameraStatus:
        counts, before = self._recorder.counts, self._last
        self._last = counts
        # A camera whose footage is left out on purpose streams all the same.
        seen_ns = max(counts.last_frame_mono_ns, self._gate.seen_mono_ns if self._gate else 0)
        age_ns = self._clock.mono_ns() - seen_ns if seen_ns else None
        stream = self._judge(age_ns)
        if stream is not self._stream:
            self._stream, self._since_wall_ns = stream, self._clock.wall_ns()
        # By media time, because packets come to the recorder by the half second.
        past_s = (counts.media_ns - before.media_ns) / NS_PER_S
        rate = 1 / past_s if past_s > 0 else 0.0
        outage = self._outages.current
        return CameraStatus(
            camera=self._camera,
            stream=stream,
            since_wall_ns=self._since_wall_ns,
            reason="" if outage is None else outage[0],
            frames_recorded=counts.recorded,
            frames_lost=counts.lost,
            vision_dropped=self._vision_dropped(),
            frame_age_s=-1.0 if age_ns is None else age_ns / NS_PER_S,
            fps=round((counts.recorded - before.recorded) * rate, 2),
            bitrate_bps=round((counts.bytes - before.bytes) * 8 * rate),
            disk_write_p99_ms=round(counts.write_p99_ms, 2),
        )

    def _judge(self, age_ns: int | None) -> StreamCondition:
        if self._outages.is_open_for_disk:
            return StreamCondition.DEGRADED
        outage = self._outages.current
        is_missing = outage is not None and outage[0] != NOT_SCHEDULED
        if is_missing or age_ns is None or age_ns > _STALL_NS:
            return StreamCondition.OFFLINE
        return StreamCondition.STREAMING
