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
from agent.media.sound_shape import SoundShape
from agent.media.timeline import Timeline
from agent.recording.arrivals import Skipped
from agent.recording.gate import Gate
from agent.units import NS_PER_MS, NS_PER_S
from tests.recorder.playback import Playback, Ring


@dataclass(frozen=True, slots=True)
class Played:
    """How a film is played. `late_ms`: so much later than its pictures its sound comes. `until_s`: it ends there.
    From `second_from_s` on the sound is that of `second`. In `skip_s` the pictures are left out, as by a mode.
    `flood_packets`: so many packets of sound come before the first picture. At `change_s` the pictures' parameters are
    told anew. `at_picture` is called before each picture, with its number."""

    late_ms: int = 0
    until_s: float = 1e9
    second: Path | None = None
    second_from_s: float = 1e9
    skip_s: tuple[float, float] = (1e9, 1e9)
    flood_packets: int = 0
    change_s: float = 1e9
    at_picture: Callable[[int], None] | None = None


def play_with_sound(ring: Ring, film: Path, played: Played = Played(), *, gate: Gate | None = None) -> int:
    """Record pictures and sound as one run from now on, to its end; how many pictures there were. The pictures pass
    the `gate`, where there is one."""
    inlet = gate or ring.recorder
    begins_ns = ring.clock.past_ns
    playback = Playback(film, begins_ns=begins_ns)
    form = playback.session.shape.format
    timeline = Timeline("c01", form.time_base, form.frame_duration)
    feed = SoundFeed()
    ear = Ear(feed, ring.recorder)
    items = _sounds(film, played)
    while items and isinstance(items[0], SoundShape):
        _hand_over(feed, items.popleft())
    for number in range(played.flood_packets):
        feed.put(SourceSound(b"flood", (number - played.flood_packets) * 20 * NS_PER_MS, 20 * NS_PER_MS))
    ear.begin(playback.session.anchor, timeline)
    inlet.begin(playback.session)
    count = 0
    is_skipping = is_changed = False
    for packet in playback.packets():
        if packet.media_ns >= played.until_s * NS_PER_S:
            break
        if played.at_picture is not None:
            played.at_picture(count)
        timeline.stamp(packet.pts, packet.dts)
        while items and _due_ns(items[0]) + played.late_ms * NS_PER_MS <= packet.media_ns:
            _hand_over(feed, items.popleft())
        ring.clock.past_ns = begins_ns + packet.media_ns
        if played.skip_s[0] <= packet.media_ns / NS_PER_S < played.skip_s[1]:
            if not is_skipping:
                ring.recorder.put(Skipped())
            is_skipping = True
        else:
            if packet.media_ns >= played.change_s * NS_PER_S and not is_changed:
                ring.recorder.change(playback.session.shape)
                is_changed = True
            inlet.take(packet)
            count += 1
        ear.listen(packet.packet, packet.media_ns, ring.clock.mono_ns())
        ring.recorder.rouse()
        ring.write()
    inlet.end()
    ring.write()
    return count


def _hand_over(feed: SoundFeed, item: SourceSound | SoundShape) -> None:
    if isinstance(item, SoundShape):
        feed.tune(item)
    else:
        feed.put(item)


def _due_ns(item: SourceSound | SoundShape) -> int:
    return 0 if isinstance(item, SoundShape) else item.at_ns + item.duration_ns


def _sounds(film: Path, played: Played) -> deque[SourceSound | SoundShape]:
    """All that is to be heard, coded as it is recorded."""
    until_ns = int(played.second_from_s * NS_PER_S)
    found: deque[SourceSound | SoundShape] = deque()
    shape, sounds = _coded(film)
    found.append(shape)
    found.extend(each for each in sounds if each.at_ns < until_ns)
    if played.second is not None:
        shape, sounds = _coded(played.second)
        found.append(shape)
        found.extend(each for each in sounds if each.at_ns >= until_ns)
    return found


def _coded(film: Path) -> tuple[SoundShape, list[SourceSound]]:
    found: list[SourceSound] = []
    with av.open(str(film)) as container:
        stream = container.streams.audio[0]
        coder = SoundCoder(stream, camera="c01")
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                coded = coder.take(bytes(packet), int(packet.pts * packet.time_base * NS_PER_S))
                found.extend(SourceSound(each.data, each.at_ns, each.duration_ns) for each in coded)
    return coder.shape, found
