"""What waits between a camera's socket and its decoder, and what is left out when the decoder is late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.mailbox import Mailbox
from agent.notices import LoresFrame, StreamRole, StreamStarted, VideoPacket
from agent.units import NS_PER_S

# Ten seconds of 30 fps, and the largest GOP that a camera replays (agent.packet_sender) with room for what follows.
_MAX_ITEMS = 300
_MAX_BYTES = 32 * 1024 * 1024
# Behind by more than this, the decoder goes on at the newest IDR: what is seen late helps nobody.
LATE_NS = 3 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Arrival:
    """One notice of the camera and its payload: the codec's extradata, one access unit, or one picture's planes."""

    notice: StreamStarted | VideoPacket | LoresFrame
    payload: bytes

    @property
    def is_idr(self) -> bool:
        """Whether decoding may begin here; a picture needs none."""
        return isinstance(self.notice, LoresFrame) or (isinstance(self.notice, VideoPacket) and self.notice.is_idr)


@dataclass(frozen=True, slots=True)
class Batch:
    """What to decode now, in order; `shed` packets before it were left out."""

    arrivals: tuple[Arrival, ...]
    shed: int

    @property
    def newest_media_ns(self) -> int | None:
        """Media time of the last packet, None without one."""
        shown = (one.notice for one in reversed(self.arrivals) if not isinstance(one.notice, StreamStarted))
        newest = next(shown, None)
        return None if newest is None else newest.media_ns


def plan_batch(waiting: Sequence[Arrival], *, late_ns: int = LATE_NS) -> Batch:
    """What to decode of all that waits. Pure.

    Packets before the last start of a run are stale. When the rest spans more than `late_ns`, it goes on at the newest
    IDR; with no IDR to skip to, all of it is decoded, because a decoder cannot begin in the middle of a GOP.
    """
    started = max((at for at, one in enumerate(waiting) if isinstance(one.notice, StreamStarted)), default=-1)
    head, packets = tuple(waiting[started : started + 1]) if started >= 0 else (), list(waiting[started + 1 :])
    shed = max(started, 0)
    times = [arrival.notice.media_ns for arrival in packets if not isinstance(arrival.notice, StreamStarted)]
    if times and times[-1] - times[0] > late_ns:
        newest_idr = max((at for at, arrival in enumerate(packets) if arrival.is_idr), default=0)
        shed += newest_idr
        packets = packets[newest_idr:]
    return Batch((*head, *packets), shed)


class Intake:
    """Bounded. `offer` is called by the link's thread and never blocks, `take` by the decoder's own thread."""

    def __init__(self) -> None:
        self._mailbox: Mailbox[Arrival] = Mailbox(_MAX_ITEMS, _MAX_BYTES)
        self._role = StreamRole.MAIN
        self._waits_for_idr = True
        self._shed = 0
        self._shed_told = 0

    def offer(self, notice: StreamStarted | VideoPacket | LoresFrame, payload: bytes) -> None:
        """Take it in or count it as shed. Which of its streams is shown is the camera's choice, told by each start."""
        if isinstance(notice, StreamStarted):
            self._role = notice.role
        if notice.role is not self._role:
            return
        arrival = Arrival(notice, payload)
        if isinstance(notice, StreamStarted):
            if not self._mailbox.put(arrival, len(payload)):
                self._empty()
                self._mailbox.put(arrival, len(payload))
            self._waits_for_idr = True
        elif self._waits_for_idr and not arrival.is_idr:
            self._shed += 1
        elif self._mailbox.put(arrival, len(payload)):
            self._waits_for_idr = False
        else:
            self._overflow(arrival)

    def take(self, timeout_s: float) -> Batch:
        """What to decode now, after waiting for the first packet; empty when nothing came in time."""
        batch = plan_batch(self._mailbox.take_all(timeout_s))
        # The count only grows on the link's thread; what was told of it only here: no increment is lost between them.
        shed, self._shed_told = self._shed - self._shed_told, self._shed
        return Batch(batch.arrivals, batch.shed + shed)

    def close(self) -> None:
        self._mailbox.close()

    def _overflow(self, arrival: Arrival) -> None:
        """Full: an IDR displaces all that waits, anything else waits for the next IDR."""
        if not arrival.is_idr:
            self._waits_for_idr = True
            self._shed += 1
            return
        starts = [one for one in self._empty() if isinstance(one.notice, StreamStarted)]
        for one in (*starts[-1:], arrival):
            self._mailbox.put(one, len(one.payload))
        self._waits_for_idr = False

    def _empty(self) -> list[Arrival]:
        waiting = self._mailbox.take_all(0)
        self._shed += sum(not isinstance(one.notice, StreamStarted) for one in waiting)
        return waiting
