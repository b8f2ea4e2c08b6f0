"""A recorder fed with a film as fast as it takes it: a camera's part is played, the disk is real."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import av

from agent.clock import ClockQuality, ClockStatus
from agent.media.capture import CapturedPacket, Session
from agent.media.gop import is_idr, length_bytes_of
from agent.media.source import Source, SourceAddress, open_source
from agent.media.timeline import Anchor, Timeline
from agent.notices import Outage, SegmentClosed, SegmentOpened
from agent.recording.boot import claim_boot, ensure_ring
from agent.recording.outages import OutageBook
from agent.recording.recorder import Recorder, RecorderSettings
from agent.recording.segment import SegmentScan, scan
from agent.units import NS_PER_S

# 2026-11-22T14:03:00Z and an odd nanosecond, as clocks have them
ANCHOR_WALL_NS = 1_795_356_180 * NS_PER_S + 123_456_789


class HandClock:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self.past_ns = 0

    def wall_ns(self) -> int:
        return ANCHOR_WALL_NS + self.past_ns

    def mono_ns(self) -> int:
        return 1 + self.past_ns

    def status(self) -> ClockStatus:
        return ClockStatus(ClockQuality.SYNCED, 0.001)


class Ring:
    """A recorder on a ring in `data_dir`, and what it told."""

    def __init__(self, data_dir: Path, *, segment_s: float = 60) -> None:
        self.data_dir = data_dir
        self.clock = HandClock()
        self.opens: list[SegmentOpened] = []
        self.closes: list[SegmentClosed] = []
        self.outages: list[Outage] = []
        ring_id = ensure_ring(data_dir)
        settings = RecorderSettings("c01", data_dir, ring_id, claim_boot(data_dir), segment_s, durability_s=1)
        self.book = OutageBook("c01", settings.boot.boot, self.outages.append, self.clock)
        self.recorder = Recorder(settings, self, self.book, self.clock)
        self._go_on = threading.Event()
        self._go_on.set()

    def opened(self, notice: SegmentOpened) -> None:
        self.opens.append(notice)

    def closed(self, notice: SegmentClosed) -> None:
        self.closes.append(notice)

    def write(self) -> None:
        """Let the recorder take what waits; there must be something."""
        self.recorder.run_once(self._go_on)

    def scans(self) -> list[SegmentScan]:
        """The closed segments as their files tell them, in order."""
        return [self.scan(closed) for closed in self.closes]

    def scan(self, closed: SegmentClosed) -> SegmentScan:
        data = (self.data_dir / closed.path).read_bytes()
        return scan(lambda at, size: data[at : at + size], len(data))


class Playback:
    """A film as one run of a camera, again and again under rising stamps."""

    def __init__(self, film: Path, *, begins_ns: int = 0) -> None:
        self._film = film
        self._source: Source = open_source(SourceAddress("c01", f"file:{film}"))
        self.session = Session(self._source.shape, Anchor(ANCHOR_WALL_NS + begins_ns, 1 + begins_ns))

    def packets(self, *, rounds: int = 1) -> Iterator[CapturedPacket]:
        shape = self.session.shape.format
        lengths = length_bytes_of(shape.codec, shape.extradata)
        timeline = Timeline("c01", shape.time_base, shape.frame_duration)
        shift = 0
        for _ in range(rounds):
            last = 0
            with av.open(str(self._film)) as container:
                for packet in container.demux(container.streams.video[0]):
                    if not packet.size or packet.pts is None or packet.dts is None:
                        continue
                    stamp = timeline.stamp(packet.pts + shift, packet.dts + shift)
                    last = packet.dts
                    begins = is_idr(shape.codec, bytes(packet), length_bytes=lengths)
                    yield CapturedPacket(packet, stamp.pts, stamp.dts, stamp.media_ns, begins)
            shift += last + shape.frame_duration


def play(ring: Ring, film: Path, *, rounds: int = 1, skip: int = 0) -> int:
    """Record a film as one run from now on, to its end; how many packets it had after the `skip` first."""
    begins_ns = ring.clock.past_ns
    playback = Playback(film, begins_ns=begins_ns)
    ring.recorder.begin(playback.session)
    count = 0
    for packet in playback.packets(rounds=rounds):
        if count >= skip:
            ring.clock.past_ns = begins_ns + packet.media_ns
            ring.recorder.take(packet)
            ring.write()
        count += 1
    ring.recorder.end()
    ring.write()
    return count - skip
