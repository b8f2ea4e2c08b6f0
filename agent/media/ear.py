"""Brings a camera's sound to its pictures' line, on the thread that captures them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, TypeVar

from agent.media.lipsync import LipSync
from agent.media.sound import CapturedSound, SourceSound
from agent.media.sound_feed import SoundFeed
from agent.media.sound_shape import SoundShape, SoundSink
from agent.media.timeline import Anchor, Timeline

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

S = TypeVar("S", bound="Stream")

# AVProducerReferenceTime of libavcodec/defs.h: wall clock in µs, as the camera's last RTCP report has it, and flags.
_REFERENCE: Final = struct.Struct("=q")
_NS_PER_US: Final = 1_000


class Ear:
    """`feed` is read with each picture, so that sound is never placed by pictures that come after it."""

    def __init__(self, feed: SoundFeed, sink: SoundSink) -> None:
        self.feed = feed
        self._sink = sink
        self._lipsync = LipSync()
        self._timeline: Timeline | None = None
        self._early: list[SourceSound] = []
        # Of one line, whose place among the pictures is not known yet.
        self._held: list[SourceSound] = []

    def begin(self, anchor: Anchor, timeline: Timeline) -> None:
        """A run begins; what is heard already waits for its first picture."""
        self._timeline = timeline
        self._lipsync.begin_run(anchor.mono_ns)
        self._early += self._take()
        self.feed.wanted.set()

    def end(self) -> None:
        self.feed.wanted.clear()
        self._early.clear()
        self._held.clear()

    def listen(self, packet: Packet[VideoStream], media_ns: int, arrived_mono_ns: int) -> None:
        """This picture was captured; so is what was heard until now."""
        self._lipsync.note_picture(media_ns, arrived_mono_ns, reported_ns(packet))
        sounds = self._take()
        if self._early:
            sounds, self._early = [*self._early, *sounds], []
        for sound in sounds:
            if sound.line == 0:
                self._hear(sound, None if self._timeline is None else self._timeline.reach(sound.at_ns))
                continue
            if self._held and self._held[0].line != sound.line:
                self._let_go()
            self._held.append(sound)
            if self._lipsync.note_sound(sound):
                self._let_go()

    def _let_go(self) -> None:
        """Nothing is placed by guesses that a report, a moment later, would have made better: pictures do not wait for
        it, and the segment takes it late."""
        for sound in self._held:
            self._hear(sound, self._lipsync.place(sound))
        self._held.clear()

    def _hear(self, sound: SourceSound, media_ns: int | None) -> None:
        if media_ns is not None:
            self._sink.hear(CapturedSound(media_ns, sound.duration_ns, sound.data))

    def _take(self) -> list[SourceSound]:
        sounds: list[SourceSound] = []
        for item in self.feed.take():
            if isinstance(item, SoundShape):
                self._sink.tune(item)
            else:
                sounds.append(item)
        return sounds


def reported_ns(packet: Packet[S]) -> int | None:
    """When a packet was made by its camera's own clock; None before the first RTCP report, and for a file."""
    if not packet.has_sidedata("prft"):
        return None
    return int(_REFERENCE.unpack_from(bytes(packet.get_sidedata("prft")))[0]) * _NS_PER_US
