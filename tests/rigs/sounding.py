"""A film with sound as a camera's run, handed to a recorder as fast as it takes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from agent.media.aac import SoundCoder
from agent.media.ear import Ear
from agent.media.sound import SourceSound
from agent.media.sound_feed import SoundFeed
from agent.media.timeline import Timeline
from agent.units import NS_PER_MS, NS_PER_S
from tests.recorder.playback import Playback, Ring


@dataclass(frozen=True, slots=True)
class Played:
    """How a film is played. `late_ms`: so much later than its pictures the sound comes, by the pictures' own time.
    `until_s`: the film ends there. `at_packet` is called before each picture, with its number."""

    late_ms: int = 0
    until_s: float = 1e9
    rounds: int = 1
    at_packet: Callable[[int], None] | None = None


def play_with_sound(ring: Ring, film: Path, played: Played = Played()) -> int:
    """Record pictures and sound as one run from now on, to its end; how many pictures there were."""
    begins_ns = ring.clock.past_ns
    playback = Playback(film, begins_ns=begins_ns)
    form = playback.session.shape.format
    timeline = Timeline("c01", form.time_base, form.frame_duration)
    feed = SoundFeed()
    ear = Ear(feed, ring.recorder)
    sounds = _sounds(film, feed)
    ear.begin(playback.session.anchor, timeline)
    ring.recorder.begin(playback.session)
    count = 0
    for packet in playback.packets():
        if packet.media_ns >= played.until_s * NS_PER_S:
            break
        if played.at_packet is not None:
            played.at_packet(count)
        timeline.stamp(packet.pts, packet.dts)
        while sounds and sounds[0].at_ns + sounds[0].duration_ns + played.late_ms * NS_PER_MS <= packet.media_ns:
            feed.put(sounds.popleft())
        ring.clock.past_ns = begins_ns + packet.media_ns
        ring.recorder.take(packet)
        ear.listen(packet.packet, packet.media_ns, ring.clock.mono_ns())
        ring.write()
        count += 1
    ring.recorder.end()
    ring.write()
    return count


def _sounds(film: Path, feed: SoundFeed) -> deque[SourceSound]:
    """All of the film's sound, coded as it is recorded."""
    found: deque[SourceSound] = deque()
    with av.open(str(film)) as container:
        stream = container.streams.audio[0]
        coder = SoundCoder(stream, camera="c01")
        feed.tune(coder.shape)
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                at_ns = int(packet.pts * packet.time_base * NS_PER_S)
                coded = coder.take(bytes(packet), at_ns)
                found.extend(SourceSound(each.data, each.at_ns, each.duration_ns) for each in coded)
    return found
