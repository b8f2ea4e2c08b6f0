"""One session with a camera after the other: packets stamped, true IDRs found, handed to recorder and vision."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from agent import log
from agent.clock import Clock
from agent.errors import CameraError
from agent.media.ear import Ear
from agent.media.frame import CapturedFrame, SourceFrame
from agent.media.gop import extradata_sets, is_idr, length_bytes_of, parameter_sets
from agent.media.opening import CameraSource, open_camera
from agent.media.source import Shape, SourceAddress, shape_of
from agent.media.steering import Steering
from agent.media.timeline import Anchor, RunBroken, Stamp, Timeline, first_stamps
from agent.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# What FFmpeg read ahead while probing comes in a burst; the first packet that had to be waited for is live.
_LIVE_PAUSE_NS: Final = 5 * NS_PER_MS
_MAX_BURST: Final = 256
# A run that broke sooner than this is a camera whose time makes no sense: the session ends, and the back-off with it.
_SHORTEST_RUN_NS: Final = NS_PER_S

_log = log.get("capture")


@dataclass(frozen=True, slots=True)
class Session:
    """One run as it begins; `Sink.change` tells of another shape."""

    shape: Shape
    anchor: Anchor


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

    def end(self, failure: CameraError | None = None) -> None:
        """The run is over; `failure` is why, unless it was asked to end."""


class FrameSink(Protocol):
    """Who takes the small pictures that some sources give, on the capture thread; it may not block."""

    def show(self, captured: CapturedFrame) -> None: ...


class Capture:
    """`run_once` is one session: it returns when stopped, and raises the CameraError that ended it."""

    def __init__(
        self,
        address: SourceAddress,
        sinks: list[Sink],
        clock: Clock,
        stop: threading.Event,
        *,
        viewer: FrameSink | None = None,
        ear: Ear | None = None,
    ) -> None:
        self._address = address
        self._sinks = sinks
        self._viewer = viewer
        self._ear = ear
        self._clock = clock
        self._stop = stop

    def run_once(self) -> None:
        feed = None if self._ear is None else self._ear.feed
        source = open_camera(self._address, feed)
        try:
            packets = source.packets(self._stop)
            burst = self._settle(source, packets)
            runs = _Runs(self._address, source.shape, self._sinks, self._clock, self._ear)
            runs.begin(burst.anchor)
            failure = burst.failure
            try:
                for packet in _chained(burst.packets, packets):
                    runs.feed(packet)
                    self._show(source, runs)
            except CameraError as exc:
                failure = exc
            finally:
                runs.end(failure)
            if failure is not None:
                raise failure
        finally:
            if self._ear is not None:
                self._ear.end()
            source.close()

    def _show(self, source: CameraSource, runs: _Runs) -> None:
        if self._viewer is None:
            return
        for frame in source.frames():
            captured = runs.place(frame)
            if captured is not None:
                self._viewer.show(captured)

    def _settle(self, source: CameraSource, packets: Iterator[Packet[VideoStream]]) -> _Burst:
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


class _Runs:
    """One session's runs: a broken one is followed by the next at once, because the stream itself still flows."""

    def __init__(
        self, address: SourceAddress, shape: Shape, sinks: Sequence[Sink], clock: Clock, ear: Ear | None
    ) -> None:
        self._ear = ear
        self._address = address
        self._shape = shape
        self._sinks = sinks
        self._clock = clock
        self._lengths = length_bytes_of(shape.format.codec, shape.format.extradata)
        self._known = frozenset(extradata_sets(shape.format.codec, shape.format.extradata))

    def begin(self, anchor: Anchor) -> None:
        form = self._shape.format
        self._anchor = anchor
        self._timeline = Timeline(self._address.camera, form.time_base, form.frame_duration)
        self._steering = Steering(self._address.camera, anchor)
        self._media_ns = 0
        if self._ear is not None:
            self._ear.begin(anchor, self._timeline)
        _log.info(
            "run begins", camera=self._address.camera, codec=form.codec.value, width=form.width, height=form.height
        )
        for sink in self._sinks:
            sink.begin(Session(self._shape, anchor))

    def end(self, failure: CameraError | None) -> None:
        for sink in self._sinks:
            sink.end(failure)

    def feed(self, packet: Packet[VideoStream]) -> None:
        """Raises RunBroken when a run breaks that has hardly begun."""
        begins = bool(packet.is_keyframe) and self._begins(bytes(packet))
        stamp = self._stamp(packet, begins=begins)
        self._media_ns = stamp.media_ns
        captured = CapturedPacket(packet, stamp.pts, stamp.dts, stamp.media_ns, begins)
        for sink in self._sinks:
            sink.take(captured)
        if self._ear is not None:
            self._ear.listen(packet, stamp.media_ns, self._clock.mono_ns())

    def place(self, frame: SourceFrame) -> CapturedFrame | None:
        """Where a picture stands in the run; None when it belongs to the one before."""
        media_ns = self._timeline.place(frame.pts)
        return None if media_ns is None else CapturedFrame(media_ns, frame)

    def _stamp(self, packet: Packet[VideoStream], *, begins: bool) -> Stamp:
        try:
            stamp = self._timeline.stamp(packet.pts, packet.dts)
        except RunBroken as broken:
            self._renew(broken, self._now())
            return self._timeline.stamp(packet.pts, packet.dts)
        self._steering.note(stamp.media_ns, self._clock.mono_ns())
        if not begins:
            return stamp
        try:
            by_ns = self._steering.judge(stamp.media_ns, self._now())
        except RunBroken as broken:
            self._renew(broken, self._steering.anchor_of(stamp.media_ns, self._now(), broken=broken))
            return self._timeline.stamp(packet.pts, packet.dts)
        if by_ns:
            self._timeline.bend(by_ns, self._steering.window_ns)
        return stamp

    def _renew(self, broken: RunBroken, anchor: Anchor) -> None:
        if self._media_ns < _SHORTEST_RUN_NS:
            raise broken
        _log.warning("run broken", camera=self._address.camera, problem=str(broken), reason=broken.reason)
        self.end(broken)
        self.begin(anchor)

    def _begins(self, data: bytes) -> bool:
        codec = self._shape.format.codec
        if not is_idr(codec, data, length_bytes=self._lengths):
            return False
        # Streams with lengths carry their parameters in the head only.
        sets = () if self._lengths else parameter_sets(codec, data)
        if not self._known.issuperset(sets):
            self._change(data)
            self._known = frozenset(sets)
        return True

    def _change(self, data: bytes) -> None:
        """The camera was set anew without ending its stream: a segment's head must not promise the old picture."""
        self._shape = shape_of(self._address, data, self._shape.format)
        width, height = self._shape.format.width, self._shape.format.height
        _log.info("stream changed", camera=self._address.camera, width=width, height=height)
        for sink in self._sinks:
            sink.change(self._shape)

    def _now(self) -> Anchor:
        return Anchor(self._clock.wall_ns(), self._clock.mono_ns())


@dataclass(frozen=True, slots=True)
class _Burst:
    """What a source gave before it was live, and the failure that ended it already then."""

    packets: list[Packet[VideoStream]]
    anchor: Anchor
    failure: CameraError | None


def _fill_first(source: CameraSource, held: Sequence[Packet[VideoStream]]) -> None:
    """The first IDR of an RTSP session may have no stamps (seen with PyAV 18); without it the first GOP is lost."""
    if held and held[0].pts is None:
        following = [(packet.pts, packet.dts) for packet in held[1:]]
        held[0].pts, held[0].dts = first_stamps(following, source.shape.format.frame_duration)


def _chained(burst: list[Packet[VideoStream]], packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Empties `burst`, so that it does not stay in memory as long as the session."""
    while burst:
        yield burst.pop(0)
    yield from packets
