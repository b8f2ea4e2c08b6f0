"""One session with a camera after the other: packets stamped, true IDRs found, handed to recorder and vision."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from agent import log
from agent.clock import Clock
from agent.errors import CameraError
from agent.media.gop import extradata_sets, is_idr, length_bytes_of, parameter_sets
from agent.media.source import Shape, Source, SourceAddress, open_source, shape_of
from agent.media.timeline import Anchor, Timeline, check_clock
from agent.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# What FFmpeg read ahead while probing comes in a burst; the first packet that had to be waited for is live.
_LIVE_PAUSE_NS: Final = 5 * NS_PER_MS
_MAX_BURST: Final = 256
# How long a session that ended waits for the recorder to finish with its stream before it connects again.
_RELEASE_S: Final = 2.0

_log = log.get("capture")


class Session:
    """One run's open stream, shared by capture and recorder; closed by whichever lets go last, because a segment's head
    is copied from the live stream and a closed one would crash the process.

    Capture lets go last, but for a disk that stands still: then the recorder closes it when it is through.
    """

    def __init__(self, source: Source, anchor: Anchor) -> None:
        self._source = source
        self.anchor = anchor
        self._holders = 1
        self._condition = threading.Condition()

    @property
    def shape(self) -> Shape:
        """As the session began; `Sink.change` tells of another."""
        return self._source.shape

    def hold(self) -> None:
        with self._condition:
            self._holders += 1

    def release(self) -> None:
        with self._condition:
            self._holders -= 1
            is_last = self._holders == 0
            self._condition.notify_all()
        if is_last:
            self._source.close()

    def wait_for_others(self, timeout_s: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._holders <= 1, timeout_s)


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One access unit; `pts` and `dts` count in ticks from the run's first PTS.

    Sinks share `packet` across threads: its bytes never change, its own stamps are the recorder's to write.
    """

    packet: Packet[VideoStream]
    pts: int
    dts: int
    media_ns: int
    is_idr: bool


class Sink(Protocol):
    """Who takes packets, on the capture thread; none of these may block."""

    def begin(self, session: Session) -> None: ...

    def change(self, shape: Shape) -> None:
        """The run goes on, from the next packet on with other parameters."""

    def take(self, captured: CapturedPacket) -> None: ...

    def end(self) -> None: ...


class Capture:
    """`run_once` is one session: it returns when stopped, and raises the CameraError that ended it."""

    def __init__(self, address: SourceAddress, sinks: list[Sink], clock: Clock, stop: threading.Event) -> None:
        self._address = address
        self._sinks = sinks
        self._clock = clock
        self._stop = stop

    def run_once(self) -> None:
        source = open_source(self._address)
        try:
            packets = source.packets(self._stop)
            burst = self._settle(source, packets)
        except BaseException:
            source.close()
            raise
        session = Session(source, burst.anchor)
        shape = source.shape.format
        _log.info(
            "stream open", camera=self._address.camera, codec=shape.codec.value, width=shape.width, height=shape.height
        )
        for sink in self._sinks:
            sink.begin(session)
        try:
            self._pass_on(session, _chained(burst.packets, packets))
            if burst.failure is not None:
                raise burst.failure
        finally:
            for sink in self._sinks:
                sink.end()
            session.wait_for_others(_RELEASE_S)
            session.release()

    def _settle(self, source: Source, packets: Iterator[Packet[VideoStream]]) -> _Burst:
        """Packets up to the first live one, and when media time 0 was: a packet that lay in a buffer says too late a
        time, so the earliest origin that any of them implies is the right one."""
        held: list[Packet[VideoStream]] = []
        arrivals: list[int] = []
        failure: CameraError | None = None
        try:
            for packet in packets:
                held.append(packet)
                arrivals.append(self._clock.mono_ns())
                is_live = len(arrivals) > 1 and arrivals[-1] - arrivals[-2] > _LIVE_PAUSE_NS
                if is_live or len(held) >= _MAX_BURST:
                    break
        except CameraError as exc:
            # What it sent before it failed is footage all the same.
            if not held:
                raise
            failure = exc
        _fill_first(source, held)
        tick_ns = source.shape.format.time_base * NS_PER_S
        first = next((packet.pts for packet in held if packet.pts is not None), 0)
        origins = [
            arrived - int((packet.pts - first) * tick_ns)
            for packet, arrived in zip(held, arrivals, strict=True)
            if packet.pts is not None
        ]
        mono_ns = min(origins, default=self._clock.mono_ns())
        wall_ns = self._clock.wall_ns() - (self._clock.mono_ns() - mono_ns)
        return _Burst(held, Anchor(wall_ns, mono_ns), failure)

    def _pass_on(self, session: Session, packets: Iterator[Packet[VideoStream]]) -> None:
        shape = session.shape.format
        lengths = length_bytes_of(shape.codec, shape.extradata)
        known = frozenset(extradata_sets(shape.codec, shape.extradata))
        timeline = Timeline(self._address.camera, shape.time_base, shape.frame_duration)
        for packet in packets:
            stamp = timeline.stamp(packet.pts, packet.dts)
            begins = False
            if packet.is_keyframe:
                data = bytes(packet)
                begins = is_idr(shape.codec, data, length_bytes=lengths)
                # Streams with lengths carry their parameters in the head only.
                sets = () if lengths or not begins else parameter_sets(shape.codec, data)
                if not known.issuperset(sets):
                    self._change(session, data)
                    known = frozenset(sets)
            if begins:
                self._check_clock(session.anchor)
            captured = CapturedPacket(packet, stamp.pts, stamp.dts, stamp.media_ns, begins)
            for sink in self._sinks:
                sink.take(captured)

    def _change(self, session: Session, data: bytes) -> None:
        """The camera was set anew without ending its stream: a segment's head must not promise the old picture."""
        shape = shape_of(self._address, data, session.shape.format)
        width, height = shape.format.width, shape.format.height
        _log.info("stream changed", camera=self._address.camera, width=width, height=height)
        for sink in self._sinks:
            sink.change(shape)

    def _check_clock(self, anchor: Anchor) -> None:
        now = Anchor(self._clock.wall_ns(), self._clock.mono_ns())
        check_clock(self._address.camera, now=now, anchor=anchor)


@dataclass(frozen=True, slots=True)
class _Burst:
    """What a source gave before it was live, and the failure that ended it already then."""

    packets: list[Packet[VideoStream]]
    anchor: Anchor
    failure: CameraError | None


def _fill_first(source: Source, held: Sequence[Packet[VideoStream]]) -> None:
    """The first IDR of an RTSP session may have no stamps (seen with PyAV 18); without it the first GOP is lost."""
    if len(held) < 2 or held[0].pts is not None:
        return
    following = next(((at, p.dts) for at, p in enumerate(held) if p.dts is not None), None)
    if following is not None:
        at, dts = following
        held[0].pts = held[0].dts = dts - at * source.shape.format.frame_duration


def _chained(burst: list[Packet[VideoStream]], packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Empties `burst`, so that it does not stay in memory as long as the session."""
    while burst:
        yield burst.pop(0)
    yield from packets
