"""The sound of an RTSP camera: a session of its own beside the pictures'.

Sound may then fail, stall or come late without the pictures hearing of it, and FFmpeg leaves their stamps alone
(ADR 24).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av

from agent import log
from agent.clock import Clock
from agent.errors import CameraEnded, SoundUnsupported
from agent.media.aac import Coded, SoundCoder
from agent.media.ear import reported_ns
from agent.media.pace import sipped
from agent.media.sound import SourceSound
from agent.media.sound_feed import SoundFeed
from agent.media.source import SourceAddress, open_for_sound, reading_failed
from agent.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# Within the second in which a stage's body returns.
_WAIT_S: Final = 0.5
# What FFmpeg read ahead comes in a burst; the first packet that had to be waited for is live (as agent.media.capture).
_LIVE_PAUSE_NS: Final = 5 * NS_PER_MS
_MAX_BURST: Final = 256
# Stamps that run back by this much, or ahead of the time that has passed, are a counter that began anew.
_SLIP_NS: Final = NS_PER_S // 2
_AHEAD_NS: Final = NS_PER_S

_log = log.get("sound")


@dataclass(slots=True)
class _Line:
    """The sound's own time: its number, what is added to the stream's stamps, and what the packet before said."""

    number: int
    shift_ns: int = 0
    at_ns: int | None = None
    arrived_ns: int = 0

    def follow(self, stamp_ns: int, arrived_ns: int, next_ns: int) -> bool:
        """Whether this packet is on the line. A counter that leaps while packets go on coming goes on where the next
        one was due, `next_ns`; otherwise another line begins."""
        at_ns = stamp_ns + self.shift_ns
        goes_on = True
        if self.at_ns is not None:
            past_ns, waited_ns = at_ns - self.at_ns, arrived_ns - self.arrived_ns
            if past_ns < -_SLIP_NS or past_ns - waited_ns > _AHEAD_NS:
                goes_on = waited_ns < _SLIP_NS
                self.shift_ns = next_ns - stamp_ns if goes_on else 0
                self.number += not goes_on
                at_ns = stamp_ns + self.shift_ns
        self.at_ns, self.arrived_ns = at_ns, arrived_ns
        return goes_on


class SoundSession:
    """`run_once` is one session, while there are pictures; owned by a thread of its own.

    It raises the CameraError that says why there is no sound, of which the pictures' session knows nothing.
    """

    def __init__(
        self, address: Callable[[], SourceAddress], feed: SoundFeed, clock: Clock, stop: threading.Event
    ) -> None:
        self._address = address
        self._feed = feed
        self._clock = clock
        self._stop = stop
        self._line = _Line(0)

    def run_once(self) -> None:
        """Pictures first: a camera that allows few sessions has one for them."""
        if not self._feed.wanted.wait(_WAIT_S):
            return
        address = self._address()
        with open_for_sound(address) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                remedy = "turn its microphone on, or take `audio` out"
                raise SoundUnsupported(camera=address.camera, source=address.shown, remedy=remedy)
            coder = SoundCoder(stream, camera=address.camera)
            origin = coder.shape.format.origin.value
            _log.info("sound begins", camera=address.camera, origin=origin, rate_hz=coder.shape.format.rate_hz)
            self._feed.tune(coder.shape)
            self._line = _Line(self._line.number + 1)
            try:
                for sound in _settled(self._read(address, container, stream, coder)):
                    self._feed.put(sound)
            except (av.FFmpegError, OSError) as exc:
                raise reading_failed(address, exc) from exc
        if not self._is_over:
            raise CameraEnded(camera=address.camera, source=address.shown)

    @property
    def _is_over(self) -> bool:
        return self._stop.is_set() or not self._feed.wanted.is_set()

    def _read(
        self, address: SourceAddress, container: InputContainer, stream: AudioStream, coder: SoundCoder
    ) -> Iterator[SourceSound]:
        base = stream.time_base or Fraction(1, coder.shape.format.rate_hz)
        behind_ns: int | None = None
        for packet in sipped(container.demux(stream), self._stop):
            if self._is_over:
                return
            arrived_ns = self._clock.mono_ns()
            stamp_ns = None if packet.pts is None else int(packet.pts * base * NS_PER_S)
            number = self._line.number
            try:
                if stamp_ns is not None:
                    if not self._line.follow(stamp_ns, arrived_ns, coder.next_ns):
                        # What the coder holds was heard on the line that ends here.
                        yield from _placed(list(coder.end()), number, arrived_ns, behind_ns)
                    ntp_ns = reported_ns(packet)
                    behind_ns = None if ntp_ns is None else ntp_ns - stamp_ns - self._line.shift_ns
                coded = list(coder.take(bytes(packet), None if stamp_ns is None else self._line.at_ns))
            except av.FFmpegError as exc:
                self._feed.refuse(exc, camera=address.camera)
                continue
            yield from _placed(coded, self._line.number, arrived_ns, behind_ns)


def _placed(coded: Sequence[Coded], line: int, arrived_ns: int, behind_ns: int | None) -> Iterator[SourceSound]:
    """`behind_ns`: the camera's clock less the line's time, where it reports any."""
    for each in coded:
        heard_ns = None if behind_ns is None else each.at_ns + behind_ns
        yield SourceSound(each.data, each.at_ns, each.duration_ns, line, arrived_ns, heard_ns)


def _settled(sounds: Iterator[SourceSound]) -> Iterator[SourceSound]:
    """What lay in a buffer came too late to tell when it was heard: it is taken to have come when the least late of the
    burst says."""
    held: list[SourceSound] = []
    for sound in sounds:
        held.append(sound)
        is_live = len(held) > 1 and sound.arrived_mono_ns - held[-2].arrived_mono_ns > _LIVE_PAUSE_NS
        if is_live or len(held) >= _MAX_BURST:
            break
    least_ns: dict[int, int] = {}
    for each in held:
        late_ns = each.arrived_mono_ns - each.at_ns - each.duration_ns
        least_ns[each.line] = min(late_ns, least_ns.get(each.line, late_ns))
    for each in held:
        yield replace(each, arrived_mono_ns=least_ns[each.line] + each.at_ns + each.duration_ns)
    yield from sounds
